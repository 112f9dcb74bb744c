// SPDX-License-Identifier: Apache-2.0

package networkacl_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
)

// Whatever the reads: nothing is confirmed by one of them, nor by two that are close together, nor
// across one that showed something else or nothing, nor across a clock that was set back.
func TestTwoReadsConfirm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		var c networkacl.Confirmation
		var counted time.Time // when the read that waits for another one was made; zero: none waits
		var since time.Time   // of the first of the reads in a row
		var reason string
		at := now
		for range rapid.IntRange(1, 30).Draw(t, "reads") {
			at = at.Add(time.Duration(rapid.IntRange(-6, 12).Draw(t, "seconds")) * time.Second)
			shown := rapid.SampledFrom([]string{"", "gone", "edited"}).Draw(t, "shown")
			if shown == "" {
				c.Clear()
				counted, reason = time.Time{}, ""
				g.Expect(c.IsPending()).To(BeFalse())
				g.Expect(c.Since()).To(BeZero())
				continue
			}
			if shown != reason || at.Before(since) {
				counted, reason, since = time.Time{}, shown, at
			}

			want := !counted.IsZero() && at.Sub(counted) >= networkacl.ConfirmInterval
			g.Expect(c.Observe(shown, "it is "+shown, at)).To(Equal(want))
			if want {
				counted = time.Time{}
			} else if counted.IsZero() {
				counted = at
			}

			g.Expect(c.Since()).To(Equal(since))
			what, decides, pending := c.Pending()
			g.Expect(pending).To(Equal(!want))
			g.Expect(c.IsPending()).To(Equal(pending))
			if pending {
				g.Expect(what).To(Equal("it is " + shown))
				g.Expect(decides).NotTo(BeTemporally(">", counted.Add(networkacl.ConfirmInterval)))
			}
		}
	})
}

// However often the clock is set back: what has lasted was shown by all reads of a time that really went by, and what all
// reads show lasts as soon as that time went by since the clock was last set.
func TestSinceTellsTimeThatWentBy(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		const long = 2 * time.Minute
		var s networkacl.Since
		passed, ahead := time.Duration(0), time.Duration(0) // what went by, and how far the clock is ahead of that
		shown, set := time.Duration(-1), time.Duration(-1)  // since when reads show it, and when the clock was last set
		for range rapid.IntRange(1, 30).Draw(t, "reads") {
			passed += time.Duration(rapid.IntRange(0, 90).Draw(t, "seconds")) * time.Second
			if back := rapid.SampledFrom([]int{0, 0, 0, 1, 100, 5000}).Draw(t, "set back by"); back > 0 {
				ahead -= time.Duration(back) * time.Second
				set = passed
			}
			at := now.Add(passed + ahead)
			if !rapid.Bool().Draw(t, "shown") {
				s.Clear()
				shown = -1
				g.Expect(s.Time()).To(BeZero())
				g.Expect(s.HasLasted(0, at)).To(BeFalse())
				continue
			}

			if shown < 0 {
				shown = passed
			}
			g.Expect(s.Observe(at)).To(And(Equal(s.Time()), BeTemporally("<=", at)))
			switch {
			case passed-shown < long:
				g.Expect(s.HasLasted(long, at)).To(BeFalse())
			case shown > set:
				g.Expect(s.HasLasted(long, at)).To(BeTrue())
			}
			g.Expect(s.Time().Add(long).After(at)).To(Equal(!s.HasLasted(long, at)))
		}
	})
}
