// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"context"
	"maps"
	"slices"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/clones"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// EnsureOwnershipTagsIfPlaced is ensureOwnershipTags where there is a network ACL that the
// run may have tagged.
func (e *Enforcement) EnsureOwnershipTagsIfPlaced(ctx context.Context) error {
	if e.Status().NetworkACL.ID == "" || e.IsUnlooked() {
		return nil
	}
	return e.ensureOwnershipTags(ctx)
}

// IsUnlooked reports whether the run began and, as its ledger has it, AWS was not asked for
// anything yet. Any process that asks writes the ledger first, so that its write and one that
// takes the start back exclude each other.
func (e *Enforcement) IsUnlooked() bool {
	status := e.Status()
	acl := status.NetworkACL
	switch {
	case e.Phase != run.Active && e.Phase != run.Suspended:
		return false // a run that ends only removes, and only what is its own
	case status.StartTime == nil || status.Target == nil || acl == nil:
		return false
	case e.IsCloned():
		return acl.State == v1alpha1.CloneCreating && acl.ID == "" && acl.LastAttemptTime == nil &&
			acl.Attempt <= 1 && len(status.Rules) == 0
	}
	attempted := func(l v1alpha1.Rule) bool { return !ledger.IsUnattempted(l) }
	return len(status.Rules) > 0 && !slices.ContainsFunc(status.Rules, attempted)
}

// cloneTags are the tags that a clone has from its creation on.
func (e *Enforcement) cloneTags(rules []v1alpha1.Rule) map[string]string {
	owned := e.Ownership(rules)
	tags := owned.Tags()
	maps.Copy(tags, map[string]string{
		ownership.TagClone: string(e.Object.UID), ownership.TagCluster: owned.ClusterTag(), ownership.TagOriginal: e.Status().NetworkACL.OriginalID, ownership.TagSubnet: e.Object.Spec.SubnetID,
	})
	if copies, err := e.baseline(); err == nil {
		tags[ownership.TagCopies] = ownership.HashOf(clones.InClone(copies))
	}
	return tags
}

// ensureOwnershipTags writes the tags that the ledger needs onto the network ACL, unless they are
// there. Before this succeeded, no entry is created. What a person wrote into the ledger by hand is
// not claimed.
func (e *Enforcement) ensureOwnershipTags(ctx context.Context) error {
	if e.hasOwnershipTags(e.seen.tags) {
		return nil
	}
	valid, _ := ledger.Valid(e.Object)
	tags := e.Ownership(valid).Tags()
	if e.IsCloned() {
		tags = e.cloneTags(valid)
	}
	if _, err := ec2acl.WriteTags(ctx, e.Fenced().EC2, e.Status().NetworkACL.ID, tags); err != nil {
		e.seen.tags = nil
		return e.explainUntagged(err)
	}
	e.seen.tags, e.untagged = tags, false
	e.seen.stripped.Clear()
	return nil
}

// ensureOwnershipTagsAsRead is ensureOwnershipTags where a read of this pass may lack the tags: it
// comes before new entries, and writing the same twice does no harm.
func (e *Enforcement) ensureOwnershipTagsAsRead(ctx context.Context) error {
	if e.aclRead && e.seen.acl != nil && !e.hasOwnershipTags(e.seen.acl.Tags) {
		e.seen.tags = nil
	}
	return e.ensureOwnershipTags(ctx)
}

// hasOwnershipTags reports whether tags say all that they are to say of the run, and no more. Those
// of one that has no rule, as while it is suspended, still say who holds the network ACL, and until
// when.
func (e *Enforcement) hasOwnershipTags(tags map[string]string) bool {
	valid, _ := ledger.Valid(e.Object)
	owned := e.Ownership(valid)
	if !ownership.Covered(tags, owned) || e.IsCloned() && (tags[ownership.TagClone] != string(e.Object.UID) || tags[ownership.TagCluster] != owned.ClusterTag()) {
		return false
	}
	copies, err := e.baseline()
	return !e.IsCloned() || err != nil || tags[ownership.TagCopies] == ownership.HashOf(clones.InClone(copies))
}

// noteTags compares the tags with a read of the network ACL: what two reads in a row lack, a third
// party removed.
func (e *Enforcement) noteTags() {
	acl := e.seen.acl
	switch {
	case acl == nil:
	case e.hasOwnershipTags(acl.Tags):
		e.seen.tags = maps.Clone(acl.Tags)
		e.seen.stripped.Clear()
	case e.seen.stripped.Observe("stripped", "the run's ownership tags were removed from network ACL "+acl.ID, e.Now):
		e.seen.tags = maps.Clone(acl.Tags)
	}
}

// removeOwnershipTags removes the run's tags from the network ACL, as the last thing of all.
func (e *Enforcement) removeOwnershipTags(ctx context.Context, more ...string) error {
	acl := e.Status().NetworkACL
	if acl == nil || acl.ID == "" {
		return nil
	}
	missing := whereMissing(e.aclMissingForLong(e.Clock.Now()))
	outcome, err := missing(ec2acl.RemoveTags(ctx, e.Fenced().EC2, acl.ID, slices.Concat(ownership.TagKeys(string(e.Object.UID)), more)))
	switch {
	case err != nil:
		return e.explainNotShown(err)
	case !outcome.IsGone(e.showsACL()):
		return problem.Wait(v1alpha1.ReasonAWSUnavailable, "AWS says that network ACL %s does not exist, though a read just before showed it: its tags count as removed once reads no longer show it", acl.ID)
	}
	e.seen.tags, e.untagged = map[string]string{}, true
	return nil
}
