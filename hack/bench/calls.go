// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"sync"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
)

// timedCall is a call with the times between which it was under way: from its arrival to when it took effect.
type timedCall struct {
	sim.Call
	begin, end time.Time
}

// calls notes the calls to a simulator from one moment to another.
type calls struct {
	stop func()

	mu    sync.Mutex
	begun map[string]int // by request id
	all   []timedCall
}

func recordCalls(s *sim.Simulator) *calls {
	c := &calls{begun: map[string]int{}}
	before := s.Faults().Before("*", func(call sim.Call) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.begun[call.RequestID] = len(c.all)
		c.all = append(c.all, timedCall{Call: call, begin: time.Now()})
	})
	after := s.Faults().After("*", func(call sim.Call) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if i, ok := c.begun[call.RequestID]; ok {
			c.all[i].Call, c.all[i].end = call, time.Now()
		}
	})
	c.stop = func() { before(); after() }
	return c
}

// ended are the calls that took effect or were refused, in the order of their arrival.
func (c *calls) ended() []timedCall {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.all), func(t timedCall) bool { return t.end.IsZero() })
}

// changes are the calls that changed a network ACL or a subnet's association with it, by network ACL.
func changes(all []timedCall) map[string][]timedCall {
	byACL := map[string][]timedCall{}
	for _, c := range all {
		if c.ReadOnly || c.DryRun || c.Error != "" {
			continue
		}
		for _, name := range []string{"NetworkAclId", "ResourceId.1"} {
			if id := c.Param(name); id != "" {
				byACL[id] = append(byACL[id], c)
			}
		}
	}
	return byACL
}

// dryRunMark is what tells dry runs from other calls of an action.
const dryRunMark = " (dry run)"

// action is a call's action as tables have it.
func action(c sim.Call) string {
	name := c.Name()
	if c.DryRun {
		name += dryRunMark
	}
	return name
}

// byAction counts calls.
func byAction(all []sim.Call) map[string]int {
	counts := map[string]int{}
	for _, c := range all {
		counts[action(c)]++
	}
	return counts
}
