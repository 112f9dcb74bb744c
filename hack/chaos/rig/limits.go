// SPDX-License-Identifier: Apache-2.0

package rig

import (
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/utils/clock"
)

// limitsClock is what the limits of a manager's calls go by. A call that waits for a turn holds up the pass, so that the world's
// time goes by for it at once.
type limitsClock struct {
	manager *manager

	mu sync.Mutex
	// ahead is the time that went by for a process that has ended or is frozen, and for no other.
	ahead time.Duration
}

// Now implements ratelimit.Clock.
func (c *limitsClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.manager.world.Clock.Now().Add(c.ahead)
}

// AfterFunc implements ratelimit.Clock.
func (c *limitsClock) AfterFunc(d time.Duration, do func()) clock.Timer {
	timer, due := &turnTimer{}, c.manager.world.Clock.Now().Add(d)
	go func() {
		c.manager.awaitPass()
		if timer.stopped.Load() {
			return
		}
		if c.manager.runs() {
			c.manager.world.waitUntil(due)
		} else {
			c.mu.Lock()
			c.ahead += d
			c.mu.Unlock()
		}
		if !timer.stopped.Load() {
			do()
		}
	}()
	return timer
}

// turnTimer is a wait for a turn.
type turnTimer struct{ stopped atomic.Bool }

// C implements clock.Timer.
func (t *turnTimer) C() <-chan time.Time { return nil }

// Stop implements clock.Timer.
func (t *turnTimer) Stop() bool { return !t.stopped.Swap(true) }

// Reset implements clock.Timer. No limit makes use of it.
func (t *turnTimer) Reset(time.Duration) bool { return false }

// runs reports whether the process has neither ended nor frozen.
func (m *manager) runs() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.killed && m.thaw == nil
}

// waitUntil lets the world's time go by for a call that waits for its turn.
func (w *World) waitUntil(at time.Time) {
	took := w.advance(at)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waited += took
}

// Waited is how much time went by so far while calls of managers waited for their turn.
func (w *World) Waited() time.Duration {
	w = w.driver()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.waited
}
