// SPDX-License-Identifier: Apache-2.0

package region

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// How long tasks take on an instance, before scaling. Images are taken to be there.
const (
	taskStarts     = 5 * time.Second
	taskStops      = 5 * time.Second
	stoppedShownIn = time.Hour
)

// Task is one task. Its status follows from its times.
type Task struct {
	ARN, ClusterARN, InstanceARN, DefinitionARN string
	Group, StartedBy, LaunchType                string
	AvailabilityZone                            string
	CPU, Memory                                 int
	Containers                                  []Container
	Overrides                                   map[string]any
	Tags                                        map[string]string
	CreatedAt, RunningAt, StoppingAt, StoppedAt time.Time
	StopCode, StoppedReason                     string
}

// Container is a container of a task.
type Container struct{ Name, Image, ARN string }

// Status is the task's last known and desired status at a time.
func (t Task) Status(now time.Time) (last, desired string) {
	switch {
	case !t.StoppedAt.IsZero():
		return "STOPPED", "STOPPED"
	case !t.StoppingAt.IsZero():
		return "RUNNING", "STOPPED"
	case now.Before(t.RunningAt):
		return "PENDING", "RUNNING"
	default:
		return "RUNNING", "RUNNING"
	}
}

// Tasks are the tasks of a cluster, by ARN.
func (v View) Tasks(clusterARN string) []Task {
	return slices.DeleteFunc(sortedValues(v.s.tasks.m), func(t Task) bool { return t.ClusterARN != clusterARN })
}

// FindTask resolves an id or ARN within a cluster.
func (v View) FindTask(c Cluster, ref string) (Task, bool) {
	t, ok := v.s.tasks.m[v.TaskARN(c, ref)]
	return t, ok && t.ClusterARN == c.ARN
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
	now := v.r.Now()
	for _, t := range v.s.tasks.m {
		if !match(t) {
			continue
		}
		switch last, _ := t.Status(now); last {
		case "RUNNING":
			running++
		case "PENDING":
			pending++
		}
	}
	return running, pending
}

// Remaining is what the tasks on a container instance leave of its CPU units and MiB of memory.
func (v View) Remaining(i ContainerInstance) (cpu, memory int) {
	cpu, memory = i.CPU, i.Memory
	for _, t := range v.s.tasks.m {
		if t.InstanceARN == i.ARN && t.StoppedAt.IsZero() {
			cpu, memory = cpu-t.CPU, memory-t.Memory
		}
	}
	return cpu, memory
}

// FindTaskDefinition resolves family, family:revision or an ARN.
func (v View) FindTaskDefinition(ref string) (TaskDefinition, bool) {
	ref = strings.TrimPrefix(ref, v.r.ARN("ecs", "task-definition/"))
	if strings.Contains(ref, ":") {
		d, ok := v.s.definitions.m[ref]
		return d, ok
	}
	var latest TaskDefinition
	for _, d := range v.s.definitions.m {
		if d.Family == ref && d.Status == "ACTIVE" && d.Revision > latest.Revision {
			latest = d
		}
	}
	return latest, latest.Revision > 0
}

var familyPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,255}$`)

// RegisterTaskDefinition adds a revision to a family.
func (r *Region) RegisterTaskDefinition(d TaskDefinition) (TaskDefinition, error) {
	err := r.change(func(s *state) error {
		if !familyPattern.MatchString(d.Family) {
			return Errorf("ClientException", "Family contains invalid characters or is longer than 255 characters.")
		}
		d.Revision = 1
		for _, o := range s.definitions.m {
			if o.Family == d.Family {
				d.Revision = max(d.Revision, o.Revision+1)
			}
		}
		d.ARN, d.Status = r.ARN("ecs", fmt.Sprintf("task-definition/%s:%d", d.Family, d.Revision)), "ACTIVE"
		d.RegisteredAt = r.o.Clock.Now()
		d.Document = maps.Clone(d.Document)
		s.definitions.put(d.Family+":"+strconv.Itoa(d.Revision), d)
		return nil
	})
	return d, err
}

// StopTask asks a task to stop. The agent has to hear of it, so without its connection the task runs on.
func (r *Region) StopTask(clusterRef, ref, reason string) (Task, error) {
	var t Task
	err := r.change(func(s *state) error {
		v := View{r, s}
		c, err := v.ActiveCluster(clusterRef)
		if err != nil {
			return err
		}
		var ok bool
		if t, ok = v.FindTask(c, ref); !ok {
			return Errorf("InvalidParameterException", "The referenced task was not found.")
		}
		if t.StoppingAt.IsZero() {
			t.StoppingAt, t.StopCode, t.StoppedReason = r.o.Clock.Now(), "UserInitiated", reason
			if reason == "" {
				t.StoppedReason = "Task stopped by user"
			}
			s.tasks.put(t.ARN, t)
		}
		return nil
	})
	return t, err
}

// SettleTasks lets tasks that were told to stop reach STOPPED where their agent is connected, and forgets those that
// stopped an hour ago. Reads of tasks call it, so that no timer runs.
func (r *Region) SettleTasks() {
	now := r.o.Clock.Now()
	due := func(s *state, t Task) bool {
		return !t.StoppingAt.IsZero() && t.StoppedAt.IsZero() && !now.Before(t.StoppingAt.Add(r.scaled(taskStops))) &&
			(t.LaunchType == "FARGATE" || s.instances.m[t.InstanceARN].AgentConnected)
	}
	old := func(t Task) bool { return !t.StoppedAt.IsZero() && now.Sub(t.StoppedAt) > r.scaled(stoppedShownIn) }
	s := r.View(zeroTime).s
	if !slices.ContainsFunc(sortedValues(s.tasks.m), func(t Task) bool { return due(s, t) || old(t) }) {
		return
	}
	_ = r.change(func(s *state) error { // the function fails never
		for arn, t := range s.tasks.m {
			if due(s, t) {
				t.StoppedAt = now
				s.tasks.put(arn, t)
			} else if old(t) {
				s.tasks.drop(arn)
			}
		}
		return nil
	})
}
