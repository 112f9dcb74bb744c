// SPDX-License-Identifier: Apache-2.0

package schedule

import (
	"fmt"
	"math"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/pages"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/controllers/schedule/child"
)

const (
	// maxMessage is what the API takes of a message.
	maxMessage = 1024
	maxCount   = math.MaxInt32
)

// describeMissed says why no run begins.
func describeMissed(reason v1alpha1.MissedReason) string {
	switch reason {
	case v1alpha1.MissedTooLate:
		return "the manager saw it only after startingDeadline, or a newer time was due by then"
	case v1alpha1.MissedRunIsOn:
		return "another run of the schedule is not over, and concurrencyPolicy is Forbid"
	case v1alpha1.MissedNotReplaced:
		return "the run that was on was not restored within startingDeadline, or before a newer time was due"
	case v1alpha1.MissedNotCreated:
		return "the run could not be created"
	case v1alpha1.MissedInterrupted:
		return "the manager was stopped while it created the run, or the API server failed"
	}
	return string(reason)
}

// report brings the status in line with the runs and with what was decided. invalid says why the
// times of the schedule are not known; nil: they are.
func (p *pass) report(runs []v1alpha1.AgentDisconnect, times cadence, d decision, invalid error) {
	status := &p.obj.Status
	status.ObservedGeneration = p.obj.Generation
	status.Active = nil
	stalled := ""
	for _, obj := range runs {
		state := child.State(&obj)
		if child.IsOn(&obj, p.now) && len(status.Active) < v1alpha1.MaxActiveRuns {
			status.Active = append(status.Active, obj.Name)
		}
		if message := stalledMessage(&obj.Status); message != "" && stalled == "" {
			stalled = fmt.Sprintf("Run %s does not end until a person acts: %s", obj.Name, message)
		}
		if over := overSince(&obj, state); state.Status == metav1.ConditionTrue && over.After(ptr.Deref(status.LastSuccessfulTime, metav1.Time{}).Time) {
			status.LastSuccessfulTime = run.Stamp(over)
		}
	}

	p.reportLastRun(runs)
	status.NextScheduleTime = nil
	if invalid == nil && !isSuspended(&p.obj.Spec) {
		if next := nextTime(p.obj, times, p.now); !next.IsZero() {
			status.NextScheduleTime = run.Stamp(next)
		}
	}
	p.setReadiness(p.readiness(times, d, invalid, stalled))
}

// reportLastRun says what became of the newest run. An older one that is left says nothing of it.
func (p *pass) reportLastRun(runs []v1alpha1.AgentDisconnect) {
	since := ptr.Deref(p.obj.Status.LastScheduleTime, metav1.Time{}).Time
	if len(runs) > 0 && !child.ScheduledFor(&runs[len(runs)-1]).Before(since) {
		newest := &runs[len(runs)-1]
		state := child.State(newest)
		p.set(v1alpha1.ConditionLastRunSucceeded, state.Status, state.Reason, newest.Name+": "+state.Message)
		return
	}
	if before := meta.FindStatusCondition(p.obj.Status.Conditions, v1alpha1.ConditionLastRunSucceeded); before != nil && before.Status == metav1.ConditionUnknown {
		p.set(v1alpha1.ConditionLastRunSucceeded, metav1.ConditionUnknown, v1alpha1.ReasonRunDeleted, "The newest run was deleted before it was over, or was not created")
	}
}

// overSince is when a run was over.
func overSince(obj *v1alpha1.AgentDisconnect, state metav1.Condition) time.Time {
	if over := obj.Status.CompletionTime; over != nil {
		return over.Time
	}
	return state.LastTransitionTime.Time
}

// readiness is the condition Ready to be. A person must act where it is False.
type readiness struct {
	value           metav1.ConditionStatus
	reason, message string
}

// readiness reports whether the schedule works, and what a person must do where it does not.
func (p *pass) readiness(times cadence, d decision, invalid error, stalled string) readiness {
	status, lost := &p.obj.Status, p.obj.Status.Missed
	switch last := status.LastScheduleTime; {
	case invalid != nil:
		return readiness{metav1.ConditionFalse, v1alpha1.ReasonInvalidSchedule, invalid.Error()}
	case stalled != "":
		return readiness{metav1.ConditionFalse, v1alpha1.ReasonRunStalled, stalled}
	case isSuspended(&p.obj.Spec):
		return readiness{metav1.ConditionTrue, v1alpha1.ReasonScheduleSuspended, "No run begins while spec.suspend is true"}
	case last != nil && last.Sub(p.now) > longestDeadline:
		return readiness{metav1.ConditionFalse, v1alpha1.ReasonClockSetBack, fmt.Sprintf(
			"A run was created for %s before the manager's clock was set back, and no time until then is run: delete this schedule and its run, and create it again", inUTC(last.Time))}
	case lost != nil && lost.LastReason == v1alpha1.MissedNotCreated && lost.LastTime.Equal(last) && lost.ObservedGeneration == p.obj.Generation:
		return readiness{metav1.ConditionFalse, v1alpha1.ReasonRunNotCreated, fmt.Sprintf("The run for %s could not be created: %s. %s", inUTC(lost.LastTime.Time), lost.Message, p.nextSentence(times))}
	case !d.replace.IsZero():
		return readiness{metav1.ConditionTrue, v1alpha1.ReasonReplacing, fmt.Sprintf("The run for %s begins once %s is restored", inUTC(d.replace), strings.Join(status.Active, ", "))}
	case status.NextScheduleTime == nil:
		return readiness{metav1.ConditionFalse, v1alpha1.ReasonNeverDue, fmt.Sprintf("Schedule %s matches no day of the next years: correct it", p.obj.Spec.Schedule)}
	}
	return readiness{metav1.ConditionTrue, v1alpha1.ReasonScheduled, p.nextSentence(times)}
}

// setReadiness sets Ready, and the two conditions of kstatus that follow from it.
func (p *pass) setReadiness(r readiness) {
	p.set(v1alpha1.ConditionReady, r.value, r.reason, r.message)
	p.setWhile(r.value == metav1.ConditionFalse, v1alpha1.ConditionStalled, r.reason, withLink(r.message))
	p.setWhile(r.reason == v1alpha1.ReasonReplacing, v1alpha1.ConditionReconciling, r.reason, r.message)
}

// withLink adds where to read on, unless the message of a run does so already.
func withLink(message string) string {
	if pages.HasLink(message) {
		return message
	}
	return pages.Link(message, pages.File("docs/schedules.md#what-to-look-at"))
}

// setWhile sets a condition that is there only while it is True.
func (p *pass) setWhile(holds bool, kind, reason, message string) {
	if holds {
		p.set(kind, metav1.ConditionTrue, reason, message)
	} else {
		meta.RemoveStatusCondition(&p.obj.Status.Conditions, kind)
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
	return sentence
}

func inUTC(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// set sets a condition at the time of the pass.
func (p *pass) set(kind string, value metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&p.obj.Status.Conditions, metav1.Condition{
		Type: kind, Status: value, Reason: reason, Message: pages.Truncate(message, maxMessage), ObservedGeneration: p.obj.Generation,
		LastTransitionTime: *run.Stamp(p.now),
	})
}
