// SPDX-License-Identifier: Apache-2.0

package view

import (
	"cmp"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/schedule/child"
)

// What a table leaves of columns, however long the names are: the times of a usual schedule, and an age
// with the beginning of a state.
const (
	leastTimes = 9
	leastLast  = 12
)

// Schedules lists schedules with their runs, and below what a person must act on. Times and the last
// state are cut to the width, and names never are; 0: nothing is.
func Schedules(schedules []v1alpha1.AgentDisconnectSchedule, made []v1alpha1.AgentDisconnect, now time.Time, namespaced bool, width int) []string {
	cells := [][]string{{"NAMESPACE", "NAME", "STATE", "SCHEDULE", "NEXT", "LAST", "ACTIVE"}}
	var problems []string
	for i := range schedules {
		obj := &schedules[i]
		own := child.Of(obj, made)
		cells = append(cells, []string{obj.Namespace, obj.Name, scheduleState(obj), Times(obj), next(obj, now), last(obj, own, now), strconv.Itoa(active(own, now))})
		if c := meta.FindStatusCondition(obj.Status.Conditions, v1alpha1.ConditionStalled); c != nil && c.Status == metav1.ConditionTrue {
			problems = append(problems, "")
			problems = append(problems, Wrap(obj.Namespace+"/"+obj.Name+": "+c.Reason+": "+c.Message, width, 0)...)
		}
	}

	if !namespaced {
		for i := range cells {
			cells[i] = cells[i][1:]
		}
	}
	count := len(cells[0])
	shrink(cells, count-4, leastTimes, width) // SCHEDULE
	shrink(cells, count-2, leastLast, width)  // LAST
	return append(columns(cells, 0), problems...)
}

// shrink cuts a column so that the rows fit the width, but for so many characters that are left of it.
// A width of 0 cuts nothing.
func shrink(cells [][]string, column, least, width int) {
	widest := 0
	for _, line := range columns(cells, 0) {
		widest = max(widest, length(line))
	}
	if width <= 0 || widest <= width {
		return
	}

	full := 0
	for _, row := range cells {
		full = max(full, length(row[column]))
	}
	for _, row := range cells {
		row[column] = cut(row[column], max(least, full-(widest-width)))
	}
}

// Times is the schedule of an object and its time zone.
func Times(obj *v1alpha1.AgentDisconnectSchedule) string {
	return obj.Spec.Schedule + " " + cmp.Or(obj.Spec.TimeZone, "UTC")
}

func scheduleState(obj *v1alpha1.AgentDisconnectSchedule) string {
	return stateBy(obj, meta.FindStatusCondition(obj.Status.Conditions, v1alpha1.ConditionReady))
}

// next is how long it takes until the next run, and when that is: the hour, the day, or the date.
func next(obj *v1alpha1.AgentDisconnectSchedule, now time.Time) string {
	at := obj.Status.NextScheduleTime
	if at == nil {
		return "-"
	}
	left := at.Sub(now)
	switch {
	case left <= 0:
		return "due"
	case left < 24*time.Hour:
		return duration.HumanDuration(left) + ", " + at.UTC().Format("15:04Z")
	case left < 7*24*time.Hour:
		return duration.HumanDuration(left) + ", " + at.UTC().Format("Mon 15:04Z")
	default:
		return duration.HumanDuration(left) + ", " + at.UTC().Format("Jan 2")
	}
}

// last is the newest run, by how long ago it was created and its state. Of one that is gone, the schedule
// has the state alone.
func last(obj *v1alpha1.AgentDisconnectSchedule, own []v1alpha1.AgentDisconnect, now time.Time) string {
	if len(own) > 0 {
		newest := &own[len(own)-1]
		return age(newest, now) + " " + stateOf(newest)
	}
	if c := meta.FindStatusCondition(obj.Status.Conditions, v1alpha1.ConditionLastRunSucceeded); c != nil {
		return c.Reason
	}
	return "-"
}

func active(own []v1alpha1.AgentDisconnect, now time.Time) int {
	on := 0
	for i := range own {
		if child.IsOn(&own[i], now) {
			on++
		}
	}
	return on
}
