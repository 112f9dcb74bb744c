// SPDX-License-Identifier: Apache-2.0

package trail

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/utils/clock"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/backoff"
	"agentdisconnect.dev/agentdisconnect/controllers/evidence/record"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

const (
	// callInterval is the time between two calls: CloudTrail allows 2 calls of LookupEvents a second
	// in an account and Region, to all that make them.
	callInterval = 500 * time.Millisecond
	// overlapSlack is how much farther behind the newest event that is known, or behind the last read,
	// a read begins than CloudTrail may be late: its events come in no order, and some come later still.
	overlapSlack = 10 * time.Minute
	// keptFor is how long a call is remembered: the longest run, and as long as its callers are
	// watched after it.
	keptFor = 15 * time.Hour
	// mostCalls bounds what is remembered: about 20 MB. A read of as many takes 200 seconds.
	mostCalls = 20_000
	// readTimeout bounds one read: of twice as many events as are remembered, with some waits.
	readTimeout = 10 * time.Minute
	// firstRetry and longestRetry bound the waits after reads that failed.
	firstRetry   = 2 * time.Second
	longestRetry = 2 * time.Minute
)

// Ask is a question about the calls in an account and Region.
type Ask struct {
	// Since is from when on calls are wanted.
	Since time.Time
	// MaxAge is how long ago the read may have begun that the answer rests on.
	MaxAge time.Duration
	// Late is by how much CloudTrail may be late; less than the default counts as that.
	Late time.Duration
}

// Answer is what CloudTrail showed.
type Answer struct {
	// Calls are those since the time that was asked for, the oldest first. Other answers share the
	// list: it must not be changed.
	Calls []record.Call
	// ReadAt is when the read began that the answer rests on, and Age how long ago that is. The zero
	// time: nothing was read yet.
	ReadAt time.Time
	Age    time.Duration
	// CompleteSince is from when on Calls has all that CloudTrail showed at ReadAt. It is later than
	// what was asked for where there are more calls than can be remembered.
	CompleteSince time.Time
	// Unreadable counts the events in that time that could not be understood, and Foreign those that
	// are about something else.
	Unreadable, Foreign int
}

// StaleError says why an answer is older than was asked for.
type StaleError struct {
	// Err is why the last read failed; nil: a read is under way.
	Err error
	// NextRead is before when no read is made after one that failed; zero: a read is under way.
	NextRead time.Time
}

// Error implements error.
func (s *StaleError) Error() string {
	if s.Err == nil {
		return "reading CloudTrail goes on"
	}
	return fmt.Sprintf("reading CloudTrail: %v", s.Err)
}

// Unwrap gives why the last read failed.
func (s *StaleError) Unwrap() error { return s.Err }

// Reader reads the calls of one account and Region, for all runs there.
type Reader struct {
	client aws.CloudTrail
	clock  clock.Clock
	// limiter is for all calls, whichever read makes them.
	limiter *rate.Limiter

	mu     sync.Mutex
	memory memory
	// reading is the read that is under way; nil: none.
	reading *read
	// wanted is the earliest time that was asked for and is not being read.
	wanted time.Time
	// late is by how much CloudTrail may be late, by all that was asked.
	late time.Duration
	// failures counts the reads in a row that failed, failure is the last one's error, and nextRead
	// is before when no other is made.
	failures int
	failure  error
	nextRead time.Time

	// checking is held by the one that asks whether AWS allows the reads, and denied is what it last
	// said at checkedAt; nil: it does.
	checking  chan struct{}
	denied    error
	checkedAt time.Time
}

// read is one read that is under way.
type read struct {
	began time.Time
	// since is from when on calls are wanted, and from is where the read begins for each name: later,
	// where what came before is known.
	since time.Time
	from  map[string]time.Time
	done  chan struct{} // closed when its outcome is in the reader
}

// NewReader makes a reader that has read nothing yet.
func NewReader(client aws.CloudTrail, clk clock.Clock) *Reader {
	return &Reader{
		checking: make(chan struct{}, 1), client: client, clock: clk, limiter: rate.NewLimiter(rate.Every(callInterval), 1),
		memory: newMemory(), late: run.DefaultTrailDelay,
	}
}

// Read answers a question. Where what is known is older than that allows, it reads, or waits for a
// read that others asked for; but never longer than its context. The error is a StaleError; the
// answer beside it is what is known.
func (r *Reader) Read(ctx context.Context, ask Ask) (Answer, error) {
	asked := r.clock.Now()
	for {
		answer, under, err := r.next(ctx, ask, asked)
		if under == nil {
			return answer, err
		}

		// A read that was under way may be too old: then the one after it is waited for.
		select {
		case <-under.done:
		case <-ctx.Done():
			return r.known(ask.Since), &StaleError{}
		}
	}
}

// next gives the answer, or the read to wait for.
func (r *Reader) next(ctx context.Context, ask Ask, asked time.Time) (Answer, *read, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock.Now()
	r.late = max(r.late, ask.Late)
	since := run.Latest(ask.Since, now.Add(-keptFor))
	answer := r.memory.answer(since, now)
	// What was read since the question is fresh enough, whatever happens to the clock.
	fresh := !answer.ReadAt.Before(asked) || aws.Elapsed(answer.ReadAt, asked) <= ask.MaxAge
	if r.memory.covers(since) && fresh {
		return answer, nil, nil
	}

	if r.reading == nil && now.Before(r.nextRead) {
		return answer, nil, &StaleError{Err: r.failure, NextRead: r.nextRead}
	}

	if r.wanted.IsZero() || since.Before(r.wanted) {
		r.wanted = since
	}
	if r.reading == nil {
		r.begin(ctx, now)
	}
	return Answer{}, r.reading, nil
}

func (r *Reader) known(since time.Time) Answer {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock.Now()
	return r.memory.answer(run.Latest(since, now.Add(-keptFor)), now)
}

// begin begins a read of all that was asked for. It does not end with the context: others wait for
// it too.
func (r *Reader) begin(ctx context.Context, now time.Time) {
	begun := &read{began: now, since: r.wanted, from: r.memory.readFrom(r.wanted, r.late+overlapSlack), done: make(chan struct{})}
	r.reading, r.wanted = begun, time.Time{}
	go func() {
		cut, err := r.readAll(context.WithoutCancel(ctx), begun)
		r.end(begun, cut, err)
	}()
}

// end takes in how a read ended.
func (r *Reader) end(ended *read, cut time.Time, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer close(ended.done)
	r.reading = nil
	now := r.clock.Now()
	if err != nil {
		r.failure, r.nextRead = err, now.Add(backoff.Grow(firstRetry, longestRetry, r.failures))
		r.failures++
	} else {
		r.failures, r.failure, r.nextRead = 0, nil, time.Time{}
		r.memory.settle(ended, cut)
	}
	r.memory.order()
	r.memory.trim(now)
}
