// SPDX-License-Identifier: Apache-2.0

package run

import (
	"cmp"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// DefaultProbeInterval is how often a probe calls RunTask unless the spec says otherwise.
const DefaultProbeInterval = 30 * time.Second

// ProbeInterval is how often the probe of a spec calls RunTask.
func ProbeInterval(probe *v1alpha1.Probe) time.Duration {
	if probe == nil || probe.Interval == nil {
		return DefaultProbeInterval
	}
	return probe.Interval.Duration
}

// HasProbe reports whether the run that the status is about has a probe. One whose status was edited
// away still has it: tasks that it started may be left.
func HasProbe(status *v1alpha1.AgentDisconnectStatus) bool {
	return status.Probe != nil || StartedProbe(status) != nil
}

// StartedProbe is the probe that the run began with, nil if it has none.
func StartedProbe(status *v1alpha1.AgentDisconnectStatus) *v1alpha1.Probe {
	if status.StartedWith == nil {
		return nil
	}
	return status.StartedWith.Probe
}

// NextAttempt is when the probe is to call RunTask next, while the agents are disconnected; the zero
// time: it makes no attempt. One whose answer was lost is repeated at once.
func NextAttempt(status *v1alpha1.AgentDisconnectStatus) time.Time {
	probe := status.Probe
	switch {
	case probe == nil || StartedProbe(status) == nil || len(probe.Tasks) >= v1alpha1.MaxProbeTasks:
		return time.Time{}
	case probe.LastAttemptTime == nil && status.StartTime != nil:
		return status.StartTime.Time
	case probe.LastAttemptTime == nil:
		return time.Time{}
	case ptr.Deref(probe.Unanswered, false):
		return probe.LastAttemptTime.Time
	}
	return probe.LastAttemptTime.Add(ProbeInterval(StartedProbe(status)))
}

// BeginAttempt notes an attempt before AWS is called. One whose answer was lost is repeated: it has
// the same number, and so the same client token.
func BeginAttempt(probe *v1alpha1.ProbeStatus, now time.Time) {
	if !ptr.Deref(probe.Unanswered, false) {
		probe.Attempts++
	}
	probe.Attempts = max(probe.Attempts, 1) // it may have been edited away
	probe.Unanswered, probe.LastAttemptTime = new(true), Stamp(now)
}

// ProbeAnswer is what came of an attempt.
type ProbeAnswer struct {
	// Reason is that of the outcome, and Message what else AWS said of it.
	Reason, Message string
	// Tasks are those that it started.
	Tasks []v1alpha1.ProbeTask
}

// EndAttempt notes the answer to an attempt, known at the time now. An answer that is noted already
// changes nothing but adds the tasks.
func EndAttempt(probe *v1alpha1.ProbeStatus, attempt int32, answer ProbeAnswer, now time.Time) {
	OwnTasks(probe, answer.Tasks)
	if probe.Attempts != attempt || !ptr.Deref(probe.Unanswered, false) {
		return
	}

	probe.Unanswered = nil
	at := *Stamp(now)
	if probe.LastAttemptTime != nil {
		at = *probe.LastAttemptTime
	}
	i := outcomeFor(probe, answer.Reason, at)
	outcome := &probe.Outcomes[i]
	outcome.Count++
	outcome.LastTime, outcome.Message = at, answer.Message
	probe.LastOutcome = outcome.Reason
}

// outcomeFor is the place of an outcome in the list, which gets it where it lacks it.
func outcomeFor(probe *v1alpha1.ProbeStatus, reason string, at metav1.Time) int {
	place := func(reason string) int {
		return slices.IndexFunc(probe.Outcomes, func(o v1alpha1.ProbeOutcome) bool { return o.Reason == reason })
	}
	if i := place(reason); i >= 0 {
		return i
	}

	// The last place is for all that no place is left for. AGENT has one of its own: it is what the
	// run is about.
	if full := len(probe.Outcomes) >= v1alpha1.MaxProbeOutcomes-2; full && reason != v1alpha1.ProbeAgent {
		reason = v1alpha1.ProbeOther
		if i := place(reason); i >= 0 {
			return i
		}
	}
	if len(probe.Outcomes) >= v1alpha1.MaxProbeOutcomes { // only where the status was edited
		probe.Outcomes = probe.Outcomes[:v1alpha1.MaxProbeOutcomes-1]
	}
	probe.Outcomes = append(probe.Outcomes, v1alpha1.ProbeOutcome{Reason: reason, FirstTime: at})
	return len(probe.Outcomes) - 1
}

// OwnTasks adds tasks to those of the probe that are not known to be stopped. One that is there
// stays as it is. It reports whether the status has all of them: there may be no room.
func OwnTasks(probe *v1alpha1.ProbeStatus, tasks []v1alpha1.ProbeTask) (complete bool) {
	complete = true
	for _, task := range tasks {
		switch known := slices.ContainsFunc(probe.Tasks, func(t v1alpha1.ProbeTask) bool { return t.ARN == task.ARN }); {
		case known:
		case len(probe.Tasks) < mostTasks:
			probe.Tasks = append(probe.Tasks, task)
		default:
			complete = false
		}
	}
	slices.SortFunc(probe.Tasks, func(a, b v1alpha1.ProbeTask) int { return cmp.Compare(a.ARN, b.ARN) })
	return complete
}

// mostTasks is how many tasks the API lets the status have. Attempts stop earlier, at MaxProbeTasks:
// the rest is for tasks of lost answers.
const mostTasks = 2 * v1alpha1.MaxProbeTasks

// HasTasksLeft reports whether tasks of the run's probe may not be stopped yet.
func HasTasksLeft(status *v1alpha1.AgentDisconnectStatus) bool {
	probe := status.Probe
	return probe != nil && (len(probe.Tasks) > 0 || ptr.Deref(probe.Unanswered, false))
}

// HasTasksToStop reports whether there may be tasks of the run's probe that ECS was not told to
// stop. One that was told is stopped as soon as its agent hears of it, without the manager.
func HasTasksToStop(status *v1alpha1.AgentDisconnectStatus) bool {
	probe := status.Probe
	return probe != nil && (ptr.Deref(probe.Unanswered, false) ||
		slices.ContainsFunc(probe.Tasks, func(t v1alpha1.ProbeTask) bool { return !ptr.Deref(t.Stopping, false) }))
}

// ProbeOutcomeOf gives the outcome with a reason; nil: no attempt had it.
func ProbeOutcomeOf(probe *v1alpha1.ProbeStatus, reason string) *v1alpha1.ProbeOutcome {
	if probe == nil {
		return nil
	}
	for i := range probe.Outcomes {
		if probe.Outcomes[i].Reason == reason {
			return &probe.Outcomes[i]
		}
	}
	return nil
}

// AgentFailureSeen reports whether an attempt of the probe failed with AGENT for a tracked container
// instance.
func AgentFailureSeen(status *v1alpha1.AgentDisconnectStatus) bool {
	outcome := ProbeOutcomeOf(status.Probe, v1alpha1.ProbeAgent)
	return outcome != nil && outcome.Count > 0
}

// DisconnectedByRules reports whether all tracked agents of a run that is on are disconnected under
// its rules, as far as looks at the network ACL and at the agents show that are not too old. since
// is since when reads show the rules in force.
func DisconnectedByRules(status *v1alpha1.AgentDisconnectStatus, acl, agents Look, since, now time.Time) bool {
	return !since.IsZero() && acl.Fresh(now) && agents.Fresh(now) && !IsTelemetryRun(status) && AllDisconnected(status.Agents)
}
