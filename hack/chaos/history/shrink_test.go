// SPDX-License-Identifier: Apache-2.0

package history

import (
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// culprits fails where a history has a crash of a run that was made before it and lasts longer than 90 seconds, and time
// goes by in between.
func culprits(h History) bool {
	made, passed := false, false
	for _, op := range h.Ops {
		switch {
		case op.Do == Create && op.For.d() > 90*time.Second:
			made = true
		case op.Do == Pass && made:
			passed = true
		case op.Do == Crash && passed:
			return true
		}
	}
	return false
}

func TestShrinkFindsWhatIsNeeded(t *testing.T) {
	g := NewWithT(t)
	tried := 0
	for seed := range uint64(50) {
		h := Generate(seed, 60)
		if !culprits(h) {
			continue
		}
		tried++
		least := Shrink(h, func(h History) (bool, bool) { return culprits(h), true })
		g.Expect(least.Ops).To(HaveLen(3))
		g.Expect(least.Ops[0].Do).To(Equal(Create))
		g.Expect(least.Ops[0].For.d()).To(BeNumerically("<=", 2*time.Minute))
		g.Expect(least.Ops[0].Mode + least.Ops[0].OnDrift).To(BeEmpty())
		g.Expect(least.Ops[1]).To(Equal(Op{Do: Pass, For: least.Ops[1].For}))
		g.Expect(least.Ops[1].For.d()).To(BeNumerically("<=", time.Second))
		g.Expect(least.Ops[2].Nth).To(Equal(1))
		g.Expect(least.Seed).To(Equal(seed), "it says where it came from")
	}
	g.Expect(tried).To(BeNumerically(">", 20))
}

func TestShrinkKeepsWhatEachOperationHolds(t *testing.T) {
	g := NewWithT(t)
	h := Generate(7, 60)
	kept := h.Ops[len(h.Ops)/2]
	least := Shrink(h, func(h History) (bool, bool) {
		return slices.ContainsFunc(h.Ops, func(op Op) bool { return op.String() == kept.String() }), true
	})
	g.Expect(least.Ops).To(Equal([]Op{kept}))
}

func TestShrinkEndsInTime(t *testing.T) {
	g := NewWithT(t)
	h := Generate(3, 60)
	asked := 0
	least := Shrink(h, func(History) (bool, bool) { asked++; return false, asked < 5 })
	g.Expect(asked).To(Equal(5))
	g.Expect(least).To(Equal(h))
}

func TestPlainerComesToAnEnd(t *testing.T) {
	for seed := range uint64(20) {
		for _, op := range Generate(seed, 60).Ops {
			for steps := 0; ; steps++ {
				simpler := Simpler(op)
				if len(simpler) == 0 {
					break
				}
				if op = simpler[len(simpler)-1]; steps > 100 {
					t.Fatalf("no end to %s", op)
				}
			}
		}
	}
}
