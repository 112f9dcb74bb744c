// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"fmt"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/ptr"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// kind finds what happened of one kind since the last entry of it; nil: nothing. It must find
// nothing once its entry is in the past, or every pass would write the status. An entry without a
// time gets that of the pass.
type kind func(past history, seen Seen) *v1alpha1.TimelineEntry

// kinds are all that is looked for, in the order in which one pass lists what it saw: causes first.
var kinds = []kind{findSuspension, findAbort, findAgents, findAgentFailure, findCallers, findRepair, findCarryOver, findState}

// maxReason and maxMessage are what the API server accepts, in characters.
const (
	maxReason  = 64
	maxMessage = 256
)

// findState finds another state than the last. The one that a run ends with is its verdict.
func findState(past history, seen Seen) *v1alpha1.TimelineEntry {
	status := &seen.Object.Status
	entry := v1alpha1.TimelineEntry{Type: v1alpha1.TimelineState, Reason: shorten(status.State, maxReason)}
	if run.IsOver(status) {
		entry.Type = v1alpha1.TimelineVerdict
	}

	last := past.last(v1alpha1.TimelineState, v1alpha1.TimelineVerdict)
	if entry.Reason == "" || last != nil && last.Type == entry.Type && last.Reason == entry.Reason {
		return nil
	}

	if succeeded := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionSucceeded); succeeded != nil {
		entry.Message = shorten(succeeded.Message, maxMessage)
	}
	return &entry
}

// findAgents finds other numbers than the last. Before the run has any, that ECS said nothing yet
// is no news.
func findAgents(past history, seen Seen) *v1alpha1.TimelineEntry {
	agents, last := seen.Object.Status.Agents, past.last(v1alpha1.TimelineAgents)
	if agents == nil || agents.Total == nil || last == nil && agents.Disconnected == nil {
		return nil
	}

	if last != nil && ptr.Equal(last.Disconnected, agents.Disconnected) && ptr.Equal(last.Total, agents.Total) {
		return nil
	}

	entry := v1alpha1.TimelineEntry{Type: v1alpha1.TimelineAgents, Disconnected: copied(agents.Disconnected), Total: copied(agents.Total)}
	if entry.Disconnected == nil {
		entry.Message = "of some agents ECS reported nothing lately"
	}
	return &entry
}

// findAgentFailure finds the first call of RunTask by the probe that failed with AGENT.
func findAgentFailure(past history, seen Seen) *v1alpha1.TimelineEntry {
	outcome := run.ProbeOutcomeOf(seen.Object.Status.Probe, v1alpha1.ProbeAgent)
	if outcome == nil || past.last(v1alpha1.TimelineRunTaskFailed) != nil {
		return nil
	}
	return &v1alpha1.TimelineEntry{
		Time: outcome.FirstTime, Type: v1alpha1.TimelineRunTaskFailed,
		Reason: outcome.Reason, Message: shorten(outcome.Message, maxMessage),
	}
}

// findCallers finds other numbers of callers than the last. That none met AGENT yet is no news.
func findCallers(past history, seen Seen) *v1alpha1.TimelineEntry {
	callers, last := seen.Object.Status.Callers, past.last(v1alpha1.TimelineCallers)
	if callers == nil || callers.Met == 0 {
		return nil
	}

	message := fmt.Sprintf("callers that met AGENT: %d; recovered %d, did not %d, not known %d", callers.Met, callers.Recovered, callers.NotRecovered, callers.NotKnown)
	if last != nil && last.Message == message {
		return nil
	}
	return &v1alpha1.TimelineEntry{Type: v1alpha1.TimelineCallers, Message: message}
}

// findRepair finds repairs that the status counts and the timeline does not.
func findRepair(past history, seen Seen) *v1alpha1.TimelineEntry {
	repairs := seen.Object.Status.DriftRepairs - past.count(v1alpha1.TimelineRulesRepaired)
	if repairs <= 0 {
		return nil
	}

	message := seen.Repaired
	if message == "" {
		message = "the manager restored rules that a third party had removed or overridden"
	}
	return &v1alpha1.TimelineEntry{Type: v1alpha1.TimelineRulesRepaired, Message: shorten(message, maxMessage), Count: countOf(repairs)}
}

// findCarryOver finds what the pass made to the clone, unless this pass has listed it.
func findCarryOver(past history, seen Seen) *v1alpha1.TimelineEntry {
	message := shorten(seen.CarriedOver, maxMessage)
	last := past.last(v1alpha1.TimelineCarriedOver)
	if message == "" || last != nil && last.Message == message && last.Time.Equal(run.Stamp(seen.Now)) {
		return nil
	}
	return &v1alpha1.TimelineEntry{Type: v1alpha1.TimelineCarriedOver, Message: message}
}

// findSuspension finds that the run is suspended, or goes on after it was. One that ends while it
// is suspended never goes on.
func findSuspension(past history, seen Seen) *v1alpha1.TimelineEntry {
	last := past.last(v1alpha1.TimelineSuspended, v1alpha1.TimelineResumed)
	isSuspended := last != nil && last.Type == v1alpha1.TimelineSuspended
	switch seen.Phase {
	case run.Suspended:
		if !isSuspended {
			return &v1alpha1.TimelineEntry{Type: v1alpha1.TimelineSuspended}
		}
	case run.Active, run.Pending, run.Waiting:
		if isSuspended {
			return &v1alpha1.TimelineEntry{Type: v1alpha1.TimelineResumed}
		}
	}
	return nil
}

// findAbort finds that the run was ended before its time.
func findAbort(past history, seen Seen) *v1alpha1.TimelineEntry {
	abort := seen.Object.Status.Abort
	if abort == nil || past.last(v1alpha1.TimelineAborted) != nil {
		return nil
	}
	return &v1alpha1.TimelineEntry{
		Time: abort.Time, Type: v1alpha1.TimelineAborted,
		Reason: shorten(abort.Reason, maxReason), Message: shorten(abort.Message, maxMessage),
	}
}

// shorten cuts a text to at most n characters, and marks the cut.
func shorten(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:n-1]) + "…"
}

// copied is a number that does not change with the one that it was taken from.
func copied(n *int32) *int32 {
	if n == nil {
		return nil
	}
	return new(*n)
}
