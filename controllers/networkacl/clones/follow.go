// SPDX-License-Identifier: Apache-2.0

package clones

import (
	"maps"
	"slices"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
)

// Follow gives the copies that a clone is to have next on its way from its baseline to what it is
// wanted to have. stood reports whether reads agree that the change of the original stood.
//
// What a change opens is made at once, and what it closes only after it stood: until then the clone
// allows what the baseline allows and what is wanted to be allowed, and nothing else. Where the
// change can't be taken apart like that, within the numbers and the quota, all of it waits until it
// stood; it is made then, though for the time of a call the clone may differ from both. The other
// arguments are those of Recopy, which gave wanted.
func Follow(baseline, wanted []Copy, stood bool, owned []v1alpha1.Rule, desired []networkacl.Destination, quota int) []Copy {
	quota = networkacl.EffectiveQuota(quota, withLines(InClone(baseline), owned))
	change := networkacl.ChangeOf(InClone(baseline), InClone(wanted))
	if !stood && !change.Opens {
		return baseline
	}

	whole := stood || !change.Closes
	if whole && changesOnly(baseline, wanted, owned, quota) {
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

// changesOnly reports whether a clone gets from one set of copies to another without denying in
// between what both allow, or allowing what both deny.
func changesOnly(from, to []Copy, owned []v1alpha1.Rule, quota int) bool {
	entries := withLines(InClone(from), owned)
	create, replace, remove := CopySteps(to, owned, entries)
	_, poorest := inOrder(entries, create, replace, remove, quota)
	return poorest == keepsAll
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
	both = allowsOf(baseline, wanted, owned)

	// A deny of one set may still be needed: it comes back wherever it cuts nothing off, at its own
	// number or, where that is taken, as far in front as it can be.
	judge := eitherOf(InClone(baseline), InClone(wanted))
	var homeless []Copy
	for _, deny := range deniesOf(wanted, baseline) {
		if there, taken := at(both, deny.Entry.Place()); taken {
			if !there.Entry.Equal(deny.Entry) {
				homeless = append(homeless, deny)
			}
		} else if more := append(slices.Clone(both), deny); !judge(InClone(more)).Closes {
			both = more
		}
	}
	for _, deny := range homeless {
		if !judge(InClone(both)).Opens {
			break
		}
		for _, moved := range elsewhere(deny, slices.Concat(both, wanted), owned) {
			if more := append(slices.Clone(both), moved); !judge(InClone(more)).Closes {
				both = more
				break
			}
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

// allowsOf gives every copy of two sets that allows, and the denies that both have. Of two that
// allow, want the same number, and don't cover each other, one goes where there is room for it. Where
// there is none, the first is left out: another may allow the same.
func allowsOf(baseline, wanted []Copy, owned []v1alpha1.Rule) (both []Copy) {
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
		want := slices.IndexFunc(both, func(c Copy) bool { return c.Entry.Place() == old.Entry.Place() })
		taken := slices.Concat(both, baseline, wanted)
		if moved, ok := beside(old, taken, owned); ok {
			both = append(both, moved)
		} else if moved, ok := beside(both[want], taken, owned); ok {
			both[want] = old
			both = append(both, moved)
		}
	}
	return both
}

// elsewhere gives a copy a free number behind each other entry of its direction, the lowest first.
func elsewhere(c Copy, taken []Copy, owned []v1alpha1.Rule) []Copy {
	reserved := networkacl.NumbersOf(owned)
	used := map[int32]bool{0: true}
	for _, o := range taken {
		if o.Entry.Egress == c.Entry.Egress {
			used[o.Entry.Number], used[o.Number] = true, true
		}
	}

	var all []Copy
	for _, number := range slices.Sorted(maps.Keys(used)) {
		moved := c
		moved.Entry.Number = number + 1
		moved.Number += moved.Entry.Number - c.Entry.Number
		if moved.sound() && !used[moved.Entry.Number] && !used[moved.Number] && !(c.Entry.Egress && reserved[moved.Number]) {
			all = append(all, moved)
		}
	}
	return all
}

// at gives the copy at a place.
func at(copies []Copy, p networkacl.Place) (Copy, bool) {
	i := slices.IndexFunc(copies, func(c Copy) bool { return c.Entry.Place() == p })
	if i < 0 {
		return Copy{}, false
	}
	return copies[i], true
}

// beside gives a copy the nearest free number that no deny of its addresses keeps it from: among
// entries that allow the order means nothing.
func beside(c Copy, taken []Copy, owned []v1alpha1.Rule) (Copy, bool) {
	reserved := networkacl.NumbersOf(owned)
	movedBy := func(by int32) (moved Copy, others []Copy) {
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
		moved, others := movedBy(by)
		return !moved.sound() || c.Entry.Egress && reserved[moved.Number] || slices.ContainsFunc(others, func(o Copy) bool {
			return !o.Entry.Allow && o.Entry.CIDR.Overlaps(c.Entry.CIDR)
		})
	}

	directions := []int32{1, -1}
	for distance := int32(1); len(directions) > 0; distance++ {
		directions = slices.DeleteFunc(directions, func(way int32) bool { return isBarred(way * distance) })
		for _, way := range directions {
			if moved, others := movedBy(way * distance); len(others) == 0 {
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
