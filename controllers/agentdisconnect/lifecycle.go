// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// RecoveryTimeout is how long the agents are awaited after the rules are gone. An agent's longest back-off is 2 minutes,
// and ECS takes a few more to tell.
const RecoveryTimeout = 10 * time.Minute

// Mode is what a pass does with an object.
type Mode string

// The modes, in the order in which they are asked for.
const (
	// ModeDeleting: the object is being deleted. The rules go; agents are not awaited.
	ModeDeleting Mode = "Deleting"
	// ModeFinished: the run is over. Nothing is done, whatever the spec says.
	ModeFinished Mode = "Finished"
	// ModeAborted: the run was ended before its time. The rules go.
	ModeAborted Mode = "Aborted"
	// ModeExpired: the run's time is over. The rules go.
	ModeExpired Mode = "Expired"
	// ModePending: the run has not begun.
	ModePending Mode = "Pending"
	// ModeActive: the run is on. The rules are kept in place.
	ModeActive Mode = "Active"
)

// ModeAt decides what a pass at the time now does, and when that can next change by itself; the zero time says never.
// It depends on the object and the time alone.
func ModeAt(obj *v1alpha1.AgentDisconnect, now time.Time) (Mode, time.Time) {
	status := &obj.Status
	switch {
	case !obj.DeletionTimestamp.IsZero():
		return ModeDeleting, time.Time{}
	case status.CompletionTime != nil && Restored(status):
		return ModeFinished, time.Time{}
	case status.Abort != nil:
		return ModeAborted, recoveryDeadline(status)
	case status.CompletionTime != nil || (status.StartTime == nil && (len(status.Rules) > 0 || status.RestoredTime != nil)):
		// Someone edited the status: rules that may be in place come before all that it says beside them.
		return ModeExpired, recoveryDeadline(status)
	case status.StartTime == nil:
		return ModePending, time.Time{}
	}
	expires := expiration(status)
	if !now.Before(expires) {
		return ModeExpired, recoveryDeadline(status)
	}
	return ModeActive, expires
}

// expiration is when a run that has begun ends. A run whose times someone removed is over: that it ends comes before all
// else.
func expiration(status *v1alpha1.AgentDisconnectStatus) time.Time {
	switch {
	case status.ExpirationTime != nil:
		return status.ExpirationTime.Time
	case status.StartTime != nil:
		return status.StartTime.Time
	default:
		return time.Time{}
	}
}

// recoveryDeadline is when the agents of a run whose rules are gone are no longer awaited.
func recoveryDeadline(status *v1alpha1.AgentDisconnectStatus) time.Time {
	if status.RestoredTime == nil || !Restored(status) {
		return time.Time{}
	}
	return status.RestoredTime.Add(RecoveryTimeout)
}

// Restored says whether nothing of the run is left in AWS, as far as the ledger knows.
func Restored(status *v1alpha1.AgentDisconnectStatus) bool {
	begun := status.StartTime != nil || status.Abort != nil
	return len(status.Rules) == 0 && (!begun || status.RestoredTime != nil)
}
