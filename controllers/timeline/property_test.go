// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"fmt"
	"slices"
	"testing"
	"time"
	"unicode/utf8"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/controllers/run/runtest"
)

// story is a run of which things are seen one after another.
type story struct {
	seen Seen
	// added is how many things the passes saw.
	added int32
}

// happen has one more thing happen, of any kind, or nothing.
func (s *story) happen(t *rapid.T) {
	status := &s.seen.Object.Status
	s.seen.Repaired, s.seen.CarriedOver = "", ""
	s.seen.Now = s.seen.Now.Add(time.Duration(rapid.IntRange(1, 90_000).Draw(t, "milliseconds")) * time.Millisecond)
	switch rapid.IntRange(0, 5).Draw(t, "what") {
	case 0:
		status.State = rapid.SampledFrom([]string{v1alpha1.StateInstalling, v1alpha1.StateBlocking, v1alpha1.StateRestoring}).Draw(t, "state")
	case 1:
		n := rapid.SampledFrom([]*int32{nil, new(int32(0)), new(int32(1)), new(int32(2))}).Draw(t, "disconnected")
		status.Agents = &v1alpha1.Agents{Total: new(int32(rapid.IntRange(2, 3).Draw(t, "total"))), Disconnected: n}
	case 2:
		status.DriftRepairs++
		s.seen.Repaired = rapid.SampledFrom([]string{"", "rule 80 was removed"}).Draw(t, "repair")
	case 3:
		s.seen.CarriedOver = fmt.Sprintf("clone updated at %s", s.seen.Now.Format(time.RFC3339Nano))
	case 4:
		s.seen.Phase = rapid.SampledFrom([]run.Phase{run.Active, run.Suspended, run.Pending}).Draw(t, "phase")
	case 5:
		if status.Abort == nil {
			status.Abort = &v1alpha1.Abort{Reason: v1alpha1.AbortSubnetLeft, Message: "it was moved", Time: *run.Stamp(s.seen.Now)}
		}
	}
}

// pass takes what is seen into the timeline.
func (s *story) pass() {
	before := s.seen.Object.Status.Timeline
	after := Next(s.seen)
	s.added += sum(after) - sum(before)
	s.seen.Object.Status.Timeline = after
}

func sum(entries []v1alpha1.TimelineEntry) (total int32) {
	for _, entry := range entries {
		total += standsFor(entry)
	}
	return total
}

func newStory() *story {
	return &story{seen: Seen{Object: &v1alpha1.AgentDisconnect{}, Now: runtest.Start, Phase: run.Pending}}
}

func TestTimelineOfAnyStoryIsWholeInOrderAndBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		s := newStory()
		var told []v1alpha1.TimelineEntry // all that was ever added
		for range rapid.IntRange(0, 150).Draw(t, "passes") {
			s.happen(t)
			past := s.seen.Object.Status.Timeline
			for _, find := range kinds {
				if entry := find(history(past), s.seen); entry != nil {
					told = append(told, *entry)
				}
			}
			s.pass()

			entries := s.seen.Object.Status.Timeline
			g.Expect(entries).To(HaveLen(min(len(told), v1alpha1.MaxTimeline)))
			g.Expect(sum(entries)).To(Equal(sum(told)), "the counts are all that happened")
			g.Expect(slices.IsSortedFunc(entries, func(a, b v1alpha1.TimelineEntry) int { return a.Time.Compare(b.Time.Time) })).To(BeTrue())
			expectAcceptable(g, entries, s.seen.Now)
			for _, of := range types(told) {
				g.Expect(history(entries).count(of)).To(Equal(history(told).count(of)), "of %s", of)
				g.Expect(untimed(*history(entries).last(of))).To(Equal(untimed(*history(told).last(of))), "the newest %s", of)
				g.Expect(untimed(first(entries, of))).To(Equal(untimed(first(told, of))), "the oldest %s", of)
			}

			g.Expect(Next(s.seen)).To(Equal(entries), "the same pass again")
			later := s.seen
			later.Now, later.CarriedOver, later.Repaired = later.Now.Add(time.Hour), "", ""
			g.Expect(Next(later)).To(Equal(entries), "a pass that sees nothing new")
		}
	})
}

// Whatever a person writes into a timeline, or the clock does, the next entries bring it in order,
// and then nothing more is written.
func TestTimelineThatWasEditedIsOnlyShown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		s := newStory()
		s.seen.Object.Status.Timeline = drawEdited(t)
		edited := slices.Clone(s.seen.Object.Status.Timeline)
		s.happen(t)
		after := Next(s.seen)
		g.Expect(s.seen.Object.Status.Timeline).To(Equal(edited), "the timeline that a pass found is not changed in place")
		if len(after) == len(edited) && slices.EqualFunc(after, edited, func(a, b v1alpha1.TimelineEntry) bool { return a == b }) {
			return // nothing happened
		}

		g.Expect(len(after)).To(BeNumerically("<=", v1alpha1.MaxTimeline))
		g.Expect(slices.IsSortedFunc(after, func(a, b v1alpha1.TimelineEntry) int { return a.Time.Compare(b.Time.Time) })).To(BeTrue())
		for _, entry := range after {
			g.Expect(entry.Time.Time).To(BeTemporally("<=", s.seen.Now))
		}
		s.seen.Object.Status.Timeline = after
		g.Expect(Next(s.seen)).To(Equal(after))
	})
}

// drawEdited draws a timeline that no manager wrote.
func drawEdited(t *rapid.T) []v1alpha1.TimelineEntry {
	kinds := []v1alpha1.TimelineType{
		v1alpha1.TimelineState, v1alpha1.TimelineAgents, v1alpha1.TimelineRulesRepaired, v1alpha1.TimelineCarriedOver,
		v1alpha1.TimelineSuspended, v1alpha1.TimelineResumed, v1alpha1.TimelineAborted, v1alpha1.TimelineVerdict, "Nonsense",
	}
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) v1alpha1.TimelineEntry {
		return v1alpha1.TimelineEntry{
			Time:    *runtest.At(float64(rapid.IntRange(-1e6, 1e6).Draw(t, "minute"))),
			Type:    rapid.SampledFrom(kinds).Draw(t, "type"),
			Reason:  rapid.StringN(0, 9, 64).Draw(t, "reason"),
			Message: rapid.StringN(0, 9, 64).Draw(t, "message"),
			Count:   rapid.Int32().Draw(t, "count"),
		}
	}), 0, 100).Draw(t, "timeline")
}

// expectAcceptable holds entries against what the API server accepts.
func expectAcceptable(g Gomega, entries []v1alpha1.TimelineEntry, now time.Time) {
	for _, entry := range entries {
		g.Expect(entry.Time.Time).To(And(Equal(entry.Time.Truncate(time.Second)), BeTemporally("<=", now)))
		g.Expect(utf8.RuneCountInString(entry.Message)).To(BeNumerically("<=", maxMessage))
		g.Expect(utf8.RuneCountInString(entry.Reason)).To(BeNumerically("<=", maxReason))
		g.Expect(entry.Count).NotTo(Equal(int32(1)), "one is unset")
	}
}

func types(entries []v1alpha1.TimelineEntry) []v1alpha1.TimelineType {
	var all []v1alpha1.TimelineType
	for _, entry := range entries {
		if !slices.Contains(all, entry.Type) {
			all = append(all, entry.Type)
		}
	}
	return all
}

func first(entries []v1alpha1.TimelineEntry, of v1alpha1.TimelineType) v1alpha1.TimelineEntry {
	return entries[slices.IndexFunc(entries, func(entry v1alpha1.TimelineEntry) bool { return entry.Type == of })]
}

// untimed is an entry without its time and what it counts beside itself.
func untimed(entry v1alpha1.TimelineEntry) v1alpha1.TimelineEntry {
	entry.Time, entry.Count = metav1.Time{}, 0
	return entry
}
