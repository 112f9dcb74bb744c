// SPDX-License-Identifier: Apache-2.0

package clones_test

import (
	"errors"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	. "agentdisconnect.dev/agentdisconnect/controllers/networkacl/acltest"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/clones"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
)

// expectOnlyDenied holds a clone to its original: every packet fares the same, but those to the destinations get nowhere.
// The simulator's evaluator and the test's own both say so.
func expectOnlyDenied(t *rapid.T, g Gomega, original, clone []networkacl.Entry, desired []networkacl.Destination) {
	packets := rapid.SliceOfN(packetGen(), 50, 50).Draw(t, "packets")
	for _, d := range desired {
		_, denied := networkacl.Denied(clone, d)
		g.Expect(denied).To(BeTrue(), "%v in %v", d, clone)
		packets = append(packets, acl.Packet{Egress: true, Protocol: 6, Port: 443, Remote: d.CIDR.Addr()})
	}
	before, after := simulated(original), simulated(clone)
	for _, p := range packets {
		want := verdict(original, p)
		g.Expect(acl.Allows(before, p)).To(Equal(want), "the evaluators disagree about %v", p)
		switch to := slices.IndexFunc(desired, func(d networkacl.Destination) bool { return p.Egress && d.CIDR.Contains(p.Remote) }); {
		case to >= 0 && (p.Protocol == 6 && p.Port == 443 || desired[to].Traffic == networkacl.Traffic{}):
			want = false
		case to >= 0: // denied too where the run has a rule for it, and as before where a third party denies the session alone
			g.Expect(verdict(clone, p) && !want).To(BeFalse(), "%v gets out", p)
			continue
		}
		g.Expect(verdict(clone, p)).To(Equal(want), "%v", p)
		g.Expect(acl.Allows(after, p)).To(Equal(want), "%v in the simulator", p)
	}
}

func cloneFor(t *rapid.T) (original []networkacl.Entry, desired []networkacl.Destination, quota int, plan clones.Plan) {
	quota = rapid.SampledFrom([]int{12, networkacl.DefaultQuota, 40}).Draw(t, "quota")
	original = originalGen(quota).Draw(t, "original")
	desired = DesiredGen(0).Draw(t, "desired")
	plan, err := clones.NewPlan(original, desired, quota)
	var full *networkacl.QuotaError
	switch {
	case errors.As(err, &full):
		t.Skip(err)
	case err != nil:
		t.Fatalf("there are numbers enough: %v", err)
	}
	return original, desired, quota, plan
}

func TestCloneDiffersByTheDeniesAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		original, desired, quota, plan := cloneFor(t)
		clone := build(plan)
		expectOnlyDenied(t, g, original, clone.entries, desired)
		for _, e := range clone.entries {
			g.Expect(e.Number <= networkacl.LastNumber && Counted(clone.entries, e)+1 > quota).To(BeFalse(), "more than the quota of %v", e)
		}
	})
}

func TestCloneIsSettledOnceMade(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		original, desired, quota, plan := cloneFor(t)
		clone := build(plan)
		g.Expect(clones.Complete(plan.Copies, clone.rules, clone.entries)).To(BeTrue())
		g.Expect(clones.Edits([][]clones.Copy{plan.Copies}, clone.rules, clone.entries)).To(BeEmpty())
		again, err := clones.Recopy(plan.Copies, original, clone.rules, desired, quota)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(again).To(Equal(plan.Copies))

		// Copies keep their order; only outbound ones have other numbers, and only where there was no room.
		_, errInPlace := networkacl.NewPlan(networkacl.PlanInput{Observed: original, Desired: desired, Quota: 1000})
		g.Expect(plan.Renumbered).To(Equal(errInPlace != nil))
		for i, c := range plan.Copies {
			g.Expect(c.Number == c.Entry.Number || plan.Renumbered && c.Entry.Egress).To(BeTrue(), "%v", c)
			if i > 0 && plan.Copies[i-1].Entry.Egress == c.Entry.Egress {
				g.Expect(plan.Copies[i-1].Number).To(BeNumerically("<", c.Number))
			}
		}
	})
}

func TestOrderDoesNotMatterToClones(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		original, desired, quota, plan := cloneFor(t)
		other, err := clones.NewPlan(Shuffled(t, original, "mixed original"), Shuffled(t, desired, "mixed desired"), quota)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(other).To(Equal(plan))

		clone, changed := build(plan), change(t, original, quota)
		copies, err := clones.Recopy(plan.Copies, changed, clone.rules, desired, quota)
		mixed, otherErr := clones.Recopy(Shuffled(t, plan.Copies, "mixed copies"), Shuffled(t, changed, "mixed changed"),
			Shuffled(t, clone.rules, "mixed rules"), Shuffled(t, desired, "mixed again"), quota)
		g.Expect(mixed).To(Equal(copies))
		if err != nil {
			g.Expect(otherErr).To(MatchError(err.Error()))
			return
		}
		one, two, three := clones.CopySteps(copies, clone.rules, clone.entries)
		uno, due, tre := clones.CopySteps(Shuffled(t, copies, "c"), Shuffled(t, clone.rules, "r"), Shuffled(t, clone.entries, "e"))
		g.Expect([][]networkacl.Entry{uno, due, tre}).To(Equal([][]networkacl.Entry{one, two, three}))
		edited := append(slices.Clone(clone.entries), one...)
		g.Expect(clones.Edits([][]clones.Copy{Shuffled(t, copies, "c2")}, Shuffled(t, clone.rules, "r2"), Shuffled(t, edited, "e2"))).
			To(Equal(clones.Edits([][]clones.Copy{copies}, clone.rules, edited)))
	})
}

// change does one or a few things that people do to a network ACL.
func change(t *rapid.T, entries []networkacl.Entry, quota int) []networkacl.Entry {
	entry := copiedGen(numberGen(t))
	for range rapid.IntRange(1, 3).Draw(t, "changes") {
		var some []networkacl.Entry
		for _, e := range entries {
			if e.Number <= networkacl.LastNumber {
				some = append(some, e)
			}
		}
		e := entry.Draw(t, "entry")
		what := rapid.SampledFrom([]string{"add", "replace", "remove"}).Draw(t, "what")
		if len(some) > 0 && what != "add" {
			old := rapid.SampledFrom(some).Draw(t, "old")
			entries = without(entries, old)
			e.Number, e.Egress = old.Number, old.Egress
		}
		if what != "remove" && Counted(entries, e)+1 < quota {
			entries = put(entries, e, true)
		}
	}
	return entries
}

// Whatever is done to the original, step by step its clone follows, and at no step passes for edited; or the run ends.
func TestChangesAreCarriedOver(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		original, desired, quota, plan := cloneFor(t)
		clone := build(plan)
		for range rapid.IntRange(1, 4).Draw(t, "rounds") {
			original = change(t, original, quota)
			untouched := slices.Clone(original)
			copies, err := clones.Recopy(clone.copies, original, clone.rules, desired, quota)
			if err != nil {
				var renumber *clones.RenumberError
				var full *networkacl.QuotaError
				g.Expect(errors.As(err, &renumber) || errors.As(err, &full)).To(BeTrue(), "%v", err)
				return
			}
			carryOver(t, g, &clone, copies)
			more, err := networkacl.NewPlan(networkacl.PlanInput{NetworkACLID: ACLID, Desired: desired, Observed: clone.entries, Owned: clone.rules, Quota: quota})
			g.Expect(err).NotTo(HaveOccurred())
			for _, r := range more.Create {
				clone.install(r)
			}
			g.Expect(original).To(Equal(untouched))
			expectOnlyDenied(t, g, original, clone.entries, desired)
		}
	})
}

// carryOver brings a clone to new copies, its steps in any order.
func carryOver(t *rapid.T, g Gomega, clone *cloned, copies []clones.Copy) {
	acceptable := [][]clones.Copy{clone.copies, copies}
	create, replace, remove := clones.CopySteps(copies, clone.rules, clone.entries)
	for _, e := range Shuffled(t, slices.Concat(create, replace, remove), "steps") {
		g.Expect(clones.Edits(acceptable, clone.rules, clone.entries)).To(BeEmpty())
		if slices.ContainsFunc(remove, e.Equal) {
			clone.entries = without(clone.entries, e)
		} else {
			clone.entries = put(clone.entries, e, true)
		}
		again1, again2, again3 := clones.CopySteps(copies, clone.rules, clone.entries)
		g.Expect(append(slices.Concat(again1, again2, again3), e)).NotTo(BeEmpty())
	}
	g.Expect(clones.Edits(acceptable, clone.rules, clone.entries)).To(BeEmpty())
	clone.copies = copies
	g.Expect(clones.Edits([][]clones.Copy{copies}, clone.rules, clone.entries)).To(BeEmpty())
	g.Expect(clones.Complete(copies, clone.rules, clone.entries)).To(BeTrue())
}

// What a third party does to a clone is told, all of it and nothing else.
func TestEditsAreTold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		_, _, quota, plan := cloneFor(t)
		clone := build(plan)
		edited := change(t, clone.entries, quota)
		var want []string
		for _, e := range edited {
			if !slices.ContainsFunc(clone.entries, e.Equal) {
				want = append(want, e.String())
			}
		}
		for _, c := range plan.Copies {
			e := c.InClone()
			if !slices.ContainsFunc(edited, func(o networkacl.Entry) bool { return o.Egress == e.Egress && o.Number == e.Number }) {
				want = append(want, e.String()+" was removed")
			}
		}
		var got []string
		for _, edit := range clones.Edits([][]clones.Copy{plan.Copies}, clone.rules, edited) {
			if edit.Missing {
				got = append(got, edit.String())
			} else {
				got = append(got, edit.Entry.String())
			}
		}
		g.Expect(got).To(ConsistOf(want))
	})
}
