// SPDX-License-Identifier: Apache-2.0

package schedule

import (
	"cmp"
	"fmt"
	"time"
	_ "time/tzdata" // the image has no database of time zones

	"github.com/robfig/cron/v3"
	"k8s.io/utils/ptr"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// mostCounted bounds how many times of one absence are counted: a year of minutes has 525,600.
const mostCounted = 1000

// longestDeadline is the longest startingDeadline that the API takes.
const longestDeadline = 12 * time.Hour

// cadence is the times of a schedule.
type cadence struct {
	schedule cron.Schedule
	zone     *time.Location
}

// parseCadence gives the times of a spec. An error is a sentence for people.
func parseCadence(spec *v1alpha1.AgentDisconnectScheduleSpec) (cadence, error) {
	zone, err := time.LoadLocation(zoneOf(spec))
	if err != nil {
		return cadence{}, fmt.Errorf("timeZone %s is in no database of time zones that the manager knows: name one such as Europe/Berlin", zoneOf(spec))
	}

	parsed, err := cron.ParseStandard(spec.Schedule)
	if err != nil {
		return cadence{}, fmt.Errorf("schedule %s can't be understood: %w", spec.Schedule, err)
	}
	return cadence{parsed, zone}, nil
}

// zoneOf is the name of a schedule's time zone.
func zoneOf(spec *v1alpha1.AgentDisconnectScheduleSpec) string { return cmp.Or(spec.TimeZone, "UTC") }

// described names what a spec says of its times, for the status: where it differs, times from before
// the change do not count.
func described(spec *v1alpha1.AgentDisconnectScheduleSpec) string {
	text := spec.Schedule + " " + zoneOf(spec)
	if isSuspended(spec) {
		text += " suspended"
	}
	return text
}

func isSuspended(spec *v1alpha1.AgentDisconnectScheduleSpec) bool {
	return ptr.Deref(spec.Suspend, false)
}

// after gives the first time after t; zero: there is none.
func (c cadence) after(t time.Time) time.Time {
	next := c.schedule.Next(t.In(c.zone))
	if next.IsZero() {
		return next
	}
	return next.UTC()
}

// dueTimes are the times of a period.
type dueTimes struct {
	// newest and previous are the last two of them; zero: there is none.
	newest, previous time.Time
	// count is how many there are, mostCounted at most.
	count int
}

// between gives the times after from and until to.
func (c cadence) between(from, to time.Time) dueTimes {
	var due dueTimes
	for at := c.after(from); !at.IsZero() && !at.After(to); at = c.after(at) {
		due.newest, due.previous = at, due.newest
		due.count++
		if due.count == mostCounted { // those that are left out are too late for any deadline
			at = run.Latest(at, to.Add(-longestDeadline))
		}
	}
	due.count = min(due.count, mostCounted)
	return due
}
