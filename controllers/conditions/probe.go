// SPDX-License-Identifier: Apache-2.0

package conditions

import (
	"fmt"
	"strings"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// runTaskFails is what the probe of the run saw; nil: the run has none.
func (f Input) runTaskFails() *Value {
	status := &f.Object.Status
	switch {
	case status.StartTime == nil && f.Object.Spec.Probe != nil && !run.TouchedAWS(status):
		return &Value{no, "NotStarted", "the run has not begun"}
	case !run.HasProbe(status):
		return nil
	case run.IsOver(status) && run.AgentFailureSeen(status):
		return &Value{yes, v1alpha1.ProbeAgent, describeProbe(status.Probe)}
	case run.IsOver(status):
		return &Value{no, v1alpha1.StateAgentFailureNotSeen, describeProbe(status.Probe)}
	case status.Probe == nil || len(status.Probe.Outcomes) == 0 || status.Probe.LastAttemptTime == nil:
		return &Value{unknown, "NotAttempted", f.withoutAttempt()}
	}

	look := f.lastAnswer()
	switch last := status.Probe.LastOutcome; {
	case f.Phase != run.Active || !look.Fresh(f.Now):
		return &Value{unknown, notObserved, "RunTask last answered the probe at " + problem.FormatTime(look.At) + "; " + describeProbe(status.Probe)}
	case last == v1alpha1.ProbeAgent:
		return &Value{yes, v1alpha1.ProbeAgent, describeProbe(status.Probe)}
	case last == v1alpha1.ProbeStarted:
		return &Value{no, v1alpha1.ProbeStarted, describeProbe(status.Probe)}
	}
	return &Value{no, "OtherFailure", describeProbe(status.Probe)}
}

// lastAnswer is the last call of RunTask that was answered.
func (f Input) lastAnswer() run.Look {
	probe := f.Object.Status.Probe
	outcome := run.ProbeOutcomeOf(probe, probe.LastOutcome)
	if outcome == nil { // the status was edited
		return run.Look{}
	}
	return run.LookedAt(outcome.LastTime.Time, run.ProbeInterval(run.StartedProbe(&f.Object.Status)))
}

// withoutAttempt says why no call of RunTask was answered yet.
func (f Input) withoutAttempt() string {
	if f.Phase == run.Active {
		return "RunTask is called once AgentsDisconnected is True"
	}
	return "RunTask was not called while the agents were disconnected"
}

// describeProbe says what the calls of a probe came to.
func describeProbe(probe *v1alpha1.ProbeStatus) string {
	if probe == nil || len(probe.Outcomes) == 0 {
		return "the probe did not call RunTask while they were"
	}

	var all int32
	for _, outcome := range probe.Outcomes {
		all += outcome.Count
	}

	text := fmt.Sprintf("none of %s failed with AGENT", problem.Plural(int(all), "call of RunTask", "calls of RunTask"))
	if agent := run.ProbeOutcomeOf(probe, v1alpha1.ProbeAgent); agent != nil {
		text = fmt.Sprintf("RunTask failed with AGENT %s (%s)", describeTimes(agent, all), agent.Message)
	}

	var others []string
	for _, outcome := range probe.Outcomes {
		if outcome.Reason != v1alpha1.ProbeAgent {
			others = append(others, describeOutcome(outcome, probe.LastOutcome))
		}
	}
	if len(others) > 0 {
		text += "; the others: " + strings.Join(others, ", ")
	}
	return text
}

// describeTimes says how many of all calls had an outcome, and when.
func describeTimes(outcome *v1alpha1.ProbeOutcome, all int32) string {
	first, last := problem.FormatTime(outcome.FirstTime.Time), problem.FormatTime(outcome.LastTime.Time)
	if outcome.Count == 1 {
		return fmt.Sprintf("in 1 of %s, at %s", problem.Plural(int(all), "call", "calls"), first)
	}
	return fmt.Sprintf("in %d of %s, first at %s and last at %s", outcome.Count, problem.Plural(int(all), "call", "calls"), first, last)
}

// describeOutcome counts the calls with an outcome other than AGENT. Of the last one it has the
// message too: all of them would make a long text.
func describeOutcome(outcome v1alpha1.ProbeOutcome, last string) string {
	text := fmt.Sprintf("%d %s", outcome.Count, outcome.Reason)
	if outcome.Message != "" && outcome.Reason == last {
		text += " (" + outcome.Message + ")"
	}
	return text
}
