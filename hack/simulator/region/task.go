// SPDX-License-Identifier: Apache-2.0

package region

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// How long stopped tasks are shown and, for the tokens of RunTask, remembered, before scaling.
const (
	stoppedShownIn = time.Hour
	stoppedKeptFor = 24 * time.Hour
)

// Task is one task. Its status follows from its times, of which some may lie ahead: those of a task
// that waits for capacity, and where no agents run what the agent will report. See placeWaiting and
// takePayloads.
type Task struct {
	ARN, ClusterARN, InstanceARN, DefinitionARN string
	Group, StartedBy, LaunchType                string
	AvailabilityZone                            string
	Needs                                       Resources
	Containers                                  []Container
	Overrides                                   map[string]any
	Tags                                        map[string]string
	// CapacityProvider is the name of the one whose instances the task is for, if it was started by
	// a strategy.
	CapacityProvider string
	// CreatedAt is when ECS took the task, StoppingAt when its desired status became STOPPED.
	CreatedAt, StoppingAt time.Time
	// TakenAt and StopTakenAt are when the agent took the payloads that tell it to start and to
	// stop the task.
	TakenAt, StopTakenAt time.Time
	// RunningAt and StoppedAt are when the agent reported it.
	RunningAt, StoppedAt    time.Time
	StopCode, StoppedReason string
	// PullStartedAt, PullStoppedAt and ExecutionStoppedAt are times that the agent told; zero: it
	// did not.
	PullStartedAt, PullStoppedAt, ExecutionStoppedAt time.Time

	// waits is what a task without a container instance waits for; nil: it does not wait.
	waits *provisioning
}

// Container is a container of a task.
type Container struct {
	Name, Image, ARN string
	Report           ContainerReport
}

// Status is the task's last known and desired status at a time.
func (t Task) Status(now time.Time) (last, desired string) {
	last, desired = StatusPending, StatusRunning
	if reached(t.StoppingAt, now) {
		desired = StatusStopped
	}
	switch {
	case reached(t.StoppedAt, now):
		last = StatusStopped
	case reached(t.RunningAt, now):
		last = StatusRunning
	case t.waits != nil:
		last = StatusProvisioning
	}
	return last, desired
}

// reached reports whether the time of something that happens at all has come.
func reached(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }

// shows reports whether a task is still to be seen: it is for an hour after it stopped.
func (v View) shows(t Task) bool {
	return t.StoppedAt.IsZero() || v.Now().Sub(t.StoppedAt) <= v.r.scaled(stoppedShownIn)
}

// holds reports whether a task takes up room on a container instance.
func (v View) holds(i ContainerInstance, t Task) bool {
	return t.InstanceARN == i.ARN && !reached(t.StoppedAt, v.Now())
}

// Definition is the family and the revision of a task's definition, from its ARN.
func (t Task) Definition() (family, revision string) {
	family, revision, _ = strings.Cut(t.DefinitionARN[strings.LastIndex(t.DefinitionARN, "/")+1:], ":")
	return family, revision
}

// Tasks are the tasks of a cluster, by ARN.
func (v View) Tasks(clusterARN string) []Task {
	return slices.DeleteFunc(sortedValues(v.s.tasks.m), func(t Task) bool { return t.ClusterARN != clusterARN || !v.shows(t) })
}

// FindTask resolves an id or ARN within a cluster.
func (v View) FindTask(c Cluster, ref string) (Task, bool) {
	t, ok := v.s.tasks.m[v.TaskARN(c, ref)]
	return t, ok && t.ClusterARN == c.ARN && v.shows(t)
}

// TaskARN is the ARN that an id or ARN stands for in a cluster.
func (v View) TaskARN(c Cluster, ref string) string {
	if strings.HasPrefix(ref, "arn:") {
		return ref
	}
	return v.r.ARN("ecs", "task/"+c.Name+"/"+ref)
}

// TaskCounts counts the running and the pending ones of the tasks that match.
func (v View) TaskCounts(match func(Task) bool) (running, pending int) {
	now := v.Now()
	for _, t := range v.s.tasks.m {
		if !match(t) {
			continue
		}
		switch last, _ := t.Status(now); last {
		case StatusRunning:
			running++
		case StatusPending:
			pending++
		}
	}
	return running, pending
}

// StopTask asks a task to stop. Its agent has to hear of it: until then the task runs on, or is yet
// to start.
func (r *Region) StopTask(clusterRef, ref, reason string) (Task, error) {
	var arn string
	err := r.change(func(s *state) error {
		v := View{r: r, s: s}
		c, err := v.ActiveCluster(clusterRef)
		if err != nil {
			return err
		}
		t, ok := v.FindTask(c, ref)
		if !ok {
			return Errorf("InvalidParameterException", "The referenced task was not found.")
		}
		now := r.o.Clock.Now()
		if arn = t.ARN; reached(t.StoppingAt, now) {
			return nil
		}
		t.StoppingAt, t.StopCode, t.StoppedReason = now, "UserInitiated", cmp.Or(reason, "Task stopped by user")
		if t.LaunchType == "FARGATE" {
			t.StopTakenAt, t.StoppedAt = now, now.Add(r.scaled(TaskStops))
		}
		if t.waits != nil {
			t.waits, t.StoppedAt = nil, now // no agent has to hear of it
		}
		s.tasks.put(t.ARN, t)
		return nil
	})
	return r.View(zeroTime).s.tasks.m[arn], err
}

// forgetTasks drops tasks that stopped long ago.
func (r *Region) forgetTasks(s *state, now time.Time) {
	for arn, t := range s.tasks.m {
		if !t.StoppedAt.IsZero() && now.Sub(t.StoppedAt) > r.scaled(stoppedKeptFor) {
			s.tasks.drop(arn)
		}
	}
}
