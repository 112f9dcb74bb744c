// SPDX-License-Identifier: Apache-2.0

package agents

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// How long containers take to start and to stop. Images are taken to be there.
const (
	taskStarts = 5 * time.Second
	taskStops  = 5 * time.Second
)

// What an agent reports of a task. The first is a task's desired status too, as is the second.
const (
	statusRunning = "RUNNING"
	statusStopped = "STOPPED"
)

// Tasks are the tasks on a container instance: its containers, and what its agent has on disk of
// them. They outlive the agent's process. The zero value is an instance without tasks.
type Tasks struct {
	mu    sync.Mutex
	known map[string]*knownTask
	// woken has a value when known has changed.
	woken chan struct{}
}

// knownTask is a task of which the agent was told.
type knownTask struct {
	family, version string
	// runs and stops are when its containers run, and when they have stopped; zero: never, as it is
	// now.
	runs, stops time.Time
	// reported is the status that the agent last reported; empty: none.
	reported string
}

// take is what a payload makes of the tasks. A task that is known goes on as it did, unless it is
// to stop.
func (t *Tasks) take(told []Task, timing *timing) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	for _, task := range told {
		k, isKnown := t.known[task.ARN]
		if !isKnown {
			k = &knownTask{family: task.Family, version: task.Version}
			if t.known == nil {
				t.known = map[string]*knownTask{}
			}
			t.known[task.ARN] = k
		}
		switch {
		case task.DesiredStatus == statusStopped && !isKnown:
			k.stops = now // there is nothing to stop
		case task.DesiredStatus == statusStopped && k.stops.IsZero():
			k.stops = now.Add(timing.scaled(taskStops))
			if k.runs.After(now) {
				k.runs = time.Time{}
			}
		case task.DesiredStatus == statusRunning && !isKnown:
			k.runs = now.Add(timing.scaled(taskStarts))
		}
	}
	select {
	case t.wake() <- struct{}{}:
	default:
	}
}

// wake is the channel of woken. The lock must be held.
func (t *Tasks) wake() chan struct{} {
	if t.woken == nil {
		t.woken = make(chan struct{}, 1)
	}
	return t.woken
}

// report is one change of a task's status.
type report struct{ taskARN, status string }

// due gives the reports that are due, in the order of the ARNs, and how long it is until there may
// be more; none: until the channel has a value. Tasks that were reported to have stopped are
// forgotten.
func (t *Tasks) due() (reports []report, wait time.Duration, woken <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	wait = -1
	now := time.Now()
	for _, arn := range slices.Sorted(maps.Keys(t.known)) {
		k := t.known[arn]
		for _, next := range []struct {
			at     time.Time
			status string
		}{{k.runs, statusRunning}, {k.stops, statusStopped}} {
			switch {
			case next.at.IsZero() || k.reported == next.status || k.reported == statusStopped:
			case now.Before(next.at):
				if d := next.at.Sub(now); wait < 0 || d < wait {
					wait = d
				}
			default:
				reports = append(reports, report{arn, next.status})
				k.reported = next.status
			}
		}
		if k.reported == statusStopped {
			delete(t.known, arn)
		}
	}
	return reports, wait, t.wake()
}

// running are the tasks whose containers run at a time, by ARN.
func (t *Tasks) running(at time.Time) []taskMetric {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []taskMetric
	for _, arn := range slices.Sorted(maps.Keys(t.known)) {
		k := t.known[arn]
		if !k.runs.IsZero() && !k.runs.After(at) && (k.stops.IsZero() || k.stops.After(at)) {
			out = append(out, taskMetric{ARN: arn, Family: k.family, Version: k.version})
		}
	}
	return out
}

// reportTasks reports what becomes of the instance's tasks for as long as the agent runs.
func (r *run) reportTasks(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		reports, wait, woken := r.o.Tasks.due()
		for _, next := range reports {
			change := "TaskChange: [" + next.taskARN + " -> " + next.status + "]"
			r.log.info("Sending state change to ECS", "eventType", "TaskStateChange", "eventData", change)
			if r.o.Report == nil {
				continue
			}
			if err := r.o.Report(next.taskARN, next.status); err != nil {
				r.log.fail("Could not submit task state change", "error", err, "taskStateChange", change)
			}
		}
		var passed <-chan time.Time
		if wait >= 0 {
			timer.Reset(wait)
			passed = timer.C
		}
		select {
		case <-passed:
		case <-woken:
		case <-ctx.Done():
		}
	}
}
