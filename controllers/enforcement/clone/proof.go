// SPDX-License-Identifier: Apache-2.0

package clone

import (
	"context"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/enforcement/entries"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/clones"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
)

// CheckClaim makes sure that the status is readable, and that the network ACL in it is the run's
// clone.
func (c *Clone) CheckClaim() error {
	if _, err := c.baseline(); err != nil {
		return err
	}
	return c.proveClone()
}

// proveClone makes sure that the network ACL in the status is a clone of this run, and of the
// original in the status, before anything of it is changed or undone: it has the run's tags, or
// where a third party removed those, exactly the entries that the run gave it.
func (c *Clone) proveClone() error {
	clone, acl, uid := c.LastACL(), c.Status().NetworkACL, string(c.Object.UID)
	if acl.OriginalID == acl.ID {
		return problem.Refuse(v1alpha1.ReasonLedgerInvalid, "status.networkACL was edited: id and originalID are the same. Restore the earlier value (kubectl edit --subresource=status)")
	}

	if clone == nil {
		return nil
	}

	// Not the ledger's own key: a network ACL that the run uses in place has that too.
	tagged := clone.Tags[ownership.TagClone] == uid || clone.Tags[ownership.TagAdopted] == c.adoptedTagValue()
	if !tagged && !c.hasRunsEntries() {
		return problem.Refuse(v1alpha1.ReasonLedgerInvalid, "nothing shows that network ACL %s is this run's clone: its tags were removed, or status.networkACL was edited. If it is, restore the tag: aws ec2 create-tags --resources %s --tags Key=%s,Value=%s",
			acl.ID, acl.ID, ownership.TagClone, uid)
	}

	if original := clone.Tags[ownership.TagOriginal]; original != "" && original != acl.OriginalID {
		return problem.Refuse(v1alpha1.ReasonLedgerInvalid, "status.networkACL or a tag of clone %s was edited: originalID is %s, and the tag %s says %s. Restore the earlier value (kubectl edit --subresource=status)",
			acl.ID, acl.OriginalID, ownership.TagOriginal, original)
	}
	return nil
}

// hasRunsEntries reports whether the clone has rules of the ledger, and beside them only what it is
// to have.
func (c *Clone) hasRunsEntries() bool {
	valid, _ := ledger.Valid(c.Object)
	acceptable := c.acceptableCopies()
	return acceptable != nil && len(c.Status().NetworkACL.Baseline) > 0 && len(entries.LinesAtWork(valid, c.LastACL().Entries)) > 0 && len(clones.Edits(acceptable, valid, c.LastACL().Entries)) == 0
}

// findClone looks for a clone of this run by its tags; empty: reads show none.
func (c *Clone) findClone(ctx context.Context) (string, error) {
	found, err := ec2acl.FindByTag(ctx, c.Clients.EC2, ownership.TagKeys(string(c.Object.UID))[0])
	if err != nil {
		return "", err
	}
	for _, acl := range found {
		if acl.Tags[ownership.TagClone] == string(c.Object.UID) {
			return acl.ID, nil
		}
	}
	return "", nil
}

// findUnnamedClone looks for a clone of which AWS never told the id, and is Done when there is
// none. Once found, its id is in the status.
func (c *Clone) findUnnamedClone(ctx context.Context) (entries.Progress, error) {
	id, err := c.findClone(ctx)
	switch {
	case err == nil && id == "" && c.Status().NetworkACL.LastAttemptTime == nil:
		return entries.DoneUnless(c.disownClone(ctx, "")) // AWS was never asked for one
	case err != nil:
		return entries.Waiting, err
	case id != "":
		c.seen.unnamed.Clear()
		return entries.Waiting, c.recordCloneID(ctx, id)
	}

	c.seen.unnamed.Observe(c.Now)
	if !c.seen.unnamed.HasLasted(networkacl.LackingFor, c.Now) || c.sinceLastAttempt() < networkacl.AmbiguousFor {
		return entries.Waiting, nil
	}

	if err := c.VerifyAccount(ctx); err != nil {
		return entries.Waiting, err
	}
	return entries.DoneUnless(c.disownClone(ctx, ""))
}

// recordCloneID writes down the id of a clone that was found by its tags.
func (c *Clone) recordCloneID(ctx context.Context, id string) error {
	return c.Ledger.Record(ctx, func(status *v1alpha1.AgentDisconnectStatus) {
		status.NetworkACL.ID, status.NetworkACL.State = id, v1alpha1.CloneReady
	})
}
