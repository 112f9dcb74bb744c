// SPDX-License-Identifier: Apache-2.0

package clones

import (
	"errors"
	"fmt"
	"iter"
	"slices"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
)

// renumberBy is the step of the offsets that copies are moved by where there is no room in front of
// them: it leaves the 80s and 90s to the rules, and the numbers recognisable.
const renumberBy = 100

// Plan is the contents of a clone.
type Plan struct {
	// Copies are the entries of the original, both directions, without the defaults: outbound
	// first, by number.
	Copies []Copy
	// Rules are the denies in front of them, in state Creating. Their network ACL has no id yet.
	Rules []v1alpha1.Rule
	// Renumbered says that outbound copies have other numbers than the original's entries.
	Renumbered bool
}

// NewPlan decides what a clone of a network ACL has: copies of its entries, and a deny in front
// of them for every destination that they don't deny already. Where there is no room in front, the
// outbound copies get larger numbers, in the same order. The error is a *QuotaError, a *NoRoomError
// where no numbers could do, or says what can't be read. Quota counts as in PlanInput.
func NewPlan(original []networkacl.Entry, desired []networkacl.Destination, quota int) (Plan, error) {
	copies, err := verbatim(original)
	if err != nil {
		return Plan{}, err
	}

	quota = networkacl.EffectiveQuota(quota, original)
	plan := Plan{Copies: copies}
	plan.Rules, err = denies(copies, desired, quota)
	for renumbered := range renumberings(copies) {
		if _, noRoom := errors.AsType[*networkacl.NoRoomError](err); !noRoom {
			break
		}
		plan.Copies, plan.Renumbered = renumbered, true
		plan.Rules, err = denies(renumbered, desired, quota)
	}

	if err != nil {
		return Plan{}, err
	}
	return plan, nil
}

// verbatim gives a copy of every entry but the defaults, at its own number.
func verbatim(original []networkacl.Entry) ([]Copy, error) {
	var copies []Copy
	for _, e := range original {
		if e.IsDefault() {
			continue
		}
		c := Copy{Entry: e, Number: e.Number}
		if !c.sound() {
			return nil, fmt.Errorf("%s can't be copied: AWS reports it in a way that this version doesn't know", e)
		}
		copies = append(copies, c)
	}

	slices.SortFunc(copies, Copy.compare)
	return copies, nil
}

func denies(copies []Copy, desired []networkacl.Destination, quota int) ([]v1alpha1.Rule, error) {
	plan, err := networkacl.NewPlan(networkacl.PlanInput{Desired: desired, Observed: InClone(copies), Quota: quota})
	return plan.Create, err
}

// InClone gives the copied entries as the clone has them.
func InClone(copies []Copy) []networkacl.Entry {
	var entries []networkacl.Entry
	for _, c := range copies {
		entries = append(entries, c.InClone())
	}
	return entries
}

// renumberings gives the outbound copies other numbers, the better ways first: all moved by one
// offset, which later changes of the original can follow; one after the other, from the offset's
// number; one after the other, at the end. The last leaves as much room in front as there is.
func renumberings(copies []Copy) iter.Seq[[]Copy] {
	n := int32(0)
	for n < int32(len(copies)) && copies[n].Entry.Egress {
		n++
	}

	renumber := func(number func(i int32) int32) []Copy {
		out := slices.Clone(copies)
		for i := range n {
			out[i].Number = number(i)
		}
		return out
	}

	return func(yield func([]Copy) bool) {
		if n == 0 {
			return
		}
		for by := int32(renumberBy); copies[n-1].Number+by <= networkacl.LastNumber; by += renumberBy {
			if !yield(renumber(func(i int32) int32 { return copies[i].Number + by })) {
				return
			}
		}
		for _, first := range []int32{renumberBy + networkacl.FirstNumber, networkacl.LastNumber - n + 1} {
			if !yield(renumber(func(i int32) int32 { return first + i })) {
				return
			}
		}
	}
}

// fits checks the outbound entries: AWS refuses the one that is too many, wherever it is from. Of
// inbound ones the clone has those of its original, which AWS let come to be.
func fits(copies []Copy, rules []v1alpha1.Rule, quota int) error {
	have, need := map[networkacl.Family]int{networkacl.IPv4: 1, networkacl.IPv6: 1}, map[networkacl.Family]int{}
	for _, c := range copies {
		if c.Entry.Egress {
			have[networkacl.FamilyOf(c.Entry.CIDR)]++
		}
	}

	for _, r := range rules {
		need[networkacl.FamilyOf(networkacl.EntryOf(r).CIDR)]++
	}

	for _, family := range []networkacl.Family{networkacl.IPv4, networkacl.IPv6} {
		if need[family] > 0 && have[family]+need[family] > quota {
			return &networkacl.QuotaError{Family: family, Have: have[family], Need: need[family], Quota: quota}
		}
	}
	return nil
}
