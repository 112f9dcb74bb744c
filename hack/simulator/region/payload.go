// SPDX-License-Identifier: Apache-2.0

package region

import (
	"fmt"
	"slices"
	"time"
)

// How long a task takes on a container instance to start and to stop, before scaling. Images are
// taken to be there.
const (
	TaskStarts = 5 * time.Second
	TaskStops  = 5 * time.Second
)

// What the status of a task can be. Its desired status is one of the last two.
const (
	StatusProvisioning = "PROVISIONING"
	StatusPending      = "PENDING"
	StatusRunning      = "RUNNING"
	StatusStopped      = "STOPPED"
)

// isDue reports whether the agent is yet to acknowledge the task's desired status.
func (t Task) isDue() bool {
	if t.InstanceARN == "" || !t.StoppedAt.IsZero() {
		return false
	}
	return t.StoppingAt.IsZero() && t.TakenAt.IsZero() || !t.StoppingAt.IsZero() && t.StopTakenAt.IsZero()
}

// Payloads are the tasks that ECS sends to the agent of a container instance, by ARN: those whose
// desired status the agent has not acknowledged.
func (v View) Payloads(instanceARN string) []Task {
	return slices.DeleteFunc(sortedValues(v.s.tasks.m), func(t Task) bool { return t.InstanceARN != instanceARN || !t.isDue() })
}

// InstancesWithPayloads are the ARNs of the container instances for which there are any.
func (v View) InstancesWithPayloads() []string {
	var arns []string
	for _, t := range v.s.tasks.m {
		if t.isDue() {
			arns = append(arns, t.InstanceARN)
		}
	}
	slices.Sort(arns)
	return slices.Compact(arns)
}

// AcknowledgePayload is an agent's acknowledgement that it was told of a task with a desired
// status.
func (r *Region) AcknowledgePayload(taskARN, desired string) {
	r.editTask(taskARN, func(t *Task, now time.Time) {
		switch {
		case desired == StatusStopped && t.StopTakenAt.IsZero():
			t.StopTakenAt = now
		case desired == StatusRunning && t.TakenAt.IsZero():
			t.TakenAt = now
		}
	})
}

// editTask changes a task that has not stopped; others, and those that are not there, are past
// changing.
func (r *Region) editTask(arn string, edit func(*Task, time.Time)) {
	_ = r.change(func(s *state) error { // the only error is the one below
		t, ok := s.tasks.m[arn]
		if !ok || !t.StoppedAt.IsZero() {
			return fmt.Errorf("no task %s that has not stopped", arn)
		}
		edit(&t, r.o.Clock.Now())
		s.tasks.put(arn, t)
		return nil
	})
}

// takePayloads has the container instances of a Region without agents take what ECS has for them,
// as their sessions let them. What they will report is known then: so no timer runs, and no read
// has to move a task.
func (r *Region) takePayloads(s *state) {
	now := r.o.Clock.Now()
	for arn, t := range s.tasks.m {
		if i := s.instances.m[t.InstanceARN]; !t.isDue() || !i.AgentConnected || i.SessionCut {
			continue
		}
		switch {
		case t.StoppingAt.IsZero():
			t.TakenAt, t.RunningAt = now, now.Add(r.scaled(TaskStarts))
		case t.TakenAt.IsZero():
			t.StopTakenAt, t.StoppedAt = now, now // nothing was started
		default:
			t.StopTakenAt, t.StoppedAt = now, now.Add(r.scaled(TaskStops))
			if !reached(t.RunningAt, now) {
				t.RunningAt = time.Time{}
			}
		}
		s.tasks.put(arn, t)
	}
}
