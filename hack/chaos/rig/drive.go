// SPDX-License-Identifier: Apache-2.0

package rig

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

const (
	// Lease is how long it takes another manager to take over from one that ended or froze: the lease, and a try for it.
	Lease = 17 * time.Second
	// shortestBackoff and longestBackoff are those of the manager's work queue.
	shortestBackoff, longestBackoff = 200 * time.Millisecond, 10 * time.Second
	// spinning is how many passes over one object within a second of the world's time are too many.
	spinning = 60
)

// turn is when an object is looked at next.
type turn struct {
	at       time.Time // zero: not until it is written
	failures int
	// second and passes tell a loop that spins.
	second time.Time
	passes int
}

// frozenPass is a pass of a frozen manager.
type frozenPass struct {
	manager *manager
	done    chan struct{}
}

// timer is something that happens at a time of the world.
type timer struct {
	at time.Time
	do func()
}

// At has something happen in the world at a time from now on, between two passes.
func (w *World) At(in time.Duration, do func()) {
	w = w.driver()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timers = append(w.timers, timer{w.Clock.Now().Add(in), do})
}

// Touch has an object looked at now, as when it was written.
func (w *World) Touch(name string) {
	w.driver().touch(client.ObjectKey{Namespace: w.Namespace, Name: name})
}

func (w *World) touch(key client.ObjectKey) {
	if w.due[key] == nil {
		w.due[key] = &turn{}
	}
	w.due[key].at = w.Clock.Now()
}

// Kill ends the manager between two passes. Another one takes over after Lease, or when Boot says so.
func (w *World) Kill() {
	if w.current != nil {
		w.current.kill()
		w.bury()
	}
}

// Boot has another manager take over in a time from now on, 0 for now, if none is there.
func (w *World) Boot(in time.Duration) {
	if w.current == nil {
		w.bootAt = w.Clock.Now().Add(in)
		w.Hamper(in)
	}
}

// bury notes that there is no manager.
func (w *World) bury() {
	w.current = nil
	w.bootAt = w.Clock.Now().Add(Lease)
	w.Hamper(Lease)
}

// Frozen reports whether a manager is.
func (w *World) Frozen() bool { return len(w.driver().frozen) > 0 }

// Lives is how many managers there were so far.
func (w *World) Lives() int { return w.lives }

// Thaw lets frozen managers go on with the pass that they are in. They have lost their lease, and end after it.
func (w *World) Thaw() {
	for _, f := range w.frozen {
		f.manager.setPassing(true)
		f.manager.wake()
		<-f.done
		f.manager.kill()
	}
	w.frozen = nil
	w.touchAll()
}

func (w *World) touchAll() {
	for key := range w.due {
		w.touch(key)
	}
}

// Run lets a time of the world go by, with a pass over each object whenever it asked for one or was written, a sweep at each
// start and then at each interval, and another manager where one is gone.
func (w *World) Run(ctx context.Context, d time.Duration) error {
	end := w.Clock.Now().Add(d)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		w.fire()
		if err := w.takeOver(ctx); err != nil {
			return err
		}
		if w.current != nil && w.work(ctx) {
			continue
		}
		next := w.next()
		if next.IsZero() || next.After(end) {
			w.advance(end)
			w.fire()
			return nil
		}
		w.advance(next)
	}
}

// Until runs the world until something is so, which it asks between passes; it reports whether it came to that within a time.
func (w *World) Until(ctx context.Context, most time.Duration, is func() bool) (bool, error) {
	for end := w.Clock.Now().Add(most); ; {
		if is() {
			return true, nil
		}
		next := w.next()
		if next.IsZero() || next.After(end) {
			err := w.Run(ctx, end.Sub(w.Clock.Now()))
			return is(), err
		}
		if err := w.Run(ctx, max(next.Sub(w.Clock.Now()), 0)); err != nil {
			return false, err
		}
	}
}

// fire does what is due by its time.
func (w *World) fire() {
	for {
		w.mu.Lock()
		now := w.Clock.Now()
		i := slices.IndexFunc(w.timers, func(t timer) bool { return !t.at.After(now) })
		if i < 0 {
			w.mu.Unlock()
			return
		}
		do := w.timers[i].do
		w.timers = slices.Delete(w.timers, i, i+1)
		w.mu.Unlock()
		do()
	}
}

// takeOver boots a manager where it is time for one. It finds all objects that there are.
func (w *World) takeOver(ctx context.Context) error {
	if w.current != nil || w.bootAt.After(w.Clock.Now()) {
		return nil
	}
	var all v1alpha1.AgentDisconnectList
	if err := w.list(ctx, w.plane.Client, &all, nil); err != nil {
		return err
	}
	clear(w.due)
	for i := range all.Items {
		w.touch(client.ObjectKeyFromObject(&all.Items[i]))
	}
	w.lives++
	w.mu.Lock()
	w.skewed = w.skewed || w.Skew != 0
	w.mu.Unlock()
	w.current, w.sweepAt = newManager(w, w.lives), w.Clock.Now()
	return nil
}

// work makes the passes that are due, and reports whether there were any.
func (w *World) work(ctx context.Context) (worked bool) {
	if !w.sweepAt.After(w.Clock.Now()) {
		w.sweep(ctx)
		return true
	}
	keys := slices.SortedFunc(maps.Keys(w.due), func(a, b client.ObjectKey) int { return strings.Compare(w.title(a), w.title(b)) })
	for _, key := range keys {
		t := w.due[key]
		if t.at.IsZero() || t.at.After(w.Clock.Now()) {
			continue
		}
		m := w.current
		var result reconcile.Result
		var err error
		t.at = time.Time{}
		m.begin()
		if whole := w.do(func() { result, err = m.pass(ctx, key) }); whole && w.current == m {
			w.requeue(key.Name, t, result, err)
		}
		return true
	}
	return false
}

// title tells objects apart by a name that is the same in each run: a namespace has another name in each.
func (w *World) title(key client.ObjectKey) string {
	if w.of(key.Namespace) != w {
		return "hub/" + key.Name
	}
	return key.Name
}

// sweep has the manager look for what runs left behind, and again when it wants to.
func (w *World) sweep(ctx context.Context) {
	m := w.current
	if whole := w.do(func() { _ = m.sweeper.Sweep(ctx) }); whole { // the sweeper itself knows what it could not do
		w.sweepAt = w.Clock.Now().Add(m.sweeper.Wait())
	}
}

// do has the manager do something, and reports whether it came to an end: a manager that freezes stays in it.
func (w *World) do(what func()) (whole bool) {
	m, done := w.current, make(chan struct{})
	m.setPassing(true)
	defer m.setPassing(false)
	go func() {
		defer close(done)
		what()
	}()
	select {
	case <-done:
	case <-m.frozen:
		m.settle()
		w.frozen = append(w.frozen, &frozenPass{m, done})
		w.bury()
		return false
	}
	if !m.alive() {
		w.bury()
	}
	return true
}

// requeue says when an object is due after a pass, as the work queue would.
func (w *World) requeue(name string, t *turn, result reconcile.Result, err error) {
	now := w.Clock.Now()
	switch {
	case err != nil:
		t.at = now.Add(min(shortestBackoff<<min(t.failures, 10), longestBackoff))
		t.failures++
	case result.RequeueAfter > 0:
		t.at, t.failures = now.Add(max(result.RequeueAfter, time.Millisecond)), 0
	default:
		t.failures = 0
	}
	if second := now.Truncate(time.Second); !second.Equal(t.second) {
		t.second, t.passes = second, 0
	}
	if t.passes++; t.passes == spinning {
		w.Complain("object %s was reconciled %d times within a second", name, spinning)
	}
	if t.passes >= spinning && !t.at.IsZero() {
		t.at = t.at.Add(time.Second)
	}
}

// next is when something happens; zero: nothing ever does.
func (w *World) next() time.Time {
	var next time.Time
	add := func(at time.Time) {
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	w.mu.Lock()
	for _, t := range w.timers {
		add(t.at)
	}
	w.mu.Unlock()
	if w.current == nil {
		add(w.bootAt)
		return next
	}
	add(w.sweepAt)
	for _, t := range w.due {
		add(t.at)
	}
	return next
}
