// SPDX-License-Identifier: Apache-2.0

package run

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// IsOn reports whether a run has begun and is not over. One that only looks at its callers leaves its
// place to others.
func IsOn(status *v1alpha1.AgentDisconnectStatus) bool {
	return status.StartTime != nil && status.CompletionTime == nil && !IsVerifying(status)
}

// IsLifted reports whether a suspended run has no rule in the subnet's way.
func IsLifted(status *v1alpha1.AgentDisconnectStatus) bool {
	if !IsCloned(status) {
		return len(status.Rules) == 0
	}
	state := status.NetworkACL.State
	return state != v1alpha1.CloneServing && state != v1alpha1.CloneAssociating
}

// IsCloned reports whether a run's rules are on a clone.
func IsCloned(status *v1alpha1.AgentDisconnectStatus) bool {
	return status.NetworkACL != nil && status.NetworkACL.Mode == v1alpha1.NetworkACLModeClone
}

// IsPlanned reports whether the plan in the status is of the spec as it is. One of an earlier
// version has no wouldStart.
func IsPlanned(obj *v1alpha1.AgentDisconnect) bool {
	plan := obj.Status.Plan
	return plan != nil && plan.WouldStart != nil && plan.ObservedGeneration == obj.Generation
}

// IsMissed reports whether the run is over without ever having begun.
func IsMissed(status *v1alpha1.AgentDisconnectStatus) bool {
	return status.StartTime == nil && status.Abort != nil && status.Abort.Reason == v1alpha1.AbortStartDeadlineExceeded
}

// IsOver reports whether a run is over and nothing of it is left, as far as its object knows.
func IsOver(status *v1alpha1.AgentDisconnectStatus) bool {
	return status.CompletionTime != nil && IsRestored(status) && !HasTasksLeft(status)
}

// Name is the namespace and the name of an object, as messages and tags have it.
func Name(obj metav1.Object) string { return obj.GetNamespace() + "/" + obj.GetName() }
