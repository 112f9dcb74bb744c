// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// Seen is what a pass knows at its end, and the status does not show by itself.
type Seen struct {
	// Object has the status as the pass leaves it, its conditions and its state included.
	Object *v1alpha1.AgentDisconnect
	Now    time.Time
	Phase  run.Phase
	// Repaired describes the rules that the pass restored, CarriedOver the changes of the original
	// that it made to the clone; empty: none.
	Repaired, CarriedOver string
}

// Next is the timeline of the object with what the pass saw. It is the one that the object has
// where nothing happened.
func Next(seen Seen) []v1alpha1.TimelineEntry {
	previous := seen.Object.Status.Timeline
	if isClosed(seen) {
		return previous
	}

	// Each kind is asked of the timeline as the pass found it: no entry depends on another of the
	// same pass.
	now := *run.Stamp(seen.Now)
	past := inOrder(previous, now)
	next := slices.Clone(past)
	for _, find := range kinds {
		if entry := find(history(past), seen); entry != nil {
			next = follow(next, *entry, now)
		}
	}

	if len(next) == len(past) {
		return previous
	}
	return thin(next)
}

// isClosed reports whether nothing is added to the timeline any more: the run was over before this
// pass, and what is planned or edited since is no part of it.
func isClosed(seen Seen) bool {
	status := &seen.Object.Status
	n := len(status.Timeline)
	hasVerdict := n > 0 && status.Timeline[n-1].Type == v1alpha1.TimelineVerdict
	over := status.CompletionTime != nil
	return seen.Phase == run.Finished || over && (seen.Phase == run.Planning || hasVerdict)
}

// inOrder is a timeline in whole seconds and in the order of time, none later than now. Where the
// clock was put back, or the status was edited, earlier entries give way: the time of a new one is
// right.
func inOrder(previous []v1alpha1.TimelineEntry, now metav1.Time) []v1alpha1.TimelineEntry {
	past := slices.Clone(previous)
	for i := range past {
		past[i].Time = earlier(*run.Stamp(past[i].Time.Time), now)
	}
	slices.SortStableFunc(past, func(a, b v1alpha1.TimelineEntry) int { return a.Time.Compare(b.Time.Time) })
	return past
}

// follow adds an entry at the end of a timeline that is in order: it is of now, unless it has an
// earlier time and nothing happened since.
func follow(entries []v1alpha1.TimelineEntry, entry v1alpha1.TimelineEntry, now metav1.Time) []v1alpha1.TimelineEntry {
	if entry.Time.IsZero() {
		entry.Time = now
	}

	entry.Time = earlier(*run.Stamp(entry.Time.Time), now)
	if n := len(entries); n > 0 && entry.Time.Before(&entries[n-1].Time) {
		entry.Time = entries[n-1].Time
	}
	return append(entries, entry)
}

func earlier(a, b metav1.Time) metav1.Time {
	if b.Before(&a) {
		return b
	}
	return a
}

// history is a timeline that is looked at.
type history []v1alpha1.TimelineEntry

// last is the newest entry of the given types; nil: there is none.
func (h history) last(types ...v1alpha1.TimelineType) *v1alpha1.TimelineEntry {
	for i := len(h) - 1; i >= 0; i-- {
		if slices.Contains(types, h[i].Type) {
			return &h[i]
		}
	}
	return nil
}

// count is how many things of a type the timeline stands for.
func (h history) count(of v1alpha1.TimelineType) int32 {
	total := int32(0)
	for i := range h {
		if h[i].Type == of {
			total = add(total, standsFor(h[i]))
		}
	}
	return total
}
