// SPDX-License-Identifier: Apache-2.0

package aws

import (
	"sync"
	"time"
)

// Polled are clients whose reads may be shared with those of other runs: an answer that was sent
// for at a given time or later is not asked for again.
type Polled struct {
	EC2 EC2
	ECS ECS

	oldest *oldest
}

// Polled gives clients for a poll that takes answers to requests which were sent at since or later.
// A zero since asks for requests that are sent after the call, which may still be shared.
//
// A caller that gives half an interval after its last answer gets a new answer every interval, and
// comes to share its reads with all that poll at the same pace.
func (c *Clients) Polled(since time.Time) Polled {
	seen := &oldest{}
	return Polled{
		EC2:    sharedEC2{EC2: c.ec2, reads: c.reads, since: since, oldest: seen},
		ECS:    sharedECS{ECS: c.ecs, reads: c.reads, since: since, oldest: seen},
		oldest: seen,
	}
}

// SentAt is when the oldest request was sent whose answer was given; zero: there was none.
func (p Polled) SentAt() time.Time {
	p.oldest.mu.Lock()
	defer p.oldest.mu.Unlock()
	return p.oldest.at
}

// oldest is the earliest time of several.
type oldest struct {
	mu sync.Mutex
	at time.Time
}

func (o *oldest) note(at time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.at.IsZero() || !at.IsZero() && at.Before(o.at) {
		o.at = at
	}
}
