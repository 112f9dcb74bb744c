// SPDX-License-Identifier: Apache-2.0

package schedule

import (
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/controllers/schedule/child"
)

// defaultHistoryLimit is how many runs of a kind are kept where the spec does not say.
const defaultHistoryLimit = 3

// decision is what becomes of the times that are due.
type decision struct {
	// decided is the time until which all times are decided now.
	decided time.Time
	// start is the time for which a run is to be created; zero: none.
	start time.Time
	// replace is the time for which a run is to be created once those that are on are over: they are to
	// be ended; zero: none.
	replace time.Time
	// missed are the times at which no run begins.
	missed []missed
	// next is when the decision can change by itself; zero: never.
	next time.Time
}

// missed are times at which no run begins, for one reason.
type missed struct {
	count  int
	newest time.Time
	reason v1alpha1.MissedReason
}

// decidedSoFar is the time until which the times of the schedule as it is now are decided. That an
// object is created, changed or resumed is no reason to run anything: what came before counts as
// decided. A clock that was set back leaves nothing decided ahead of it.
func decidedSoFar(obj *v1alpha1.AgentDisconnectSchedule, now time.Time) time.Time {
	status, created := &obj.Status, obj.CreationTimestamp.Time
	switch {
	case status.DecidedTime == nil && obj.Generation <= 1:
		return created
	case status.DecidedTime == nil, status.ObservedSchedule != described(&obj.Spec), status.DecidedTime.After(now):
		return now
	}
	return run.Latest(status.DecidedTime.Time, created) // it may have been restored with an earlier status
}

// isRun reports whether a run was created for a time, or for a later one.
func isRun(obj *v1alpha1.AgentDisconnectSchedule, at time.Time) bool {
	last := obj.Status.LastScheduleTime
	return last != nil && !at.After(last.Time)
}

// decide decides about the times that are due. isOn reports whether a run of the schedule is not over.
func decide(obj *v1alpha1.AgentDisconnectSchedule, times cadence, isOn bool, now time.Time) decision {
	d := decision{decided: decidedSoFar(obj, now), next: nextTime(obj, times, now)}
	due := times.between(d.decided, now)
	if due.count == 0 {
		return d
	}

	deadline := due.newest.Add(child.StartingDeadline(&obj.Spec))
	isLate, replaces := !now.Before(deadline), obj.Spec.ConcurrencyPolicy == v1alpha1.ConcurrencyPolicyReplace
	switch {
	case isSuspended(&obj.Spec), isRun(obj, due.newest):
		d.decided = now
		return d
	case isOn && replaces && !isLate:
		d.replace, d.next = due.newest, earliest(deadline, d.next)
		if due.count > 1 { // the newest alone can still be run
			d.decided = due.previous
			d.missed = []missed{{count: due.count - 1, newest: due.previous, reason: v1alpha1.MissedNotReplaced}}
		}
		return d
	case isLate:
		reason := v1alpha1.MissedTooLate
		if isOn && replaces {
			reason = v1alpha1.MissedNotReplaced
		}
		d.missed = append(d.missed, missed{count: 1, newest: due.newest, reason: reason})
	case isOn:
		d.missed = append(d.missed, missed{count: 1, newest: due.newest, reason: v1alpha1.MissedRunIsOn})
	default:
		d.start = due.newest
	}

	d.decided = now
	if due.count > 1 {
		d.missed = append([]missed{{count: due.count - 1, newest: due.previous, reason: v1alpha1.MissedTooLate}}, d.missed...)
	}
	return d
}

func earliest(a, b time.Time) time.Time {
	if b.IsZero() || a.Before(b) {
		return a
	}
	return b
}

// nextTime is the next time at which a run may begin; zero: there is none.
func nextTime(obj *v1alpha1.AgentDisconnectSchedule, times cadence, now time.Time) time.Time {
	if last := obj.Status.LastScheduleTime; last != nil {
		now = run.Latest(now, last.Time) // a clock that was set back
	}
	return times.after(now)
}
