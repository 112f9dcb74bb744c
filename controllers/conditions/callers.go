// SPDX-License-Identifier: Apache-2.0

package conditions

import (
	"cmp"
	"fmt"
	"strings"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// callersRecovered is what CloudTrail shows of the callers; nil: the run does not look at them.
func (f Input) callersRecovered() *Value {
	status := &f.Object.Status
	switch {
	case status.StartTime == nil && f.Object.Spec.Callers != nil && !run.TouchedAWS(status):
		return &Value{unknown, "NotStarted", "the run has not begun"}
	case run.StartedCallers(status) == nil:
		return nil
	case !run.IsOver(status) && !run.IsVerifying(status):
		return &Value{unknown, "NotRead", "CloudTrail is read once the rules are gone and the agents are no longer awaited"}
	case callersOf(status).NotRecovered > 0:
		return &Value{no, v1alpha1.StateCallersDidNotRecover, describeCallers(status)}
	case run.IsVerifying(status):
		return &Value{unknown, v1alpha1.StateVerifying, describeCallers(status)}
	case !run.KnowsCallers(status) || callersOf(status).NotKnown > 0:
		return &Value{unknown, "NotKnown", describeCallers(status)}
	case callersOf(status).Met == 0:
		return &Value{unknown, "NoCallerMet", describeCallers(status)}
	case callersOf(status).StartedTwice > 0:
		return &Value{no, string(v1alpha1.CallerStartedTwice), describeCallers(status)}
	}
	return &Value{yes, "AllRecovered", describeCallers(status)}
}

// unmetRequirement is the state of a run that requires of its callers what they did not do; empty:
// there is none.
func unmetRequirement(status *v1alpha1.AgentDisconnectStatus) string {
	if !run.RequiresRecovery(status) {
		return ""
	}
	return notRecovered(status)
}

// notRecovered says as one word why the callers did not show that they recover; empty: they did.
func notRecovered(status *v1alpha1.AgentDisconnectStatus) string {
	switch seen := callersOf(status); {
	case seen.NotRecovered > 0:
		return v1alpha1.StateCallersDidNotRecover
	case !run.KnowsCallers(status) || seen.NotKnown > 0:
		return v1alpha1.StateCallersNotObserved
	case seen.Met == 0:
		return v1alpha1.StateNoCallerMetAgent
	}
	return ""
}

// shownByCallers says as one word what a completed run shows of its callers; empty: it did not look
// at them.
func shownByCallers(status *v1alpha1.AgentDisconnectStatus) string {
	switch {
	case run.StartedCallers(status) == nil:
		return ""
	case notRecovered(status) == "" && callersOf(status).StartedTwice > 0:
		return string(v1alpha1.CallerStartedTwice)
	}
	return cmp.Or(notRecovered(status), v1alpha1.ConditionCallersRecovered)
}

// aboutCallers is what a verdict adds of the callers; empty: the run does not look at them.
func aboutCallers(status *v1alpha1.AgentDisconnectStatus) string {
	if run.StartedCallers(status) == nil {
		return ""
	}
	return "; " + describeCallers(status)
}

// verifying says how far a run is that only looks at its callers.
func (f Input) verifying() string {
	status := &f.Object.Status
	return fmt.Sprintf("the rules are gone%s; the run looks at its callers until %s at the latest: %s",
		f.reconnected(), problem.FormatTime(run.VerifyDeadline(status)), describeCallers(status))
}

// callersOf is what the status says of the callers, also where it says nothing.
func callersOf(status *v1alpha1.AgentDisconnectStatus) *v1alpha1.CallersStatus {
	return cmp.Or(status.Callers, &v1alpha1.CallersStatus{})
}

// describeCallers says what CloudTrail shows of the callers, and for which time.
func describeCallers(status *v1alpha1.AgentDisconnectStatus) string {
	seen := callersOf(status)
	if seen.ObservedTime == nil || seen.CompleteSince == nil || seen.CompleteUntil == nil {
		return describeUnread(status)
	}

	parts := []string{describeMet(status)}
	add := func(n int32, format string, args ...any) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	add(seen.StartedTwice, "%s more tasks than asked for%s", problem.Plural(int(seen.StartedTwice), "caller started", "callers started"), namedCallers(seen, v1alpha1.CallerStartedTwice))
	if window := seen.Window; window != nil {
		add(window.Tasks, "%s placed before ECS reported the agents as disconnected, and hung in PENDING until they were back", problem.Plural(int(window.Tasks), "task was", "tasks were"))
	}
	add(int32(len(seen.Errors)), "calls failed as a whole: %s", describeErrors(seen))
	add(seen.Withheld, "of %s CloudTrail does not show the cluster", problem.Plural(int(seen.Withheld), "call", "calls"))
	add(seen.Unreadable, "%s could not be understood", problem.Plural(int(seen.Unreadable), "event of the account", "events of the account"))
	if delay := run.TrailDelay(status); delay != run.DefaultTrailDelay {
		parts = append(parts, fmt.Sprintf("CloudTrail is taken to be %s late at most (--cloudtrail-delay)", delay))
	}
	if !run.KnowsCallers(status) {
		parts = append(parts, describeGaps(status))
	}
	if seen.Message != "" {
		parts = append(parts, "CloudTrail could not be read again: "+seen.Message)
	}
	return strings.Join(parts, "; ")
}

// describeGaps says which calls CloudTrail may still show, and which are lost.
func describeGaps(status *v1alpha1.AgentDisconnectStatus) string {
	seen := callersOf(status)
	from := seen.CompleteUntil
	if status.StartTime != nil && from.Before(status.StartTime) {
		from = status.StartTime
	}

	text := fmt.Sprintf("CloudTrail was read at %s, and may still show calls made after %s", problem.FormatTime(seen.ObservedTime.Time), problem.FormatTime(from.Time))
	if status.StartTime != nil && seen.CompleteSince.After(status.StartTime.Time) {
		text += ", and not all made before " + problem.FormatTime(seen.CompleteSince.Time) + " are known"
	}
	return text
}

// describeUnread says why nothing is known of the callers.
func describeUnread(status *v1alpha1.AgentDisconnectStatus) string {
	switch message := callersOf(status).Message; {
	case message != "":
		return "CloudTrail could not be read: " + message
	case !run.VerifiesCallers(status):
		return "CloudTrail was not read for callers, since the rules were never read back in force"
	}
	return "CloudTrail was not read yet"
}

// describeMet says who met AGENT, and what became of them.
func describeMet(status *v1alpha1.AgentDisconnectStatus) string {
	seen := callersOf(status)
	if seen.Met == 0 {
		return fmt.Sprintf("no caller met AGENT in %s of RunTask and StartTask", problem.Plural(int(seen.Calls), "call", "calls"))
	}

	within := run.RecoverWithin(run.StartedCallers(status))
	text := fmt.Sprintf("%s AGENT, and %d recovered within %s", problem.Plural(int(seen.Met), "caller met", "callers met"), seen.Recovered, within)
	if seen.NotRecovered > 0 {
		text += fmt.Sprintf("; %d did not%s", seen.NotRecovered, namedCallers(seen, v1alpha1.CallerNotRecovered))
	}
	if seen.NotKnown > 0 {
		text += fmt.Sprintf("; of %d it is not known%s", seen.NotKnown, namedCallers(seen, v1alpha1.CallerNotKnown))
	}
	return text
}

// namedCallers names the callers that something became of, as far as the status lists them.
func namedCallers(seen *v1alpha1.CallersStatus, outcome v1alpha1.CallerOutcome) string {
	var names []string
	for _, caller := range seen.Callers {
		if caller.Outcome == outcome {
			names = append(names, nameOf(caller))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return " (" + problem.List(names) + ")"
}

// nameOf names a caller: its service and principal, and its family.
func nameOf(caller v1alpha1.Caller) string {
	name := caller.Service + " with " + caller.Principal
	switch {
	case caller.Service == "":
		name = caller.Principal
	case caller.Principal == "":
		name = caller.Service
	}
	return cmp.Or(name, "an unknown principal") + " for family " + cmp.Or(caller.Family, "unknown")
}

// describeErrors counts the calls that failed as a whole, by code.
func describeErrors(seen *v1alpha1.CallersStatus) string {
	var all []string
	for _, each := range seen.Errors {
		all = append(all, fmt.Sprintf("%d %s", each.Calls, each.Code))
	}
	if seen.OtherErrors > 0 {
		all = append(all, fmt.Sprintf("%d others", seen.OtherErrors))
	}
	return strings.Join(all, ", ")
}
