// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// ownership is what the tags on the network ACL are to say of the run, for the day when the cluster
// is lost.
func (r *Reconciler) ownership(s *scope, rules []v1alpha1.Rule) ownership.Ownership {
	return ownership.Ownership{
		UID: string(s.obj.UID), Owner: run.Name(s.obj), ClusterID: r.options.ClusterID,
		Started: ptr.Deref(s.status().StartTime, metav1.Time{}).Time, Expires: run.Expiration(s.status()), Rules: rules,
	}
}

// cloneTags are the tags that a clone has from its creation on.
func (r *Reconciler) cloneTags(s *scope, rules []v1alpha1.Rule) map[string]string {
	owned := r.ownership(s, rules)
	tags := owned.Tags()
	maps.Copy(tags, map[string]string{
		ownership.TagClone: string(s.obj.UID), ownership.TagCluster: owned.ClusterTag(), ownership.TagOriginal: s.status().NetworkACL.OriginalID, ownership.TagSubnet: s.obj.Spec.SubnetID,
	})
	if copies, err := s.baseline(); err == nil {
		tags[ownership.TagCopies] = ownership.HashOf(networkacl.InClone(copies))
	}
	return tags
}

// ensureOwnershipTags writes the tags that the ledger needs onto the network ACL, unless they are
// there. Before this succeeded, no entry is created. What a person wrote into the ledger by hand is
// not claimed.
func (r *Reconciler) ensureOwnershipTags(ctx context.Context, s *scope) error {
	if r.hasOwnershipTags(s, s.seen.tags) {
		return nil
	}
	valid, _ := ledger.Valid(s.obj)
	tags := r.ownership(s, valid).Tags()
	if s.cloned() {
		tags = r.cloneTags(s, valid)
	}
	if _, err := ec2acl.WriteTags(ctx, s.fenced().EC2, s.status().NetworkACL.ID, tags); err != nil {
		s.seen.tags = nil
		return s.explainUntagged(err)
	}
	s.seen.tags, s.untagged = tags, false
	s.seen.stripped.Clear()
	return nil
}

// ensureOwnershipTagsAsRead is ensureOwnershipTags where a read of this pass may lack the tags: it
// comes before new entries, and writing the same twice does no harm.
func (r *Reconciler) ensureOwnershipTagsAsRead(ctx context.Context, s *scope) error {
	if s.aclRead && s.seen.acl != nil && !r.hasOwnershipTags(s, s.seen.acl.Tags) {
		s.seen.tags = nil
	}
	return r.ensureOwnershipTags(ctx, s)
}

// hasOwnershipTags reports whether tags say all that they are to say of the run, and no more. Those
// of one that has no rule, as while it is suspended, still say who holds the network ACL, and until
// when.
func (r *Reconciler) hasOwnershipTags(s *scope, tags map[string]string) bool {
	valid, _ := ledger.Valid(s.obj)
	owned := r.ownership(s, valid)
	if !ownership.Covered(tags, owned) || s.cloned() && (tags[ownership.TagClone] != string(s.obj.UID) || tags[ownership.TagCluster] != owned.ClusterTag()) {
		return false
	}
	copies, err := s.baseline()
	return !s.cloned() || err != nil || tags[ownership.TagCopies] == ownership.HashOf(networkacl.InClone(copies))
}

// noteTags compares the tags with a read of the network ACL: what two reads in a row lack, a third party
// removed.
func (r *Reconciler) noteTags(s *scope) {
	acl := s.seen.acl
	switch {
	case acl == nil:
	case r.hasOwnershipTags(s, acl.Tags):
		s.seen.tags = maps.Clone(acl.Tags)
		s.seen.stripped.Clear()
	case s.seen.stripped.Observe("stripped", "the run's ownership tags were removed from network ACL "+acl.ID, s.now):
		s.seen.tags = maps.Clone(acl.Tags)
	}
}

// removeOwnershipTags removes the run's tags from the network ACL, as the last thing of all.
func (r *Reconciler) removeOwnershipTags(ctx context.Context, s *scope, more ...string) error {
	acl := s.status().NetworkACL
	if acl == nil || acl.ID == "" {
		return nil
	}
	missing := whereMissing(s.aclMissingForLong(r.clock.Now()))
	outcome, err := missing(ec2acl.RemoveTags(ctx, s.fenced().EC2, acl.ID, slices.Concat(ownership.TagKeys(string(s.obj.UID)), more)))
	switch {
	case err != nil:
		return s.explainNotShown(err)
	case !outcome.IsGone(s.showsACL()):
		return problem.Wait(v1alpha1.ReasonAWSUnavailable, "AWS says that network ACL %s does not exist, though a read just before showed it: its tags count as removed once reads no longer show it", acl.ID)
	}
	s.seen.tags, s.untagged = map[string]string{}, true
	return nil
}
