// SPDX-License-Identifier: Apache-2.0

package region

import (
	"cmp"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"time"
)

// DefaultScheduleGroup is there in every Region and can't be deleted.
const DefaultScheduleGroup = "default"

// Actions after the completion of a schedule, and states.
const (
	AfterNone        = "NONE"
	AfterDelete      = "DELETE"
	ScheduleEnabled  = "ENABLED"
	ScheduleDisabled = "DISABLED"
)

// Schedule is a one-time schedule of EventBridge Scheduler.
type Schedule struct {
	ARN, Group, Name string
	// Expression is at(yyyy-mm-ddThh:mm:ss), read in Timezone.
	Expression, Timezone string
	// At is the time of the expression, Due the one within its minute, or its window, at which the target is invoked.
	At, Due time.Time
	// State is ENABLED or DISABLED.
	State, Description string
	// ActionAfterCompletion is NONE or DELETE.
	ActionAfterCompletion string
	// Window is the flexible time window; 0: off.
	Window             time.Duration
	Target             ScheduleTarget
	StartDate, EndDate time.Time
	CreatedAt          time.Time
	ModifiedAt         time.Time
	// Invoked is true once its time came: the invocation is under way or over.
	Invoked bool

	version uint64
}

// ScheduleTarget is what a schedule calls, and how often it tries.
type ScheduleTarget struct {
	ARN, RoleARN, Input  string
	MaximumRetryAttempts int
	MaximumEventAge      time.Duration
}

// ScheduleGroup is a group of schedules.
type ScheduleGroup struct {
	ARN, Name             string
	CreatedAt, ModifiedAt time.Time
	Tags                  map[string]string
}

// ScheduleARN is the ARN of a schedule, whether it exists or not.
func (r *Region) ScheduleARN(group, name string) string {
	return r.ARN("scheduler", "schedule/"+group+"/"+name)
}

// ScheduleGroupARN is the ARN of a group, whether it exists or not.
func (r *Region) ScheduleGroupARN(name string) string {
	return r.ARN("scheduler", "schedule-group/"+name)
}

// dueAt is the same second of the minute, or of the window, for every schedule of a name.
func (s Schedule) dueAt() time.Time {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(s.Group + "/" + s.Name)) // never fails
	seconds := uint32(max(s.Window, time.Minute) / time.Second)
	return s.At.Add(time.Duration(sum.Sum32()%seconds) * time.Second)
}

func missingSchedule(name string) error {
	return Errorf("ResourceNotFoundException", "Schedule %s does not exist.", name)
}

func missingGroup(name string) error {
	return Errorf("ResourceNotFoundException", "Schedule group %s does not exist.", name)
}

// once runs fn, unless the token was used before: with the same request there is nothing left to do.
func (r *Region) once(action, token, request string, fn func(*state) error) error {
	return r.change(func(s *state) error {
		key := "scheduler:" + action + "/" + token
		if used, ok := r.tokens[key]; token != "" && ok {
			if used.request != request {
				return Errorf("ConflictException", "The client token %s was used before with another request.", token)
			}
			return nil
		}
		if err := fn(s); err != nil {
			return err
		}
		if token != "" {
			r.tokens[key] = idempotent{request: request}
		}
		return nil
	})
}

// CreateSchedule adds a schedule. Names, expression and bounds were checked; request tells two uses of a token apart.
func (r *Region) CreateSchedule(token, request string, n Schedule) error {
	return r.once("CreateSchedule", token, request, func(s *state) error {
		if err := r.acceptable(s, n); err != nil {
			return err
		}
		key := n.Group + "/" + n.Name
		if _, ok := s.schedules.m[key]; ok {
			return Errorf("ConflictException", "Schedule %s already exists.", n.Name)
		}
		n.CreatedAt = r.o.Clock.Now()
		r.putSchedule(s, n)
		return nil
	})
}

// UpdateSchedule replaces all of a schedule but its creation date. An invocation that is under way goes on as it began.
func (r *Region) UpdateSchedule(token, request string, n Schedule) error {
	return r.once("UpdateSchedule", token, request, func(s *state) error {
		if err := r.acceptable(s, n); err != nil {
			return err
		}
		old, ok := s.schedules.m[n.Group+"/"+n.Name]
		if !ok {
			return missingSchedule(n.Name)
		}
		n.CreatedAt = old.CreatedAt
		r.putSchedule(s, n)
		return nil
	})
}

func (r *Region) putSchedule(s *state, n Schedule) {
	n.ARN, n.Due, n.ModifiedAt, n.Invoked = r.ScheduleARN(n.Group, n.Name), n.dueAt(), r.o.Clock.Now(), false
	n.version = moments.Load() + 1
	s.schedules.put(n.Group+"/"+n.Name, n)
}

// acceptable is what depends on the time and the state.
func (r *Region) acceptable(s *state, n Schedule) error {
	if !n.At.After(r.o.Clock.Now()) {
		return Errorf("ValidationException", "Invalid Schedule Expression %s. The time is in the past.", n.Expression)
	}
	role, ok := r.Roles().Get(n.Target.RoleARN)
	if !ok || !role.Trusts(SchedulerPrincipal) || !strings.Contains(role.ARN, "::"+r.o.Account+":") {
		return Errorf("ValidationException", "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.")
	}
	if _, ok := s.group(r, n.Group); !ok {
		return missingGroup(n.Group)
	}
	return nil
}

// DeleteSchedule removes a schedule. An invocation that is under way goes on.
func (r *Region) DeleteSchedule(token, group, name string) error {
	return r.once("DeleteSchedule", token, group+"/"+name, func(s *state) error {
		if _, ok := s.schedules.m[group+"/"+name]; !ok {
			return missingSchedule(name)
		}
		s.schedules.drop(group + "/" + name)
		return nil
	})
}

func (s *state) group(r *Region, name string) (ScheduleGroup, bool) {
	if name == DefaultScheduleGroup {
		return ScheduleGroup{ARN: r.ScheduleGroupARN(name), Name: name}, true
	}
	g, ok := s.scheduleGroups.m[name]
	return g, ok
}

// CreateScheduleGroup adds a group.
func (r *Region) CreateScheduleGroup(token, request, name string, tags map[string]string) error {
	return r.once("CreateScheduleGroup", token, request, func(s *state) error {
		if _, ok := s.group(r, name); ok {
			return Errorf("ConflictException", "Schedule group %s already exists.", name)
		}
		now := r.o.Clock.Now()
		s.scheduleGroups.put(name, ScheduleGroup{
			ARN: r.ScheduleGroupARN(name), Name: name, CreatedAt: now, ModifiedAt: now, Tags: maps.Clone(tags),
		})
		return nil
	})
}

// DeleteScheduleGroup removes a group with its schedules, at once.
func (r *Region) DeleteScheduleGroup(token, name string) error {
	return r.once("DeleteScheduleGroup", token, name, func(s *state) error {
		if name == DefaultScheduleGroup {
			return Errorf("ValidationException", "The default schedule group cannot be deleted.")
		}
		if _, ok := s.group(r, name); !ok {
			return missingGroup(name)
		}
		s.scheduleGroups.drop(name)
		s.schedules.remove(func(_ string, n Schedule) bool { return n.Group == name })
		return nil
	})
}

// Schedules are all schedules, by group and name.
func (v View) Schedules() []Schedule {
	return slices.SortedFunc(maps.Values(v.s.schedules.m), Schedule.compare)
}

func (s Schedule) compare(o Schedule) int {
	return cmp.Or(cmp.Compare(s.Group, o.Group), cmp.Compare(s.Name, o.Name))
}

// Schedule is one schedule.
func (v View) Schedule(group, name string) (Schedule, error) {
	if _, err := v.ScheduleGroup(group); err != nil {
		return Schedule{}, err
	}
	n, ok := v.s.schedules.m[group+"/"+name]
	if !ok {
		return n, missingSchedule(name)
	}
	return n, nil
}

// ScheduleGroups are all groups, the default one among them, by name.
func (v View) ScheduleGroups() []ScheduleGroup {
	byDefault, _ := v.s.group(v.r, DefaultScheduleGroup)
	out := append(sortedValues(v.s.scheduleGroups.m), byDefault)
	slices.SortFunc(out, func(a, b ScheduleGroup) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// ScheduleGroup is one group.
func (v View) ScheduleGroup(name string) (ScheduleGroup, error) {
	g, ok := v.s.group(v.r, name)
	if !ok {
		return g, missingGroup(name)
	}
	return g, nil
}

// Schedules are the schedules as they are now, by group and name.
func (r *Region) Schedules() []Schedule { return r.View(zeroTime).Schedules() }

// Roles are the roles that schedules run under.
func (r *Region) Roles() *Roles { return r.o.Roles }
