// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"time"

	"k8s.io/utils/ptr"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

const (
	// RecoveryTimeout is how long the agents are awaited after the rules are gone. An agent's longest back-off is 2
	// minutes, and ECS takes a few more to tell.
	RecoveryTimeout = 10 * time.Minute
	// WarmUp is how long before spec.startAfter discovery begins. Addresses rotate within minutes.
	WarmUp = 10 * time.Minute
	// StartWindow is how long a run may wait for its start unless spec.startDeadline says otherwise.
	StartWindow = time.Hour
)

// Mode is what a pass does with an object.
type Mode string

// The modes, in the order in which they are asked for.
const (
	// ModeDeleting: the object is being deleted. The rules go; agents are not awaited.
	ModeDeleting Mode = "Deleting"
	// ModeRenewed: the run is over and a new runID asks for another, or there was only a plan and now a run is asked for.
	ModeRenewed Mode = "Renewed"
	// ModePlan: no run is on, and the spec asks for a plan.
	ModePlan Mode = "Plan"
	// ModeFinished: the run is over. Nothing is done, whatever the spec says.
	ModeFinished Mode = "Finished"
	// ModeAborted: the run was ended before its time. The rules go.
	ModeAborted Mode = "Aborted"
	// ModeExpired: the run's time is over. The rules go.
	ModeExpired Mode = "Expired"
	// ModeMissed: the run did not begin by its start deadline, and never will.
	ModeMissed Mode = "Missed"
	// ModeSuspended: the run is suspended. Its rules are lifted; one that has not begun doesn't begin.
	ModeSuspended Mode = "Suspended"
	// ModeWaiting: spec.startAfter is too far away for discovery to begin.
	ModeWaiting Mode = "Waiting"
	// ModePending: the run has not begun, and is being got ready.
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
		return afterwards(obj), deletion(obj)
	case status.Abort != nil:
		return ModeAborted, recoveryDeadline(status)
	case status.CompletionTime != nil || status.StartTime == nil && traces(status):
		// Someone edited the status: rules that may be in place come before all that it says beside them.
		return ModeExpired, recoveryDeadline(status)
	case status.StartTime == nil:
		return beforehand(obj, now)
	}
	expires := expiration(status)
	switch {
	case !now.Before(expires):
		return ModeExpired, recoveryDeadline(status)
	case ptr.Deref(obj.Spec.Suspend, false):
		return ModeSuspended, expires
	}
	return ModeActive, expires
}

// traces says whether a status without a start shows that there was one.
func traces(status *v1alpha1.AgentDisconnectStatus) bool {
	return len(status.Rules) > 0 || status.RestoredTime != nil || status.NetworkACL != nil
}

// afterwards is the mode of an object whose run is over.
func afterwards(obj *v1alpha1.AgentDisconnect) Mode {
	spec := &obj.Spec
	switch {
	case spec.Mode == v1alpha1.ModePlan:
		return ModePlan
	case spec.RunID != "" && spec.RunID != obj.Status.RunID:
		return ModeRenewed
	}
	return ModeFinished
}

// beforehand is the mode of an object whose run has not begun.
func beforehand(obj *v1alpha1.AgentDisconnect, now time.Time) (Mode, time.Time) {
	spec := &obj.Spec
	if spec.Mode == v1alpha1.ModePlan {
		return ModePlan, time.Time{}
	}
	if obj.Status.Plan != nil || obj.Status.ObservedMode == v1alpha1.ModePlan {
		return ModeRenewed, time.Time{} // asked for only now
	}
	deadline := startDeadline(obj)
	var begins, discovers time.Time
	if spec.StartAfter != nil {
		begins, discovers = spec.StartAfter.Time, spec.StartAfter.Add(-WarmUp)
	}
	switch {
	case !now.Before(deadline):
		return ModeMissed, time.Time{}
	case ptr.Deref(spec.Suspend, false):
		return ModeSuspended, deadline
	case now.Before(discovers):
		return ModeWaiting, earliest(discovers, deadline)
	case now.Before(begins):
		return ModePending, earliest(begins, deadline)
	}
	return ModePending, deadline
}

// startDeadline is when a run that has not begun never will.
func startDeadline(obj *v1alpha1.AgentDisconnect) time.Time {
	switch {
	case obj.Spec.StartDeadline != nil:
		return obj.Spec.StartDeadline.Time
	case obj.Spec.StartAfter != nil:
		return obj.Spec.StartAfter.Add(StartWindow)
	}
	return requested(obj).Add(StartWindow)
}

// requested is when a run that has not begun was asked for.
func requested(obj *v1alpha1.AgentDisconnect) time.Time {
	if at := obj.Status.RequestTime; at != nil {
		return at.Time
	}
	return obj.CreationTimestamp.Time
}

// deletion is when a finished object is to be deleted; the zero time: never, as while another run or a plan is asked for.
func deletion(obj *v1alpha1.AgentDisconnect) time.Time {
	ttl := obj.Spec.TTLSecondsAfterFinished
	if ttl == nil || obj.Status.CompletionTime == nil || afterwards(obj) != ModeFinished {
		return time.Time{}
	}
	return obj.Status.CompletionTime.Add(time.Duration(*ttl) * time.Second)
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
	begun := status.StartTime != nil || status.Abort != nil || status.NetworkACL != nil
	clone := status.NetworkACL != nil && cloneLeft(status.NetworkACL)
	return len(status.Rules) == 0 && !clone && !armed(status) && (!begun || status.RestoredTime != nil)
}

// cloneLeft says whether a clone may be there that is to be undone.
func cloneLeft(acl *v1alpha1.NetworkACL) bool {
	return acl.State != "" && acl.State != v1alpha1.CloneAdopted
}

// earliest is the earlier of two times.
func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
