// SPDX-License-Identifier: Apache-2.0

package entries

import (
	"context"
	"fmt"
	"slices"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
)

// A person who edits the status, or restores an old one, can leave an entry without a line. The
// tags still claim it: they go on to do so, and when the denies are taken away, the ledger takes
// the entry up again.

// reclaim adds to the ledger the entries that it lost, given a read of this pass. A stale read also
// shows what the run gave up, so the claim has to stand for networkacl.SettleFor.
func (e *Entries) reclaim(ctx context.Context) error {
	e.undecided = nil
	lost := e.lostLines()
	if len(lost) == 0 {
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

// HasLostLines reports whether the last read shows entries of the run that the ledger lacks.
func (e *Entries) HasLostLines() bool { return len(e.lostLines()) > 0 }

// lostLines are the lines of entries that the last read shows, and its tags claim for the run, and
// that the ledger lacks. The tags as this process wrote them tell a stale read from a ledger that
// lost lines.
func (e *Entries) lostLines() []v1alpha1.Rule {
	acl := e.seen.acl
	if acl == nil || acl.ID != e.Status().NetworkACL.ID {
		return nil // not read, or read before status.networkACL was edited
	}
	lost := e.missingLines(acl.Tags)
	if e.seen.written == nil {
		return lost
	}
	written := e.missingLines(e.seen.written)
	return slices.DeleteFunc(lost, func(l v1alpha1.Rule) bool { return !slices.Contains(written, l) })
}

// claimedLines are the lines that the tags are to claim: the valid ones, and those of entries that
// the ledger lost. Where this process did not write the tags, a read may be stale, and shows what
// the run gave up: then only an entry is claimed at whose number the ledger has an invalid line.
func (e *Entries) claimedLines() []v1alpha1.Rule {
	lines, _ := ledger.Valid(e.Object)
	numbers, valid := networkacl.NumbersOf(e.Status().Rules), networkacl.NumbersOf(lines)
	for _, line := range e.lostLines() {
		damaged := numbers[line.RuleNumber] && !valid[line.RuleNumber]
		if len(lines) < v1alpha1.MaxRules && (e.seen.written != nil || damaged) {
			lines = append(lines, line)
		}
	}
	return lines
}

// missingLines gives the entries of the last read that tags claim for the run and that its ledger
// lacks.
func (e *Entries) missingLines(tags map[string]string) []v1alpha1.Rule {
	status := e.Status()
	return ownership.MissingLines(tags, string(e.Object.UID), status.NetworkACL.ID, status.Rules, e.seen.acl.Entries)
}
