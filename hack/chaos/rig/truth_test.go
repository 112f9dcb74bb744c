// SPDX-License-Identifier: Apache-2.0

package rig

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

const (
	batchRole = "arn:aws:iam::123456789012:role/batch"
	instance  = "arn:aws:ecs:ap-northeast-1:123456789012:container-instance/demo/a"
)

func minute(n float64) time.Time {
	return time.Date(2026, 11, 30, 1, 0, 0, 0, time.UTC).Add(time.Duration(n * float64(time.Minute)))
}

func stamp(n float64) *metav1.Time { return &metav1.Time{Time: minute(n)} }

// metAgent is a call at minute 4 that met AGENT, and startsTask one that started a task, each shown 5
// minutes later.
func metAgent() Call {
	return Call{Role: batchRole, Family: "demo", Time: minute(4), ShownAt: minute(9), Failures: map[string]string{instance: "AGENT"}}
}

func startsTask(n float64) Call {
	return Call{Role: batchRole, Family: "demo", Time: minute(n), ShownAt: minute(n + 5), Tasks: 1}
}

// said is the status of a run from minute 0 to 15 whose agents were back at 20, that is over, and that
// says of its one caller what became of it.
func said(outcome v1alpha1.CallerOutcome, edits ...func(*v1alpha1.AgentDisconnectStatus)) *v1alpha1.AgentDisconnectStatus {
	caller := v1alpha1.Caller{Principal: batchRole, Family: "demo", Outcome: outcome, FirstAgentTime: *stamp(4)}
	status := &v1alpha1.AgentDisconnectStatus{
		StartTime: stamp(0), EnforcedTime: stamp(1), RestoredTime: stamp(15), RecoveredTime: stamp(20), CompletionTime: stamp(46),
		StartedWith: &v1alpha1.StartedWith{Callers: &v1alpha1.Callers{Require: v1alpha1.RequireRecovery}},
		Agents:      &v1alpha1.Agents{ContainerInstances: []v1alpha1.ContainerInstance{{ARN: instance}}, ReconnectedTime: stamp(20)},
		Callers:     &v1alpha1.CallersStatus{ObservedTime: stamp(46), CompleteSince: stamp(0), CompleteUntil: stamp(31), Met: 1},
	}
	switch outcome {
	case v1alpha1.CallerRecovered:
		caller.RecoveredTime, status.Callers.Recovered, status.State = stamp(6), 1, v1alpha1.StateCompleted
	case v1alpha1.CallerNotRecovered:
		status.Callers.NotRecovered, status.State = 1, v1alpha1.StateCallersDidNotRecover
	}
	status.Callers.Callers = []v1alpha1.Caller{caller}
	for _, edit := range edits {
		edit(status)
	}
	return status
}

func TestWhatIsSaidOfCallersIsHeldAgainstWhatTheyDid(t *testing.T) {
	unlisted := func(s *v1alpha1.AgentDisconnectStatus) { s.Callers.Callers, s.Callers.Met = nil, 0 }
	state := func(name string) func(*v1alpha1.AgentDisconnectStatus) {
		return func(s *v1alpha1.AgentDisconnectStatus) { s.State = name }
	}
	going := func(s *v1alpha1.AgentDisconnectStatus) { s.CompletionTime, s.Callers.CompleteUntil = nil, stamp(14.1) }
	late := startsTask(6)
	late.ShownAt = late.Time.Add(16 * time.Minute)

	for name, tc := range map[string]struct {
		status *v1alpha1.AgentDisconnectStatus
		calls  []Call
		want   string // empty: all of it is so
	}{
		"recovered":                              {said(v1alpha1.CallerRecovered), []Call{metAgent(), startsTask(6)}, ""},
		"gave up":                                {said(v1alpha1.CallerNotRecovered), []Call{metAgent()}, ""},
		"recovered too late":                     {said(v1alpha1.CallerNotRecovered), []Call{metAgent(), startsTask(14.1)}, ""},
		"recovered, and CloudTrail was too late": {said(v1alpha1.CallerNotRecovered), []Call{metAgent(), late}, ""},
		"recovered, and is said not to have":     {said(v1alpha1.CallerNotRecovered, going), []Call{metAgent(), startsTask(6)}, "it had a task started at 01:06:00"},
		"gave up, and is said to have recovered": {said(v1alpha1.CallerRecovered, going), []Call{metAgent()}, "it had no task started at 01:06:00"},
		"met no AGENT then":                      {said(v1alpha1.CallerNotRecovered, going), nil, "it did not meet AGENT then"},
		"met AGENT before the denies stood": {said(v1alpha1.CallerNotRecovered, going, func(s *v1alpha1.AgentDisconnectStatus) { s.EnforcedTime = stamp(5) }),
			[]Call{metAgent()}, "it did not meet AGENT then"},
		"met AGENT, and is not listed":                         {said(v1alpha1.CallerNotRecovered, unlisted, going), []Call{metAgent()}, "the status does not say so"},
		"met AGENT, which is not known yet":                    {said(v1alpha1.CallerNotRecovered, unlisted, func(s *v1alpha1.AgentDisconnectStatus) { s.CompletionTime, s.Callers.CompleteUntil = nil, stamp(3) }), []Call{metAgent()}, ""},
		"recovered, and the run failed":                        {said(v1alpha1.CallerRecovered, state(v1alpha1.StateCallersDidNotRecover)), []Call{metAgent(), startsTask(6)}, "the run is CallersDidNotRecover"},
		"gave up, and the run succeeded":                       {said(v1alpha1.CallerNotRecovered, state(v1alpha1.StateCompleted)), []Call{metAgent()}, "the run is Completed"},
		"all was known, and the run is said not to have known": {said(v1alpha1.CallerRecovered, state(v1alpha1.StateCallersNotObserved)), []Call{metAgent(), startsTask(6)}, "the run is CallersNotObserved"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			lines := untruthsOf(tc.status, tc.calls)
			if tc.want == "" {
				g.Expect(lines).To(BeEmpty())
				return
			}
			g.Expect(lines).To(ContainElement(ContainSubstring(tc.want)))
		})
	}
}
