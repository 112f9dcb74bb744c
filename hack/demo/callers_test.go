// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// setAgents sets what ECS knows of the agents in the subnet.
func (w *walk) setAgents(connected bool) {
	for _, i := range w.stack.Sim.Region().ContainerInstances() {
		if i.SubnetID == w.subnet {
			w.stack.Sim.Region().SetAgentConnected(i.ARN, connected)
		}
	}
}

// withCallers builds the callers' program.
func withCallers(t *testing.T) (*walk, context.Context) {
	t.Helper()
	w := newWalk(t)
	w.stack.Dir = t.TempDir()
	t.Cleanup(func() {
		for _, stop := range w.stops {
			stop()
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", w.stack.Dir+"/", "./caller").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return w, ctx
}

func TestCallersMeetAgentAndOneRecovers(t *testing.T) {
	w, ctx := withCallers(t)
	w.setAgents(false)
	if _, err := w.callersMeetAgent(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := w.recorded(ctx); err != nil {
		t.Fatal(err)
	}
	w.setAgents(true)
	if _, err := w.callersEnd(ctx); err != nil {
		t.Fatal(err)
	}
	if w.givesUp.met() != 1 || w.retries.met() == 0 || len(w.retries.said()) != w.retries.met()+1 {
		t.Errorf("%q and %q", w.givesUp.said(), w.retries.said())
	}
}

// No agent is disconnected: the callers have their tasks at once, and the step must not pass.
func TestCallersThatMeetNothingAreNoticed(t *testing.T) {
	w, ctx := withCallers(t)
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if saw, err := w.callersMeetAgent(ctx); err == nil {
		t.Errorf("got %q", saw)
	}
}

func TestTheVerdictIsHeldAgainstWhatTheCallersPrinted(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*v1alpha1.AgentDisconnectStatus)
		want   string // empty: all is well
	}{
		"as they printed it": {func(*v1alpha1.AgentDisconnectStatus) {}, ""},
		"nothing read":       {func(s *v1alpha1.AgentDisconnectStatus) { s.Callers = nil }, "status.callers"},
		"one more caller":    {func(s *v1alpha1.AgentDisconnectStatus) { s.Callers.Met = 3 }, "two callers"},
		"both recovered":     {func(s *v1alpha1.AgentDisconnectStatus) { s.Callers.Callers[0].Outcome = v1alpha1.CallerRecovered }, "role/nightly"},
		"a call not counted": {func(s *v1alpha1.AgentDisconnectStatus) { s.Callers.Callers[1].MetCalls = 1 }, "role/batch met AGENT 2 times"},
		"a call twice":       {func(s *v1alpha1.AgentDisconnectStatus) { s.Callers.Callers[0].MetCalls = 2 }, "role/nightly met AGENT 1 times"},
		"another principal": {func(s *v1alpha1.AgentDisconnectStatus) {
			s.Callers.Callers[1].Principal = "arn:aws:iam::123456789012:role/web"
		}, "role/batch"},
		"two tasks":         {func(s *v1alpha1.AgentDisconnectStatus) { s.Callers.Callers[1].StartedTasks = 2 }, "role/batch"},
		"another condition": {func(s *v1alpha1.AgentDisconnectStatus) { s.Conditions[0].Status = metav1.ConditionUnknown }, "condition CallersRecovered"},
		"no condition":      {func(s *v1alpha1.AgentDisconnectStatus) { s.Conditions = nil }, "condition CallersRecovered"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWalk(t)
			w.retries, w.givesUp = w.newCallers()
			w.retries.lines = []string{"no task: AGENT; tries again in 4s", "no task: AGENT; tries again in 4s", "started task 1"}
			w.givesUp.lines = []string{"no task: AGENT; gives up"}
			w.obj.Status = v1alpha1.AgentDisconnectStatus{
				Callers: &v1alpha1.CallersStatus{Met: 2, Recovered: 1, NotRecovered: 1, Callers: []v1alpha1.Caller{
					{Principal: w.givesUp.role, Family: "report", Outcome: v1alpha1.CallerNotRecovered, MetCalls: 1},
					{Principal: w.retries.role, Family: "import", Outcome: v1alpha1.CallerRecovered, MetCalls: 2, StartedTasks: 1},
				}},
				Conditions: []metav1.Condition{{Type: v1alpha1.ConditionCallersRecovered, Status: metav1.ConditionFalse, Reason: v1alpha1.StateCallersDidNotRecover}},
			}
			tc.change(&w.obj.Status)
			err := w.goodVerdict()
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestTheManagerWaitsForTheWholeDelayOfCloudTrail(t *testing.T) {
	w := newWalk(t)
	least, most := w.trailTakes(w.stack.Sim.World())
	if least <= 0 || most <= least || wholeSeconds(most) < most || wholeSeconds(most)-most >= time.Second || wholeSeconds(0) != time.Second {
		t.Errorf("%s to %s, and the manager waits %s", least, most, wholeSeconds(most))
	}
}

func TestSectionOfAReport(t *testing.T) {
	const text = "demo: Completed\n\nPromises\n  yes  The run begins\n  no   caller\n\nTimeline\n  over\n"
	if got := section(text, "Promises"); got != "  Promises\n    yes  The run begins\n    no   caller" {
		t.Errorf("got %q", got)
	}
	if got := section(text, "Callers"); got != "" {
		t.Errorf("got %q", got)
	}
}
