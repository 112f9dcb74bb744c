// SPDX-License-Identifier: Apache-2.0

package view

import (
	"cmp"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/utils/ptr"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// leastReason is what a table leaves for reasons, however long the names are.
const leastReason = 12

// Table lists objects. Reasons are cut to the width, and names never are; 0: nothing is.
func Table(objects []v1alpha1.AgentDisconnect, now time.Time, namespaced bool, width int) []string {
	header := []string{"NAMESPACE", "NAME", "STATE", "AGENTS", "END", "AGE", "REASON"}
	cells := [][]string{header}
	for i := range objects {
		obj := &objects[i]
		cells = append(cells, []string{obj.Namespace, obj.Name, stateOf(obj), counted(obj), endOf(obj, now), age(obj, now), Reason(obj)})
	}

	if !namespaced {
		for i := range cells {
			cells[i] = cells[i][1:]
		}
	}
	return columns(cells, width)
}

// columns sets cells two spaces apart, and cuts the last of each row to what the width leaves.
func columns(cells [][]string, width int) []string {
	last := len(cells[0]) - 1
	widths := make([]int, last)
	for _, row := range cells {
		for i := range widths {
			widths[i] = max(widths[i], length(row[i]))
		}
	}

	var lines []string
	for _, row := range cells {
		var b strings.Builder
		for i, w := range widths {
			b.WriteString(pad(row[i], w) + "  ")
		}
		room := 0
		if width > 0 {
			room = max(leastReason, width-length(b.String()))
		}
		text := cut(row[last], room)
		lines = append(lines, strings.TrimRight(b.String()+text, " "))
	}
	return lines
}

func stateOf(obj *v1alpha1.AgentDisconnect) string {
	return stateBy(obj, succeeded(obj))
}

// stateBy is the reason of the condition that has the state of an object, while it is not being deleted.
func stateBy(obj metav1.Object, state *metav1.Condition) string {
	switch {
	case obj.GetDeletionTimestamp() != nil:
		return "Deleting"
	case state == nil:
		return "New"
	default:
		return state.Reason
	}
}

// counted is how many of the tracked agents were seen disconnected by the run, as kubectl get has it.
func counted(obj *v1alpha1.AgentDisconnect) string {
	return cmp.Or(ptr.Deref(obj.Status.Agents, v1alpha1.Agents{}).Reached, "-")
}

func endOf(obj *v1alpha1.AgentDisconnect, now time.Time) string {
	status := &obj.Status
	switch {
	case status.CompletionTime != nil:
		return duration.HumanDuration(now.Sub(status.CompletionTime.Time)) + " ago"
	case status.ExpirationTime == nil:
		return "-"
	case now.Before(status.ExpirationTime.Time):
		return "in " + duration.HumanDuration(status.ExpirationTime.Sub(now))
	default:
		return "due"
	}
}

func age(obj *v1alpha1.AgentDisconnect, now time.Time) string {
	return duration.HumanDuration(now.Sub(obj.CreationTimestamp.Time))
}

// Reason says why a run is in its state, where that word alone does not: what a person must act on,
// or what it waits for.
func Reason(obj *v1alpha1.AgentDisconnect) string {
	c, s := succeeded(obj), stalled(obj)
	switch {
	case c == nil:
		return "no manager has looked at it yet"
	case s != nil && s.Reason != c.Reason:
		return s.Reason + ": " + s.Message
	case c.Reason == v1alpha1.StatePlanRefused:
		return refusals(obj, c.Message)
	case c.Reason == v1alpha1.StateWaiting, c.Reason == v1alpha1.StateRestoring, c.Reason == v1alpha1.StateRecovering, c.Reason == v1alpha1.StateVerifying, c.Reason == v1alpha1.AbortStartDeadlineExceeded:
		return c.Message
	case c.Reason == v1alpha1.StateCompleted && obj.Status.Reason != "":
		return obj.Status.Reason + callersInWords(obj)
	default:
		return ""
	}
}

// callersInWords is what CloudTrail shows of the callers, after a colon; empty: the status does not say.
func callersInWords(obj *v1alpha1.AgentDisconnect) string {
	if c := meta.FindStatusCondition(obj.Status.Conditions, v1alpha1.ConditionCallersRecovered); c != nil {
		return ": " + c.Message
	}
	return ""
}

// refusals are the reasons for which a planned run would not start.
func refusals(obj *v1alpha1.AgentDisconnect, message string) string {
	var reasons []string
	for _, refusal := range ptr.Deref(obj.Status.Plan, v1alpha1.Plan{}).Refusals {
		reasons = append(reasons, refusal.Reason)
	}
	return cmp.Or(strings.Join(reasons, ", "), message)
}
