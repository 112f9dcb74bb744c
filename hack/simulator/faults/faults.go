// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"errors"
	"fmt"
	"math"
	"path"
	"slices"
	"sync"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
)

// Fault says which calls go wrong, how and how often. Exactly one of the effects is set.
type Fault struct {
	// ID is given when the fault is added, unless it is set.
	ID string `json:"id,omitempty"`
	// Action is a pattern for service:Action; * stands for any characters.
	Action string `json:"action"`
	// AccessKey limits the fault to the calls of one access key id.
	AccessKey string `json:"accessKey,omitempty"`
	// Params limits the fault to calls with these parameters, by the names of call.Call.Params.
	Params map[string]string `json:"params,omitempty"`
	// MissingTag limits the fault to calls about EC2 resources of which one is without a tag with this key, or doesn't
	// exist. With Denied it is a policy that requires the tag: Null aws:ResourceTag/KEY false. Calls about no resource
	// that is there already (Describe…, CreateNetworkAcl) aren't hit.
	MissingTag string `json:"missingTag,omitempty"`
	// When limits the fault further. It must not call into the Set.
	When func(call.Call) bool `json:"-"`
	// Skip is how many matching calls pass before the fault begins.
	Skip int `json:"skip,omitempty"`
	// Times is how many calls it hits; 0: all until it is removed.
	Times int `json:"times,omitempty"`
	// DryRuns makes errors count and hit EC2 dry runs as well. Latency, throttling and denial always do.
	DryRuns bool `json:"dryRuns,omitempty"`

	// Error is the code of an error that is returned in place of the effect.
	Error string `json:"error,omitempty"`
	// ErrorAfter is the code of an error that is returned although the effect took place.
	ErrorAfter string `json:"errorAfter,omitempty"`
	// Message replaces the default message of Error and ErrorAfter.
	Message string `json:"message,omitempty"`
	// Lost closes the connection after the effect, so that the caller can't know of it.
	Lost bool `json:"lost,omitempty"`
	// Latency is added before the effect.
	Latency Duration `json:"latency,omitempty"`
	// LatencyAfter is added between the effect and the answer.
	LatencyAfter Duration `json:"latencyAfter,omitempty"`
	// Throttle answers with the service's throttling error when the bucket is empty. An empty Bucket is AWS's own for
	// the action.
	Throttle *Bucket `json:"throttle,omitempty"`
	// Stale makes reads answer from the state of that long ago.
	Stale Duration `json:"stale,omitempty"`
	// Frozen makes reads answer from the state at the moment when the fault was added.
	Frozen bool `json:"frozen,omitempty"`
	// Denied withdraws the permission.
	Denied bool `json:"denied,omitempty"`

	since   uint64 // the moment when the fault was added
	hits    int
	skipped int
	buckets map[bucketKey]*level
}

// Remaining is how many calls the fault will still hit, -1 without a limit.
func (f *Fault) Remaining() int {
	if f.Times == 0 {
		return -1
	}
	return f.Times - f.hits
}

// Set is the faults and hooks of one simulator. Its methods may be called at any time, from any goroutine.
type Set struct {
	mu     sync.Mutex
	now    func() time.Time
	moment func() uint64
	nextID int
	faults []*Fault
	hooks  []*hook
}

// New returns an empty set that reads the time from now. moment counts the changes of what reads see: it tells what was
// before a fault from what came after it where the time stands still.
func New(now func() time.Time, moment func() uint64) *Set { return &Set{now: now, moment: moment} }

// Add puts a fault in force and returns what takes it back. It panics on a fault that means nothing: that is a mistake
// in a test.
func (s *Set) Add(f Fault) (remove func()) {
	if err := f.Validate(); err != nil {
		panic("faults: " + err.Error())
	}
	id := s.Put(f)
	return func() { s.Remove(id) }
}

// Put puts a fault that was validated in force and returns its id. One with the same id makes way.
func (s *Set) Put(f Fault) (id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.ID == "" {
		s.nextID++
		f.ID = fmt.Sprintf("fault-%d", s.nextID)
	}
	s.faults = slices.DeleteFunc(s.faults, func(o *Fault) bool { return o.ID == f.ID })
	f.since, f.hits, f.skipped, f.buckets = s.moment(), 0, 0, map[bucketKey]*level{}
	s.faults = append(s.faults, &f)
	return f.ID
}

// Remove ends a fault and reports whether there was one.
func (s *Set) Remove(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		if f.ID == id {
			s.faults = append(s.faults[:i:i], s.faults[i+1:]...)
			return true
		}
	}
	return false
}

// Clear ends all faults. Hooks stay.
func (s *Set) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// List is the faults in force, oldest first.
func (s *Set) List() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Fault, 0, len(s.faults))
	for _, f := range s.faults {
		list = append(list, *f)
	}
	return list
}

// Validate says what is wrong with a fault.
func (f Fault) Validate() error {
	if f.Action == "" {
		return errors.New("a fault needs an action such as ec2:CreateNetworkAclEntry, ec2:Describe* or *")
	}
	if _, err := path.Match(f.Action, ""); err != nil {
		return fmt.Errorf("action %q is not a pattern: %w", f.Action, err)
	}
	effects := 0
	for _, set := range []bool{
		f.Error != "", f.ErrorAfter != "", f.Lost, f.Latency > 0, f.LatencyAfter > 0, f.Throttle != nil, f.Stale > 0, f.Frozen, f.Denied,
	} {
		if set {
			effects++
		}
	}
	if effects != 1 {
		return fmt.Errorf("fault on %s has %d effects; it needs exactly one of error, errorAfter, lost, latency, latencyAfter, throttle, stale, "+
			"frozen and denied", f.Action, effects)
	}
	if f.Skip < 0 || f.Times < 0 {
		return fmt.Errorf("fault on %s: skip and times can't be negative", f.Action)
	}
	if f.Throttle != nil && (f.Throttle.Burst < 0 || !(f.Throttle.PerSecond >= 0) || math.IsInf(f.Throttle.PerSecond, 1) || f.Throttle.PerSecond > 0 && f.Throttle.Burst == 0) {
		return fmt.Errorf("fault on %s: a bucket has a burst of at least 1 and a rate of 0 or more a second", f.Action)
	}
	return nil
}

// matches decides by everything but the counters. Without lacks no resource is without a tag.
func (f *Fault) matches(c call.Call, lacks func(tag string) bool) bool {
	if ok, _ := path.Match(f.Action, c.Name()); !ok {
		return false
	}
	if f.AccessKey != "" && f.AccessKey != c.AccessKey {
		return false
	}
	if c.DryRun && !f.DryRuns && (f.Error != "" || f.ErrorAfter != "" || f.Lost) {
		return false
	}
	for name, want := range f.Params {
		if c.Param(name) != want {
			return false
		}
	}
	if f.MissingTag != "" && (lacks == nil || !lacks(f.MissingTag)) {
		return false
	}
	return f.When == nil || f.When(c)
}

// take counts a matching call and reports whether it is hit.
func (f *Fault) take() bool {
	if f.skipped < f.Skip {
		f.skipped++
		return false
	}
	if f.Times > 0 && f.hits >= f.Times {
		return false
	}
	f.hits++
	return true
}

// dropUsed ends the faults that are used up. The lock must be held.
func (s *Set) dropUsed() {
	kept := s.faults[:0:0]
	for _, f := range s.faults {
		if f.Times == 0 || f.hits < f.Times {
			kept = append(kept, f)
		}
	}
	s.faults = kept
}
