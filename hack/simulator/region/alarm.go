// SPDX-License-Identifier: Apache-2.0

package region

import (
	"slices"
	"strings"
	"time"
)

// States of an alarm of CloudWatch.
const (
	AlarmOK               = "OK"
	AlarmInAlarm          = "ALARM"
	AlarmInsufficientData = "INSUFFICIENT_DATA"
)

// AlarmStates are all of them.
var AlarmStates = []string{AlarmOK, AlarmInAlarm, AlarmInsufficientData}

// Alarm is an alarm of CloudWatch. Nothing evaluates it: SetAlarmState alone changes its state.
type Alarm struct {
	ARN, Name string
	// Composite alarms are listed by their own type, and have a rule in place of a metric.
	Composite bool
	// State is one of AlarmStates, StateReason its explanation.
	State, StateReason string
	// UpdatedAt is when the state was set, CreatedAt when the alarm was made.
	UpdatedAt, CreatedAt time.Time
}

// PutAlarm adds an alarm or replaces the one of its name. One without a state is OK.
func (r *Region) PutAlarm(a Alarm) {
	_ = r.change(func(s *state) error { // never fails
		a.ARN, a.CreatedAt, a.UpdatedAt = r.ARN("cloudwatch", "alarm:"+a.Name), r.o.Clock.Now(), r.o.Clock.Now()
		if a.State == "" {
			a.State, a.StateReason = AlarmOK, "Unchecked: Initial alarm creation"
		}
		s.alarms.put(a.Name, a)
		return nil
	})
}

// DeleteAlarm deletes an alarm.
func (r *Region) DeleteAlarm(name string) {
	_ = r.change(func(s *state) error { // never fails
		s.alarms.drop(name)
		return nil
	})
}

// SetAlarmState sets the state of an alarm, until it is set again.
func (r *Region) SetAlarmState(name, to, reason string) error {
	return r.change(func(s *state) error {
		a, ok := s.alarms.m[name]
		if !ok {
			return Errorf("ResourceNotFound", "Unknown alarm: %s", name)
		}
		a.State, a.StateReason, a.UpdatedAt = to, reason, r.o.Clock.Now()
		s.alarms.put(name, a)
		return nil
	})
}

// Alarms are all alarms, by name.
func (v View) Alarms() []Alarm {
	all := sortedValues(v.s.alarms.m)
	slices.SortFunc(all, func(a, b Alarm) int { return strings.Compare(a.Name, b.Name) })
	return all
}
