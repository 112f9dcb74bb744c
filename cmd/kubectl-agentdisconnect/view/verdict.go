// SPDX-License-Identifier: Apache-2.0

package view

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// Outcome is what a run came to.
type Outcome int

// The outcomes.
const (
	// Undecided: the run is on or waits, or the status is about another spec or another run.
	Undecided Outcome = iota
	// Succeeded: the run completed, or a plan says that one would start.
	Succeeded
	// Failed: the run is over and does not prove what it was made for, or it never began.
	Failed
	// Refused: a person must change something before the run can begin.
	Refused
)

// Verdict is an outcome with its words.
type Verdict struct {
	Outcome Outcome
	// Reason is the state, or for a run that is refused the reason of Stalled. Message is the
	// condition's.
	Reason, Message string
}

// Judge says what a run came to, by its conditions. A status that is about an earlier generation of
// the spec or an earlier run decides nothing.
func Judge(obj *v1alpha1.AgentDisconnect) Verdict {
	c := succeeded(obj)
	if c == nil || c.ObservedGeneration < obj.Generation || isOfEarlierRun(obj) {
		return Verdict{}
	}

	v := Verdict{Reason: c.Reason, Message: c.Message}
	switch {
	case c.Status == metav1.ConditionTrue:
		v.Outcome = Succeeded
	case c.Status == metav1.ConditionFalse && c.Reason == v1alpha1.StatePlanRefused:
		v.Outcome = Refused
	case c.Status == metav1.ConditionFalse:
		v.Outcome = Failed
	case c.Reason == v1alpha1.StateRefused:
		v.Outcome = Refused
		if stalled := stalled(obj); stalled != nil {
			v.Reason = stalled.Reason
		}
	}
	return v
}

// IsOver reports whether nothing more comes of the object by itself.
func IsOver(obj *v1alpha1.AgentDisconnect) bool {
	c := succeeded(obj)
	return Judge(obj).Outcome != Undecided && c.Status != metav1.ConditionUnknown
}

// isOfEarlierRun reports whether the status is about another run than the spec asks for. A plan has
// no runID.
func isOfEarlierRun(obj *v1alpha1.AgentDisconnect) bool {
	return obj.Spec.Mode != v1alpha1.ModePlan && obj.Spec.RunID != "" && obj.Spec.RunID != obj.Status.RunID
}

func succeeded(obj *v1alpha1.AgentDisconnect) *metav1.Condition {
	return meta.FindStatusCondition(obj.Status.Conditions, v1alpha1.ConditionSucceeded)
}

// stalled is the condition that a person must act on; nil: there is none.
func stalled(obj *v1alpha1.AgentDisconnect) *metav1.Condition {
	c := meta.FindStatusCondition(obj.Status.Conditions, v1alpha1.ConditionStalled)
	if c == nil || c.Status != metav1.ConditionTrue {
		return nil
	}
	return c
}
