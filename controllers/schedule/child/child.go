// SPDX-License-Identifier: Apache-2.0

package child

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// Kind is the kind of schedules.
const Kind = "AgentDisconnectSchedule"

// defaultStartingDeadline is how late a run may begin where the spec does not say.
const defaultStartingDeadline = 10 * time.Minute

// New makes the run for a time of the schedule. Its name depends on nothing else, so that there is
// one at most.
func New(schedule *v1alpha1.AgentDisconnectSchedule, at time.Time) *v1alpha1.AgentDisconnect {
	made := fromTemplate(schedule, at)
	made.Name = fmt.Sprintf("%s-%d", schedule.Name, at.Unix()/60)
	made.OwnerReferences[0].BlockOwnerDeletion = new(true)
	made.Annotations[v1alpha1.AnnotationScheduleTime] = at.UTC().Format(time.RFC3339)
	made.Spec.StartAfter = run.Stamp(at)
	return made
}

// NewManual makes a run that a person asks for now. It does not block the deletion of its owner: some
// clusters let only those do that who may update the owner's finalizers.
func NewManual(schedule *v1alpha1.AgentDisconnectSchedule, now time.Time) *v1alpha1.AgentDisconnect {
	made := fromTemplate(schedule, now)
	made.GenerateName = schedule.Name + "-manual-"
	return made
}

// fromTemplate makes a run that may begin from a time on.
func fromTemplate(schedule *v1alpha1.AgentDisconnectSchedule, from time.Time) *v1alpha1.AgentDisconnect {
	made := &v1alpha1.AgentDisconnect{
		TypeMeta: metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "AgentDisconnect"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: schedule.Namespace, Labels: map[string]string{}, Annotations: map[string]string{},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: v1alpha1.GroupVersion.String(), Kind: Kind, Name: schedule.Name, UID: schedule.UID, Controller: new(true),
			}},
		},
		Spec: *schedule.Spec.Template.Spec.DeepCopy(),
	}
	if metadata := schedule.Spec.Template.Metadata; metadata != nil {
		maps.Copy(made.Labels, metadata.Labels)
		maps.Copy(made.Annotations, metadata.Annotations)
	}
	delete(made.Annotations, v1alpha1.AnnotationScheduleTime)
	made.Labels[v1alpha1.LabelSchedule] = schedule.Name
	made.Spec.StartDeadline = run.Stamp(from.Add(StartingDeadline(&schedule.Spec)))
	return made
}

// StartingDeadline is how late a run of the schedule may begin.
func StartingDeadline(spec *v1alpha1.AgentDisconnectScheduleSpec) time.Duration {
	if spec.StartingDeadline == nil {
		return defaultStartingDeadline
	}
	return spec.StartingDeadline.Duration
}

// IsOn reports whether a run can still do something, or is not restored.
func IsOn(obj *v1alpha1.AgentDisconnect, now time.Time) bool {
	status := &obj.Status
	switch {
	case !obj.DeletionTimestamp.IsZero():
		return IsHeld(obj) // others may hold an object of which nothing is left
	case run.IsOver(status):
		return false
	case obj.Spec.Mode == v1alpha1.ModePlan && status.StartTime == nil && !run.TouchedAWS(status):
		return State(obj).Status == metav1.ConditionUnknown && now.Before(run.StartDeadline(obj)) // a plan that is being made
	}
	return true
}

// IsHeld reports whether the run's controller keeps the object until everything is restored.
func IsHeld(obj *v1alpha1.AgentDisconnect) bool {
	return slices.Contains(obj.Finalizers, v1alpha1.Finalizer)
}

// State is the condition Succeeded of a run.
func State(obj *v1alpha1.AgentDisconnect) metav1.Condition {
	found := meta.FindStatusCondition(obj.Status.Conditions, v1alpha1.ConditionSucceeded)
	if found == nil {
		return metav1.Condition{Status: metav1.ConditionUnknown, Reason: v1alpha1.StateWaiting, Message: "the controller has not processed the run yet"}
	}
	return metav1.Condition{Status: found.Status, Reason: found.Reason, Message: found.Message, LastTransitionTime: found.LastTransitionTime}
}

// ScheduledFor is the time of the schedule that a run was created for; that of its creation where
// a person asked for it.
func ScheduledFor(obj *v1alpha1.AgentDisconnect) time.Time {
	if at, err := time.Parse(time.RFC3339, obj.Annotations[v1alpha1.AnnotationScheduleTime]); err == nil {
		return at
	}
	return obj.CreationTimestamp.Time
}

// Of are those of some runs that a schedule made, the oldest first.
func Of(schedule *v1alpha1.AgentDisconnectSchedule, all []v1alpha1.AgentDisconnect) []v1alpha1.AgentDisconnect {
	var own []v1alpha1.AgentDisconnect
	for _, obj := range all {
		if metav1.IsControlledBy(&obj, schedule) {
			own = append(own, obj)
		}
	}
	slices.SortStableFunc(own, func(a, b v1alpha1.AgentDisconnect) int { return ScheduledFor(&a).Compare(ScheduledFor(&b)) })
	return own
}
