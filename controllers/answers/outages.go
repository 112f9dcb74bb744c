// SPDX-License-Identifier: Apache-2.0

package answers

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/backoff"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

const (
	// LookTimeout bounds the first look into a Region: a round trip to each of its services, with a
	// repeat or two where AWS limits the rate.
	LookTimeout = 3 * time.Second
	// firstProbe and longestProbe bound the waits between looks into a Region that does not answer.
	// One pass looks for all objects, so the longest is short.
	firstProbe   = 2 * time.Second
	longestProbe = 30 * time.Second
	// outageKept is how long an outage is remembered that nothing asks for any more.
	outageKept = 10 * time.Minute
)

// Outages remembers which Regions do not answer, so that objects which have not begun don't each
// find it out for themselves. Each role has its own: one whose calls go unanswered delays no others.
// A run that has begun never asks: it tries.
type Outages struct {
	// Clock says when a look was over.
	Clock clock.PassiveClock

	mu      sync.Mutex
	byPlace map[string]*outage
}

type outage struct {
	failure *problem.Problem
	// looks counts those that failed in a row; the next is due at the time next.
	looks int
	next  time.Time
	// looking says that a pass looks just now.
	looking bool
}

// known gives what is remembered of a Region that does not answer. Nil: the caller is to look, and
// to settle what came of it.
func (o *Outages) known(place string, now time.Time) *problem.Problem {
	o.mu.Lock()
	defer o.mu.Unlock()
	out, ok := o.byPlace[place]
	if !ok {
		return nil
	}

	if !out.looking && !now.Before(out.next) {
		out.looking = true
		return nil
	}

	remembered := *out.failure
	remembered.NotBefore = run.Latest(out.next, now.Add(firstProbe))
	return &remembered
}

// settle notes what came of a look: an error that is no answer of the Region is an outage. It gives
// what is to be said of it, or nil where the Region answered.
func (o *Outages) settle(place string, err error, now time.Time) *problem.Problem {
	o.mu.Lock()
	defer o.mu.Unlock()
	failure := unanswered(err)
	if failure == nil {
		delete(o.byPlace, place)
		return nil
	}

	if o.byPlace == nil {
		o.byPlace = map[string]*outage{}
	}

	maps.DeleteFunc(o.byPlace, func(_ string, old *outage) bool { return now.Sub(old.next) > outageKept })
	out := o.byPlace[place]
	if out == nil {
		out = &outage{}
		o.byPlace[place] = out
	}

	if now.Before(out.next) && !out.looking {
		out.failure = failure // one of several that began to look before the outage was known
	} else {
		*out = outage{failure: failure, looks: out.looks + 1, next: now.Add(backoff.Spread(backoff.Grow(firstProbe, longestProbe, out.looks), place))}
	}

	told := *failure
	told.NotBefore = out.next
	return &told
}

// abandon notes that a look came to nothing, since the manager stops.
func (o *Outages) abandon(place string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if out := o.byPlace[place]; out != nil {
		out.looking = false
	}
}

// unanswered gives what of several errors is no answer of AWS; nil: AWS answered, if only to
// refuse, or could not be asked for want of credentials.
func unanswered(err error) *problem.Problem {
	if err == nil {
		return nil
	}

	var silent error
	for _, each := range problem.Flatten(err) {
		switch class := aws.Classify(each); {
		case class == aws.NoCredentials:
			return nil
		case class == aws.Unanswered && aws.Action(each) != "":
			silent = errors.Join(silent, each)
		}
	}
	return problem.Explain(silent)
}

// Look runs the first look of a pass into a Region, unless it is known not to answer. place is that
// of the clients. The error is whatever stands in the way, answered or not; silent says that the
// Region does not answer, so that nothing else need be asked.
func (o *Outages) Look(ctx context.Context, place string, now time.Time, look func(context.Context) error) (silent *problem.Problem, err error) {
	if known := o.known(place, now); known != nil {
		return known, nil
	}
	bounded, cancel := context.WithTimeout(ctx, LookTimeout)
	defer cancel()
	err = look(bounded)
	if ctx.Err() != nil {
		o.abandon(place)
		return unanswered(err), err
	}
	return o.settle(place, err, o.Clock.Now()), err
}
