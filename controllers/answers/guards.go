// SPDX-License-Identifier: Apache-2.0

package answers

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"agentdisconnect.dev/agentdisconnect/controllers/aws/apihosts"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/options"
	"agentdisconnect.dev/agentdisconnect/controllers/parallel"
)

// allHostsInterval is how often all names of the protected APIs are looked up, and the Kubernetes
// API server is asked where it is. The names that callers use are looked up as often as the agents'
// hosts: addresses rotate within a minute or so.
const allHostsInterval = 2 * time.Minute

// Guards know the protected addresses of each Region, for all objects and accounts: the DNS gives
// them.
type Guards struct {
	// Resolver looks names up, Interval is how often those that callers use, and APIServer finds
	// the addresses of the Kubernetes API server; nil: none are known.
	Resolver  *discovery.Resolver
	Interval  time.Duration
	APIServer func(context.Context) ([]discovery.Protected, error)

	mu       sync.Mutex
	byRegion map[string]*guard
}

// guardTimeout bounds one look at the protected addresses.
const guardTimeout = 10 * time.Second

// protectedFor is how long an address stays protected that no look gives any more: twice the
// longest run.
const protectedFor = 2 * options.LongestDuration

// guard is what is known of one Region.
type guard struct {
	asking singleflight.Group

	mu sync.Mutex
	// addresses are the protected ones, with when a look last gave each.
	addresses map[discovery.Protected]time.Time
	// looked is when the required names were last looked up, lookedAll when all last were; failure
	// is why what is known may lack some.
	looked, lookedAll time.Time
	failure           error
}

func (g *Guards) of(region string) *guard {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.byRegion == nil {
		g.byRegion = map[string]*guard{}
	}
	if g.byRegion[region] == nil {
		g.byRegion[region] = &guard{addresses: map[discovery.Protected]time.Time{}}
	}
	return g.byRegion[region]
}

// known are the addresses so far, sorted, and why they may be incomplete.
func (g *guard) known() ([]discovery.Protected, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := slices.Collect(maps.Keys(g.addresses))
	discovery.SortProtected(all)
	return all, g.failure
}

// due reports which look is due: at the required names, and at all of them.
func (g *guard) due(now time.Time, interval time.Duration) (some, all bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	some = now.Sub(g.looked) >= interval
	all = now.Sub(g.lookedAll) >= allHostsInterval || some && g.failure != nil
	return some || all, all
}

// add takes in what a look found.
func (g *guard) add(found []discovery.Protected, failure error, now time.Time, all bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range found {
		g.addresses[p] = now
	}

	maps.DeleteFunc(g.addresses, func(_ discovery.Protected, seen time.Time) bool { return now.Sub(seen) > protectedFor })
	g.looked = now
	// Only a look at everything shows that nothing is unknown.
	if all || failure != nil {
		g.failure = failure
	}

	if all {
		g.lookedAll = now // one that failed is repeated with the next look, and not before: all objects of a Region ask
	}
}

// LookUp brings the protected addresses of a Region up to date, and gives them. hosts are those of
// its APIs. The error says that some may be missing: then no run begins.
func (g *Guards) LookUp(ctx context.Context, region string, hosts []apihosts.Host, now time.Time) ([]discovery.Protected, error) {
	of := g.of(region)
	if some, all := of.due(now, g.Interval); some {
		looked := of.asking.DoChan("", func() (any, error) {
			looking, cancel := context.WithTimeout(context.WithoutCancel(ctx), guardTimeout)
			defer cancel()
			found, failure := g.find(looking, hosts, all)
			of.add(found, failure, now, all)
			return nil, nil
		})
		select {
		case <-looked: // objects of one Region share a look
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return of.known()
}

// find looks the hosts of the APIs up: those that callers use, or all of them together
// with the Kubernetes API server's.
func (g *Guards) find(ctx context.Context, hosts []apihosts.Host, all bool) ([]discovery.Protected, error) {
	if !all {
		hosts = slices.DeleteFunc(slices.Clone(hosts), func(h apihosts.Host) bool { return !h.Required })
		return g.Resolver.LookupProtected(ctx, hosts, false)
	}

	var theirs, own, server []discovery.Protected
	notOwn := slices.DeleteFunc(slices.Clone(hosts), func(h apihosts.Host) bool { return h.Own })
	ownHosts := slices.DeleteFunc(slices.Clone(hosts), func(h apihosts.Host) bool { return !h.Own })
	err := parallel.Do(
		func() (err error) { theirs, err = g.Resolver.LookupProtected(ctx, notOwn, true); return },
		func() (err error) { own, err = discovery.NewResolver("").LookupProtected(ctx, ownHosts, true); return },
		func() (err error) {
			if g.APIServer != nil {
				server, err = g.APIServer(ctx)
			}
			return
		},
	)
	return slices.Concat(theirs, own, server), err
}
