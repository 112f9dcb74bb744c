// SPDX-License-Identifier: Apache-2.0

package trail_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/evidence/record"
	"agentdisconnect.dev/agentdisconnect/controllers/evidence/trail"
)

func TestReadsBothNamesFromATimeOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		h, start := &history{t: t}, time.Now()
		h.add("run", record.RunTask, start.Add(-time.Minute), 0)
		h.add("start", record.StartTask, start.Add(-2*time.Minute), 0)
		h.add("old", record.RunTask, start.Add(-time.Hour), 0)
		answer, err := newReader(h).Read(t.Context(), trail.Ask{Since: start.Add(-30 * time.Minute)})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(idsOf(answer.Calls)).To(Equal([]string{"start", "run"}), "the oldest first")
		g.Expect(answer.ReadAt).To(Equal(start))
		g.Expect(answer.Age).To(Equal(500*time.Millisecond), "two calls")
		g.Expect(answer.CompleteSince).To(Equal(start.Add(-30 * time.Minute)))
	})
}

func TestAllPagesAreReadAtTheRateThatCloudTrailAllows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		h, start := &history{t: t}, time.Now()
		for i := range 325 {
			h.add(fmt.Sprint(i), record.RunTask, start.Add(-time.Duration(i)*time.Second), 0)
		}
		reader := newReader(h)
		answer, err := reader.Read(t.Context(), trail.Ask{Since: start.Add(-time.Hour)})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(answer.Calls).To(HaveLen(325))
		_, err = reader.Read(t.Context(), trail.Ask{Since: start.Add(-time.Hour)})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(len(h.calls)).To(BeNumerically(">=", 9))
		for i := range h.calls[1:] {
			g.Expect(h.calls[i+1].Sub(h.calls[i])).To(BeNumerically(">=", 500*time.Millisecond), "call %d", i+1)
		}
	})
}

func TestManyRunsThatAskTogetherShareARead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		h, start := &history{t: t}, time.Now()
		for i := range 10 {
			h.add(fmt.Sprint(i), record.RunTask, start.Add(-time.Duration(i)*time.Minute), 0)
		}
		reader := newReader(h)
		var group sync.WaitGroup
		for range 100 {
			group.Go(func() {
				answer, err := reader.Read(t.Context(), trail.Ask{Since: start.Add(-time.Hour), MaxAge: time.Minute})
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(answer.Calls).To(HaveLen(10))
			})
		}
		group.Wait()
		g.Expect(h.took()).To(Equal(2), "one for each name")

		time.Sleep(58 * time.Second)
		answer, err := reader.Read(t.Context(), trail.Ask{Since: start.Add(-5 * time.Minute), MaxAge: time.Minute})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(answer.Calls).To(HaveLen(6), "since a time of its own")
		g.Expect(h.took()).To(BeZero(), "what is known is fresh enough")
		g.Expect(answer.Age).To(Equal(58500 * time.Millisecond))

		time.Sleep(2 * time.Second)
		_, err = reader.Read(t.Context(), trail.Ask{Since: start.Add(-5 * time.Minute), MaxAge: time.Minute})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(h.took()).To(Equal(2))
	})
}

// A question that comes while a read is under way which began too early waits for the next.
func TestAnAnswerIsNoOlderThanAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		h, start := &history{t: t}, time.Now()
		reader := newReader(h)
		go func() { _, _ = reader.Read(t.Context(), trail.Ask{Since: start}) }()
		time.Sleep(100 * time.Millisecond)
		h.add("late", record.RunTask, start, 0)
		answer, err := reader.Read(t.Context(), trail.Ask{Since: start})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(idsOf(answer.Calls)).To(Equal([]string{"late"}))
		g.Expect(answer.ReadAt.Before(start.Add(100 * time.Millisecond))).To(BeFalse())
		g.Expect(h.took()).To(Equal(4))
	})
}

func TestARunThatBeganEarlierHasMoreRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		h, start := &history{t: t}, time.Now()
		h.add("old", record.RunTask, start.Add(-3*time.Hour), 0)
		h.add("new", record.RunTask, start.Add(-time.Minute), 0)
		reader := newReader(h)
		_, err := reader.Read(t.Context(), trail.Ask{Since: start.Add(-time.Hour), MaxAge: time.Hour})
		g.Expect(err).NotTo(HaveOccurred())
		answer, err := reader.Read(t.Context(), trail.Ask{Since: start.Add(-4 * time.Hour), MaxAge: time.Hour})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(idsOf(answer.Calls)).To(Equal([]string{"old", "new"}))
		g.Expect(answer.CompleteSince).To(Equal(start.Add(-4 * time.Hour)))
	})
}

// However late events come, up to 20 minutes, and in whatever order, each is found once.
func TestLateEventsAreFound(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		delays := rapid.SliceOfN(rapid.IntRange(0, 20*60), 1, 40).Draw(rt, "delays")
		pauses := rapid.SliceOfN(rapid.IntRange(1, 15*60), 1, 10).Draw(rt, "pauses")
		synctest.Test(t, func(t *testing.T) {
			g := NewWithT(t)
			h, start := &history{t: t}, time.Now()
			for i, delay := range delays {
				h.add(fmt.Sprint(i), record.RunTask, start.Add(time.Duration(i)*time.Minute), time.Duration(delay)*time.Second)
			}
			reader := newReader(h)
			read := func() trail.Answer {
				answer, err := reader.Read(t.Context(), trail.Ask{Since: start})
				g.Expect(err).NotTo(HaveOccurred())
				return answer
			}
			for _, pause := range pauses {
				time.Sleep(time.Duration(pause) * time.Second)
				read()
			}
			time.Sleep(time.Until(start.Add(time.Hour)))
			g.Expect(read().Calls).To(HaveLen(len(delays)))
		})
	})
}

func TestAReadBeginsBehindWhatIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		h, start := &history{t: t}, time.Now()
		reader := newReader(h)
		h.add("early", record.RunTask, start.Add(time.Minute), 0)
		h.add("newest", record.RunTask, start.Add(2*time.Hour), 0)
		time.Sleep(3 * time.Hour)
		_, err := reader.Read(t.Context(), trail.Ask{Since: start})
		g.Expect(err).NotTo(HaveOccurred())
		h.took()
		h.add("newest again", record.RunTask, start.Add(2*time.Hour), time.Hour)
		answer, err := reader.Read(t.Context(), trail.Ask{Since: start})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(h.begins).To(HaveLen(2))
		g.Expect(h.begins[0]).To(BeTemporally("==", start.Add(2*time.Hour-25*time.Minute)), "behind the newest event, not behind the last read")
		g.Expect(h.begins[1]).To(BeTemporally("==", start), "StartTask has none")
		g.Expect(idsOf(answer.Calls)).To(Equal([]string{"early", "newest", "newest again"}))
		g.Expect(answer.CompleteSince).To(BeTemporally("==", start))

		for _, late := range []time.Duration{time.Minute, 40 * time.Minute, 0} {
			h.took()
			_, err = reader.Read(t.Context(), trail.Ask{Since: start, Late: late})
			g.Expect(err).NotTo(HaveOccurred())
			want := max(late, 15*time.Minute)
			if late == 0 {
				want = 40 * time.Minute
			}
			g.Expect(h.begins[0]).To(BeTemporally("==", start.Add(2*time.Hour-want-10*time.Minute)), "as far back as the run needs for which it is latest")
		}
	})
}

func TestEventsThatAreNoCallsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		h, start := &history{t: t}, time.Now()
		h.add("call", record.RunTask, start, 0)
		h.addText("broken", record.RunTask, `{"eventID`, start, 0)
		h.addText("foreign", record.RunTask, strings.Replace(text("foreign", record.RunTask, start), "ecs.", "batch.", 1), start, 0)
		reader := newReader(h)
		for range 2 {
			answer, err := reader.Read(t.Context(), trail.Ask{Since: start})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(idsOf(answer.Calls)).To(Equal([]string{"call"}))
			g.Expect([]int{answer.Unreadable, answer.Foreign}).To(Equal([]int{1, 1}))
		}
		answer, err := reader.Read(t.Context(), trail.Ask{Since: start.Add(time.Second), MaxAge: time.Hour})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect([]int{answer.Unreadable, answer.Foreign, len(answer.Calls)}).To(Equal([]int{0, 0, 0}))
	})
}

func TestThrottledPagesAreAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		h, start := &history{t: t}, time.Now()
		h.add("call", record.RunTask, start, 0)
		h.failing = func(n int) error {
			if n <= 3 {
				return refused("ThrottlingException")
			}
			return nil
		}
		answer, err := newReader(h).Read(t.Context(), trail.Ask{Since: start})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(answer.Calls).To(HaveLen(1))
		var waits []time.Duration
		for i := range h.calls[1:] {
			waits = append(waits, h.calls[i+1].Sub(h.calls[i]))
		}
		g.Expect(waits).To(Equal([]time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 500 * time.Millisecond}))
	})
}

func TestAFailureIsToldBesideWhatIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		h, start := &history{t: t}, time.Now()
		h.add("call", record.RunTask, start, 0)
		reader := newReader(h)
		ask := trail.Ask{Since: start}
		_, err := reader.Read(t.Context(), ask)
		g.Expect(err).NotTo(HaveOccurred())
		h.took()

		h.failing = func(int) error { return refused("AccessDeniedException") }
		time.Sleep(time.Minute)
		var stale *trail.StaleError
		for _, wait := range []time.Duration{2, 4, 8, 16, 32, 64, 120, 120} {
			answer, err := reader.Read(t.Context(), ask)
			g.Expect(err).To(BeAssignableToTypeOf(stale))
			stale = err.(*trail.StaleError) //nolint:errorlint // of this type alone
			g.Expect(aws.Classify(err)).To(Equal(aws.Denied))
			g.Expect(aws.Action(err)).To(Equal("cloudtrail:LookupEvents"))
			g.Expect(err).To(MatchError(HavePrefix("reading CloudTrail: ")))
			g.Expect(idsOf(answer.Calls)).To(Equal([]string{"call"}))
			g.Expect(answer.ReadAt).To(Equal(start))
			g.Expect(time.Until(stale.NextRead)).To(Equal(wait*time.Second), "growing")
			g.Expect(h.took()).To(Equal(1), "a refusal is not asked for again")

			_, err = reader.Read(t.Context(), ask)
			g.Expect(err).To(MatchError(stale))
			g.Expect(h.took()).To(BeZero())
			time.Sleep(wait * time.Second)
		}
		h.failing = nil
		answer, err := reader.Read(t.Context(), ask)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(answer.Age).To(BeNumerically("<", time.Minute))
	})
}

func TestAServiceThatStaysSilentEndsTheRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		h, start := &history{t: t}, time.Now()
		h.failing = func(int) error { return refused("InternalFailure") }
		answer, err := newReader(h).Read(t.Context(), trail.Ask{Since: start})
		g.Expect(aws.Classify(err)).To(Equal(aws.Unanswered))
		g.Expect(answer.ReadAt).To(BeZero())
		g.Expect(h.took()).To(Equal(5))

		h = &history{t: t, failing: func(int) error { time.Sleep(11 * time.Minute); return refused("InternalFailure") }}
		_, err = newReader(h).Read(t.Context(), trail.Ask{Since: start})
		g.Expect(err).To(MatchError(ContainSubstring("longer than 10 minutes")))
	})
}

func TestAPassThatEndsDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		h, start := &history{t: t}, time.Now()
		h.add("call", record.RunTask, start, 0)
		reader := newReader(h)
		ctx, stop := context.WithCancel(t.Context())
		stop()
		answer, err := reader.Read(ctx, trail.Ask{Since: start, MaxAge: time.Minute})
		g.Expect(err).To(Equal(&trail.StaleError{}))
		g.Expect(err).To(MatchError("reading CloudTrail goes on"))
		g.Expect(answer.ReadAt).To(BeZero())

		time.Sleep(time.Second)
		answer, err = reader.Read(ctx, trail.Ask{Since: start, MaxAge: time.Minute})
		g.Expect(err).NotTo(HaveOccurred(), "the read went on")
		g.Expect(answer.Calls).To(HaveLen(1))
		g.Expect(h.took()).To(Equal(2))
	})
}
