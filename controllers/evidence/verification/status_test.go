// SPDX-License-Identifier: Apache-2.0

package verification

import (
	"errors"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/evidence/callers"
	"agentdisconnect.dev/agentdisconnect/controllers/evidence/trail"
	"agentdisconnect.dev/agentdisconnect/controllers/pass"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

func TestErrorsAreCountedByTheCodeThatTheStatusHolds(t *testing.T) {
	const most = 128 // of the API
	long := strings.Repeat("E", most)
	status := statusOf(callers.Verdict{Errors: []callers.ErrorCount{
		{Code: long + "first", Calls: 3}, {Code: long, Calls: 1}, {Code: "", Calls: 1}, {Code: long + "second", Calls: 2},
	}}, trail.Answer{}, callers.Period{})
	NewWithT(t).Expect(status.Errors).To(Equal([]v1alpha1.CallerError{
		{Code: strings.Repeat("E", most-len("…")) + "…", Calls: 5}, {Code: long, Calls: 1}, {Code: "Unknown", Calls: 1},
	}))
}

func TestCallersAreJudgedByWhenEachAgentWasDisconnected(t *testing.T) {
	g := NewWithT(t)
	started := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	object := &v1alpha1.AgentDisconnect{}
	object.Status = v1alpha1.AgentDisconnectStatus{
		StartTime: run.Stamp(started), EnforcedTime: run.Stamp(started.Add(5 * time.Second)), RestoredTime: run.Stamp(started.Add(time.Hour)),
		Target: &v1alpha1.Target{ClusterARN: "demo"},
		Agents: &v1alpha1.Agents{ContainerInstances: []v1alpha1.ContainerInstance{
			{ARN: "a", DisconnectedTime: run.Stamp(started.Add(3 * time.Minute))}, {ARN: "b"},
		}},
	}
	facts := New(&pass.Pass{Object: object}).facts(callers.Period{})
	g.Expect(facts.Denies).To(Equal(callers.Period{From: started.Add(5 * time.Second), To: started.Add(time.Hour)}))
	g.Expect(facts.Instances).To(Equal([]callers.Instance{{ARN: "a", Disconnected: started.Add(3 * time.Minute)}, {ARN: "b"}}))
}

func TestTheWindowIsThereWhereSomethingWasCalled(t *testing.T) {
	g := NewWithT(t)
	g.Expect(statusOf(callers.Verdict{}, trail.Answer{}, callers.Period{}).Window).To(BeNil())
	with := statusOf(callers.Verdict{Window: callers.Window{Calls: 2, Tasks: 5}}, trail.Answer{}, callers.Period{})
	g.Expect(with.Window).To(Equal(&v1alpha1.CallerWindow{Calls: 2, Tasks: 5}))
}

func TestTheNextLookIsWhenItMayShowSomething(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, tc := range map[string]struct {
		err  error
		next time.Time
	}{
		"a minute after the last read":           {nil, now.Add(50 * time.Second)},
		"soon, where a read goes on":             {&trail.StaleError{}, now.Add(5 * time.Second)},
		"with the next read, after one failed":   {&trail.StaleError{Err: errors.New("denied"), NextRead: now.Add(7 * time.Minute)}, now.Add(7 * time.Minute)},
		"later, where it is not CloudTrail's":    {errors.New("no credentials"), now.Add(30 * time.Second)},
		"not at once, where the read is overdue": {&trail.StaleError{Err: errors.New("denied"), NextRead: now.Add(-time.Minute)}, now.Add(time.Second)},
	} {
		t.Run(name, func(t *testing.T) {
			v := New(&pass.Pass{Now: now, Object: &v1alpha1.AgentDisconnect{}})
			v.next = now.Add(retryInterval) // as each look begins
			v.scheduleNext(trail.Answer{ReadAt: now.Add(-10 * time.Second)}, tc.err)
			NewWithT(t).Expect(v.NextLook()).To(Equal(tc.next))
		})
	}
}
