// SPDX-License-Identifier: Apache-2.0

package ratelimit

import (
	"container/heap"
	"context"
	"errors"
	"sync"
	"time"
)

// Class says whose turn comes first.
type Class int

const (
	// NotBegun is for what has not begun, and may wait.
	NotBegun Class = iota
	// On is for runs that are on.
	On
	// Ending is for what takes a run back.
	Ending
)

// reserved is the share of the burst that callers of a class leave to those of higher classes.
var reserved = map[Class]float64{NotBegun: 0.5, On: 0.2, Ending: 0}

// Limit is how many requests may be sent. The zero value is no limit.
type Limit struct {
	// PerSecond is the highest rate at which they are sent for long.
	PerSecond float64
	// Burst is how many may be sent at once after a pause.
	Burst int
}

// ErrBusy says that a caller's turn did not come in time, so its request was not sent.
var ErrBusy = errors.New("the manager's own limit of calls to AWS is reached")

const (
	// backOff is what the rate is multiplied by when the server refuses a request for its rate, at
	// most once in backOffInterval: the requests that were under way are refused together.
	backOff         = 0.7
	backOffInterval = time.Second
	// lowestShare of the highest rate is kept whatever the server says.
	lowestShare = 0.05
	// recovery is how long the rate takes from nothing to the highest.
	recovery = time.Minute
)

// Bucket has the tokens of one kind of request. It is safe for concurrent use.
type Bucket struct {
	limit Limit

	mu       sync.Mutex
	rate     float64 // tokens a second
	tokens   float64
	filledAt time.Time
	slowedAt time.Time
	queue    queue
	turns    uint64
	timer    *time.Timer
}

// NewBucket makes a full bucket.
func NewBucket(limit Limit) *Bucket {
	return &Bucket{limit: limit, rate: limit.PerSecond, tokens: float64(limit.Burst), filledAt: time.Now()}
}

// Wait waits for a token. Of callers of one class those of a higher urgency come first, and then
// those that came first. ErrBusy: the context ended before.
func (b *Bucket) Wait(ctx context.Context, class Class, urgency int) error {
	if b.limit.PerSecond <= 0 {
		return nil
	}

	w := b.enter(class, urgency)
	select {
	case <-w.served:
		return nil
	case <-ctx.Done():
	}

	b.mu.Lock()
	defer b.mu.Unlock()
	if w.index < 0 {
		return nil // its turn came at the same moment
	}
	heap.Remove(&b.queue, w.index)
	b.serve() // the next may need less
	return errors.Join(ErrBusy, context.Cause(ctx))
}

// Return takes back a token of a request that is not sent after all.
func (b *Bucket) Return() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill()
	b.tokens = min(b.tokens+1, float64(b.limit.Burst))
	b.serve()
}

// Throttled notes that the server refused a request for its rate.
func (b *Bucket) Throttled() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill()
	now := time.Now()
	if b.limit.PerSecond <= 0 || now.Sub(b.slowedAt) < backOffInterval {
		return
	}
	b.slowedAt = now
	b.rate = max(b.rate*backOff, b.limit.PerSecond*lowestShare)
	b.tokens = min(b.tokens, b.rate)
}

// Rate is how many requests a second are sent for long, by what the server said so far; zero: any
// number.
func (b *Bucket) Rate() float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill()
	return b.rate
}

func (b *Bucket) enter(class Class, urgency int) *waiter {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turns++
	w := &waiter{class: class, urgency: urgency, turn: b.turns, served: make(chan struct{})}
	heap.Push(&b.queue, w)
	b.serve()
	return w
}

// refill adds the tokens of the time that passed, and lets the rate recover.
func (b *Bucket) refill() {
	now := time.Now()
	passed := now.Sub(b.filledAt).Seconds()
	b.filledAt = now
	b.tokens = min(b.tokens+passed*b.rate, float64(b.limit.Burst))
	b.rate = min(b.rate+passed*b.limit.PerSecond/recovery.Seconds(), b.limit.PerSecond)
}

// serve gives tokens to those whose turn it is, and comes again when there is one for the next.
func (b *Bucket) serve() {
	b.refill()
	for len(b.queue) > 0 {
		next := b.queue[0]
		lacking := 1 + b.keep(next.class) - b.tokens
		if lacking > tolerance {
			b.wake(time.Duration(lacking / b.rate * float64(time.Second)))
			return
		}
		b.tokens--
		heap.Pop(&b.queue)
		close(next.served)
	}
}

// tolerance is less than any rate adds in a microsecond that is waited for: tokens are fractions.
const tolerance = 1e-6

// keep is how many tokens a class leaves to the higher ones: fewer at a lower rate, or it would wait
// for them the longer, and never so many that it gets none.
func (b *Bucket) keep(class Class) float64 {
	return min(reserved[class]*float64(b.limit.Burst)*b.rate/b.limit.PerSecond, float64(b.limit.Burst)-1)
}

func (b *Bucket) wake(after time.Duration) {
	after = max(after, time.Microsecond)
	if b.timer != nil {
		b.timer.Stop()
	}
	b.timer = time.AfterFunc(after, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.serve()
	})
}

// waiter is a caller that waits for a token; index is its place in the queue, negative: it has one.
type waiter struct {
	class   Class
	urgency int
	turn    uint64
	served  chan struct{}
	index   int
}

// queue is a heap of waiters by whose turn it is.
type queue []*waiter

// Len implements heap.Interface.
func (q queue) Len() int { return len(q) }

// Less implements heap.Interface.
func (q queue) Less(i, j int) bool {
	a, b := q[i], q[j]
	switch {
	case a.class != b.class:
		return a.class > b.class
	case a.urgency != b.urgency:
		return a.urgency > b.urgency
	default:
		return a.turn < b.turn
	}
}

// Swap implements heap.Interface.
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push implements heap.Interface.
func (q *queue) Push(x any) {
	w := x.(*waiter)
	w.index = len(*q)
	*q = append(*q, w)
}

// Pop implements heap.Interface.
func (q *queue) Pop() any {
	last := len(*q) - 1
	w := (*q)[last]
	w.index = -1
	*q = (*q)[:last]
	return w
}
