// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"context"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/clones"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
)

// proveClone makes sure that the network ACL in the status is a clone of this run, and of the
// original in the status, before anything of it is changed or undone: it has the run's tags, or
// where a third party removed those, exactly the entries that the run gave it.
func (e *Enforcement) proveClone() error {
	clone, acl, uid := e.seen.acl, e.Status().NetworkACL, string(e.Object.UID)
	if acl.OriginalID == acl.ID {
		return problem.Refuse(v1alpha1.ReasonLedgerInvalid, "status.networkACL was edited: id and originalID are the same. Restore the earlier value (kubectl edit --subresource=status)")
	}
	if clone == nil {
		return nil
	}
	// Not the ledger's own key: a network ACL that the run uses in place has that too.
	tagged := clone.Tags[ownership.TagClone] == uid || clone.Tags[ownership.TagAdopted] == e.adoptedTag()
	if !tagged && !e.hasRunsEntries() {
		return problem.Refuse(v1alpha1.ReasonLedgerInvalid, "nothing shows that network ACL %s is this run's clone: its tags were removed, or status.networkACL was edited. If it is, restore the tag: aws ec2 create-tags --resources %s --tags Key=%s,Value=%s",
			acl.ID, acl.ID, ownership.TagClone, uid)
	}
	if original := clone.Tags[ownership.TagOriginal]; original != "" && original != acl.OriginalID {
		return problem.Refuse(v1alpha1.ReasonLedgerInvalid, "status.networkACL or a tag of clone %s was edited: originalID is %s, and the tag %s says %s. Restore the earlier value (kubectl edit --subresource=status)",
			acl.ID, acl.OriginalID, ownership.TagOriginal, original)
	}
	return nil
}

// retagClone puts the tag back that marks the network ACL as the run's clone, where it was removed:
// the manager's policy allows the deletion of no network ACL without it.
func (e *Enforcement) retagClone(ctx context.Context) error {
	clone, uid := e.seen.acl, string(e.Object.UID)
	if clone == nil || clone.Tags[ownership.TagClone] == uid {
		return nil
	}
	tags := map[string]string{ownership.TagClone: uid, ownership.TagCluster: e.Ownership(nil).ClusterTag()}
	_, err := ec2acl.WriteTags(ctx, e.Fenced().EC2, clone.ID, tags)
	return e.explainUntagged(err)
}

// explainUntagged gives the reason why AWS denies what is asked of a clone, where that is a tag
// that the clone lost.
func (e *Enforcement) explainUntagged(err error) error {
	clone, target, uid := e.seen.acl, e.Status().Target, string(e.Object.UID)
	if err == nil || aws.Classify(err) != aws.Denied || !e.IsCloned() || clone == nil || target == nil || clone.Tags[ownership.TagClone] == uid {
		return err
	}
	return problem.Refuse(v1alpha1.ReasonAccessDenied, "clone %s of the run, in account %s and Region %s, no longer has its tag %s, and the manager's role may not write it: the product's IAM policy denies that for a network ACL without the tag. "+
		"Restore the tag, and the manager does the rest: aws ec2 create-tags --region %s --resources %s --tags Key=%s,Value=%s",
		clone.ID, target.AccountID, target.Region, ownership.TagClone, target.Region, clone.ID, ownership.TagClone, uid)
}

// hasRunsEntries reports whether the clone has rules of the ledger, and beside them only what it is
// to have.
func (e *Enforcement) hasRunsEntries() bool {
	valid, _ := ledger.Valid(e.Object)
	acceptable := e.acceptable()
	return acceptable != nil && len(e.Status().NetworkACL.Baseline) > 0 && len(atWork(valid, e.seen.acl.Entries)) > 0 && len(clones.Edits(acceptable, valid, e.seen.acl.Entries)) == 0
}

// findClone looks for a clone of this run by its tags; empty: reads show none.
func (e *Enforcement) findClone(ctx context.Context) (string, error) {
	found, err := ec2acl.FindByTag(ctx, e.Clients.EC2, ownership.TagKeys(string(e.Object.UID))[0])
	if err != nil {
		return "", err
	}
	for _, acl := range found {
		if acl.Tags[ownership.TagClone] == string(e.Object.UID) {
			return acl.ID, nil
		}
	}
	return "", nil
}

// findUnnamed looks for a clone of which AWS never told the id. left says that there may be one;
// once found, its id is in the status.
func (e *Enforcement) findUnnamed(ctx context.Context) (left bool, err error) {
	id, err := e.findClone(ctx)
	switch {
	case err == nil && id == "" && e.Status().NetworkACL.LastAttemptTime == nil:
		return false, e.noClone(ctx, "") // AWS was never asked for one
	case err != nil:
		return true, err
	case id != "":
		return true, e.recordCloneID(ctx, id)
	}
	const unnamed = 0 // no rule has that number
	since, again := e.seen.contradicted[unnamed]
	if !again {
		e.seen.noteContradicted(unnamed, e.Now)
	}
	if !again || e.Now.Sub(since) < lackingFor || e.sinceWrite() < networkacl.AmbiguousFor {
		return true, nil
	}
	if err := e.VerifyAccount(ctx); err != nil {
		return true, err
	}
	return false, e.noClone(ctx, "")
}

// recordCloneID writes down the id of a clone that was found by its tags.
func (e *Enforcement) recordCloneID(ctx context.Context, id string) error {
	return e.Ledger.Record(ctx, func(status *v1alpha1.AgentDisconnectStatus) {
		status.NetworkACL.ID, status.NetworkACL.State = id, v1alpha1.CloneReady
	})
}
