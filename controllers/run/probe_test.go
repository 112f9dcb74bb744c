// SPDX-License-Identifier: Apache-2.0

package run_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

var probeStart = time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)

// probed is the status of a run with a probe that begins at probeStart.
func probed(interval time.Duration) *v1alpha1.AgentDisconnectStatus {
	probe := &v1alpha1.Probe{TaskDefinition: "canary"}
	if interval > 0 {
		probe.Interval = &metav1.Duration{Duration: interval}
	}
	return &v1alpha1.AgentDisconnectStatus{
		StartTime: run.Stamp(probeStart), StartedWith: &v1alpha1.StartedWith{Probe: probe}, Probe: &v1alpha1.ProbeStatus{TaskDefinitionARN: "canary:1"},
	}
}

func TestAttemptsComeOnceAnInterval(t *testing.T) {
	for _, tc := range []struct {
		interval, next time.Duration
	}{{0, 30 * time.Second}, {10 * time.Second, 10 * time.Second}, {10 * time.Minute, 10 * time.Minute}} {
		t.Run(fmt.Sprint(tc.interval), func(t *testing.T) {
			g, status := NewWithT(t), probed(tc.interval)
			g.Expect(run.NextAttempt(status)).To(BeTemporally("==", probeStart), "the first one as soon as the agents are disconnected")
			at := probeStart.Add(5 * time.Minute)
			run.BeginAttempt(status.Probe, at)
			g.Expect(run.NextAttempt(status)).To(BeTemporally("==", at), "one without an answer is repeated")
			run.EndAttempt(status.Probe, 1, run.ProbeAnswer{Reason: "AGENT"}, probeStart)
			g.Expect(run.NextAttempt(status)).To(BeTemporally("==", at.Add(tc.next)))
		})
	}
}

func TestNoAttemptIsMade(t *testing.T) {
	full := probed(0)
	for i := range v1alpha1.MaxProbeTasks {
		full.Probe.Tasks = append(full.Probe.Tasks, v1alpha1.ProbeTask{ARN: fmt.Sprint(i)})
	}
	unasked := probed(0)
	unasked.StartedWith.Probe = nil
	for name, status := range map[string]*v1alpha1.AgentDisconnectStatus{
		"without a probe": {StartTime: run.Stamp(probeStart)}, "while too many tasks are left": full, "that the start did not ask for": unasked,
	} {
		NewWithT(t).Expect(run.NextAttempt(status)).To(BeZero(), name)
	}
}

func TestAnAttemptWhoseAnswerWasLostKeepsItsNumber(t *testing.T) {
	g, status := NewWithT(t), probed(0)
	run.BeginAttempt(status.Probe, probeStart)
	run.BeginAttempt(status.Probe, probeStart.Add(2*time.Second))
	g.Expect(status.Probe.Attempts).To(BeEquivalentTo(1))
	g.Expect(status.Probe.LastAttemptTime.Time).To(BeTemporally("==", probeStart.Add(2*time.Second)))
	g.Expect(run.HasTasksLeft(status)).To(BeTrue(), "it may have started one")
	g.Expect(run.HasTasksToStop(status)).To(BeTrue())

	run.EndAttempt(status.Probe, 1, run.ProbeAnswer{Reason: v1alpha1.ProbeStarted, Tasks: []v1alpha1.ProbeTask{{ARN: "b"}}}, probeStart)
	run.EndAttempt(status.Probe, 1, run.ProbeAnswer{Reason: v1alpha1.ProbeStarted, Tasks: []v1alpha1.ProbeTask{{ARN: "b"}, {ARN: "a"}}}, probeStart)
	g.Expect(status.Probe.Outcomes).To(ConsistOf(HaveField("Count", BeEquivalentTo(1))), "the same answer counts once")
	g.Expect(status.Probe.Tasks).To(Equal([]v1alpha1.ProbeTask{{ARN: "a"}, {ARN: "b"}}), "but every task is owned")

	run.BeginAttempt(status.Probe, probeStart.Add(time.Minute))
	g.Expect(status.Probe.Attempts).To(BeEquivalentTo(2))
	run.EndAttempt(status.Probe, 1, run.ProbeAnswer{Reason: "AGENT"}, probeStart)
	g.Expect(*status.Probe.Unanswered).To(BeTrue(), "an answer to an earlier attempt does not settle this one")
}

func TestTasksAreLeftUntilTheyStop(t *testing.T) {
	g, status := NewWithT(t), probed(0)
	g.Expect(run.HasTasksLeft(status)).To(BeFalse())
	run.OwnTasks(status.Probe, []v1alpha1.ProbeTask{{ARN: "a"}})
	g.Expect([]bool{run.HasTasksLeft(status), run.HasTasksToStop(status)}).To(Equal([]bool{true, true}))
	status.Probe.Tasks[0].Stopping = new(true)
	run.OwnTasks(status.Probe, []v1alpha1.ProbeTask{{ARN: "a"}})
	g.Expect([]bool{run.HasTasksLeft(status), run.HasTasksToStop(status)}).To(Equal([]bool{true, false}), "what is known of a task stays")

	status.CompletionTime, status.RestoredTime = run.Stamp(probeStart), run.Stamp(probeStart)
	g.Expect(run.IsOver(status)).To(BeFalse())
	phase, _ := run.PhaseAt(&v1alpha1.AgentDisconnect{Status: *status}, probeStart)
	g.Expect(phase).To(Equal(run.Expired))
	status.Probe.Tasks = nil
	g.Expect(run.IsOver(status)).To(BeTrue())
}

func TestOutcomesAreBoundedAndAGENTIsNeverAmongTheRest(t *testing.T) {
	g, status := NewWithT(t), probed(0)
	attempts := 5 * v1alpha1.MaxProbeOutcomes
	for i := range attempts {
		run.BeginAttempt(status.Probe, probeStart.Add(time.Duration(i)*time.Minute))
		reason := fmt.Sprint("reason", rand.IntN(3*v1alpha1.MaxProbeOutcomes))
		if i > 3*v1alpha1.MaxProbeOutcomes && i%2 == 0 {
			reason = v1alpha1.ProbeAgent
		}
		run.EndAttempt(status.Probe, status.Probe.Attempts, run.ProbeAnswer{Reason: reason}, probeStart)
	}

	g.Expect(len(status.Probe.Outcomes)).To(BeNumerically("<=", v1alpha1.MaxProbeOutcomes))
	g.Expect(run.AgentFailureSeen(status)).To(BeTrue())
	var all int32
	for _, outcome := range status.Probe.Outcomes {
		all += outcome.Count
		g.Expect(outcome.FirstTime.Time).NotTo(BeTemporally(">", outcome.LastTime.Time))
	}
	g.Expect(all).To(BeEquivalentTo(attempts), "each is counted once")
}

func TestAProbeThatWasEditedAwayIsStillLookedAfter(t *testing.T) {
	g, status := NewWithT(t), probed(0)
	status.Probe = nil
	g.Expect(run.HasProbe(status)).To(BeTrue())
	g.Expect(run.NextAttempt(status)).To(BeZero())
	g.Expect(run.AgentFailureSeen(status)).To(BeFalse())
}

func TestDisconnectedByRulesNeedsFreshLooksAtBoth(t *testing.T) {
	now := probeStart.Add(10 * time.Minute)
	fresh, old := run.LookedAt(now.Add(-time.Second), time.Second), run.LookedAt(now.Add(-time.Hour), time.Second)
	down := probed(0)
	down.Agents = &v1alpha1.Agents{Total: new(int32(1)), ContainerInstances: []v1alpha1.ContainerInstance{{ARN: "a", Connected: new(false), DisconnectedTime: run.Stamp(now)}}}
	up := down.DeepCopy()
	up.Agents.ContainerInstances[0].Connected = new(true)
	for _, tc := range []struct {
		name        string
		status      *v1alpha1.AgentDisconnectStatus
		acl, agents run.Look
		since       time.Time
		is          bool
	}{
		{"all seen", down, fresh, fresh, probeStart, true},
		{"an agent is connected", up, fresh, fresh, probeStart, false},
		{"the network ACL was not read lately", down, old, fresh, probeStart, false},
		{"ECS was not asked lately", down, fresh, old, probeStart, false},
		{"the rules are not in force", down, fresh, fresh, time.Time{}, false},
	} {
		NewWithT(t).Expect(run.DisconnectedByRules(tc.status, tc.acl, tc.agents, tc.since, now)).To(Equal(tc.is), tc.name)
	}
}
