// SPDX-License-Identifier: Apache-2.0

package schedule

import (
	"context"
	"errors"
	"fmt"
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
	"agentdisconnect.dev/agentdisconnect/controllers/objects"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/controllers/schedule/child"
)

// runChanged lets through what can change a decision, or what a schedule says of its runs.
var runChanged = predicate.Funcs{
	UpdateFunc: func(e event.UpdateEvent) bool {
		before, wasRun := e.ObjectOld.(*objects.Object)
		after, isRun := e.ObjectNew.(*objects.Object)
		return wasRun && isRun && lookOf(before) != lookOf(after)
	},
	GenericFunc: func(event.GenericEvent) bool { return false },
}

// look is what a schedule goes by of a run.
type look struct {
	state, stalled            string
	isDeleted, isHeld, isOver bool
}

func lookOf(obj *objects.Object) look {
	return look{
		state: obj.Status.State, stalled: stalledMessage(&obj.Status),
		isDeleted: !obj.DeletionTimestamp.IsZero(), isHeld: slices.Contains(obj.Finalizers, v1alpha1.Finalizer), isOver: run.IsOver(&obj.Status),
	}
}

func (p *pass) anyOn(runs []v1alpha1.AgentDisconnect) bool {
	return slices.ContainsFunc(runs, func(obj v1alpha1.AgentDisconnect) bool { return child.IsOn(&obj, p.now) })
}

// stalledMessage says why a run that has begun does not end until a person acts; empty: it does.
func stalledMessage(status *v1alpha1.AgentDisconnectStatus) string {
	stalled := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionStalled)
	if status.StartTime == nil || run.IsOver(status) || stalled == nil || stalled.Status != metav1.ConditionTrue {
		return ""
	}
	return stalled.Reason + ": " + stalled.Message
}

// listRuns gives the runs of the schedule, the oldest first, read past the cache: it has them stripped.
func (p *pass) listRuns(ctx context.Context) ([]v1alpha1.AgentDisconnect, error) {
	var list v1alpha1.AgentDisconnectList
	if err := p.reader.List(ctx, &list, client.InNamespace(p.obj.Namespace), client.MatchingLabels{v1alpha1.LabelSchedule: p.obj.Name}); err != nil {
		return nil, fmt.Errorf("listing the runs of schedule %s/%s: %w", p.obj.Namespace, p.obj.Name, err)
	}

	return child.Of(p.obj, list.Items), nil
}

// startRun creates the run for a time, and adds it to the others. That it is about to is stored
// first, under a lock on the version of the schedule: of two managers one gets that far, and none
// does so twice.
func (p *pass) startRun(ctx context.Context, at time.Time, runs []v1alpha1.AgentDisconnect) ([]v1alpha1.AgentDisconnect, error) {
	made := child.New(p.obj, at)
	p.obj.Status.LastScheduleTime, p.obj.Status.Starting = run.Stamp(at), made.Name
	if err := p.write(ctx); err != nil {
		return nil, err
	}

	// Another manager gives the start up after this. What a call did that was cut off is not known yet:
	// settleStart fails in the same context, and a later pass finds out.
	ctx, cancel := context.WithTimeout(ctx, createWithin-p.clock.Since(p.now))
	defer cancel()
	if err := p.client.Create(ctx, made); err != nil {
		// Creating it again could bring back a run that a person has deleted by now.
		return runs, p.settleStart(ctx, err)
	}
	p.obj.Status.Starting = ""
	p.noteCreated(made.Name, at, p.clock.Now())
	return append(runs, *made), nil
}

// noteCreated has it recorded that a run was created for a time, and how late.
func (p *pass) noteCreated(name string, at, created time.Time) {
	late := max(created.Sub(at), 0)
	p.notes = append(p.notes, note{kind: corev1.EventTypeNormal, reason: "RunCreated", text: fmt.Sprintf("Created AgentDisconnect %s for %s", name, inUTC(at)), late: &late})
}

// settleStart finds out what became of a run that was being created, and leaves a start that another
// manager may be at. It is never created again: what is not there may have been there, and have been
// deleted by a person. failed is the API server's answer; nil: it is not known.
func (p *pass) settleStart(ctx context.Context, failed error) error {
	status := &p.obj.Status
	if status.Starting == "" {
		return nil
	}

	found := &v1alpha1.AgentDisconnect{}
	err := p.reader.Get(ctx, client.ObjectKey{Namespace: p.obj.Namespace, Name: status.Starting}, found)
	lost := missed{count: 1, newest: ptr.Deref(status.LastScheduleTime, metav1.Time{Time: p.now}).Time, reason: v1alpha1.MissedInterrupted}
	if apierrors.IsInvalid(failed) || apierrors.IsForbidden(failed) || apierrors.IsBadRequest(failed) {
		lost.reason = v1alpha1.MissedNotCreated
	}
	switch {
	case err == nil && metav1.IsControlledBy(found, p.obj):
		p.noteCreated(found.Name, lost.newest, found.CreationTimestamp.Time)
	case err == nil:
		lost.reason = v1alpha1.MissedNotCreated
		p.countMissed(lost, fmt.Sprintf("an AgentDisconnect %s that is not of this schedule is in its place: delete it", status.Starting))
	case !apierrors.IsNotFound(err):
		return errors.Join(failed, fmt.Errorf("looking for AgentDisconnect %s/%s, which was being created: %w", p.obj.Namespace, status.Starting, err))
	case failed != nil:
		p.countMissed(lost, failed.Error())
	case p.now.Sub(ptr.Deref(status.DecidedTime, metav1.Time{}).Time).Abs() < giveUpAfter:
		return nil
	default:
		p.countMissed(lost, "")
	}
	status.Starting = ""
	return nil
}

// endRuns deletes the runs from before a time that are on. Their controller keeps each until
// everything of it is restored.
func (p *pass) endRuns(ctx context.Context, runs []v1alpha1.AgentDisconnect, before time.Time) error {
	var errs []error
	for _, obj := range runs {
		if !child.IsOn(&obj, p.now) || !obj.DeletionTimestamp.IsZero() || !child.ScheduledFor(&obj).Before(before) {
			continue
		}
		if err := p.deleteRun(ctx, &obj); err != nil {
			errs = append(errs, err)
			continue
		}
		p.record(note{kind: corev1.EventTypeNormal, reason: "RunReplaced", text: fmt.Sprintf("Deleted AgentDisconnect %s: the next run begins once it is restored", obj.Name)})
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
		if child.IsOn(&obj, p.now) || !obj.DeletionTimestamp.IsZero() {
			continue
		}
		succeeded := child.State(&obj).Status == metav1.ConditionTrue
		if kept[succeeded] > 0 {
			kept[succeeded]--
			continue
		}
		errs = append(errs, p.deleteRun(ctx, &obj))
	}
	return errors.Join(errs...)
}

// deleteRun deletes an object, unless it was written since it was read: a run that is over may have
// been asked for again.
func (p *pass) deleteRun(ctx context.Context, obj *v1alpha1.AgentDisconnect) error {
	err := p.client.Delete(ctx, obj, client.Preconditions{UID: &obj.UID, ResourceVersion: &obj.ResourceVersion})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting AgentDisconnect %s/%s: %w", obj.Namespace, obj.Name, err)
	}
	return nil
}
