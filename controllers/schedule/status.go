// SPDX-License-Identifier: Apache-2.0

package schedule

import (
	"fmt"
	"math"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

const (
	// maxMessage is what the API takes of a message.
	maxMessage = 1024
	maxCount   = math.MaxInt32
)

func stamp(t time.Time) *metav1.Time { return run.Stamp(t) }

func truncate(text string, most int) string { return aws.Truncate(text, most) }

// isSame reports whether two versions of a schedule say the same.
func isSame(a, b *v1alpha1.AgentDisconnectSchedule) bool {
	return equality.Semantic.DeepEqual(a.Status, b.Status)
}

// explain says why no run begins.
func explain(reason v1alpha1.MissedReason) string {
	switch reason {
	case v1alpha1.MissedTooLate:
		return "the manager saw it only after startingDeadline, or a newer time was due by then"
	case v1alpha1.MissedRunIsOn:
		return "another run of the schedule is not over, and concurrencyPolicy is Forbid"
	case v1alpha1.MissedNotReplaced:
		return "the run to be replaced was not restored within startingDeadline"
	case v1alpha1.MissedNotCreated:
		return "the run could not be created"
	case v1alpha1.MissedInterrupted:
		return "the manager was stopped while it created the run"
	}
	return string(reason)
}

// report brings the status in line with the runs and with what was decided. invalid says why the
// times of the schedule are not known; nil: they are.
func (p *pass) report(runs []v1alpha1.AgentDisconnect, times cadence, d decision, invalid error) {
	status := &p.obj.Status
	status.ObservedGeneration = p.obj.Generation
	status.Active = nil
	for _, obj := range runs {
		state := stateOf(&obj)
		if isOn(&obj) && len(status.Active) < v1alpha1.MaxActiveRuns {
			status.Active = append(status.Active, obj.Name)
		}
		if over := overSince(&obj, state); state.Status == metav1.ConditionTrue && over.After(ptr.Deref(status.LastSuccessfulTime, metav1.Time{}).Time) {
			status.LastSuccessfulTime = stamp(over)
		}
	}
	if len(runs) > 0 {
		newest := &runs[len(runs)-1]
		state := stateOf(newest)
		p.set(v1alpha1.ConditionLastRunSucceeded, state.Status, state.Reason, newest.Name+": "+state.Message)
	}

	status.NextScheduleTime = nil
	suspended := ptr.Deref(p.obj.Spec.Suspend, false)
	if invalid == nil && !suspended {
		if next := nextTime(p.obj, times, p.now); !next.IsZero() {
			status.NextScheduleTime = stamp(next)
		}
	}
	p.reportReady(times, d, invalid)
}

// overSince is when a run was over.
func overSince(obj *v1alpha1.AgentDisconnect, state metav1.Condition) time.Time {
	if over := obj.Status.CompletionTime; over != nil {
		return over.Time
	}
	return state.LastTransitionTime.Time
}

// reportReady says whether the schedule works, and what a person must do where it does not.
func (p *pass) reportReady(times cadence, d decision, invalid error) {
	status, conditions := &p.obj.Status, &p.obj.Status.Conditions
	for _, each := range []string{v1alpha1.ConditionStalled, v1alpha1.ConditionReconciling} {
		meta.RemoveStatusCondition(conditions, each)
	}

	stalled := func(reason, message string) {
		p.set(v1alpha1.ConditionReady, metav1.ConditionFalse, reason, message)
		p.set(v1alpha1.ConditionStalled, metav1.ConditionTrue, reason, message)
	}
	lost := status.Missed
	switch {
	case invalid != nil:
		stalled(v1alpha1.ReasonInvalidSchedule, invalid.Error())
	case ptr.Deref(p.obj.Spec.Suspend, false):
		p.set(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonScheduleSuspended, "No run begins while spec.suspend is true")
	case lost != nil && lost.LastReason == v1alpha1.MissedNotCreated && lost.LastTime.Equal(status.LastScheduleTime):
		stalled(v1alpha1.ReasonRunNotCreated, fmt.Sprintf("The run for %s could not be created: %s. %s", inUTC(lost.LastTime.Time), lost.Message, p.nextSentence(times)))
	case d.replace:
		message := fmt.Sprintf("Run %s is being restored; the next one begins then, until %s", slices.Concat(status.Active, []string{""})[0], inUTC(d.next))
		p.set(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReplacing, message)
		p.set(v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonReplacing, message)
	case status.NextScheduleTime == nil:
		stalled(v1alpha1.ReasonNeverDue, fmt.Sprintf("Schedule %s matches no day of the next years: correct it", p.obj.Spec.Schedule))
	default:
		p.set(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonScheduled, p.nextSentence(times))
	}
}

// nextSentence says when the next run begins.
func (p *pass) nextSentence(times cadence) string {
	next := p.obj.Status.NextScheduleTime
	if next == nil {
		return "No run begins"
	}
	sentence := fmt.Sprintf("The next run begins at %s", inUTC(next.Time))
	if zone := zoneOf(&p.obj.Spec); zone != "UTC" {
		sentence += fmt.Sprintf(" (%s in %s)", next.In(times.zone).Format("15:04"), zone)
	}
	if last := p.obj.Status.LastScheduleTime; last != nil && last.After(p.now) {
		sentence += fmt.Sprintf("; a run was created for %s already, before the manager's clock was set back", inUTC(last.Time))
	}
	return sentence
}

func inUTC(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// set sets a condition at the time of the pass.
func (p *pass) set(kind string, value metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&p.obj.Status.Conditions, metav1.Condition{
		Type: kind, Status: value, Reason: reason, Message: truncate(message, maxMessage), ObservedGeneration: p.obj.Generation,
		LastTransitionTime: *stamp(p.now),
	})
}
