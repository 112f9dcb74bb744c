// SPDX-License-Identifier: Apache-2.0

package callers_test

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/evidence/callers"
	"agentdisconnect.dev/agentdisconnect/controllers/evidence/record"
)

func TestACallerThatMetAgentAndRecovered(t *testing.T) {
	g := NewWithT(t)
	var c calls
	c.add(4, agent)
	c.add(5, agent)
	c.add(6, starts(1, other))
	v := callers.Judge(c.all, facts())
	g.Expect(v).To(Equal(callers.Verdict{
		Calls: 3, MetCalls: 2, Met: 1, Recovered: 1, Settled: true,
		Callers: []callers.Caller{{
			Principal: batch, Family: "report", Outcome: callers.Recovered, Calls: 3, MetCalls: 2, Started: 1,
			FirstAgent: at(4), LastAgent: at(5), RecoveredAt: at(6),
		}},
	}))
}

func TestACallerThatGaveUp(t *testing.T) {
	g := NewWithT(t)
	var c calls
	c.add(4, agent)
	v := callers.Judge(c.all, facts())
	g.Expect(v.NotRecovered).To(Equal(1))
	g.Expect(v.Callers[0].Outcome).To(Equal(callers.NotRecovered))
	g.Expect(v.Callers[0].RecoveredAt).To(BeZero())
}

// Each of these is no recovery of the caller that met AGENT at 4 minutes.
func TestWhatIsNoRecovery(t *testing.T) {
	for name, edits := range map[string][]func(*record.Call){
		"another principal":               {by(flow), starts(1, other)},
		"the same role through a service": {by(record.Principal{ARN: batch.ARN, Service: "states.amazonaws.com"}), starts(1, other)},
		"another family":                  {of("import"), starts(1, other)},
		"another cluster":                 {on("prod"), starts(1, other)},
		"no task":                         {failing("RESOURCE:CPU", other)},
		"the probe":                       {byProbe, starts(1, other)},
	} {
		var c calls
		c.add(4, agent)
		c.add(5, edits...)
		v := callers.Judge(c.all, facts())
		NewWithT(t).Expect([]int{v.Met, v.NotRecovered}).To(Equal([]int{1, 1}), name)
	}
	for _, minutes := range []float64{3.9, 14.1} {
		var c calls
		c.add(4, agent)
		c.add(minutes, starts(1, other))
		NewWithT(t).Expect(callers.Judge(c.all, facts()).NotRecovered).To(Equal(1), "at minute %v", minutes)
	}
}

func TestRecoveryAtTheEdges(t *testing.T) {
	g := NewWithT(t)
	var c calls
	c.add(4, agent, asking(2), starts(1, other))
	g.Expect(callers.Judge(c.all, facts()).NotRecovered).To(Equal(1), "what the call itself started is no recovery from it")

	c.add(4, starts(1, other))
	g.Expect(callers.Judge(c.all, facts()).Recovered).To(Equal(1), "another call of the same second is one")

	c = calls{}
	c.add(4, agent)
	c.add(14, starts(1, other))
	g.Expect(callers.Judge(c.all, facts()).Recovered).To(Equal(1), "the time that it has is inclusive")
}

func TestWhatIsKnownOnlyLater(t *testing.T) {
	g := NewWithT(t)
	var c calls
	c.add(4, agent)
	f := facts()
	f.Known.To = at(14).Add(time.Second - 1)
	v := callers.Judge(c.all, f)
	g.Expect([]int{v.Met, v.NotRecovered, v.NotKnown}).To(Equal([]int{1, 0, 1}), "a task at minute 14 may not be shown yet")
	g.Expect(v.Callers[0].Outcome).To(Equal(callers.NotKnown))
	g.Expect(v.Settled).To(BeFalse())

	f.Known.To = at(14).Add(time.Second)
	v = callers.Judge(c.all, f)
	g.Expect(v.NotRecovered).To(Equal(1))
	g.Expect(v.Settled).To(BeFalse(), "another may have met AGENT at minute 20, and has until 30")

	f.Known.To = at(30).Add(time.Second - 1)
	g.Expect(callers.Judge(c.all, f).Settled).To(BeFalse())
	f.Known.To = at(30).Add(time.Second)
	g.Expect(callers.Judge(c.all, f).Settled).To(BeTrue())
	f.Known.From = at(0.1)
	v = callers.Judge(c.all, f)
	g.Expect(v.NotKnown).To(Equal(1), "an earlier AGENT may not be known, from which it recovered")
	g.Expect(v.Settled).To(BeFalse())

	f = facts()
	f.Denies.To, f.Back = time.Time{}, time.Time{}
	g.Expect(callers.Judge(c.all, f).Settled).To(BeFalse(), "the denies stand")
}

// Each of these is a caller, though its calls look like those of the probe.
func TestWhoIsNotTheProbe(t *testing.T) {
	for name, edits := range map[string][]func(*record.Call){
		"startedBy begins like the probe's":        {startedBy("agd-team"), inGroup("agd:cluster:uid:1767322800:1")},
		"the group begins like the probe's":        {startedBy("agd"), inGroup("agd-team")},
		"the probe's startedBy, and no group":      {startedBy("agd")},
		"the probe's group, and another startedBy": {startedBy("nightly"), inGroup("agd:cluster:uid:1767322800:1")},
		"both begin like the probe's":              {startedBy("agdisconnect"), inGroup("agdisconnect:1")},
	} {
		var c calls
		c.add(4, append(edits, agent)...)
		v := callers.Judge(c.all, facts())
		NewWithT(t).Expect([]int{v.Calls, v.Met, v.NotRecovered}).To(Equal([]int{1, 1, 1}), name)
	}
}

// Each of these is a call that did not meet AGENT by the run's doing.
func TestWhatIsNoMeeting(t *testing.T) {
	for name, tc := range map[string]struct {
		minutes float64
		edits   []func(*record.Call)
	}{
		"another reason":             {4, []func(*record.Call){failing("RESOURCE:MEMORY", tracked)}},
		"another instance":           {4, []func(*record.Call){failing("AGENT", other)}},
		"a failure without an ARN":   {4, []func(*record.Call){failing("AGENT", "")}},
		"another cluster":            {4, []func(*record.Call){on("prod"), agent}},
		"another cluster's ARN":      {4, []func(*record.Call){on(arn + "cluster/prod"), agent}},
		"the default cluster":        {4, []func(*record.Call){on(""), agent}},
		"the probe":                  {4, []func(*record.Call){byProbe, agent}},
		"before the denies":          {-0.1, []func(*record.Call){agent}},
		"after the agents were back": {20.1, []func(*record.Call){agent}},
	} {
		var c calls
		c.add(tc.minutes, tc.edits...)
		v := callers.Judge(c.all, facts())
		NewWithT(t).Expect([]int{v.Met, v.MetCalls, len(v.Callers)}).To(Equal([]int{0, 0, 0}), name)
	}
}

func TestClustersAreNamedInThreeWays(t *testing.T) {
	g := NewWithT(t)
	var c calls
	c.add(4, on("demo"), agent)
	c.add(5, on(cluster), agent)
	g.Expect(callers.Judge(c.all, facts()).MetCalls).To(Equal(2))

	f := facts()
	f.ClusterARN = arn + "cluster/default"
	c = calls{}
	c.add(4, on(""), agent)
	c.add(5, on("default"), agent)
	c.add(6, withheld, failedWith("AccessDenied"))
	v := callers.Judge(c.all, f)
	g.Expect([]int{v.MetCalls, v.Calls, v.Withheld}).To(Equal([]int{2, 2, 1}))
}

func TestAnInstanceIsTheSameInItsOldForm(t *testing.T) {
	var c calls
	c.add(4, failing("AGENT", arn+"container-instance/a"))
	NewWithT(t).Expect(callers.Judge(c.all, facts()).MetCalls).To(Equal(1))
}

// Agents need some minutes to be back after the denies are gone: until then AGENT is the run's doing.
func TestAgentAfterTheDenies(t *testing.T) {
	g := NewWithT(t)
	var c calls
	c.add(19, agent)
	c.add(25, agent)
	f := facts()
	g.Expect(callers.Judge(c.all, f).MetCalls).To(Equal(1))
	f.Back = time.Time{}
	g.Expect(callers.Judge(c.all, f).MetCalls).To(Equal(2), "10 minutes where they were not seen to be back")
	f.Denies.From = at(4).Add(700 * time.Millisecond)
	c.add(4, agent)
	g.Expect(callers.Judge(c.all, f).MetCalls).To(Equal(3), "CloudTrail's seconds are whole")
}

func TestCallsThatFailedAsAWholeAreCountedByCode(t *testing.T) {
	g := NewWithT(t)
	var c calls
	for i := range callers.MostErrors + 2 {
		c.add(float64(i), failedWith(fmt.Sprintf("Code%02d", i)))
	}
	c.add(4, failedWith("Code05"))
	c.add(4, on("prod"), failedWith("Code05"))
	v := callers.Judge(c.all, facts())
	g.Expect(v.Errors).To(HaveLen(callers.MostErrors))
	g.Expect(v.Errors[:2]).To(Equal([]callers.ErrorCount{{Code: "Code05", Calls: 2}, {Code: "Code00", Calls: 1}}))
	g.Expect(v.OtherErrors).To(Equal(2))
	g.Expect([]int{v.Calls, v.Met}).To(Equal([]int{callers.MostErrors + 3, 0}))
}

func TestTheWindow(t *testing.T) {
	g := NewWithT(t)
	var c calls
	c.add(-0.1, starts(1, tracked)) // before the denies
	c.add(1, asking(3), starts(2, tracked), starts(1, other))
	c.add(2, by(flow), starts(1, arn+"container-instance/a"))
	c.add(3, starts(1, tracked)) // ECS knew
	c.add(2, byProbe, starts(1, tracked))
	g.Expect(callers.Judge(c.all, facts()).Window).To(Equal(callers.Window{Calls: 2, Tasks: 3}))

	f := facts()
	f.Instances[0].Disconnected = time.Time{}
	c.add(16, starts(1, tracked)) // after the denies
	g.Expect(callers.Judge(c.all, f).Window).To(Equal(callers.Window{Calls: 3, Tasks: 4}), "it was never seen to be disconnected")
}

func TestTheWorstComeFirst(t *testing.T) {
	g := NewWithT(t)
	var c calls
	for i := range 30 {
		family := of(fmt.Sprintf("recovered-%02d", i))
		c.add(4, family, agent)
		c.add(5, family, starts(1, other))
	}
	c.add(4, of("gave-up"), agent)
	c.add(19.5, of("not-known"), agent)
	c.add(4, of("twice"), startedBy("x"), asking(2), agent, starts(1, other))
	c.add(5, of("twice"), startedBy("x"), asking(2), starts(2, other))
	f := facts()
	f.Known.To = at(20)
	v := callers.Judge(c.all, f)
	g.Expect(v.Callers).To(HaveLen(callers.MostCallers))
	g.Expect([]int{v.Met, v.Recovered, v.NotRecovered, v.NotKnown, v.StartedTwice}).To(Equal([]int{33, 31, 1, 1, 1}))
	var outcomes []callers.Outcome
	for _, each := range v.Callers[:4] {
		outcomes = append(outcomes, each.Outcome)
	}
	g.Expect(outcomes).To(Equal([]callers.Outcome{callers.NotRecovered, callers.StartedTwice, callers.NotKnown, callers.Recovered}))
	g.Expect(v.Callers[3].Family).To(Equal("recovered-00"))
}
