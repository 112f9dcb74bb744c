// SPDX-License-Identifier: Apache-2.0

package region

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/utils/clock"
)

// historyFor is how long earlier states are kept for stale reads. AWS speaks of seconds to minutes.
const historyFor = 15 * time.Minute

// historyMax bounds the memory that busy worlds take. States share what did not change between them.
const historyMax = 5000

// Quotas of Amazon VPC, as they are unless the account has others: see SetQuota.
const (
	// EntriesPerDirection counts the entries of one direction and one address family, the default one included.
	EntriesPerDirection = 20
	// ACLsPerVPC includes the default one.
	ACLsPerVPC = 200
	// TagsPerResource holds for everything in EC2. Tags of AWS's own, whose keys begin with aws:, don't count.
	TagsPerResource = 50
)

// Options are what distinguishes one Region from another.
type Options struct {
	// Account is the 12-digit account id, Name the Region's, e.g. ap-northeast-1.
	Account, Name string
	// ACSEndpoint, TCSEndpoint and ServiceConnectEndpoint are the URLs that DiscoverPollEndpoint answers with.
	ACSEndpoint, TCSEndpoint, ServiceConnectEndpoint string
	// Scale divides every duration that ECS and CloudTrail take; 0: 1.
	Scale float64
	// Clock tells the time; nil: the real one.
	Clock clock.PassiveClock
	// Agents says that agents run beside the Region: they take the payloads of tasks and report
	// what becomes of them. Without them a container instance that is connected does so by itself.
	Agents bool
	// Roles may be shared by Regions; nil: none to begin with.
	Roles *Roles
	// Trail is how CloudTrail shows events.
	Trail Trail
}

// Region is one Region of one account. Use New.
type Region struct {
	o Options

	mu      sync.Mutex
	current *state
	history []*state // oldest first, current not included
	changed chan struct{}
	ids     int
	tokens  map[string]idempotent
	events  []Event
	lookups lookups
	// callerVPC is where the callers of the APIs are.
	callerVPC string
}

type idempotent struct {
	request string
	ids     []string
}

// New returns an empty Region: no VPC, no cluster.
func New(o Options) *Region {
	if o.Scale == 0 {
		o.Scale = 1
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Roles == nil {
		o.Roles = &Roles{}
	}
	r := &Region{o: o, current: &state{}, changed: make(chan struct{}), tokens: map[string]idempotent{}}
	r.current.at = o.Clock.Now()
	return r
}

// Account is the account id.
func (r *Region) Account() string { return r.o.Account }

// Name is the Region's name.
func (r *Region) Name() string { return r.o.Name }

// Now is the Region's time.
func (r *Region) Now() time.Time { return r.o.Clock.Now() }

// Changed returns a channel that is closed at the next change of the state. Take it before reading the state, and no
// change is missed.
func (r *Region) Changed() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}

// ARN makes an ARN of a resource of this Region.
func (r *Region) ARN(service, resource string) string {
	return fmt.Sprintf("arn:%s:%s:%s:%s:%s", Partition(r.o.Name), service, r.o.Name, r.o.Account, resource)
}

// Partition is the ARN partition of a Region.
func Partition(region string) string {
	switch {
	case len(region) > 3 && region[:3] == "cn-":
		return "aws-cn"
	case len(region) > 7 && region[:7] == "us-gov-":
		return "aws-us-gov"
	}
	return "aws"
}

// change runs fn on a copy of the state and makes the copy current, unless fn fails.
func (r *Region) change(fn func(s *state) error) error { return r.changeAt(zeroTime, fn) }

// changeAt is change at a time that has passed, but after all other changes; the zero time means now.
func (r *Region) changeAt(at time.Time, fn func(s *state) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := r.current.next()
	if err := fn(next); err != nil {
		return err
	}
	r.placeWaiting(next)
	if !r.o.Agents {
		r.takePayloads(next)
	}
	if next.at, next.moment = r.o.Clock.Now(), moments.Add(1); !at.IsZero() {
		next.at = at
		if r.current.at.After(at) {
			next.at = r.current.at
		}
	}
	r.history = append(r.history, r.current)
	// What counts is when a state was replaced, so the oldest that is kept is older than the limit.
	for len(r.history) > historyMax || len(r.history) > 1 && next.at.Sub(r.history[1].at) > historyFor {
		r.history = r.history[1:]
	}
	r.current = next
	close(r.changed)
	r.changed = make(chan struct{})
	return nil
}

// moments orders the changes of all Regions: several may happen at one time of a clock that stands still.
var moments atomic.Uint64

// Moment is the number of the latest change of any Region.
func Moment() uint64 { return moments.Load() }

// View is what reads see: the state at one time.
type View struct {
	r *Region
	s *state
	// at is that time; zero: now.
	at time.Time
}

// Now is the time that the view shows.
func (v View) Now() time.Time {
	if v.at.IsZero() {
		return v.r.o.Clock.Now()
	}
	return v.at
}

// View returns the state at a time, after all changes of that time; the zero time means now. A time before the oldest
// state that is kept gives that one.
func (r *Region) View(at time.Time) View {
	v := r.latest(func(s *state) bool { return at.IsZero() || !s.at.After(at) })
	v.at = at
	return v
}

// ViewOf returns the state at a moment; see Moment.
func (r *Region) ViewOf(moment uint64) View {
	v := r.latest(func(s *state) bool { return s.moment <= moment })
	v.at = v.s.at
	return v
}

// latest is the newest state that fits, else the oldest that is kept.
func (r *Region) latest(fits func(*state) bool) View {
	r.mu.Lock()
	defer r.mu.Unlock()
	if fits(r.current) {
		return View{r: r, s: r.current}
	}
	for _, s := range slices.Backward(r.history) {
		if fits(s) {
			return View{r: r, s: s}
		}
	}
	if len(r.history) == 0 {
		return View{r: r, s: r.current}
	}
	return View{r: r, s: r.history[0]}
}

// hexID makes an id of n hexadecimal digits that looks random and is the same in every run. The lock must be held.
func (r *Region) hexID(n int) string {
	r.ids++
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%s/%d", r.o.Account, r.o.Name, r.ids))
	return hex.EncodeToString(sum[:])[:n]
}

// newID makes the id of an EC2 resource, e.g. acl-0123456789abcdef0. The lock must be held.
func (r *Region) newID(prefix string) string { return prefix + "-0" + r.hexID(16) }

// scaled is a duration of ECS or CloudTrail in this Region's time.
func (r *Region) scaled(d time.Duration) time.Duration { return time.Duration(float64(d) / r.o.Scale) }

func sortedValues[V any](m map[string]V) []V {
	out := make([]V, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[k])
	}
	return out
}

// zeroTime asks View for the present.
var zeroTime time.Time
