// SPDX-License-Identifier: Apache-2.0

package run

import (
	"time"

	"k8s.io/utils/ptr"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

const (
	// RecoveryTimeout is how long the agents are awaited after the rules are gone. An agent's
	// longest back-off is 2 minutes, and ECS takes a few more to tell.
	RecoveryTimeout = 10 * time.Minute
	// WarmUp is how long before spec.startAfter discovery begins. Addresses rotate within minutes.
	WarmUp = 10 * time.Minute
	// StartWindow is how long a run may wait for its start unless spec.startDeadline says
	// otherwise.
	StartWindow = time.Hour
)

// Phase is what a pass does with an object.
type Phase string

// The phases, in the order in which they are asked for.
const (
	// Deleting: the object is being deleted. The rules go; agents are not awaited.
	Deleting Phase = "Deleting"
	// Renewed: the run is over and a new runID asks for another, or there was only a plan and now a
	// run is asked for.
	Renewed Phase = "Renewed"
	// Planning: no run is on, and the spec asks for a plan.
	Planning Phase = "Plan"
	// Finished: the run is over. Nothing is done, whatever the spec says.
	Finished Phase = "Finished"
	// Aborted: the run was ended before its time. The rules go.
	Aborted Phase = "Aborted"
	// Expired: the run's time is over. The rules go.
	Expired Phase = "Expired"
	// Missed: the run did not begin by its start deadline, and never will.
	Missed Phase = "Missed"
	// Suspended: the run is suspended. Its rules are lifted; one that has not begun doesn't begin.
	Suspended Phase = "Suspended"
	// Waiting: spec.startAfter is too far away for discovery to begin.
	Waiting Phase = "Waiting"
	// Pending: the run has not begun, and is being got ready.
	Pending Phase = "Pending"
	// Active: the run is on. The rules are kept in place.
	Active Phase = "Active"
)

// PhaseAt decides what a pass at the time now does, and when that can next change by itself; the
// zero time says never. It depends on the object and the time alone.
func PhaseAt(obj *v1alpha1.AgentDisconnect, now time.Time) (Phase, time.Time) {
	status := &obj.Status
	switch {
	case !obj.DeletionTimestamp.IsZero():
		return Deleting, time.Time{}
	case IsOver(status):
		return afterwards(obj), DeletionTime(obj)
	case status.Abort != nil:
		return Aborted, endDeadline(status)
	case status.CompletionTime != nil || status.StartTime == nil && TouchedAWS(status):
		// The status was edited: rules that may be in place come before all that it says beside
		// them.
		return Expired, endDeadline(status)
	case IsVerifying(status):
		return Expired, endDeadline(status) // by a clock that was set back too: others may have its network ACL
	case status.StartTime == nil:
		return beforehand(obj, now)
	}

	expires := Expiration(status)
	switch {
	case !now.Before(expires):
		return Expired, endDeadline(status)
	case ptr.Deref(obj.Spec.Suspend, false):
		return Suspended, expires
	}
	return Active, expires
}

// TouchedAWS reports whether a status shows, beside its start, that the run may have written to
// AWS.
func TouchedAWS(status *v1alpha1.AgentDisconnectStatus) bool {
	return len(status.Rules) > 0 || status.RestoredTime != nil || status.NetworkACL != nil
}

// afterwards is the phase of an object whose run is over.
func afterwards(obj *v1alpha1.AgentDisconnect) Phase {
	spec := &obj.Spec
	switch {
	case spec.Mode == v1alpha1.ModePlan:
		return Planning
	case spec.RunID != "" && spec.RunID != obj.Status.RunID:
		return Renewed
	}
	return Finished
}

// beforehand is the phase of an object whose run has not begun.
func beforehand(obj *v1alpha1.AgentDisconnect, now time.Time) (Phase, time.Time) {
	spec := &obj.Spec
	if spec.Mode == v1alpha1.ModePlan {
		return Planning, time.Time{}
	}

	if obj.Status.Plan != nil || obj.Status.ObservedMode == v1alpha1.ModePlan {
		return Renewed, time.Time{} // asked for only now
	}

	deadline := StartDeadline(obj)
	var begins, discovers time.Time
	if spec.StartAfter != nil {
		begins, discovers = spec.StartAfter.Time, spec.StartAfter.Add(-WarmUp)
	}

	switch {
	case !now.Before(deadline):
		return Missed, time.Time{}
	case ptr.Deref(spec.Suspend, false):
		return Suspended, deadline
	case now.Before(discovers):
		return Waiting, Earliest(discovers, deadline)
	case now.Before(begins):
		return Pending, Earliest(begins, deadline)
	}
	return Pending, deadline
}

// StartDeadline is when a run that has not begun never will.
func StartDeadline(obj *v1alpha1.AgentDisconnect) time.Time {
	switch {
	case obj.Spec.StartDeadline != nil:
		return obj.Spec.StartDeadline.Time
	case obj.Spec.StartAfter != nil:
		return obj.Spec.StartAfter.Add(StartWindow)
	}
	return RequestedAt(obj).Add(StartWindow)
}

// RequestedAt is when a run that has not begun was asked for.
func RequestedAt(obj *v1alpha1.AgentDisconnect) time.Time {
	if at := obj.Status.RequestTime; at != nil {
		return at.Time
	}
	return obj.CreationTimestamp.Time
}

// DeletionTime is when a finished object is to be deleted; the zero time: never, as while another
// run or a plan is asked for.
func DeletionTime(obj *v1alpha1.AgentDisconnect) time.Time {
	ttl := obj.Spec.TTLSecondsAfterFinished
	if ttl == nil || obj.Status.CompletionTime == nil || afterwards(obj) != Finished {
		return time.Time{}
	}
	return obj.Status.CompletionTime.Add(time.Duration(*ttl) * time.Second)
}

// Expiration is when a run that has begun ends. A run whose times were edited away is over: that it
// ends comes before all else.
func Expiration(status *v1alpha1.AgentDisconnectStatus) time.Time {
	switch {
	case status.ExpirationTime != nil:
		return status.ExpirationTime.Time
	case status.StartTime != nil:
		return status.StartTime.Time
	default:
		return time.Time{}
	}
}

// RecoveryDeadline is when the agents of a run whose rules are gone are no longer awaited.
func RecoveryDeadline(status *v1alpha1.AgentDisconnectStatus) time.Time {
	if status.RestoredTime == nil || !IsRestored(status) {
		return time.Time{}
	}
	return status.RestoredTime.Add(RecoveryTimeout)
}

// IsRestored reports whether nothing of the run is left on network ACLs, nor a schedule, as far as the
// ledger knows. Tasks of a probe may be left: HasTasksLeft.
func IsRestored(status *v1alpha1.AgentDisconnectStatus) bool {
	begun := status.StartTime != nil || status.Abort != nil || status.NetworkACL != nil
	clone := status.NetworkACL != nil && HasCloneLeft(status.NetworkACL)
	return len(status.Rules) == 0 && !clone && !IsArmed(status) && (!begun || status.RestoredTime != nil)
}

// HasCloneLeft reports whether a clone may be there that is to be undone.
func HasCloneLeft(acl *v1alpha1.NetworkACL) bool {
	return acl.State != "" && acl.State != v1alpha1.CloneAdopted
}

// Earliest is the earlier of two times.
func Earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
