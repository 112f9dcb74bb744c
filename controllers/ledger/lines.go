// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// Valid gives the valid lines that stand for entries of the run, and what is wrong with the others.
func Valid(obj *v1alpha1.AgentDisconnect) (valid []v1alpha1.Rule, invalid error) {
	valid, _, invalid = Lines(obj)
	return valid, invalid
}

// Lines gives the valid lines of the ledger, those that stand for entries of the run apart from
// those that it gave up, and what is wrong with the others.
func Lines(obj *v1alpha1.AgentDisconnect) (valid, released []v1alpha1.Rule, invalid error) {
	id := ""
	if acl := obj.Status.NetworkACL; acl != nil {
		id = acl.ID
	}

	var wrong []error
	for _, line := range obj.Status.Rules {
		if err := networkacl.Sound(line, id, run.DeniedRanges(obj)); err != nil {
			wrong = append(wrong, problem.Refuse(v1alpha1.ReasonLedgerInvalid,
				"status.rules was edited: %v. The manager does not act on it: check the entry in the network ACL, delete it there if this run created it, then remove the line (kubectl edit --subresource=status)", err))
			continue
		}
		if line.State == v1alpha1.RuleReleased {
			released = append(released, line)
		} else {
			valid = append(valid, line)
		}
	}
	return valid, released, errors.Join(wrong...)
}

// Unattempted gives lines as a start stores them: AWS was not asked yet, nor is it before a later
// write of the ledger says so.
func Unattempted(lines []v1alpha1.Rule) []v1alpha1.Rule {
	lines = slices.Clone(lines)
	for i := range lines {
		lines[i].State, lines[i].LastAttemptTime = v1alpha1.RuleCreating, nil
	}
	return lines
}

// IsUnattempted reports whether AWS was never asked to create the entry of a line.
func IsUnattempted(line v1alpha1.Rule) bool {
	return line.State == v1alpha1.RuleCreating && line.LastAttemptTime == nil
}

// Attempted gives lines as they stand in the ledger before AWS is asked to create their entries.
func Attempted(lines []v1alpha1.Rule, now time.Time) []v1alpha1.Rule {
	lines = slices.Clone(lines)
	for i := range lines {
		lines[i].State, lines[i].LastAttemptTime = v1alpha1.RuleCreating, run.Stamp(now)
	}
	return lines
}

// Intend stores lines before AWS is asked to create their entries. Lines that are there already are
// attempted again. earlier are the lines that were in the ledger before, without those of which AWS
// was never asked.
func (l *Ledger) Intend(ctx context.Context, lines []v1alpha1.Rule) (earlier []v1alpha1.Rule, err error) {
	earlier = slices.DeleteFunc(slices.Clone(l.obj.Status.Rules), IsUnattempted)
	l.obj.Status.Rules = Upsert(l.obj.Status.Rules, Attempted(lines, l.store.clock.Now()))
	return earlier, l.Persist(ctx)
}

// Answer is what came of asking AWS to create the entry of a line.
type Answer struct {
	Line    v1alpha1.Rule
	Outcome networkacl.Outcome
	// Repeated: the line was in the ledger before, so that an earlier attempt may have taken
	// effect.
	Repeated bool
}

// Settle records what AWS answered, given a read of the network ACL where an entry's number was
// taken. A line whose attempt may have taken effect, though no answer says so, stays Creating.
func (l *Ledger) Settle(ctx context.Context, answers []Answer, observed []networkacl.Entry) error {
	return l.Record(ctx, func(status *v1alpha1.AgentDisconnectStatus) {
		for _, answer := range answers {
			found, there := networkacl.At(observed, answer.Line.RuleNumber)
			owned := there && found.Equal(networkacl.EntryOf(answer.Line))
			switch {
			case answer.Outcome == networkacl.Done, answer.Outcome == networkacl.Taken && owned && answer.Repeated:
				setState(status, answer.Line, v1alpha1.RuleInstalled)
			case answer.Outcome != networkacl.Unknown && !answer.Repeated:
				// AWS answered the only attempt there ever was: it made nothing. An equal entry is
				// a third party's.
				setState(status, answer.Line, v1alpha1.RuleReleased)
			}
		}
	})
}

// SettleByRead records what a read shows of valid lines whose creation was never answered. drifted
// says that the read is known not to lag: a line whose entry a third party removed or replaced is
// then created again, or given up where another entry has its number.
func (l *Ledger) SettleByRead(ctx context.Context, valid []v1alpha1.Rule, observed []networkacl.Entry, drifted bool) error {
	now := run.Stamp(l.store.clock.Now())
	return l.Record(ctx, func(status *v1alpha1.AgentDisconnectStatus) {
		for _, line := range valid {
			switch {
			case drifted && networkacl.Lost(line, observed):
				// Reads may lag for longer than thought: that an entry is gone is AWS's to say,
				// when it is created again or at the end.
				setState(status, line, lostState(line, observed))
				setAttempt(status, line, now) // the time that reads must lack it begins anew
			case line.State == v1alpha1.RuleCreating && networkacl.AtWork(line, observed):
				setState(status, line, v1alpha1.RuleInstalled)
			}
		}
	})
}

// lostState is what becomes of a line whose entry a third party removed or replaced.
func lostState(line v1alpha1.Rule, observed []networkacl.Entry) v1alpha1.RuleState {
	if _, taken := networkacl.At(observed, line.RuleNumber); taken {
		return v1alpha1.RuleDeleting
	}
	return v1alpha1.RuleCreating
}

// CountRepair records one more repair of rules. The rules that were overridden count as attempted
// now: the next repair is for what happens after this one.
func (l *Ledger) CountRepair(ctx context.Context, overridden []v1alpha1.Rule) error {
	now := run.Stamp(l.store.clock.Now())
	return l.Record(ctx, func(status *v1alpha1.AgentDisconnectStatus) {
		status.DriftRepairs++
		for _, line := range overridden {
			setAttempt(status, line, now)
		}
	})
}

// IntendDeletion stores, before AWS is asked, that the entries of lines are to be deleted. kept are
// those lines that the ledger still has: one that was taken out by hand is not acted on.
func (l *Ledger) IntendDeletion(ctx context.Context, lines []v1alpha1.Rule) (kept []v1alpha1.Rule, err error) {
	now := run.Stamp(l.store.clock.Now())
	for _, line := range lines {
		i := IndexOf(l.obj.Status.Rules, line)
		if i < 0 {
			continue
		}
		kept = append(kept, line)

		// A creation that was never answered stays marked as such: should the entry show up later,
		// reads find it.
		if l.obj.Status.Rules[i].State != v1alpha1.RuleCreating {
			l.obj.Status.Rules[i].State = v1alpha1.RuleDeleting
		}
		l.obj.Status.Rules[i].LastAttemptTime = now
	}

	if len(kept) == 0 {
		return nil, nil
	}
	return kept, l.Persist(ctx)
}

// Reclaim stores lines that the run owns and the ledger lacks, in the place of those with the same
// number.
func (l *Ledger) Reclaim(ctx context.Context, lost []v1alpha1.Rule) error {
	l.obj.Status.Rules = Upsert(l.obj.Status.Rules, lost)
	return l.Persist(ctx)
}

// Release marks lines whose entries are gone, or are not the run's; the next write stores it.
func (l *Ledger) Release(lines []v1alpha1.Rule) {
	for _, line := range lines {
		setState(&l.obj.Status, line, v1alpha1.RuleReleased)
	}
}

// Drop records that released lines leave the ledger.
func (l *Ledger) Drop(ctx context.Context, released []v1alpha1.Rule) error {
	return l.Record(ctx, func(status *v1alpha1.AgentDisconnectStatus) {
		for _, line := range released {
			status.Rules = slices.DeleteFunc(slices.Clone(status.Rules), func(r v1alpha1.Rule) bool { return isSame(r, line) })
		}
	})
}

// KeepReleased records that lines are released and stay in the ledger, since the tags may claim
// them.
func (l *Ledger) KeepReleased(ctx context.Context, released []v1alpha1.Rule) error {
	return l.Record(ctx, func(status *v1alpha1.AgentDisconnectStatus) {
		for _, line := range released {
			setState(status, line, v1alpha1.RuleReleased)
		}
	})
}

// IndexOf gives the place of a line among rules, by network ACL and number; -1: it is not there.
func IndexOf(rules []v1alpha1.Rule, line v1alpha1.Rule) int {
	return slices.IndexFunc(rules, func(r v1alpha1.Rule) bool { return isSame(r, line) })
}

// Upsert gives rules with lines added, or in the place of those with the same network ACL and
// number, sorted.
func Upsert(rules, lines []v1alpha1.Rule) []v1alpha1.Rule {
	rules = slices.Clone(rules)
	for _, line := range lines {
		if i := IndexOf(rules, line); i >= 0 {
			rules[i] = line
		} else {
			rules = append(rules, line)
		}
	}

	slices.SortFunc(rules, func(a, b v1alpha1.Rule) int {
		return cmp.Or(cmp.Compare(a.NetworkACLID, b.NetworkACLID), cmp.Compare(a.RuleNumber, b.RuleNumber))
	})
	return rules
}

func isSame(a, b v1alpha1.Rule) bool {
	return a.NetworkACLID == b.NetworkACLID && a.RuleNumber == b.RuleNumber
}

func setAttempt(status *v1alpha1.AgentDisconnectStatus, line v1alpha1.Rule, at *metav1.Time) {
	if i := IndexOf(status.Rules, line); i >= 0 {
		status.Rules[i].LastAttemptTime = at
	}
}

func setState(status *v1alpha1.AgentDisconnectStatus, line v1alpha1.Rule, state v1alpha1.RuleState) {
	if i := IndexOf(status.Rules, line); i >= 0 {
		status.Rules[i].State = state
	}
}
