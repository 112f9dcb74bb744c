// SPDX-License-Identifier: Apache-2.0

package clones

import (
	"slices"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
)

// Follow gives the copies that a clone is to have next on its way from its baseline to what it is
// wanted to have. stood reports whether reads agree that the change of the original stood.
//
// What a change opens is made at once, and what it closes only after it stood: until then the clone
// allows what the baseline allows and what is wanted to be allowed, and nothing else. Where the
// change can't be taken apart like that, within the numbers and the quota, all of it waits. The
// other arguments are those of Recopy, which gave wanted.
func Follow(baseline, wanted []Copy, stood bool, owned []v1alpha1.Rule, desired []networkacl.Destination, quota int) []Copy {
	quota = networkacl.EffectiveQuota(quota, withLines(InClone(baseline), owned))
	change := networkacl.ChangeOf(InClone(baseline), InClone(wanted))
	if !stood && !change.Opens {
		return baseline
	}

	whole := stood || !change.Closes
	if whole && cutsNothingOff(baseline, wanted, owned, quota) {
		return wanted
	}

	if both, ok := unionOf(baseline, wanted, owned, desired, quota); ok && !sameCopies(both, baseline) {
		return both
	}

	if whole {
		return wanted
	}
	return baseline
}

// cutsNothingOff reports whether a clone gets from one set of copies to another without denying in
// between what both allow.
func cutsNothingOff(from, to []Copy, owned []v1alpha1.Rule, quota int) bool {
	entries := withLines(InClone(from), owned)
	create, replace, remove := CopySteps(to, owned, entries)
	_, poorest := inOrder(entries, create, replace, remove, quota)
	return poorest < cutsOff
}

// withLines gives entries and those of ledger lines.
func withLines(entries []networkacl.Entry, owned []v1alpha1.Rule) []networkacl.Entry {
	for _, line := range owned {
		entries = append(entries, networkacl.EntryOf(line))
	}
	return entries
}

func sameCopies(a, b []Copy) bool {
	return slices.Equal(FormatCopies(a), FormatCopies(b))
}

// unionOf gives copies that allow what either of two sets allows, and nothing else. ok is false
// where the numbers or the quota have no room for them.
func unionOf(baseline, wanted []Copy, owned []v1alpha1.Rule, desired []networkacl.Destination, quota int) (both []Copy, ok bool) {
	both, ok = allowsOf(baseline, wanted, owned)
	if !ok {
		return nil, false
	}

	// A deny of one set may still be needed: it comes back wherever it cuts nothing off.
	judge := eitherOf(InClone(baseline), InClone(wanted))
	for _, deny := range deniesOf(wanted, baseline) {
		if taken := slices.ContainsFunc(both, func(c Copy) bool { return c.Entry.Place() == deny.Entry.Place() }); taken {
			continue
		}
		if more := append(slices.Clone(both), deny); !judge(InClone(more)).Closes {
			both = more
		}
	}

	slices.SortFunc(both, Copy.compare)
	return both, judge(InClone(both)) == networkacl.Change{} && stillDenied(both, owned, desired, quota) == nil
}

// eitherOf compares entries with what at least one of two sets allows.
func eitherOf(one, other []networkacl.Entry) func(entries []networkacl.Entry) networkacl.Change {
	first, second := networkacl.TableOf(one), networkacl.TableOf(other)
	packets := networkacl.PacketsOf(one, other)
	allowed := make([]bool, len(packets))
	for i, p := range packets {
		allowed[i] = first.Allows(p) || second.Allows(p)
	}

	return func(entries []networkacl.Entry) networkacl.Change {
		var change networkacl.Change
		judged := networkacl.TableOf(entries)
		for i, p := range packets {
			allows := judged.Allows(p)
			change.Opens = change.Opens || allows && !allowed[i]
			change.Closes = change.Closes || !allows && allowed[i]
		}
		return change
	}
}

// allowsOf gives every copy of two sets that allows, and the denies that both have. ok is false
// where two that allow want the same number, neither covers the other, and no number is free for
// the second.
func allowsOf(baseline, wanted []Copy, owned []v1alpha1.Rule) (both []Copy, ok bool) {
	at := func(copies []Copy, p networkacl.Place) (Copy, bool) {
		i := slices.IndexFunc(copies, func(c Copy) bool { return c.Entry.Place() == p })
		if i < 0 {
			return Copy{}, false
		}
		return copies[i], true
	}

	var apart []Copy
	for _, want := range wanted {
		old, known := at(baseline, want.Entry.Place())
		switch {
		case known && old.Entry.Equal(want.Entry), want.Entry.Allow && (!known || !old.Entry.Allow):
			both = append(both, want)
		case known && old.Entry.Allow && (!want.Entry.Allow || old.Entry.Covers(want.Entry)):
			both = append(both, old)
		case known && old.Entry.Allow && want.Entry.Allow:
			both = append(both, want)
			if !want.Entry.Covers(old.Entry) {
				apart = append(apart, old)
			}
		}
	}

	for _, old := range baseline {
		if _, known := at(wanted, old.Entry.Place()); !known && old.Entry.Allow {
			both = append(both, old)
		}
	}

	for _, old := range apart {
		moved, ok := beside(old, slices.Concat(both, baseline, wanted), owned)
		if !ok {
			return nil, false
		}
		both = append(both, moved)
	}
	return both, true
}

// beside gives a copy the nearest free number that no deny of its addresses keeps it from: among
// entries that allow the order means nothing.
func beside(c Copy, taken []Copy, owned []v1alpha1.Rule) (Copy, bool) {
	reserved := networkacl.NumbersOf(owned)
	at := func(by int32) (moved Copy, others []Copy) {
		moved = c
		moved.Entry.Number += by
		moved.Number += by
		inClone := moved.InClone().Place()
		for _, o := range taken {
			if o.Entry.Place() == moved.Entry.Place() || o.InClone().Place() == inClone {
				others = append(others, o)
			}
		}
		return moved, others
	}
	isBarred := func(by int32) bool {
		moved, others := at(by)
		return !moved.sound() || c.Entry.Egress && reserved[moved.Number] || slices.ContainsFunc(others, func(o Copy) bool {
			return !o.Entry.Allow && o.Entry.CIDR.Overlaps(c.Entry.CIDR)
		})
	}

	directions := []int32{1, -1}
	for distance := int32(1); len(directions) > 0; distance++ {
		directions = slices.DeleteFunc(directions, func(way int32) bool { return isBarred(way * distance) })
		for _, way := range directions {
			if moved, others := at(way * distance); len(others) == 0 {
				return moved, true
			}
		}
	}
	return Copy{}, false
}

// deniesOf gives the copies of both sets that deny.
func deniesOf(sets ...[]Copy) []Copy {
	return slices.DeleteFunc(slices.Concat(sets...), func(c Copy) bool { return c.Entry.Allow })
}
