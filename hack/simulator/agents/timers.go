// SPDX-License-Identifier: Apache-2.0

package agents

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// The agent's times, as amazon-ecs-agent 1.105 has them (ecs-agent/wsclient, acs/session, tcs/handler, api/ecs/client).
const (
	dialTimeout  = 30 * time.Second
	readDeadline = 3 * time.Minute
	// An ACS session without a message for inactivity and up to inactivityJitter more is closed.
	inactivity       = time.Minute
	inactivityJitter = time.Minute
	// A session is replaced by plan after plannedReconnect and up to plannedJitter more.
	plannedReconnect = 30 * time.Minute
	plannedJitter    = 5 * time.Minute
	metricsInterval  = 20 * time.Second
	endpointsTTL     = 12 * time.Hour
	// A dialer with several addresses shares its time among them, but gives each at least this.
	leastDialTime = 2 * time.Second
	// A dialer with addresses of both families gives the preferred one this long before it tries the other as well.
	fallbackDelay = 300 * time.Millisecond
)

// The servers' times. AWS publishes none; the agent's own timers need a heartbeat at least each minute, and
// agentConnected is known to follow within a few minutes.
const (
	heartbeatInterval = 30 * time.Second
	clientSilence     = 3 * time.Minute
	// closeHandshake is how long either side waits for the answer to its close frame.
	closeHandshake = 5 * time.Second
)

// timing turns the real agent's times into those of a run.
type timing struct {
	scale float64
	mu    sync.Mutex
	rng   *rand.Rand
}

func newTiming(scale float64, seed uint64) *timing {
	if scale <= 0 {
		scale = 1
	}
	return &timing{scale: scale, rng: rand.New(rand.NewPCG(seed, 0))}
}

// scaled is a time as it passes here.
func (t *timing) scaled(d time.Duration) time.Duration {
	return time.Duration(float64(d) / t.scale)
}

// unscaled is the real agent's time that a scaled one stands for.
func (t *timing) unscaled(d time.Duration) time.Duration {
	return time.Duration(float64(d) * t.scale)
}

// jittered is a scaled time with up to jitter added.
func (t *timing) jittered(d, jitter time.Duration) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.scaled(d + time.Duration(t.rng.Float64()*float64(jitter)))
}

// sleep waits for a time that is scaled already, or for ctx.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// backoff is the agent's exponential back-off: it grows by a factor to a maximum, and up to a fifth is added.
type backoff struct {
	least, most time.Duration
	factor      float64

	mu      sync.Mutex
	current time.Duration
}

// newBackoff gives the back-off of a session's reconnections.
func newBackoff(k Kind) *backoff {
	if k == ACS {
		return &backoff{least: 250 * time.Millisecond, most: 2 * time.Minute, factor: 1.5}
	}
	return &backoff{least: time.Second, most: time.Minute, factor: 2}
}

// next is how long to wait before the next attempt, scaled.
func (b *backoff) next(t *timing) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	d := max(b.current, b.least)
	b.current = min(time.Duration(float64(d)*b.factor), b.most)
	return t.jittered(d, d/5)
}

func (b *backoff) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.current = 0
}
