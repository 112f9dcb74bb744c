// SPDX-License-Identifier: Apache-2.0

package entries

import (
	"context"
	"fmt"
	"slices"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// repairUnderway is a repair of rules that a third party removed or overrode, of which AWS has not
// acknowledged all. It is repeated until then, and counts once.
type repairUnderway struct {
	// what was changed, in words; empty: no repair is under way.
	what string
	// written are the lines that AWS was asked to create for it.
	written []v1alpha1.Rule
}

// finishRepair counts a repair once AWS acknowledged all of it, and tells it. lines are what AWS
// was just asked to create, with the failure that it gave; overridden are those whose place they
// take.
func (e *Entries) finishRepair(ctx context.Context, lines, overridden []v1alpha1.Rule, failure error) error {
	e.seen.repair.written = ledger.Upsert(e.seen.repair.written, lines)
	if failure != nil || e.Phase != run.Active || len(e.acknowledgedLines(lines)) < len(lines) {
		return failure // it is repeated
	}

	what, created := e.seen.repair.what, e.acknowledgedLines(e.seen.repair.written)
	e.seen.repair = repairUnderway{}
	if len(created) == 0 {
		return nil // it was repaired before AWS was asked
	}

	if err := e.Ledger.CountRepair(ctx, overridden); err != nil {
		return err
	}

	e.hooks.Repaired(what + ". The manager created " + problem.List(describeLines(created)))
	return nil
}

// acknowledgedLines are those of the lines of which AWS acknowledged that their entries are there.
func (e *Entries) acknowledgedLines(lines []v1alpha1.Rule) []v1alpha1.Rule {
	return slices.DeleteFunc(slices.Clone(lines), func(l v1alpha1.Rule) bool {
		i := ledger.IndexOf(e.Status().Rules, l)
		return i < 0 || e.Status().Rules[i].State != v1alpha1.RuleInstalled
	})
}

// describeLines names ledger lines for a message.
func describeLines(lines []v1alpha1.Rule) []string {
	var texts []string
	for _, line := range lines {
		texts = append(texts, fmt.Sprintf("rule %d (%s)", line.RuleNumber, line.CIDR))
	}
	return texts
}
