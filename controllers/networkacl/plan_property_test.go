// SPDX-License-Identifier: Apache-2.0

package networkacl_test

import (
	"errors"
	"net/netip"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	. "agentdisconnect.dev/agentdisconnect/controllers/networkacl/acltest"
)

// planFor draws a world and destinations that there is a plan for.
func planFor(t *rapid.T) (world, []networkacl.Destination, int, networkacl.Plan) {
	desired := DesiredGen(1).Draw(t, "desired")
	w := worldGen(desired).Draw(t, "world")
	quota := rapid.SampledFrom([]int{0, 40, 25, 15}).Draw(t, "quota")
	plan, err := networkacl.NewPlan(w.input(desired, quota))
	if err != nil {
		t.Skip(err)
	}
	return w, desired, quota, plan
}

func expectSettled(g Gomega, w world, desired []networkacl.Destination, quota int) {
	again, err := networkacl.NewPlan(w.input(desired, quota))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(again.Create).To(BeEmpty())
	g.Expect(again.Delete).To(BeEmpty())
	for _, d := range desired {
		_, denied := networkacl.Denied(w.entries, d)
		g.Expect(denied).To(BeTrue(), "%v in %v", d, w.entries)
		for _, p := range counting(d) {
			_, allowed := firstMatch(w.entries, p)
			g.Expect(allowed).To(BeFalse(), "%v", p)
		}
	}
}

func TestApplyingSettles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		w, desired, quota, plan := planFor(t)
		g.Expect(w.apply(plan)).To(Succeed())
		expectSettled(g, w, desired, quota)
	})
}

func TestForeignEntriesKeepTheirEffect(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		w, desired, _, plan := planFor(t)
		foreign := w.foreign()
		g.Expect(w.apply(plan)).To(Succeed())
		for _, e := range foreign {
			g.Expect(slices.ContainsFunc(w.entries, e.Equal)).To(BeTrue(), "%v is gone", e)
		}
		for _, whole := range []string{"10.0.0.0/27", "2001:db8::/123"} {
			for _, p := range packets(netip.MustParsePrefix(whole)) {
				if slices.ContainsFunc(desired, func(d networkacl.Destination) bool { return d.CIDR.Contains(p.addr) }) {
					continue
				}
				_, before := firstMatch(foreign, p)
				_, after := firstMatch(w.entries, p)
				g.Expect(after).To(Equal(before), "%v", p)
			}
		}
	})
}

func TestACutOffApplyConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		start, desired, quota, plan := planFor(t)
		for persisted := range len(plan.Create) + 1 {
			for created := range persisted + 1 {
				w := start.clone()
				g.Expect(w.crash(plan, persisted, created)).To(Succeed())
				again, err := networkacl.NewPlan(w.input(desired, quota))
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(again.Create).To(HaveLen(len(plan.Create)-persisted), "lines that are there serve")
				g.Expect(again.Delete).To(Equal(plan.Delete))
				g.Expect(again.Keep).To(ContainElements(plan.Create[:persisted]))
				g.Expect(w.apply(again)).To(Succeed())
				expectSettled(g, w, desired, quota)
			}
		}
	})
}

func TestOrderOfInputsDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		desired := DesiredGen(1).Draw(t, "desired")
		w := worldGen(desired).Draw(t, "world")
		plan, err := networkacl.NewPlan(w.input(desired, 0))
		mixed := world{entries: Shuffled(t, w.entries, "mixed entries"), ledger: Shuffled(t, w.ledger, "mixed ledger")}
		other, otherErr := networkacl.NewPlan(mixed.input(Shuffled(t, desired, "mixed desired"), 0))
		g.Expect(other).To(Equal(plan))
		if err != nil {
			g.Expect(otherErr).To(MatchError(err.Error()))
			g.Expect(plan).To(BeZero(), "no partial plan")
		} else {
			g.Expect(otherErr).NotTo(HaveOccurred())
		}
	})
}

func TestNothingDesiredDeletesExactlyWhatIsOwned(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		w := worldGen(nil).Draw(t, "world")
		foreign := w.foreign()
		plan, err := networkacl.NewPlan(w.input(nil, 1))
		g.Expect(err).NotTo(HaveOccurred())
		owned := slices.DeleteFunc(slices.Clone(w.ledger), func(r v1alpha1.Rule) bool { return r.NetworkACLID != ACLID })
		g.Expect(plan.Delete).To(ConsistOf(owned))
		plan.Delete = nil
		g.Expect(plan).To(BeZero())

		plan.Delete = owned
		g.Expect(w.apply(plan)).To(Succeed())
		g.Expect(w.entries).To(ConsistOf(foreign))
	})
}

func TestPlanAccountsForEverything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		w, desired, _, plan := planFor(t)

		lines := slices.Concat(plan.Keep, plan.Delete, plan.Displaced)
		owned := slices.DeleteFunc(slices.Clone(w.ledger), func(r v1alpha1.Rule) bool { return r.NetworkACLID != ACLID })
		g.Expect(lines).To(ConsistOf(owned), "every line in exactly one list")

		for _, list := range [][]v1alpha1.Rule{plan.Create, plan.Keep, plan.Delete, plan.Displaced} {
			g.Expect(slices.IsSorted(Numbers(list))).To(BeTrue())
		}
		taken := map[int32]bool{}
		for _, e := range w.entries {
			taken[e.Number] = taken[e.Number] || e.Egress
		}
		for _, r := range owned {
			taken[r.RuleNumber] = true
		}
		for _, r := range plan.Create {
			g.Expect(taken[r.RuleNumber]).To(BeFalse(), "number %d twice", r.RuleNumber)
			g.Expect(r.RuleNumber).To(And(BeNumerically(">=", 1), BeNumerically("<=", networkacl.LastNumber)))
			taken[r.RuleNumber] = true
		}

		// Each destination is denied by exactly one rule of ours, or needs none.
		for _, d := range desired {
			by := 0
			for _, r := range slices.Concat(plan.Create, plan.Keep) {
				if netip.MustParsePrefix(r.CIDR).Overlaps(d.CIDR) {
					by++
				}
			}
			for _, a := range plan.AlreadyDenied {
				if a.CIDR.Overlaps(d.CIDR) {
					by++
				}
			}
			g.Expect(by).To(Equal(1), "%v", d)
		}
	})
}

func TestQuotaIsNeverExceeded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		desired := DesiredGen(1).Draw(t, "desired")
		w := worldGen(desired).Draw(t, "world")
		quota := rapid.IntRange(3, 25).Draw(t, "quota")
		plan, err := networkacl.NewPlan(w.input(desired, quota))
		var full *networkacl.QuotaError
		switch {
		case errors.As(err, &full):
			g.Expect(full.Have).To(Equal(w.count(full.Family)))
			g.Expect(full.Have + full.Need).To(BeNumerically(">", quota))
			unlimited, err := networkacl.NewPlan(w.input(desired, 1000))
			g.Expect(err).NotTo(HaveOccurred())
			before := w.count(full.Family)
			unlimited.Delete = nil
			g.Expect(w.apply(unlimited)).To(Succeed())
			g.Expect(w.count(full.Family) - before).To(Equal(full.Need))
		case err == nil:
			before := map[networkacl.Family]int{networkacl.IPv4: w.count(networkacl.IPv4), networkacl.IPv6: w.count(networkacl.IPv6)}
			for _, e := range w.entries {
				quota = max(quota, 1+Counted(w.entries, e)) // AWS let that come to be
			}
			plan.Delete = nil // at its fullest: before anything is deleted
			g.Expect(w.apply(plan)).To(Succeed())
			for family, n := range before {
				g.Expect(w.count(family)).To(BeNumerically("<=", max(n, quota)))
			}
		}
	})
}

// An error about room means that the numbers really don't suffice, however they are given out.
func TestNoRoomMeansNoWay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		desired := DesiredGen(1).Draw(t, "desired")
		w := world{entries: worldGen(nil).Draw(t, "world").entries}
		_, err := networkacl.NewPlan(w.input(desired, 1000))
		var room *networkacl.NoRoomError
		if !errors.As(err, &room) {
			g.Expect(err).NotTo(HaveOccurred())
			return
		}
		free, wanted := room.Allow.Number-1, map[netip.Prefix]bool{}
		for _, e := range w.entries {
			if e.Egress && e.Number < room.Allow.Number {
				free--
			}
		}
		for _, d := range desired {
			covered := slices.ContainsFunc(desired, func(o networkacl.Destination) bool {
				return o.CIDR != d.CIDR && o.CIDR.Overlaps(d.CIDR) && o.CIDR.Bits() < d.CIDR.Bits()
			})
			allow, ok := networkacl.FirstAllow(w.entries, d)
			if ok && !covered && allow.Number <= room.Allow.Number {
				wanted[d.CIDR] = true
			}
		}
		g.Expect(len(wanted)).To(BeNumerically(">", free), room.Error())
	})
}
