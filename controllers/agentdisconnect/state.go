// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/controllers/backoff"
	"agentdisconnect.dev/agentdisconnect/controllers/braking"
	"agentdisconnect.dev/agentdisconnect/controllers/deadmanswitch"
	"agentdisconnect.dev/agentdisconnect/controllers/enforcement"
	"agentdisconnect.dev/agentdisconnect/controllers/evidence/probe"
	"agentdisconnect.dev/agentdisconnect/controllers/pass"
	"agentdisconnect.dev/agentdisconnect/controllers/preflight"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/target"
)

// state is what the passes of this process saw for one object. Each part is written by the package
// that it belongs to; a restart loses all of it and costs the reads only.
type state struct {
	pass.Learned

	target        target.Memory
	deadManSwitch deadmanswitch.Memory
	preflight     preflight.Memory
	enforcement   enforcement.Observation
	probe         probe.Memory
	braking       braking.Memory

	// recovering is since when this process has waited for the agents without a break, and
	// recoveredAt when it last looked.
	recovering, recoveredAt time.Time
	// yields, if set, is why a run waits until yieldsUntil, so that an older one that began at the
	// same moment comes first.
	yields      *problem.Problem
	yieldsUntil time.Time
	// ended says that the run's end was acted on.
	ended bool
	// conflicts is how many passes in a row ended since others wrote what they rest on.
	conflicts int
	// begun says that the run had begun and was not over when the last pass ended.
	begun bool
	// refused and waited count the passes in a row that a person, or AWS, kept from beginning the
	// run.
	refused, waited backoff.Setback
	// draft is what passes saw that could not finish the plan, of the generation draftOf.
	draft   *state
	draftOf int64
}

// states has the state of each object, by name: an object that is gone has no more than that.
type states struct {
	mu     sync.Mutex
	byName map[types.NamespacedName]remembered
}

type remembered struct {
	uid types.UID
	*state
}

// of gives the state of an object, a new one for one that took over the name of another.
func (s *states) of(obj client.Object) *state {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byName == nil {
		s.byName = map[types.NamespacedName]remembered{}
	}
	name := client.ObjectKeyFromObject(obj)
	if s.byName[name].uid != obj.GetUID() || s.byName[name].state == nil {
		s.byName[name] = remembered{obj.GetUID(), &state{}}
	}
	return s.byName[name].state
}

// forget drops the state of an object, and says which one that was.
func (s *states) forget(name types.NamespacedName) (uid types.UID, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	forgotten, known := s.byName[name]
	delete(s.byName, name)
	return forgotten.uid, known
}

// has reports whether passes of this process work on an object.
func (s *states) has(name types.NamespacedName) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, known := s.byName[name]
	return known
}

// hasBegun reports whether the run of an object had begun and was not over when its last pass
// ended.
func (s *states) hasBegun(name types.NamespacedName) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.byName[name].state
	return seen != nil && seen.begun
}
