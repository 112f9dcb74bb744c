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

// ReclaimFromTags adds to the ledger the entries that the tags on the network ACL claim for the run
// and that the ledger lacks: a status that was edited, or restored from a backup, lost them. A
// stale read also shows what the run disowned, so the claim has to stand for networkacl.SettleFor.
func (e *Entries) ReclaimFromTags(ctx context.Context, observed []networkacl.Entry) error {
	e.undecided = nil
	if e.seen.acl == nil {
		return nil
	}

	lost := e.missingLines(e.seen.acl.Tags, observed)
	// The tags as this process wrote them tell a stale read from a ledger that lost lines.
	stale := e.seen.tags != nil && len(e.missingLines(e.seen.tags, observed)) == 0
	if len(lost) == 0 || stale {
		e.seen.missingLines.Clear()
		return nil
	}

	if settled := e.seen.missingLines.Observe(e.Now).Add(networkacl.SettleFor); e.Now.Before(settled) {
		what := fmt.Sprintf("the tags on network ACL %s claim %s of this run that status.rules does not have",
			e.seen.acl.ID, problem.Plural(len(lost), "rule", "rules"))
		e.undecided = problem.Wait(v1alpha1.ReasonAWSUnavailable, "%s", problem.Undecided(what, settled))
		return nil
	}

	e.seen.missingLines.Clear()
	return e.Ledger.Reclaim(ctx, lost)
}

// Undecided says that the tags claim rules that the ledger lacks, which a later read confirms or
// not; nil: they don't.
func (e *Entries) Undecided() error { return e.undecided }

// missingLines gives the observed entries that tags claim for the run and that its ledger lacks.
func (e *Entries) missingLines(tags map[string]string, observed []networkacl.Entry) []v1alpha1.Rule {
	status := e.Status()
	return ownership.MissingLines(tags, string(e.Object.UID), status.NetworkACL.ID, status.Rules, observed)
}
