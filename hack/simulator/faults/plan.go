// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
)

// Plan is what is to happen to one call. The zero value lets it pass untouched.
type Plan struct {
	// Latency and LatencyAfter are slept before the effect and between the effect and the answer.
	Latency, LatencyAfter time.Duration
	// Throttled answers with the service's throttling error.
	Throttled bool
	// Denied answers as if the caller lacked the permission.
	Denied bool
	// Before and After are errors in place of the effect, and in place of the answer to an effect that took place.
	Before, After *Injected
	// Lost closes the connection after the effect.
	Lost bool
	// ReadAt is the time whose state reads see; zero for the present.
	ReadAt time.Time
	// Frozen is set, to the moment when the reads were frozen, in place of ReadAt.
	Frozen *uint64
}

func (p Plan) readsNow() bool { return p.ReadAt.IsZero() && p.Frozen == nil }

// Injected is an error that a fault asks for.
type Injected struct{ Code, Message string }

// Plan decides what happens to a call and counts it. lacks reports whether a resource that the call is about is without a
// tag; it must not call into the Set.
func (s *Set) Plan(c call.Call, lacks func(tag string) bool) Plan {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.dropUsed()
	var p Plan
	answered := false // one fault at most answers a call; later ones are not used up by it
	for _, f := range s.faults {
		if !f.matches(c, lacks) || answered && f.answers() || f.Throttle != nil && !f.empty(c, s.timeOf(c)) || !f.take() {
			continue
		}
		answered = answered || f.answers()
		switch {
		case f.Error != "":
			p.Before = &Injected{f.Error, f.Message}
		case f.ErrorAfter != "":
			p.After = &Injected{f.ErrorAfter, f.Message}
		case f.Lost:
			p.Lost = true
		case f.Latency > 0:
			p.Latency += time.Duration(f.Latency)
		case f.LatencyAfter > 0:
			p.LatencyAfter += time.Duration(f.LatencyAfter)
		case f.Throttle != nil:
			p.Throttled = true
		case f.Denied:
			p.Denied = true
		case f.Stale > 0 && p.readsNow():
			p.ReadAt = s.now().Add(-time.Duration(f.Stale))
		case f.Frozen && p.readsNow():
			p.Frozen = new(f.since)
		}
	}
	return p
}

// Denies decides whether the permission for an action is withdrawn that a call needs beside its own, and counts it. Such
// a call is about a resource that does not exist yet, so that no fault with MissingTag applies.
func (s *Set) Denies(c call.Call) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.dropUsed()
	for _, f := range s.faults {
		if f.Denied && f.matches(c, nil) && f.take() {
			return true
		}
	}
	return false
}

// answers reports whether the fault decides how the call ends.
func (f *Fault) answers() bool {
	return f.Error != "" || f.ErrorAfter != "" || f.Lost || f.Throttle != nil || f.Denied
}

// hook is a function of a test that runs at a point of the calls that match.
type hook struct {
	action string
	after  bool
	run    func(call.Call)
}

// Before runs fn before the effect of every call to a matching action, and waits for it. It returns what takes the hook
// back. fn may call anything, this Set and the simulator included; its own calls run the hook too. So do the calls that a
// schedule makes (call.Call.Schedule tells them), within whatever call or method carries schedules out.
func (s *Set) Before(action string, fn func(call.Call)) (remove func()) {
	return s.hook(&hook{action: action, run: fn})
}

// After runs fn between the effect and the answer of every call to a matching action, failed ones included (see
// call.Call.Error), and waits for it.
func (s *Set) After(action string, fn func(call.Call)) (remove func()) {
	return s.hook(&hook{action: action, after: true, run: fn})
}

func (s *Set) hook(h *hook) (remove func()) {
	if err := (Fault{Action: h.action, Denied: true}).Validate(); err != nil {
		panic("faults: " + err.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooks = append(s.hooks, h)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for i := range s.hooks {
			if s.hooks[i] == h {
				s.hooks = append(s.hooks[:i:i], s.hooks[i+1:]...)
				return
			}
		}
	}
}

// RunBefore and RunAfter run the hooks for a call. No lock is held while they run.
func (s *Set) RunBefore(c call.Call) { s.runHooks(c, false) }

// RunAfter runs the hooks between effect and answer.
func (s *Set) RunAfter(c call.Call) { s.runHooks(c, true) }

func (s *Set) runHooks(c call.Call, after bool) {
	s.mu.Lock()
	var due []*hook
	for _, h := range s.hooks {
		if h.after == after && (&Fault{Action: h.action, Denied: true}).matches(c, nil) {
			due = append(due, h)
		}
	}
	s.mu.Unlock()
	for _, h := range due {
		h.run(c)
	}
}
