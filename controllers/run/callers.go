// SPDX-License-Identifier: Apache-2.0

package run

import (
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

const (
	// DefaultRecoverWithin is how long callers may take to recover unless the spec says otherwise.
	DefaultRecoverWithin = 10 * time.Minute
	// DefaultTrailDelay is by how much CloudTrail may be late: AWS speaks of 5 minutes on average, and
	// some events take more than 10.
	DefaultTrailDelay = 15 * time.Minute
	// ShortestTrailDelay and LongestTrailDelay are what a manager may be set to. The status has whole
	// seconds, and calls are remembered for the longest run and some hours.
	ShortestTrailDelay, LongestTrailDelay = time.Second, time.Hour
	// verifySlack is what Verifying may take beyond the time of the callers and CloudTrail's delay:
	// for agents that were not waited for, and for reads that fail.
	verifySlack = 10 * time.Minute
	// shortestRecovery and longestRecovery are what the API allows: an edited status may have any.
	shortestRecovery, longestRecovery = time.Minute, time.Hour
)

// RecoverWithin is how long after its first AGENT a caller may take to have a task started.
func RecoverWithin(callers *v1alpha1.Callers) time.Duration {
	if callers == nil || callers.RecoverWithin == nil {
		return DefaultRecoverWithin
	}
	return min(max(callers.RecoverWithin.Duration, shortestRecovery), longestRecovery)
}

// TrailDelay is by how much CloudTrail may be late for a run: nothing is held against its callers
// before.
func TrailDelay(status *v1alpha1.AgentDisconnectStatus) time.Duration {
	with := status.StartedWith
	if with == nil || with.CloudTrailDelay == nil {
		return DefaultTrailDelay
	}
	return min(max(with.CloudTrailDelay.Duration, ShortestTrailDelay), LongestTrailDelay)
}

// StartedCallers is what the run began with as spec.callers; nil: its callers are not looked at.
func StartedCallers(status *v1alpha1.AgentDisconnectStatus) *v1alpha1.Callers {
	if status.StartedWith == nil {
		return nil
	}
	return status.StartedWith.Callers
}

// RequiresRecovery reports whether the verdict of the run depends on its callers.
func RequiresRecovery(status *v1alpha1.AgentDisconnectStatus) bool {
	callers := StartedCallers(status)
	return callers != nil && callers.Require == v1alpha1.RequireRecovery
}

// VerifiesCallers reports whether CloudTrail is read after the run: only if its rules were in force,
// since otherwise no caller met AGENT because of it.
func VerifiesCallers(status *v1alpha1.AgentDisconnectStatus) bool {
	return StartedCallers(status) != nil && status.StartTime != nil && status.EnforcedTime != nil && !IsTelemetryRun(status)
}

// IsVerifying reports whether nothing is left to do for a run but to look at its callers.
func IsVerifying(status *v1alpha1.AgentDisconnectStatus) bool {
	return isRecovered(status) && status.CompletionTime == nil && VerifiesCallers(status)
}

// isRecovered reports whether the agents of a run whose rules are gone are no longer awaited. A time
// before the rules were gone was not written by the manager.
func isRecovered(status *v1alpha1.AgentDisconnectStatus) bool {
	at, restored := status.RecoveredTime, status.RestoredTime
	return at != nil && restored != nil && !at.Before(restored) && IsRestored(status)
}

// VerifyDeadline is when the run is over whatever CloudTrail shows, and the zero time while its
// callers are not looked at.
func VerifyDeadline(status *v1alpha1.AgentDisconnectStatus) time.Time {
	if !IsVerifying(status) {
		return time.Time{}
	}
	return status.RecoveredTime.Add(VerifyTime(StartedCallers(status), TrailDelay(status)))
}

// VerifyTime is how long a run looks at its callers at most, where CloudTrail may be so late.
func VerifyTime(callers *v1alpha1.Callers, trailDelay time.Duration) time.Duration {
	return RecoverWithin(callers) + trailDelay + verifySlack
}

// AwaitedUntil is until when the agents of a run were awaited that no longer waits for them; zero: it
// does.
func AwaitedUntil(status *v1alpha1.AgentDisconnectStatus) time.Time {
	switch {
	case isRecovered(status):
		return status.RecoveredTime.Time
	case status.CompletionTime != nil:
		return status.CompletionTime.Time
	}
	return time.Time{}
}

// endDeadline is when the end of a run no longer waits for what it waits for now.
func endDeadline(status *v1alpha1.AgentDisconnectStatus) time.Time {
	if IsVerifying(status) {
		return VerifyDeadline(status)
	}
	return RecoveryDeadline(status)
}

// AgentFailuresUntil is until when AGENT is the doing of a run whose rules are gone: until its
// agents were back, or could be, or until they were no longer awaited since their cluster is gone.
func AgentFailuresUntil(status *v1alpha1.AgentDisconnectStatus) time.Time {
	switch agents := status.Agents; {
	case status.RestoredTime == nil:
		return time.Time{}
	case agents != nil && agents.ReconnectedTime != nil && !agents.ReconnectedTime.Before(status.RestoredTime):
		return agents.ReconnectedTime.Time
	}

	back := status.RestoredTime.Add(RecoveryTimeout)
	if isRecovered(status) {
		return Earliest(back, status.RecoveredTime.Time)
	}
	return back
}

// KnowsCallers reports whether the status rests on all that CloudTrail had to show of the callers:
// from the first deny until the last of them had had its time.
func KnowsCallers(status *v1alpha1.AgentDisconnectStatus) bool {
	seen, until := status.Callers, AgentFailuresUntil(status)
	if seen == nil || seen.CompleteSince == nil || seen.CompleteUntil == nil || status.StartTime == nil || until.IsZero() {
		return false
	}
	end := until.Add(RecoverWithin(StartedCallers(status)))
	return !seen.CompleteSince.After(status.StartTime.Time) && seen.CompleteUntil.After(end)
}
