// SPDX-License-Identifier: Apache-2.0

package clones

import (
	"errors"
	"fmt"
	"slices"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
)

// Recopy gives the copies that a clone is to have after changes to its original, in either
// direction. Copies keep the number that the baseline has for them; an entry at a new number
// follows the offset that the baseline's outbound copies share. Owned are the clone's lines of the
// ledger, desired is what they are there to deny.
//
// The error is a *RenumberError where that doesn't do, a *QuotaError, or says what can't be read.
func Recopy(baseline []Copy, original []networkacl.Entry, owned []v1alpha1.Rule, desired []networkacl.Destination, quota int) ([]Copy, error) {
	copies, err := verbatim(original)
	if err != nil {
		return nil, err
	}

	if err := renumberLike(baseline, copies, owned); err != nil {
		return nil, err
	}

	before := slices.SortedFunc(slices.Values(baseline), Copy.compare)
	if slices.EqualFunc(before, copies, func(a, b Copy) bool { return a.Number == b.Number && a.Entry.Equal(b.Entry) }) {
		return copies, nil
	}

	if err := stillDenied(copies, owned, desired, networkacl.EffectiveQuota(quota, original)); err != nil {
		return nil, err
	}
	return copies, nil
}

// renumberLike gives copies, which are sorted, the numbers that follow from the baseline.
func renumberLike(baseline, copies []Copy, owned []v1alpha1.Rule) error {
	numbers := map[networkacl.Place]int32{}
	for _, c := range baseline {
		numbers[c.Entry.Place()] = c.Number
	}

	offset, shared := offsetOf(baseline)
	taken := networkacl.NumbersOf(owned)
	var last Copy
	for i := range copies {
		c := &copies[i]
		if !c.Entry.Egress {
			continue
		}
		number, known := numbers[c.Entry.Place()]
		if !known {
			number = c.Entry.Number + offset
		}
		c.Number = number
		switch {
		case !known && !shared:
			return &RenumberError{Entry: c.Entry, Why: "the numbers of the clone's entries are consecutive, with no free number between them"}
		case !networkacl.IsInRange(number, networkacl.FirstNumber, networkacl.LastNumber):
			return &RenumberError{Entry: c.Entry, Why: fmt.Sprintf("it would be rule %d there, outside %d to %d", number, networkacl.FirstNumber, networkacl.LastNumber)}
		case taken[number]:
			return &RenumberError{Entry: c.Entry, Why: fmt.Sprintf("rule %d of the clone is the run's own", number)}
		case number <= last.Number:
			return &RenumberError{Entry: c.Entry, Why: fmt.Sprintf("it would be rule %d there, which is not after rule %d, the copy of rule %d", number, last.Number, last.Entry.Number)}
		}
		last = *c
	}
	return nil
}

// offsetOf gives what all outbound copies were moved by, 0 where there are none.
func offsetOf(copies []Copy) (offset int32, shared bool) {
	first := true
	for _, c := range copies {
		by := c.Number - c.Entry.Number
		switch {
		case !c.Entry.Egress:
		case first:
			offset, first = by, false
		case by != offset:
			return 0, false
		}
	}
	return offset, true
}

// stillDenied judges the clone as it would be: within the quota, no allow before a deny of the run,
// and room for the denies that are still to come.
func stillDenied(copies []Copy, owned []v1alpha1.Rule, desired []networkacl.Destination, quota int) error {
	entries := InClone(copies)
	var alive, lines []v1alpha1.Rule
	for _, r := range owned {
		if r.State != v1alpha1.RuleDeleting {
			alive = append(alive, r)
			entries = append(entries, networkacl.EntryOf(r))
		}
		r.NetworkACLID = ""
		lines = append(lines, r)
	}

	if err := fits(copies, alive, quota); err != nil {
		return err
	}

	wanted, err := networkacl.Widest(desired)
	if err != nil {
		return err
	}

	for _, d := range wanted {
		ours := slices.ContainsFunc(alive, func(r v1alpha1.Rule) bool { return networkacl.EntryOf(r).CIDR == d.CIDR })
		if allow, ok := networkacl.FirstAllow(entries, d); ok && ours {
			return &RenumberError{Entry: originalOf(copies, allow), Why: fmt.Sprintf("it would allow %s before the run's deny of it", d)}
		}
	}

	_, err = networkacl.NewPlan(networkacl.PlanInput{Desired: desired, Observed: entries, Owned: lines, Quota: quota})
	if noRoom, ok := errors.AsType[*networkacl.NoRoomError](err); ok {
		return &RenumberError{Entry: originalOf(copies, noRoom.Allow), Why: fmt.Sprintf("the clone has no free number to deny %s before it", noRoom.Destination)}
	}
	return err
}

// originalOf gives the entry that an outbound one of the clone is a copy of.
func originalOf(copies []Copy, inClone networkacl.Entry) networkacl.Entry {
	for _, c := range copies {
		if c.InClone().Equal(inClone) {
			return c.Entry
		}
	}
	return inClone
}
