// SPDX-License-Identifier: Apache-2.0

package trail_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/evidence/record"
	"agentdisconnect.dev/agentdisconnect/controllers/evidence/trail"
)

// mostCalls is what a reader remembers at most.
const mostCalls = 20_000

func TestAReadThatIsTooLongSaysFromWhenOnItIsComplete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		h, start := &history{t: t}, time.Now()
		for i := range mostCalls + 500 {
			h.add(fmt.Sprint(i), record.RunTask, start.Add(-time.Duration(i/2)*time.Second), 0)
		}
		reader := newReader(h)
		answer, err := reader.Read(t.Context(), trail.Ask{Since: start.Add(-12 * time.Hour), MaxAge: time.Hour})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(answer.CompleteSince).To(BeTemporally("==", start.Add(-(mostCalls/2-2)*time.Second)), "the last second may go on")
		g.Expect(len(answer.Calls)).To(BeNumerically("<=", mostCalls))
		g.Expect(h.took()).To(Equal(mostCalls/50 + 1))

		_, err = reader.Read(t.Context(), trail.Ask{Since: start.Add(-12 * time.Hour), MaxAge: time.Hour})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(h.took()).To(BeZero(), "reading it once more shows no more")
	})
}

func TestTheOldestCallsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		h, start := &history{t: t}, time.Now()
		reader := newReader(h)
		for i := range 3 {
			for j := range mostCalls / 2 {
				h.add(fmt.Sprint(i, j), record.RunTask, start.Add(time.Duration(i)*time.Hour), 0)
			}
			time.Sleep(time.Until(start.Add(time.Duration(i)*time.Hour + time.Minute)))
			answer, err := reader.Read(t.Context(), trail.Ask{Since: start})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(answer.Calls).To(HaveLen(min(i+1, 2) * mostCalls / 2))
			if i < 2 {
				g.Expect(answer.CompleteSince).To(BeTemporally("==", start))
			} else {
				g.Expect(answer.CompleteSince).To(BeTemporally("==", start.Add(time.Second)))
			}
		}
	})
}

func TestCallsAreForgottenAfter15Hours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		h, start := &history{t: t}, time.Now()
		h.add("call", record.RunTask, start, 0)
		reader := newReader(h)
		_, err := reader.Read(t.Context(), trail.Ask{Since: start})
		g.Expect(err).NotTo(HaveOccurred())
		time.Sleep(16 * time.Hour)
		answer, err := reader.Read(t.Context(), trail.Ask{Since: start})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(answer.Calls).To(BeEmpty())
		g.Expect(time.Since(answer.CompleteSince)).To(BeNumerically("~", 15*time.Hour, time.Minute))
	})
}
