// SPDX-License-Identifier: Apache-2.0

package conditions

import (
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// probing gives the run a probe, which made no call yet.
func probing(f *Input) {
	f.Object.Spec.Probe = &v1alpha1.Probe{TaskDefinition: "canary"}
	status := &f.Object.Status
	if status.StartTime == nil {
		return
	}
	if status.StartedWith == nil {
		status.StartedWith = &v1alpha1.StartedWith{}
	}
	status.StartedWith.Probe, status.Probe = f.Object.Spec.Probe, &v1alpha1.ProbeStatus{TaskDefinitionARN: "canary:1"}
}

// answered has a call of RunTask answered at a minute of the run.
func answered(minute float64, reason, message string) happened {
	return func(f *Input) {
		probe := f.Object.Status.Probe
		run.BeginAttempt(probe, at(minute).Time)
		run.EndAttempt(probe, probe.Attempts, run.ProbeAnswer{Reason: reason, Message: message}, f.Now)
	}
}

// nowAt has the pass take place at a minute of the run.
func nowAt(minute float64) happened { return func(f *Input) { f.Now = at(minute).Time } }

func TestTheProbeSaysWhatRunTaskAnswered(t *testing.T) {
	const forOne = "for container instance 3f1b"
	over := func(all ...happened) Input {
		return facing(run.Expired, append([]happened{started, probing, agents(false, false), restored, backAgain, completed(12), nowAt(13)}, all...)...)
	}
	for name, tc := range map[string]struct {
		facts           Input
		status          metav1.ConditionStatus
		reason, message string
		state           string
	}{
		"not begun": {facing(run.Pending, probing), no, "NotStarted", "the run has not begun", ""},
		"no call yet": {
			facing(run.Active, started, probing), unknown, "NotAttempted", "RunTask is called once AgentsDisconnected is True", "",
		},
		"the last call failed with AGENT": {
			facing(run.Active, started, probing, answered(3, v1alpha1.ProbeStarted, "RunTask placed a task on container instance 7c9e"), answered(4, "AGENT", forOne), nowAt(4.2)),
			yes, "AGENT", "RunTask failed with AGENT in 1 of 2 calls, at 2026-01-02T03:08:05Z (for container instance 3f1b); the others: 1 Started", "",
		},
		"the last call started a task": {
			facing(run.Active, started, probing, answered(4, v1alpha1.ProbeStarted, "x"), nowAt(4.2)), no, "Started", "none of 1 call of RunTask failed with AGENT; the others: 1 Started (x)", "",
		},
		"the last call is long ago": {
			facing(run.Active, started, probing, answered(2, "AGENT", forOne), nowAt(9)),
			unknown, notObserved, "RunTask last answered the probe at 2026-01-02T03:06:05Z; RunTask failed with AGENT in 1 of 1 call, at 2026-01-02T03:06:05Z (for container instance 3f1b)", "",
		},
		"the last call is repeated without an answer": {
			facing(run.Active, started, probing, answered(2, "AGENT", forOne), nowAt(9), func(f *Input) { run.BeginAttempt(f.Object.Status.Probe, f.Now) }),
			unknown, notObserved, "RunTask last answered the probe at 2026-01-02T03:06:05Z; RunTask failed with AGENT in 1 of 1 call, at 2026-01-02T03:06:05Z (for container instance 3f1b)", "",
		},
		"suspended": {
			facing(run.Suspended, started, probing, answered(4, "AGENT", forOne), nowAt(4.2)),
			unknown, notObserved, "RunTask last answered the probe at 2026-01-02T03:08:05Z; RunTask failed with AGENT in 1 of 1 call, at 2026-01-02T03:08:05Z (for container instance 3f1b)", "",
		},
		"over, with AGENT": {
			over(answered(4, "AGENT", forOne), answered(5, "AGENT", forOne)), yes, "AGENT",
			"RunTask failed with AGENT in 2 of 2 calls, first at 2026-01-02T03:08:05Z and last at 2026-01-02T03:09:05Z (for container instance 3f1b)", v1alpha1.StateCompleted,
		},
		"over, without AGENT": {
			over(answered(4, "RESOURCE:MEMORY", "")), no, v1alpha1.StateAgentFailureNotSeen, "none of 1 call of RunTask failed with AGENT; the others: 1 RESOURCE:MEMORY", v1alpha1.StateAgentFailureNotSeen,
		},
		"over, without a call": {over(), no, v1alpha1.StateAgentFailureNotSeen, "the probe did not call RunTask while they were", v1alpha1.StateAgentFailureNotSeen},
		"over, and edited away": {
			over(answered(4, "AGENT", forOne), func(f *Input) { f.Object.Status.Probe = nil }), no, v1alpha1.StateAgentFailureNotSeen, "the probe did not call RunTask while they were", v1alpha1.StateAgentFailureNotSeen,
		},
		"tasks are left": {
			over(answered(4, "AGENT", forOne), func(f *Input) { f.Object.Status.Probe.Tasks = []v1alpha1.ProbeTask{{ARN: "t"}} }), unknown, notObserved,
			"RunTask last answered the probe at 2026-01-02T03:08:05Z; RunTask failed with AGENT in 1 of 1 call, at 2026-01-02T03:08:05Z (for container instance 3f1b)", v1alpha1.StateRecovering,
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(*tc.facts.runTaskFails()).To(Equal(Value{tc.status, tc.reason, tc.message}))
			if tc.state != "" {
				succeeded := tc.facts.succeeded()
				g.Expect(succeeded.reason).To(Equal(tc.state), succeeded.message)
			}
		})
	}
	without := facing(run.Active, started)
	NewWithT(t).Expect(without.runTaskFails()).To(BeNil())
}
