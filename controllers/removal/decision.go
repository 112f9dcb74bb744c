// SPDX-License-Identifier: Apache-2.0

package removal

import (
	"slices"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
)

// Claim is to one outbound entry of a network ACL, and what it proves: OfLine and OfTag make one.
type Claim struct {
	place
	// owns reports whether an entry at the number is the claimed one, as a whole.
	owns func(networkacl.Entry) bool
	// state is how far AWS was asked for the entry, and attempted when last: by the ledger.
	state     v1alpha1.RuleState
	attempted time.Time
	// byTags: the claim is one of tags, which have neither. After the time over, reads can no longer
	// show a new entry of the run. kept: the tags stay when the entry is deleted, so one that shows
	// again is still owned.
	byTags, kept bool
	over         time.Time
}

// place identifies an entry by network ACL and number, and one of a tag by the hash of its content
// too.
type place struct {
	networkACLID string
	Number       int32
	hash         string
}

// isIn reports whether entries have the claimed one, or another at its number.
func (c Claim) isIn(entries []networkacl.Entry) (shown, taken bool) {
	found, there := networkacl.At(entries, c.Number)
	return there && c.owns(found), there && !c.owns(found)
}

// OfLine is the claim of a sound line of the ledger.
func OfLine(line v1alpha1.Rule) Claim {
	entry := networkacl.EntryOf(line)
	claim := Claim{place: place{line.NetworkACLID, line.RuleNumber, ""}, owns: entry.Equal, state: line.State}
	if at := line.LastAttemptTime; at != nil { // else AWS was never asked, or a person edited it: take it as long ago
		claim.attempted = at.Time
	}
	return claim
}

// OfTag is the claim of tags to one entry, by a run of which nothing can show any more from a time
// on. kept says that the tags stay when the entry went.
func OfTag(networkACLID string, rule ownership.ClaimedRule, over time.Time, kept bool) Claim {
	claim := ownership.Claim{Rules: []ownership.ClaimedRule{rule}}
	return Claim{place: place{networkACLID, rule.Number, rule.Hash}, owns: claim.Owns, byTags: true, over: over, kept: kept}
}

// Step is what the removal of a claimed entry takes.
type Step int

const (
	// StepDelete: have AWS delete it.
	StepDelete Step = iota
	// StepWait: reads may lag, or a call may take effect yet. A later read decides.
	StepWait
	// StepGone: nothing of it is left. What stands at its number is a third party's.
	StepGone
)

// Next is the next step. Until is when waiting gets further; zero for the other steps.
type Next struct {
	Step  Step
	Until time.Time
}

// decide says what the removal of an entry takes next, given what was seen of it up to the last read.
// What a read contradicts is not believed before the process has read it again: reads that lag show
// the same, and a clock may be wrong.
func decide(claim Claim, s seen, now time.Time) Next {
	shown, deleted := s.lacking.Time().IsZero(), !s.deleted.Time().IsZero()
	settled, second := s.deleted.Time().Add(networkacl.SettleFor), s.lacking.Time().Add(networkacl.ConfirmInterval)
	switch {
	case claim.state == v1alpha1.RuleReleased, deleted && !shown:
		return Next{Step: StepGone}
	case deleted && claim.kept:
		return nextAfter(StepDelete, now, settled)
	case deleted:
		// A read that shows it lags; when it no longer can, the entry is a third party's.
		return nextAfter(StepGone, now, settled)
	case shown:
		return Next{Step: StepDelete}
	case claim.byTags:
		// By tags it may be that its creation was never answered. Nothing is created after the end
		// of a run: a read from long after it tells as much as all since the last attempt.
		ambiguous := s.lacking.Time().Add(networkacl.AmbiguousFor)
		return nextAfter(StepGone, now, slices.MinFunc([]time.Time{ambiguous, claim.over}, time.Time.Compare))
	case claim.state == v1alpha1.RuleCreating:
		return nextAfter(StepGone, now, s.lacking.Time().Add(networkacl.LackingFor), claim.attempted.Add(networkacl.AmbiguousFor))
	case s.taken:
		// Another's entry shows that the run's is gone once the read can't be lagging.
		return nextAfter(StepGone, now, second, claim.attempted.Add(networkacl.SettleFor))
	default:
		// AWS acknowledged it once, so it is AWS's to say that it isn't there.
		return nextAfter(StepDelete, now, second)
	}
}

// nextAfter is a step once all of some times have come. Each is compared with the clock by itself: a
// time that this process noted begins anew when the clock is set back, one of the ledger does not.
func nextAfter(step Step, now time.Time, times ...time.Time) Next {
	next := Next{Step: step}
	for _, at := range times {
		if now.Before(at) && at.After(next.Until) {
			next = Next{StepWait, at}
		}
	}
	return next
}
