// SPDX-License-Identifier: Apache-2.0

package schedule

import (
	"math/rand/v2"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/controllers/schedule/child"
)

// hourly is a schedule of every full hour that was created at 10:30.
func hourly(change ...func(*v1alpha1.AgentDisconnectSchedule)) *v1alpha1.AgentDisconnectSchedule {
	obj := &v1alpha1.AgentDisconnectSchedule{
		ObjectMeta: metav1.ObjectMeta{Name: "hourly", CreationTimestamp: metav1.Time{Time: at("2026-01-01T10:30:00Z")}},
		Spec:       v1alpha1.AgentDisconnectScheduleSpec{Schedule: "0 * * * *"},
	}
	for _, each := range change {
		each(obj)
	}
	return obj
}

// decidedUntil has the times until then decided.
func decidedUntil(text string) func(*v1alpha1.AgentDisconnectSchedule) {
	return func(obj *v1alpha1.AgentDisconnectSchedule) {
		obj.Status.DecidedTime, obj.Status.ObservedSchedule = run.Stamp(at(text)), described(&obj.Spec)
	}
}

// ranAt has a run created for a time.
func ranAt(text string) func(*v1alpha1.AgentDisconnectSchedule) {
	return func(obj *v1alpha1.AgentDisconnectSchedule) { obj.Status.LastScheduleTime = run.Stamp(at(text)) }
}

func replacing(obj *v1alpha1.AgentDisconnectSchedule) {
	obj.Spec.ConcurrencyPolicy = v1alpha1.ConcurrencyPolicyReplace
}

func paused(obj *v1alpha1.AgentDisconnectSchedule) { obj.Spec.Suspend = new(true) }

func TestDecisions(t *testing.T) {
	eleven, noon := at("2026-01-01T11:00:00Z"), at("2026-01-01T12:00:00Z")
	one := func(newest time.Time, reason v1alpha1.MissedReason) []missed {
		return []missed{{count: 1, newest: newest, reason: reason}}
	}
	for name, tc := range map[string]struct {
		obj  *v1alpha1.AgentDisconnectSchedule
		isOn bool
		now  string
		want decision
	}{
		"nothing runs because of being created": {
			hourly(), false, "2026-01-01T10:59:59Z", decision{decided: at("2026-01-01T10:30:00Z"), next: eleven},
		},
		"a time that is due runs": {
			hourly(), false, "2026-01-01T11:00:00Z", decision{decided: eleven, start: eleven, next: noon},
		},
		"not twice": {
			hourly(decidedUntil("2026-01-01T11:00:00Z"), ranAt("2026-01-01T11:00:00Z")), false, "2026-01-01T11:00:05Z",
			decision{decided: eleven, next: noon},
		},
		"not twice if what was decided is lost": {
			hourly(ranAt("2026-01-01T11:00:00Z")), false, "2026-01-01T11:00:05Z",
			decision{decided: at("2026-01-01T11:00:05Z"), next: noon},
		},
		"within the deadline": {
			hourly(), false, "2026-01-01T11:09:59Z", decision{decided: at("2026-01-01T11:09:59Z"), start: eleven, next: noon},
		},
		"not after it": {
			hourly(), false, "2026-01-01T11:10:00Z",
			decision{decided: at("2026-01-01T11:10:00Z"), missed: one(eleven, v1alpha1.MissedTooLate), next: noon},
		},
		"the newest alone after an absence": {
			hourly(), false, "2026-01-01T14:05:00Z", decision{
				decided: at("2026-01-01T14:05:00Z"), start: at("2026-01-01T14:00:00Z"), next: at("2026-01-01T15:00:00Z"),
				missed: []missed{{count: 3, newest: at("2026-01-01T13:00:00Z"), reason: v1alpha1.MissedTooLate}},
			},
		},
		"nothing runs because of a new schedule": {
			hourly(decidedUntil("2026-01-01T11:30:00Z"), func(obj *v1alpha1.AgentDisconnectSchedule) { obj.Spec.Schedule = "*/5 * * * *" }),
			false, "2026-01-01T11:47:00Z", decision{decided: at("2026-01-01T11:47:00Z"), next: at("2026-01-01T11:50:00Z")},
		},
		"nothing runs because of a new zone": {
			hourly(decidedUntil("2026-01-01T11:30:00Z"), func(obj *v1alpha1.AgentDisconnectSchedule) { obj.Spec.TimeZone = "Asia/Kolkata" }),
			false, "2026-01-01T12:05:00Z", decision{decided: at("2026-01-01T12:05:00Z"), next: at("2026-01-01T12:30:00Z")},
		},
		"nothing runs because of being resumed, also after an absence": {
			hourly(paused, decidedUntil("2026-01-01T10:30:00Z"), func(obj *v1alpha1.AgentDisconnectSchedule) { obj.Spec.Suspend = nil }),
			false, "2026-01-01T11:05:00Z", decision{decided: at("2026-01-01T11:05:00Z"), next: noon},
		},
		"nothing runs because of a change before the first look": {
			hourly(func(obj *v1alpha1.AgentDisconnectSchedule) { obj.Generation = 2 }), false, "2026-01-01T11:05:00Z",
			decision{decided: at("2026-01-01T11:05:00Z"), next: noon},
		},
		"nothing runs because of being restored with its status": {
			hourly(decidedUntil("2026-01-01T09:30:00Z"), func(obj *v1alpha1.AgentDisconnectSchedule) {
				obj.Spec.StartingDeadline = &metav1.Duration{Duration: time.Hour}
			}),
			false, "2026-01-01T10:40:00Z", decision{decided: at("2026-01-01T10:30:00Z"), next: eleven},
		},
		"times of a pause are skipped": {
			hourly(paused), false, "2026-01-01T12:05:00Z", decision{decided: at("2026-01-01T12:05:00Z"), next: at("2026-01-01T13:00:00Z")},
		},
		"Forbid skips while a run is on": {
			hourly(), true, "2026-01-01T11:00:00Z", decision{decided: eleven, missed: one(eleven, v1alpha1.MissedRunIsOn), next: noon},
		},
		"Replace waits for the run to be restored": {
			hourly(replacing), true, "2026-01-01T11:02:00Z",
			decision{decided: at("2026-01-01T10:30:00Z"), replace: eleven, next: at("2026-01-01T11:10:00Z")},
		},
		"Replace gives up times that a newer one supersedes": {
			hourly(replacing, func(obj *v1alpha1.AgentDisconnectSchedule) { obj.Spec.Schedule = "*/5 * * * *" }), true, "2026-01-01T10:41:00Z", decision{
				decided: at("2026-01-01T10:35:00Z"), replace: at("2026-01-01T10:40:00Z"), next: at("2026-01-01T10:45:00Z"),
				missed: one(at("2026-01-01T10:35:00Z"), v1alpha1.MissedNotReplaced),
			},
		},
		"Replace begins then": {
			hourly(replacing), false, "2026-01-01T11:02:00Z", decision{decided: at("2026-01-01T11:02:00Z"), start: eleven, next: noon},
		},
		"Replace gives up at the deadline": {
			hourly(replacing), true, "2026-01-01T11:10:00Z",
			decision{decided: at("2026-01-01T11:10:00Z"), missed: one(eleven, v1alpha1.MissedNotReplaced), next: noon},
		},
		"a clock that was set back does not run times again": {
			hourly(decidedUntil("2026-01-01T14:00:00Z"), ranAt("2026-01-01T14:00:00Z")), false, "2026-01-01T12:30:00Z",
			decision{decided: at("2026-01-01T12:30:00Z"), next: at("2026-01-01T15:00:00Z")},
		},
		"nor when the clock gets there": {
			hourly(decidedUntil("2026-01-01T12:30:00Z"), ranAt("2026-01-01T14:00:00Z")), false, "2026-01-01T13:00:00Z",
			decision{decided: at("2026-01-01T13:00:00Z"), next: at("2026-01-01T15:00:00Z")},
		},
		"times that were skipped ahead of a clock that was set back are due": {
			hourly(decidedUntil("2027-01-01T00:00:00Z")), false, "2026-01-01T12:30:00Z",
			decision{decided: at("2026-01-01T12:30:00Z"), next: at("2026-01-01T13:00:00Z")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			got := decide(tc.obj, cadenceOf(g, tc.obj.Spec.Schedule, tc.obj.Spec.TimeZone), tc.isOn, at(tc.now))
			g.Expect(got).To(Equal(tc.want))
		})
	}
}

// Whatever happens to the manager and its clock, no time is run twice, none out of its deadline, and
// each of a manager that is not disturbed once.
func TestNoTimeIsRunTwice(t *testing.T) {
	for seed := range uint64(200) {
		g, random := NewWithT(t), rand.New(rand.NewPCG(seed, 0))
		obj := hourly(func(obj *v1alpha1.AgentDisconnectSchedule) { obj.Spec.Schedule = "*/7 * * * *" })
		now, ran := obj.CreationTimestamp.Time, map[time.Time]int{}
		for range 300 {
			switch random.IntN(20) {
			case 0:
				now = now.Add(-time.Duration(random.IntN(7200)) * time.Second) // set back
			case 1:
				now = now.Add(time.Duration(random.IntN(86400)) * time.Second) // away, or set forward
			case 2:
				obj.Spec.Schedule = []string{"*/7 * * * *", "*/5 * * * *", "0 3 * * *"}[random.IntN(3)]
			case 3:
				obj.Spec.Suspend = new(random.IntN(2) == 0)
			default:
				now = now.Add(time.Duration(random.IntN(600)) * time.Second)
			}
			times := cadenceOf(g, obj.Spec.Schedule, "")
			d := decide(obj, times, random.IntN(4) == 0, now)
			g.Expect(d.decided).NotTo(BeTemporally(">", run.Latest(now, obj.CreationTimestamp.Time)))
			if d.start.IsZero() && random.IntN(3) == 0 {
				continue // it was stopped before it stored that: nothing came of it
			}
			obj.Status.DecidedTime, obj.Status.ObservedSchedule = run.Stamp(d.decided), described(&obj.Spec)
			if !d.start.IsZero() {
				obj.Status.LastScheduleTime = run.Stamp(d.start)
				ran[d.start]++
				g.Expect(now.Sub(d.start)).To(And(BeNumerically(">=", 0), BeNumerically("<", child.StartingDeadline(&obj.Spec))))
				g.Expect(ran[d.start]).To(Equal(1), "seed %d: %s", seed, d.start)
			}
		}
	}
}

func TestAnUndisturbedScheduleRunsEachTimeOnce(t *testing.T) {
	g := NewWithT(t)
	obj := hourly(func(obj *v1alpha1.AgentDisconnectSchedule) { obj.Spec.Schedule = "*/7 * * * *" })
	times, end := cadenceOf(g, obj.Spec.Schedule, ""), obj.CreationTimestamp.Add(24*time.Hour)
	var ran, want []time.Time
	for next := times.after(obj.CreationTimestamp.Time); !next.After(end); next = times.after(next) {
		want = append(want, next)
	}
	for now := obj.CreationTimestamp.Time; !now.After(end); {
		d := decide(obj, times, false, now)
		obj.Status.DecidedTime, obj.Status.ObservedSchedule = run.Stamp(d.decided), described(&obj.Spec)
		if !d.start.IsZero() {
			obj.Status.LastScheduleTime = run.Stamp(d.start)
			ran = append(ran, d.start)
		}
		g.Expect(d.missed).To(BeEmpty())
		now = d.next
	}
	g.Expect(ran).To(Equal(want))
}
