// SPDX-License-Identifier: Apache-2.0

package schedule

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// stateChanged lets through what can change a decision, or what a schedule says of its runs.
var stateChanged = predicate.Funcs{
	UpdateFunc: func(e event.UpdateEvent) bool {
		before, wasRun := e.ObjectOld.(*v1alpha1.AgentDisconnect)
		after, isRun := e.ObjectNew.(*v1alpha1.AgentDisconnect)
		return wasRun && isRun && (isOn(before) != isOn(after) || stateOf(before) != stateOf(after))
	},
	GenericFunc: func(event.GenericEvent) bool { return false },
}

// isOn reports whether a run can still do something, or is not restored. A plan does nothing.
func isOn(obj *v1alpha1.AgentDisconnect) bool {
	return obj.Spec.Mode != v1alpha1.ModePlan && (!obj.DeletionTimestamp.IsZero() || !run.IsOver(&obj.Status))
}

func anyOn(runs []v1alpha1.AgentDisconnect) bool {
	return slices.ContainsFunc(runs, func(obj v1alpha1.AgentDisconnect) bool { return isOn(&obj) })
}

// stateOf is the state of a run and whether it succeeded.
func stateOf(obj *v1alpha1.AgentDisconnect) metav1.Condition {
	found := meta.FindStatusCondition(obj.Status.Conditions, v1alpha1.ConditionSucceeded)
	if found == nil {
		return metav1.Condition{Status: metav1.ConditionUnknown, Reason: v1alpha1.StateWaiting, Message: "the controller has not processed the run yet"}
	}
	return metav1.Condition{Status: found.Status, Reason: found.Reason, Message: found.Message, LastTransitionTime: found.LastTransitionTime}
}

// scheduledFor is the time of the schedule that a run was created for; that of its creation where
// a person created it.
func scheduledFor(obj *v1alpha1.AgentDisconnect) time.Time {
	if at, err := time.Parse(time.RFC3339, obj.Annotations[v1alpha1.AnnotationScheduleTime]); err == nil {
		return at
	}
	return obj.CreationTimestamp.Time
}

// listRuns gives the runs of the schedule, the oldest first.
func (p *pass) listRuns(ctx context.Context, reader client.Reader) ([]v1alpha1.AgentDisconnect, error) {
	var list v1alpha1.AgentDisconnectList
	if err := reader.List(ctx, &list, client.InNamespace(p.obj.Namespace), client.MatchingLabels{v1alpha1.LabelSchedule: p.obj.Name}); err != nil {
		return nil, fmt.Errorf("listing the runs of schedule %s/%s: %w", p.obj.Namespace, p.obj.Name, err)
	}

	runs := slices.DeleteFunc(list.Items, func(obj v1alpha1.AgentDisconnect) bool { return !metav1.IsControlledBy(&obj, p.obj) })
	slices.SortFunc(runs, func(a, b v1alpha1.AgentDisconnect) int { return scheduledFor(&a).Compare(scheduledFor(&b)) })
	return runs, nil
}

// runName names the run for a time. It is the same whoever creates it, so that there is one at most.
func runName(obj *v1alpha1.AgentDisconnectSchedule, at time.Time) string {
	return fmt.Sprintf("%s-%d", obj.Name, at.Unix()/60)
}

// newRun makes the run for a time from the template.
func newRun(obj *v1alpha1.AgentDisconnectSchedule, at time.Time) *v1alpha1.AgentDisconnect {
	made := &v1alpha1.AgentDisconnect{
		ObjectMeta: metav1.ObjectMeta{
			Name: runName(obj, at), Namespace: obj.Namespace, Labels: map[string]string{}, Annotations: map[string]string{},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(obj, v1alpha1.GroupVersion.WithKind("AgentDisconnectSchedule"))},
		},
		Spec: *obj.Spec.Template.Spec.DeepCopy(),
	}
	if metadata := obj.Spec.Template.Metadata; metadata != nil {
		maps.Copy(made.Labels, metadata.Labels)
		maps.Copy(made.Annotations, metadata.Annotations)
	}
	made.Labels[v1alpha1.LabelSchedule] = obj.Name
	made.Annotations[v1alpha1.AnnotationScheduleTime] = at.UTC().Format(time.RFC3339)

	made.Spec.StartAfter, made.Spec.StartDeadline = stamp(at), stamp(at.Add(startingDeadline(&obj.Spec)))
	return made
}

// start creates the run for a time. That it is about to is stored first, under a lock on the
// version of the schedule: of two managers one gets that far, and none does so twice.
func (p *pass) start(ctx context.Context, at time.Time) (*v1alpha1.AgentDisconnect, error) {
	made := newRun(p.obj, at)
	p.obj.Status.LastScheduleTime, p.obj.Status.Starting = stamp(at), made.Name
	if err := p.write(ctx); err != nil {
		return nil, err
	}

	refused := p.client.Create(ctx, made)
	if refused != nil {
		// Creating it again could bring back a run that a person has deleted by now.
		return nil, p.settleStart(ctx, refused)
	}
	p.obj.Status.Starting = ""
	p.event(corev1.EventTypeNormal, "RunCreated", fmt.Sprintf("Created AgentDisconnect %s for %s", made.Name, at.UTC().Format(time.RFC3339)))
	return made, nil
}

// settleStart finds out what became of a run that was being created. It is never created again:
// what is not there may have been there, and have been deleted by a person. refused is the API server's
// answer; nil: it is not known.
func (p *pass) settleStart(ctx context.Context, refused error) error {
	status := &p.obj.Status
	if status.Starting == "" {
		return nil
	}

	found := &v1alpha1.AgentDisconnect{}
	err := p.reader.Get(ctx, client.ObjectKey{Namespace: p.obj.Namespace, Name: status.Starting}, found)
	lost := missed{count: 1, newest: ptr.Deref(status.LastScheduleTime, metav1.Time{Time: p.now}).Time, reason: v1alpha1.MissedNotCreated}
	switch {
	case err == nil && metav1.IsControlledBy(found, p.obj):
	case err == nil:
		p.miss(lost, fmt.Sprintf("there is an AgentDisconnect %s that is not of this schedule: delete it, or rename it", status.Starting))
	case !apierrors.IsNotFound(err):
		return errors.Join(refused, fmt.Errorf("looking for AgentDisconnect %s/%s, which was being created: %w", p.obj.Namespace, status.Starting, err))
	case refused != nil:
		p.miss(lost, refused.Error())
	default:
		lost.reason = v1alpha1.MissedInterrupted
		p.miss(lost, "")
	}
	status.Starting = ""
	return nil
}

// end deletes the runs that are on. Their controller keeps each until everything of it is restored.
func (p *pass) end(ctx context.Context, runs []v1alpha1.AgentDisconnect) error {
	var errs []error
	for _, obj := range runs {
		if !isOn(&obj) || !obj.DeletionTimestamp.IsZero() {
			continue
		}
		errs = append(errs, p.deleteRun(ctx, &obj))
		p.event(corev1.EventTypeNormal, "RunReplaced", fmt.Sprintf("Deleted AgentDisconnect %s: the next run begins once it is restored", obj.Name))
	}
	return errors.Join(errs...)
}

// trimHistory deletes the runs that are over beyond those that are kept.
func (p *pass) trimHistory(ctx context.Context, runs []v1alpha1.AgentDisconnect) error {
	var errs []error
	kept := map[bool]int32{
		true:  ptr.Deref(p.obj.Spec.SuccessfulRunsHistoryLimit, defaultHistoryLimit),
		false: ptr.Deref(p.obj.Spec.FailedRunsHistoryLimit, defaultHistoryLimit),
	}
	for _, obj := range slices.Backward(runs) {
		state := stateOf(&obj)
		if isOn(&obj) || state.Status == metav1.ConditionUnknown || !obj.DeletionTimestamp.IsZero() {
			continue
		}
		succeeded := state.Status == metav1.ConditionTrue
		if kept[succeeded] > 0 {
			kept[succeeded]--
			continue
		}
		errs = append(errs, p.deleteRun(ctx, &obj))
	}
	return errors.Join(errs...)
}

// deleteRun deletes this very object.
func (p *pass) deleteRun(ctx context.Context, obj *v1alpha1.AgentDisconnect) error {
	err := p.client.Delete(ctx, obj, client.Preconditions{UID: &obj.UID})
	if err = client.IgnoreNotFound(err); err != nil && !apierrors.IsConflict(err) {
		return fmt.Errorf("deleting AgentDisconnect %s/%s: %w", obj.Namespace, obj.Name, err)
	}
	return nil
}
