// SPDX-License-Identifier: Apache-2.0

package entries

import (
	"context"
	"maps"
	"slices"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
)

// EnsureOwnershipTagsIfPlaced is EnsureOwnershipTags where there is a network ACL that the
// run may have tagged.
func (e *Entries) EnsureOwnershipTagsIfPlaced(ctx context.Context) error {
	if e.Status().NetworkACL.ID == "" || e.mode.IsBeforeFirstWrite() {
		return nil
	}
	if err := e.ReadACLFirst(ctx); err != nil {
		return err // an earlier process wrote the tags: what they claim is not known
	}
	return e.EnsureOwnershipTags(ctx)
}

// EnsureOwnershipTags writes the tags that the ledger needs onto the network ACL, unless they are
// there. Before this succeeded, no entry is created.
func (e *Entries) EnsureOwnershipTags(ctx context.Context) error {
	if e.hasOwnershipTags(e.seen.tags) {
		return nil
	}

	tags := e.mode.OwnershipTags(e.claimedLines())
	if _, err := ec2acl.WriteTags(ctx, e.Fenced().EC2, e.Status().NetworkACL.ID, tags); err != nil {
		e.seen.tags = nil // written stays: what the ledger lost is in the tags before this write and after it
		return e.mode.ExplainTagError(err)
	}

	e.NoteWrittenTags(tags)
	e.untagged = false
	e.seen.stripped.Clear()
	return nil
}

// ensureOwnershipTagsAsRead is EnsureOwnershipTags where a read of this pass may lack the tags: it
// comes before new entries, and writing the same twice does no harm.
func (e *Entries) ensureOwnershipTagsAsRead(ctx context.Context) error {
	if e.hasRead && e.seen.acl != nil && !e.hasOwnershipTags(e.seen.acl.Tags) {
		e.seen.tags = nil
	}
	return e.EnsureOwnershipTags(ctx)
}

// hasOwnershipTags reports whether tags say all that they are to say of the run, and no more. Those
// of one that has no rule, as while it is suspended, still say who holds the network ACL, and until
// when.
func (e *Entries) hasOwnershipTags(tags map[string]string) bool {
	return ownership.Covered(tags, e.Ownership(e.claimedLines())) && e.mode.HasModeTags(tags)
}

// compareTags compares the tags with a read of the network ACL: what two reads in a row lack, a
// third party removed.
func (e *Entries) compareTags() {
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

// RemoveOwnershipTags removes the run's tags from the network ACL, as the last thing of all.
func (e *Entries) RemoveOwnershipTags(ctx context.Context, more ...string) error {
	acl := e.Status().NetworkACL
	if acl == nil || acl.ID == "" {
		return nil
	}

	outcome, err := e.Remover(e.Fenced()).RemoveTags(ctx, acl.ID, slices.Concat(ownership.TagKeys(string(e.Object.UID)), more))
	switch {
	case err != nil:
		return err
	case outcome != networkacl.Done:
		return problem.Wait(v1alpha1.ReasonAWSUnavailable, "AWS says that network ACL %s does not exist, though a read just before showed it: its tags count as removed once reads no longer show it", acl.ID)
	}

	e.NoteWrittenTags(map[string]string{})
	e.untagged = true
	return nil
}

// HasRemovedTags reports whether this pass removed the run's tags from the network ACL.
func (e *Entries) HasRemovedTags() bool { return e.untagged }
