// SPDX-License-Identifier: Apache-2.0

package callers_test

import (
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"agentdisconnect.dev/agentdisconnect/controllers/evidence/callers"
	"agentdisconnect.dev/agentdisconnect/controllers/evidence/record"
)

// drawCalls draws calls of a few callers between two minutes, of which many fall in one second.
func drawCalls(t *rapid.T, c *calls, from, to int) {
	for range rapid.IntRange(0, 12).Draw(t, "calls") {
		edits := []func(*record.Call){
			by(rapid.SampledFrom([]record.Principal{batch, flow}).Draw(t, "principal")),
			of(rapid.SampledFrom([]string{"report", "import"}).Draw(t, "family")),
			on(rapid.SampledFrom([]string{"demo", "demo", cluster, "prod", ""}).Draw(t, "cluster")),
			startedBy(rapid.SampledFrom([]string{"", "job", "agd-1", "AWS Step Functions"}).Draw(t, "startedBy")),
			asking(rapid.IntRange(1, 3).Draw(t, "count")),
			starts(rapid.IntRange(0, 3).Draw(t, "tasks"), rapid.SampledFrom([]string{tracked, other, ""}).Draw(t, "instance")),
		}
		if rapid.Bool().Draw(t, "fails") {
			reason := rapid.SampledFrom([]string{"AGENT", "AGENT", "RESOURCE:CPU"}).Draw(t, "reason")
			edits = append(edits, failing(reason, rapid.SampledFrom([]string{tracked, tracked, other}).Draw(t, "of")))
		}
		if rapid.IntRange(0, 9).Draw(t, "error") == 0 {
			edits = append(edits, failedWith(rapid.SampledFrom([]string{"A", "B"}).Draw(t, "code")))
		}
		c.add(float64(rapid.IntRange(from, to).Draw(t, "minute")), edits...)
	}
}

func drawFacts(t *rapid.T) callers.Facts {
	f := facts()
	f.Known.From, f.Known.To = at(float64(rapid.IntRange(-2, 2).Draw(t, "knownFrom"))), at(float64(rapid.IntRange(0, 60).Draw(t, "knownTo")))
	if rapid.Bool().Draw(t, "away") {
		f.Back = time.Time{}
	}
	if rapid.Bool().Draw(t, "standing") {
		f.Denies.To, f.Back = time.Time{}, time.Time{}
	}
	return f
}

func TestOrderAndRepeatsDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c calls
		drawCalls(t, &c, -2, 30)
		f := drawFacts(t)
		want := callers.Judge(c.all, f)
		mixed := rapid.Permutation(c.all).Draw(t, "mixed")
		again := rapid.SliceOf(rapid.IntRange(0, max(len(c.all)-1, 0))).Draw(t, "again")
		for _, i := range again {
			if i < len(c.all) {
				mixed = append(mixed, c.all[i])
			}
		}
		before := slices.Clone(mixed)
		NewWithT(t).Expect(callers.Judge(mixed, f)).To(Equal(want))
		NewWithT(t).Expect(mixed).To(Equal(before), "what was given is as it was")
	})
}

func TestLaterCallsTakeNoRecoveryAway(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c calls
		drawCalls(t, &c, -2, 20)
		f := drawFacts(t)
		early := callers.Judge(c.all, f)
		drawCalls(t, &c, 21, 40)
		f.Known.To = f.Known.To.Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "later")) * time.Minute)
		late := callers.Judge(c.all, f)
		for _, was := range early.Callers {
			is := find(late, was)
			NewWithT(t).Expect(is).NotTo(BeNil())
			if !was.RecoveredAt.IsZero() {
				NewWithT(t).Expect(is.RecoveredAt).To(Equal(was.RecoveredAt))
				NewWithT(t).Expect(is.Outcome).NotTo(Or(Equal(callers.NotRecovered), Equal(callers.NotKnown)))
			}
		}
	})
}

func find(v callers.Verdict, like callers.Caller) *callers.Caller {
	for i, c := range v.Callers {
		if c.Principal == like.Principal && c.Family == like.Family {
			return &v.Callers[i]
		}
	}
	return nil
}

// Once everything is known, no event that comes may change what was said of a caller.
func TestWhatIsSettledIsDecided(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c calls
		drawCalls(t, &c, -2, 40)
		f := drawFacts(t)
		v := callers.Judge(c.all, f)
		if !v.Settled {
			return
		}
		NewWithT(t).Expect(v.NotKnown).To(BeZero())
		for _, each := range v.Callers {
			NewWithT(t).Expect(each.Outcome).NotTo(Equal(callers.NotKnown))
		}
		f.Known.To = f.Known.To.Add(time.Hour)
		NewWithT(t).Expect(callers.Judge(c.all, f)).To(Equal(v))
	})
}

func TestNumbersAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		var c calls
		drawCalls(t, &c, -2, 40)
		v := callers.Judge(c.all, drawFacts(t))
		g.Expect(v.Recovered + v.NotRecovered + v.NotKnown).To(Equal(v.Met))
		g.Expect(v.Callers).To(HaveLen(min(v.Met, callers.MostCallers)))
		g.Expect(len(v.Errors)).To(BeNumerically("<=", callers.MostErrors))
		g.Expect(v.MetCalls).To(BeNumerically("<=", v.Calls))
		g.Expect(v.StartedTwice).To(BeNumerically("<=", v.Met))
		met := 0
		for _, each := range v.Callers {
			g.Expect(each.MetCalls).To(And(BeNumerically(">", 0), BeNumerically("<=", each.Calls)))
			g.Expect(each.FirstAgent.After(each.LastAgent)).To(BeFalse())
			g.Expect(each.RecoveredAt.IsZero()).To(Equal(each.Started == 0))
			if !each.RecoveredAt.IsZero() {
				g.Expect(each.RecoveredAt.Sub(each.FirstAgent)).To(And(BeNumerically(">=", 0), BeNumerically("<=", 10*time.Minute)))
			}
			met += each.MetCalls
		}
		g.Expect(met).To(Equal(v.MetCalls))
	})
}
