// SPDX-License-Identifier: Apache-2.0

package networkacl

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// Sound reports whether a line of the ledger is one that this controller makes, for the run on the
// given network ACL with the given ranges of the spec. A line that isn't is never acted on; the
// error says what is wrong with it.
func Sound(line v1alpha1.Rule, aclID string, ranges []string) error {
	cidr, err := netip.ParsePrefix(line.CIDR)
	switch {
	case line.NetworkACLID != aclID:
		return fmt.Errorf("line %d is of network ACL %s, and the run is on %q", line.RuleNumber, line.NetworkACLID, aclID)
	case line.RuleNumber < FirstNumber || line.RuleNumber > LastNumber:
		return fmt.Errorf("line %d has a number outside %d to %d", line.RuleNumber, FirstNumber, LastNumber)
	case err != nil || cidr != cidr.Masked() || cidr.Addr().Is4In6() || cidr.String() != line.CIDR:
		return fmt.Errorf("line %d has %q for a range", line.RuleNumber, line.CIDR)
	case !cidr.IsSingleIP() && !slices.ContainsFunc(ranges, func(text string) bool { return isRange(text, cidr) }):
		return fmt.Errorf("line %d denies %s, which is neither one address nor a range of the run", line.RuleNumber, line.CIDR)
	}
	return nil
}

// isRange reports whether a text of the spec is the range: IPv6 can be written in several ways, of
// which the ledger has one.
func isRange(text string, cidr netip.Prefix) bool {
	prefix, err := netip.ParsePrefix(text)
	return err == nil && prefix == cidr
}

// EntryOf is the entry that a sound line stands for.
func EntryOf(line v1alpha1.Rule) Entry {
	cidr, _ := netip.ParsePrefix(line.CIDR)
	return Deny(line.RuleNumber, cidr)
}

// NumbersOf gives the numbers of the ledger's lines, whatever their state.
func NumbersOf(owned []v1alpha1.Rule) map[int32]bool {
	numbers := map[int32]bool{}
	for _, r := range owned {
		numbers[r.RuleNumber] = true
	}
	return numbers
}

// At gives the outbound entry with a number.
func At(entries []Entry, number int32) (Entry, bool) {
	i := slices.IndexFunc(entries, func(e Entry) bool { return e.Egress && e.Number == number })
	if i < 0 {
		return Entry{}, false
	}
	return entries[i], true
}

func sinceAttempt(line v1alpha1.Rule, now time.Time) time.Duration {
	if line.LastAttemptTime == nil {
		// AWS was never asked, or a person edited the line: take it as attempted long ago.
		return AmbiguousFor
	}
	return now.Sub(line.LastAttemptTime.Time)
}

// Drift lists what a third party did to acknowledged lines, a sentence each, in order: removed,
// replaced or overridden. It says nothing of a line while reads may lag behind our last write of
// it.
func Drift(lines []v1alpha1.Rule, observed []Entry, desired []Destination, now time.Time) []string {
	var drift []string
	for _, line := range lines {
		if what := changeOf(line, observed, desired); what != "" && sinceAttempt(line, now) >= SettleFor {
			drift = append(drift, what)
		}
	}
	slices.Sort(drift)
	return drift
}

// Early is what a read shows of a line while it may lag behind our last write of it.
type Early struct {
	What string
	// Settles is when a read no longer lags.
	Settles time.Time
}

// EarlyDrift tells of acknowledged lines what Drift would, if reads could not lag behind our last
// write of them.
func EarlyDrift(lines []v1alpha1.Rule, observed []Entry, desired []Destination, now time.Time) []Early {
	var early []Early
	for _, line := range lines {
		if what := changeOf(line, observed, desired); what != "" && sinceAttempt(line, now) < SettleFor {
			early = append(early, Early{what, line.LastAttemptTime.Add(SettleFor)})
		}
	}
	slices.SortFunc(early, func(a, b Early) int { return strings.Compare(a.What, b.What) })
	return early
}

// changeOf says how the entry of an acknowledged line differs from what was acknowledged; empty: it
// does not.
func changeOf(line v1alpha1.Rule, observed []Entry, desired []Destination) string {
	if line.State != v1alpha1.RuleInstalled {
		return ""
	}

	want := EntryOf(line)
	found, there := At(observed, line.RuleNumber)
	switch {
	case !there:
		return fmt.Sprintf("rule %d (%s) was removed", line.RuleNumber, line.CIDR)
	case !found.Equal(want):
		return fmt.Sprintf("rule %d (%s) was replaced", line.RuleNumber, line.CIDR)
	}

	if allow, is := overriding(line, observed, desired); is {
		return fmt.Sprintf("rule %d (%s) is overridden by rule %d", line.RuleNumber, line.CIDR, allow.Number)
	}
	return ""
}

// AtWork reports whether the entry of a line is there, exactly as the ledger has it.
func AtWork(line v1alpha1.Rule, observed []Entry) bool {
	found, there := At(observed, line.RuleNumber)
	return there && found.Equal(EntryOf(line))
}

// Lost reports whether a line's entry is certainly not at work: acknowledged, and removed or
// replaced in the read.
func Lost(line v1alpha1.Rule, observed []Entry) bool {
	return line.State == v1alpha1.RuleInstalled && !AtWork(line, observed)
}

// Overridden reports whether a line's entry comes after one that allows some of its traffic, as far
// as that counts for what is desired.
func Overridden(line v1alpha1.Rule, observed []Entry, desired []Destination) bool {
	_, is := overriding(line, observed, desired)
	return is
}

// overriding gives the entry that a line's comes after in vain.
func overriding(line v1alpha1.Rule, observed []Entry, desired []Destination) (Entry, bool) {
	cidr := EntryOf(line).CIDR
	allow, is := FirstAllow(observed, Destination{CIDR: cidr, Traffic: trafficTo(cidr, desired)})
	return allow, is && allow.Number < line.RuleNumber
}
