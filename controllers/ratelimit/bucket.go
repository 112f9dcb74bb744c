// SPDX-License-Identifier: Apache-2.0

package ratelimit

import (
	"container/heap"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"k8s.io/utils/clock"
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

// Clock is what a bucket goes by.
type Clock interface {
	Now() time.Time
	AfterFunc(d time.Duration, do func()) clock.Timer
}

// Bucket has the tokens of one kind of request. It is safe for concurrent use.
type Bucket struct {
	limit Limit
	clock Clock

	mu       sync.Mutex
	rate     float64 // tokens a second
	tokens   float64
	filledAt time.Time
	slowedAt time.Time
	queue    queue
	turns    uint64
	timer    clock.Timer
}

// NewBucket makes a full bucket. It goes by the real time where no clock is given.
func NewBucket(limit Limit, by Clock) *Bucket {
	if by == nil {
		by = clock.RealClock{}
	}
	return &Bucket{limit: limit, clock: by, rate: limit.PerSecond, tokens: float64(limit.Burst), filledAt: by.Now()}
}

// Wait waits for a token, for a time at most. Of callers of one class those of a higher urgency come
// first, and then those that came first. ErrBusy: the time was over before, or the context ended.
func (b *Bucket) Wait(ctx context.Context, class Class, urgency int, most time.Duration) error {
	if b.limit.PerSecond <= 0 {
		return nil
	}

	w := b.enter(class, urgency, most)
	select {
	case <-w.called:
	case <-ctx.Done():
	}

	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case w.served: // also where its turn came as the context ended
		return nil
	case w.index < 0:
		return errors.Join(ErrBusy, context.DeadlineExceeded)
	}
	heap.Remove(&b.queue, w.index)
	b.serve() // the next may need less
	return errors.Join(ErrBusy, context.Cause(ctx))
}

// Return adds the token of a request that is not sent after all.
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
	now := b.clock.Now()
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

func (b *Bucket) enter(class Class, urgency int, most time.Duration) *waiter {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turns++
	w := &waiter{class: class, urgency: urgency, turn: b.turns, until: b.clock.Now().Add(most), called: make(chan struct{})}
	heap.Push(&b.queue, w)
	b.serve()
	return w
}

// refill adds the tokens of the time that passed, and lets the rate recover.
func (b *Bucket) refill() {
	now := b.clock.Now()
	passed := now.Sub(b.filledAt).Seconds()
	b.filledAt = now
	b.tokens = min(b.tokens+passed*b.rate, float64(b.limit.Burst))
	b.rate = min(b.rate+passed*b.limit.PerSecond/recovery.Seconds(), b.limit.PerSecond)
}

// serve gives tokens to those whose turn it is, sends away those who waited for as long as they may,
// and comes again when something is due for the others.
func (b *Bucket) serve() {
	b.refill()
	for len(b.queue) > 0 && b.lacking() <= tolerance {
		b.tokens--
		w := heap.Pop(&b.queue).(*waiter)
		w.served = true
		close(w.called)
	}
	for _, w := range slices.Clone(b.queue) {
		if !w.until.After(b.filledAt) {
			heap.Remove(&b.queue, w.index)
			close(w.called)
		}
	}
	if len(b.queue) > 0 {
		b.wake()
	}
}

// lacking is by how much the tokens are too few for the one whose turn it is.
func (b *Bucket) lacking() float64 { return 1 + b.keep(b.queue[0].class) - b.tokens }

// tolerance is less than any rate adds in a microsecond that is waited for: tokens are fractions.
const tolerance = 1e-6

// keep is how many tokens a class leaves to the higher ones: fewer at a lower rate, or it would wait
// for them the longer, and never so many that it gets none.
func (b *Bucket) keep(class Class) float64 {
	return min(reserved[class]*float64(b.limit.Burst)*b.rate/b.limit.PerSecond, float64(b.limit.Burst)-1)
}

// wake has serve called again when there is a token for the one whose turn it is, or when somebody
// has waited for as long as they may.
func (b *Bucket) wake() {
	after := time.Duration(b.lacking() / b.rate * float64(time.Second))
	for _, w := range b.queue {
		after = min(after, w.until.Sub(b.filledAt))
	}
	if b.timer != nil {
		b.timer.Stop()
	}
	b.timer = b.clock.AfterFunc(max(after, time.Microsecond), func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.serve()
	})
}

// waiter is a caller that waits for a token.
type waiter struct {
	class   Class
	urgency int
	turn    uint64
	// until is how long it waits.
	until time.Time
	// called is closed when it has a token, which served says, or has waited in vain.
	called chan struct{}
	served bool
	// index is its place in the queue, negative: it left.
	index int
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
