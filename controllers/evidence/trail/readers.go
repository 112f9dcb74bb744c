// SPDX-License-Identifier: Apache-2.0

package trail

import (
	"context"
	"maps"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/utils/clock"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
)

// idleFor is how long a reader is kept that nothing asks: longer than any run waits between two
// questions, so that none makes the manager read its time anew.
const idleFor = time.Hour

// Readers has one reader for each account, Region and role: one whose role is refused fails for that
// role alone. All objects of a manager share it.
type Readers struct {
	clock clock.Clock

	mu      sync.Mutex
	byPlace map[string]*place
	// limiters are those of accounts and Regions, which AWS has a rate for each.
	limiters map[string]*rate.Limiter
}

type place struct {
	reader *Reader
	asked  time.Time
}

// NewReaders makes readers that have read nothing yet.
func NewReaders(clk clock.Clock) *Readers {
	return &Readers{clock: clk, byPlace: map[string]*place{}, limiters: map[string]*rate.Limiter{}}
}

// Read answers a question about the account and Region that clients reach, as Reader.Read does.
func (r *Readers) Read(ctx context.Context, clients *aws.Clients, ask Ask) (Answer, error) {
	account, err := clients.AccountID(ctx, r.clock.Now())
	if err != nil {
		return Answer{}, err
	}
	return r.of(account, clients).Read(ctx, ask)
}

// of gives the reader of an account and Region with the role of clients. What was not asked for long is
// forgotten.
func (r *Readers) of(account string, clients *aws.Clients) *Reader {
	r.mu.Lock()
	defer r.mu.Unlock()
	now, name := r.clock.Now(), account+"/"+clients.Place()
	maps.DeleteFunc(r.byPlace, func(known string, p *place) bool { return known != name && now.Sub(p.asked) > idleFor })
	if r.byPlace[name] == nil {
		reader, rated := NewReader(clients.CloudTrail, r.clock), account+"/"+clients.Region
		if r.limiters[rated] == nil {
			r.limiters[rated] = reader.limiter
		}
		reader.limiter = r.limiters[rated]
		r.byPlace[name] = &place{reader: reader}
	}
	r.byPlace[name].asked = now
	return r.byPlace[name].reader
}
