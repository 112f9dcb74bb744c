// SPDX-License-Identifier: Apache-2.0

package region

import (
	"cmp"
	"slices"
	"time"
)

// What AWS says of a task that ended by itself.
const (
	stopCodeEssential = "EssentialContainerExited"
	reasonEssential   = "Essential container in task exited"
)

// TaskChange is what an agent reports of a task. What is empty or zero it doesn't tell.
type TaskChange struct {
	// Status is PENDING, RUNNING or STOPPED; Reason is why it stopped.
	Status, Reason                                   string
	PullStartedAt, PullStoppedAt, ExecutionStoppedAt time.Time
	Containers                                       []ContainerChange
}

// ContainerChange is what an agent reports of a container of a task.
type ContainerChange struct {
	Name   string
	Report ContainerReport
}

// ContainerReport is the last that is known of a container. What is empty was not reported.
type ContainerReport struct {
	Status, RuntimeID, ImageDigest, Reason string
	ExitCode                               *int
	// NetworkBindings are as they came.
	NetworkBindings []any
}

// SubmitTaskStateChange takes an agent's report of a task. What is reported of a task that has stopped changes nothing.
func (r *Region) SubmitTaskStateChange(clusterRef, ref string, change TaskChange) error {
	return r.change(func(s *state) error {
		v := View{r: r, s: s}
		c, err := v.clusterOfAgent(clusterRef)
		if err != nil {
			return err
		}
		t, ok := s.tasks.m[v.TaskARN(c, ref)]
		if !ok || t.ClusterARN != c.ARN {
			return Errorf("InvalidParameterException", "The referenced task was not found.")
		}
		if t.Containers, err = changed(t.Containers, change.Containers); err != nil {
			return err
		}
		now := r.o.Clock.Now()
		if reached(t.StoppedAt, now) {
			return nil
		}
		t.PullStartedAt = latest(change.PullStartedAt, t.PullStartedAt)
		t.PullStoppedAt = latest(change.PullStoppedAt, t.PullStoppedAt)
		t.ExecutionStoppedAt = latest(change.ExecutionStoppedAt, t.ExecutionStoppedAt)
		switch {
		case change.Status == StatusRunning && !reached(t.RunningAt, now):
			t.RunningAt = now
		case change.Status == StatusStopped:
			t.stop(now, change.Reason)
		}
		s.tasks.put(t.ARN, t)
		return nil
	})
}

// latest is a report's time, or the earlier one's where it has none.
func latest(reported, before time.Time) time.Time {
	if reported.IsZero() {
		return before
	}
	return reported
}

// stop is the agent's report that the task has stopped. Unless somebody asked it to, it did so by itself.
func (t *Task) stop(now time.Time, reason string) {
	ran := reached(t.RunningAt, now)
	if !ran {
		t.RunningAt = time.Time{}
	}
	t.StoppedAt = now
	if reached(t.StoppingAt, now) {
		return
	}
	t.StoppingAt, t.StopCode, t.StoppedReason = now, stopCodeEssential, cmp.Or(reason, reasonEssential)
	if !ran {
		t.StopCode = stopCodeFailedToStart
	}
}

// changed are the containers of a task with what was reported of them.
func changed(containers []Container, changes []ContainerChange) ([]Container, error) {
	containers = slices.Clone(containers)
	for _, change := range changes {
		n := slices.IndexFunc(containers, func(c Container) bool { return c.Name == change.Name })
		if n < 0 {
			return nil, Errorf("InvalidParameterException", "The task has no container %s.", change.Name)
		}
		to, from := &containers[n].Report, change.Report
		to.Status, to.RuntimeID = cmp.Or(from.Status, to.Status), cmp.Or(from.RuntimeID, to.RuntimeID)
		to.ImageDigest, to.Reason = cmp.Or(from.ImageDigest, to.ImageDigest), cmp.Or(from.Reason, to.Reason)
		if from.ExitCode != nil {
			to.ExitCode = from.ExitCode
		}
		if from.NetworkBindings != nil {
			to.NetworkBindings = from.NetworkBindings
		}
	}
	return containers, nil
}
