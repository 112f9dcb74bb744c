// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// promise is one that a run makes. Another kind of run adds a line to promises.
type promise struct {
	name, title string
	// condition is the type of the condition that explains a check that is not decided.
	condition string
	judge     func(*v1alpha1.AgentDisconnectStatus) judgement
	// made reports whether the run makes the promise; nil: every run does.
	made func(*v1alpha1.AgentDisconnectStatus) bool
}

// judgement is what the status says of a promise.
type judgement struct {
	result Result
	// kept is when it was kept; nil: it was not, or the time is not known.
	kept *metav1.Time
	// why says in numbers why it was not; empty: the condition says all.
	why string
}

// promises are in the order in which a run keeps them.
var promises = []promise{
	{"run-started", "The run begins", v1alpha1.ConditionSucceeded, judgeStart, nil},
	{"rules-installed", "The rules are installed, as read back", v1alpha1.ConditionRulesInstalled, judgeRules, nil},
	{"agents-disconnected", "ECS reports each agent as disconnected", v1alpha1.ConditionAgentsDisconnected, judgeAgents, nil},
	{"runtask-fails-with-agent", "RunTask fails with AGENT, as the probe called it", v1alpha1.ConditionRunTaskFails, judgeProbe, run.HasProbe},
	{"everything-restored", "Everything is restored in AWS", v1alpha1.ConditionRulesInstalled, judgeRestored, nil},
	{"agents-reconnected", "The agents are connected again", v1alpha1.ConditionAgentsDisconnected, judgeReconnected, nil},
	{"caller-met-agent", "A caller meets AGENT", v1alpha1.ConditionCallersRecovered, judgeMet, looksAtCallers},
	{"callers-recovered", "Every caller that met AGENT recovers", v1alpha1.ConditionCallersRecovered, judgeRecovered, looksAtCallers},
	{"run-succeeded", "The run succeeds", v1alpha1.ConditionSucceeded, judgeSuccess, nil},
}

func checksOf(status *v1alpha1.AgentDisconnectStatus) []Check {
	checks := make([]Check, 0, len(promises))
	for _, p := range promises {
		if p.made != nil && !p.made(status) {
			continue
		}
		judged := p.judge(status)
		check := Check{Name: p.name, Title: p.title, Result: judged.result}
		check.Seconds = secondsAfter(status.StartTime, judged.kept)
		if explains := explaining(status, p, judged.result); explains != nil {
			check.Reason, check.Message = explains.Reason, explains.Message
		}
		if judged.why != "" {
			check.Message = judged.why
		}
		checks = append(checks, check)
		if p.name == "callers-recovered" {
			checks = append(checks, callerChecks(status)...)
		}
	}
	return checks
}

// explaining is the condition that explains a result; nil: it needs none.
func explaining(status *v1alpha1.AgentDisconnectStatus, p promise, result Result) *metav1.Condition {
	switch result {
	case Failed:
		if p.condition == v1alpha1.ConditionCallersRecovered {
			break // the verdict may be another
		}
		if stalled := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionStalled); stalled != nil {
			return stalled // of a run that is over, it has the verdict
		}
		return meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionSucceeded)
	case Passed:
		if p.condition != v1alpha1.ConditionSucceeded || p.name == "run-started" {
			return nil
		}
	}
	return meta.FindStatusCondition(status.Conditions, p.condition)
}

func judgeStart(status *v1alpha1.AgentDisconnectStatus) judgement {
	switch {
	case status.StartTime != nil:
		return judgement{result: Passed, kept: status.StartTime}
	case run.IsOver(status), isStalled(status):
		return judgement{result: Failed}
	}
	return judgement{result: Skipped}
}

func judgeRules(status *v1alpha1.AgentDisconnectStatus) judgement {
	switch {
	case status.StartTime == nil:
		return judgement{result: Skipped}
	case status.EnforcedTime != nil:
		return judgement{result: Passed, kept: status.EnforcedTime}
	}
	return undecidedUntilOver(status)
}

// judgeAgents asks for each agent, not for all at once: so does the verdict of the run.
func judgeAgents(status *v1alpha1.AgentDisconnectStatus) judgement {
	switch {
	case status.StartTime == nil, status.Agents == nil, run.IsTelemetryRun(status):
		return judgement{result: Skipped}
	case run.AnyDisconnected(status.Agents) && len(run.NeverDisconnected(status.Agents)) == 0:
		return judgement{result: Passed, kept: lastDisconnection(status.Agents)}
	}

	judged := undecidedUntilOver(status)
	if counted := agentsOf(status.Agents); judged.result == Failed {
		judged.why = fmt.Sprintf("%d of %d agents were seen disconnected by the run", counted.Disconnected, counted.Total)
	}
	return judged
}

// judgeProbe passes with the first call that failed with AGENT.
func judgeProbe(status *v1alpha1.AgentDisconnectStatus) judgement {
	if run.AgentFailureSeen(status) {
		return judgement{result: Passed, kept: &run.ProbeOutcomeOf(status.Probe, v1alpha1.ProbeAgent).FirstTime}
	}
	return undecidedUntilOver(status)
}

// judgeRestored passes before the run is over: agents are awaited after everything is restored.
func judgeRestored(status *v1alpha1.AgentDisconnectStatus) judgement {
	switch {
	case status.StartTime == nil && !run.TouchedAWS(status), run.IsMissed(status):
		return judgement{result: Skipped}
	case run.IsRestored(status) && status.RestoredTime != nil:
		return judgement{result: Passed, kept: status.RestoredTime}
	case status.State == v1alpha1.StateRestoring && isStalled(status):
		return judgement{result: Failed}
	}
	return judgement{result: Skipped}
}

func judgeReconnected(status *v1alpha1.AgentDisconnectStatus) judgement {
	switch {
	case status.StartTime == nil, status.Agents == nil, run.AllLeft(status.Agents), run.IsTelemetryRun(status):
		return judgement{result: Skipped}
	case status.Agents.ReconnectedTime != nil:
		return judgement{result: Passed, kept: status.Agents.ReconnectedTime}
	}
	return undecidedUntilOver(status)
}

func judgeSuccess(status *v1alpha1.AgentDisconnectStatus) judgement {
	switch {
	case meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionSucceeded):
		return judgement{result: Passed, kept: status.CompletionTime}
	case meta.IsStatusConditionFalse(status.Conditions, v1alpha1.ConditionSucceeded), isStalled(status):
		return judgement{result: Failed}
	}
	return judgement{result: Skipped}
}

// undecidedUntilOver is the judgement of what was not seen: it may come as long as the run is on.
func undecidedUntilOver(status *v1alpha1.AgentDisconnectStatus) judgement {
	if run.IsOver(status) {
		return judgement{result: Failed}
	}
	return judgement{result: Skipped}
}

func isStalled(status *v1alpha1.AgentDisconnectStatus) bool {
	return meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionStalled)
}

// lastDisconnection is when the last of the agents was first seen disconnected.
func lastDisconnection(agents *v1alpha1.Agents) *metav1.Time {
	var last *metav1.Time
	for _, instance := range agents.ContainerInstances {
		if at := instance.DisconnectedTime; at != nil && (last == nil || last.Before(at)) {
			last = at
		}
	}
	return last
}
