// SPDX-License-Identifier: Apache-2.0

package run

import (
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"
)

func TestNextWake(t *testing.T) {
	now := at(0).Time
	after := func(d time.Duration, why string) Wake { return Wake{now.Add(d), why} }
	for name, c := range map[string]struct {
		wakes  Wakes
		change time.Time
		want   Wake
	}{
		"nothing is wanted": {},
		"the earliest of several": {
			wakes: Wakes{Due: []Wake{after(9*time.Second, "poll"), after(3*time.Second, "read"), after(5*time.Second, "lookup")}},
			want:  after(3*time.Second, "read"),
		},
		"of two at the same time the first": {
			wakes: Wakes{Due: []Wake{after(3*time.Second, "poll"), after(3*time.Second, "read")}},
			want:  after(3*time.Second, "poll"),
		},
		"what wants none does not count": {
			wakes: Wakes{Due: []Wake{{Why: "poll"}, after(3*time.Second, "read"), {}}},
			want:  after(3*time.Second, "read"),
		},
		"what is overdue comes after the pause": {
			wakes: Wakes{Due: []Wake{after(-time.Hour, "poll"), after(3*time.Second, "read")}, Pause: 2 * time.Second},
			want:  after(2*time.Second, "poll"),
		},
		"what was never done is overdue": {
			wakes: Wakes{Due: []Wake{{time.Time{}.Add(15 * time.Second), "poll"}}, Pause: 2 * time.Second},
			want:  after(2*time.Second, "poll"),
		},
		"another attempt comes within the pause": {
			wakes: Wakes{Due: []Wake{after(0, "poll")}, Pause: 2 * time.Second, Retry: after(1700*time.Millisecond, "throttled")},
			want:  after(1700*time.Millisecond, "throttled"),
		},
		"another attempt alone": {
			wakes: Wakes{Pause: 2 * time.Second, Retry: after(10*time.Second, "refused")},
			want:  after(10*time.Second, "refused"),
		},
		"a change of the phase alone": {
			change: now.Add(time.Hour),
			want:   after(time.Hour, PhaseChanges),
		},
		"a change of the phase before all else": {
			wakes:  Wakes{Due: []Wake{after(9*time.Second, "poll")}, Retry: after(10*time.Second, "refused")},
			change: now.Add(4 * time.Second),
			want:   after(4*time.Second, PhaseChanges),
		},
		"a change of the phase within the pause": {
			wakes:  Wakes{Due: []Wake{after(0, "poll")}, Pause: 2 * time.Second},
			change: now.Add(time.Nanosecond),
			want:   after(time.Nanosecond, PhaseChanges),
		},
		"a change that is past says nothing": {
			wakes:  Wakes{Due: []Wake{after(9*time.Second, "poll")}},
			change: now,
			want:   after(9*time.Second, "poll"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.wakes.Now = now
			NewWithT(t).Expect(NextWake(c.wakes, c.change)).To(Equal(c.want))
		})
	}
}

func TestNextWakeIsAlwaysInTime(t *testing.T) {
	now := at(0).Time
	draw := func(t *rapid.T, label string) Wake {
		if rapid.Bool().Draw(t, label+" wants none") {
			return Wake{}
		}
		return Wake{now.Add(time.Duration(rapid.IntRange(-100, 100).Draw(t, label)) * time.Second), label}
	}
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		wakes := Wakes{Now: now, Pause: time.Duration(rapid.IntRange(1, 20).Draw(t, "pause")) * time.Second, Retry: draw(t, "retry")}
		for range rapid.IntRange(0, 4).Draw(t, "how many are due") {
			wakes.Due = append(wakes.Due, draw(t, "due"))
		}
		change := draw(t, "change").At
		next := NextWake(wakes, change)

		if change.After(now) {
			g.Expect(next.At).NotTo(BeZero(), "the phase changes")
			g.Expect(next.At).NotTo(BeTemporally(">", change), "the phase changes before")
		}
		if next == (Wake{}) {
			wanted := slices.ContainsFunc(append(wakes.Due, wakes.Retry), func(w Wake) bool { return w != Wake{} })
			g.Expect(wanted).To(BeFalse(), "something wants a pass")
		} else {
			g.Expect(next.At).NotTo(BeTemporally("<", now), "in the past")
			early := next == wakes.Retry.notBefore(now) || next.Why == PhaseChanges
			g.Expect(early || !next.At.Before(now.Add(wakes.Pause))).To(BeTrue(), "within the pause: %v", next)
		}

		further := wakes
		further.Due = slices.Insert(slices.Clone(wakes.Due), rapid.IntRange(0, len(wakes.Due)).Draw(t, "where"), draw(t, "further"))
		if sooner := NextWake(further, change); next != (Wake{}) {
			g.Expect(sooner.At).NotTo(BeZero(), "one more wake, and none is left")
			g.Expect(sooner.At).NotTo(BeTemporally(">", next.At), "one more wake, and later")
		}
	})
}
