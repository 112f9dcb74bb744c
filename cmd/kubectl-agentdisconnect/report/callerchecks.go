// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// callerCheck is the name of the check of a single caller. There may be several.
const callerCheck = "caller-recovers"

func looksAtCallers(status *v1alpha1.AgentDisconnectStatus) bool {
	return run.StartedCallers(status) != nil
}

// judgeMet passes with the first caller that met AGENT.
func judgeMet(status *v1alpha1.AgentDisconnectStatus) judgement {
	seen := status.Callers
	if seen == nil || seen.Met == 0 {
		return owedByCallers(status)
	}

	var first *metav1.Time
	for i := range seen.Callers {
		if at := &seen.Callers[i].FirstAgentTime; first == nil || at.Before(first) {
			first = at
		}
	}
	return judgement{result: Passed, kept: first}
}

// judgeRecovered passes once all that CloudTrail had to show is known, and all callers that met AGENT
// have recovered.
func judgeRecovered(status *v1alpha1.AgentDisconnectStatus) judgement {
	seen := status.Callers
	if seen == nil || seen.Met == 0 || seen.NotRecovered+seen.NotKnown > 0 || !run.KnowsCallers(status) {
		return owedByCallers(status)
	}

	var last *metav1.Time
	for i := range seen.Callers {
		if at := seen.Callers[i].RecoveredTime; at != nil && (last == nil || last.Before(at)) {
			last = at
		}
	}
	return judgement{result: Passed, kept: last}
}

// owedByCallers is the judgement of what callers did not show. A run that does not require it does
// not promise it, and a pipeline is not to fail for it.
func owedByCallers(status *v1alpha1.AgentDisconnectStatus) judgement {
	judged := undecidedUntilOver(status)
	if run.IsOver(status) {
		judged.why = callersOf(status).describe()
	}
	if !run.RequiresRecovery(status) {
		judged.result = Skipped
		judged.why += notRequired(judged.why)
	}
	return judged
}

// notRequired is added to what callers did not show; empty: nothing is known yet.
func notRequired(why string) string {
	if why == "" {
		return ""
	}
	return "; the run does not require it (spec.callers.require)"
}

// callerChecks are a check for each caller that the status lists. One of which it is not known what
// became of it is skipped: nothing was seen to fail.
func callerChecks(status *v1alpha1.AgentDisconnectStatus) []Check {
	callers := callersOf(status)
	if callers == nil {
		return nil
	}

	var checks []Check
	for _, c := range callers.Worst {
		check := Check{Name: callerCheck, Title: "After AGENT a task is started for " + c.name(), Result: Skipped, Reason: c.Outcome}
		switch {
		case c.Outcome == string(v1alpha1.CallerNotRecovered):
			check.Message = fmt.Sprintf("it met AGENT in %s, %s, and no task was started within %s of the first", c.met(), c.when(), short(secondsOf(callers.RecoverWithinSeconds)))
			if callers.Required {
				check.Result = undecidedUntilOver(status).result
			} else {
				check.Message += notRequired(check.Message)
			}
		case c.Recovered == nil:
			check.Message = fmt.Sprintf("it met AGENT in %s, %s; CloudTrail shows no task, and not all calls are known", c.met(), c.when())
		default:
			check.Result, check.Seconds = Passed, secondsAfter(status.StartTime, c.Recovered)
			check.Message = "a task was started at " + c.recovery()
		}
		checks = append(checks, check)
	}
	return checks
}

// secondsAfter is how long after the start something was; nil: one of them is not known.
func secondsAfter(start, at *metav1.Time) *int64 {
	if start == nil || at == nil {
		return nil
	}
	return new(int64(max(at.Sub(start.Time), 0).Seconds()))
}
