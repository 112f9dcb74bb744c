// SPDX-License-Identifier: Apache-2.0

package entries

import (
	"context"
	"fmt"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
)

// Reclaim adds to the ledger the entries that the tags on the network ACL claim for the run and that
// the ledger lacks, as last read: a status that was edited, or restored from a backup, lost them.
// A stale read also shows what the run disowned, so the claim has to stand for
// networkacl.SettleFor.
func (e *Entries) Reclaim(ctx context.Context) error {
	lost := e.unrecordedEntries()
	if len(lost) == 0 {
		e.seen.missingLines.Clear()
		return nil
	}
	if e.Now.Before(e.seen.missingLines.Observe(e.Now).Add(networkacl.SettleFor)) {
		return nil
	}
	e.seen.missingLines.Clear()
	return e.Ledger.Reclaim(ctx, lost)
}

// checkRecorded gives an error while the tags claim entries that the ledger lacks: then the tags
// are the only trace of those, and stay as they are until a later read confirms it or not.
func (e *Entries) checkRecorded() error {
	lost := e.unrecordedEntries()
	if len(lost) == 0 {
		return nil
	}
	what := fmt.Sprintf("the tags on network ACL %s claim %s of this run that status.rules does not have",
		e.seen.acl.ID, problem.Plural(len(lost), "rule", "rules"))
	since := e.seen.missingLines // a copy: only reads that reclaim is asked after count
	return problem.Wait(v1alpha1.ReasonAWSUnavailable, "%s", problem.Undecided(what, since.Observe(e.Now).Add(networkacl.SettleFor)))
}

// unrecordedEntries are the entries of the network ACL as last read that its tags claim for the run
// and that the ledger lacks, as lines. The tags as this process knows them tell a stale read from
// a ledger that lost lines.
func (e *Entries) unrecordedEntries() []v1alpha1.Rule {
	if e.seen.acl == nil {
		return nil
	}

	tags := e.seen.tags
	if tags == nil {
		tags = e.seen.acl.Tags
	}
	status := e.Status()
	return ownership.MissingLines(tags, string(e.Object.UID), status.NetworkACL.ID, status.Rules, e.seen.acl.Entries)
}
