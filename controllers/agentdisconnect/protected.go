// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// allHostsInterval is how often all names of the protected APIs are looked up, and the Kubernetes
// API server is asked where it is. The names that callers use are looked up as often as the agents'
// hosts: addresses rotate within a minute or so.
const allHostsInterval = 2 * time.Minute

// guards know the protected addresses of each Region, for all objects: they do not depend on the
// object.
type guards struct {
	mu       sync.Mutex
	byRegion map[string]*guard
}

// protectedFor is how long an address stays protected that no look gives any more: twice the
// longest run.
const protectedFor = 2 * longestDuration

// guard is what is known of one Region.
type guard struct {
	asking singleflight.Group

	mu sync.Mutex
	// addresses are the protected ones, with when a look last gave each.
	addresses map[discovery.Protected]time.Time
	// looked is when the required names were last looked up, lookedAll when all last were with
	// success; failure is why what is known may lack some.
	looked, lookedAll time.Time
	failure           error
}

func (g *guards) of(region string) *guard {
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
	if all && failure == nil {
		g.lookedAll = now
	}
}

// lookUpProtected brings the protected addresses up to date, and gives them with those of the VPC's
// endpoints. The error says that some may be missing: then no run begins.
func (r *Reconciler) lookUpProtected(ctx context.Context, s *scope) ([]discovery.Protected, error) {
	g := r.guards.of(s.clients.Region)
	if some, all := g.due(s.now, r.options.LookupInterval); some {
		looked := g.asking.DoChan("", func() (any, error) {
			looking, cancel := context.WithTimeout(context.WithoutCancel(ctx), observeTimeout)
			defer cancel()
			found, failure := r.findProtected(looking, s.clients.APIHosts, all)
			g.add(found, failure, s.now, all)
			return nil, nil
		})
		select {
		case <-looked: // objects of one Region share a look
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return g.known()
}

// findProtected looks the hosts of the APIs up: those that callers use, or all of them together
// with the Kubernetes API server's.
func (r *Reconciler) findProtected(ctx context.Context, hosts []aws.APIHost, all bool) ([]discovery.Protected, error) {
	if !all {
		hosts = slices.DeleteFunc(slices.Clone(hosts), func(h aws.APIHost) bool { return !h.Required })
		return r.resolver.LookupProtected(ctx, hosts, false)
	}
	var theirs, own, server []discovery.Protected
	notOwn := slices.DeleteFunc(slices.Clone(hosts), func(h aws.APIHost) bool { return h.Own })
	ownHosts := slices.DeleteFunc(slices.Clone(hosts), func(h aws.APIHost) bool { return !h.Own })
	err := together(
		func() (err error) { theirs, err = r.resolver.LookupProtected(ctx, notOwn, true); return },
		func() (err error) { own, err = discovery.NewResolver("").LookupProtected(ctx, ownHosts, true); return },
		func() (err error) {
			if r.options.APIServer != nil {
				server, err = r.options.APIServer(ctx)
			}
			return
		},
	)
	return slices.Concat(theirs, own, server), err
}

// limits are what the run does not deny, as far as it is known.
func (s *scope) limits() limits {
	known := limits{hosts: map[string]string{}, subnetRanges: s.seen.subnetRanges}
	for _, host := range s.clients.APIHosts {
		known.hosts[host.Hostname] = host.API
	}
	known.protected = slices.Concat(s.seen.protected, discovery.ProtectedInterfaces(s.seen.cache.Endpoints.Value()))
	discovery.SortProtected(known.protected)
	return known
}

// checkProtected refuses a run that would deny what callers, the clean-up or the cluster need, or
// what no network ACL acts on.
func (r *Reconciler) checkProtected(s *scope, t *target) error {
	if more := s.obj.Spec.AdditionalEndpoints; more != nil && !r.options.AllowAdditionalEndpoints {
		return problem.Refuse(v1alpha1.ReasonAdditionalEndpointsForbidden, "the manager forbids spec.additionalEndpoints (--allow-additional-endpoints=false): remove the field, or have the manager's flag changed")
	}
	if s.clients == nil {
		return nil
	}
	return errors.Join(append(exemptionRefusals(exemptions(run.Desired(s.obj), s.limits())), explainUnprotected(t.unprotected))...)
}

// explainUnprotected says why a run waits for what it must not deny to be known.
func explainUnprotected(err error) error {
	if err == nil {
		return nil
	}
	var unknown *discovery.UnprotectedError
	switch {
	case errors.As(err, &unknown):
		known := problem.Wait(v1alpha1.ReasonAWSUnavailable, "%s. No run may deny these addresses, so the run begins when they are known: check the Region, and the DNS server that the manager asks (--dns-server)", unknown)
		known.Stalled = unknown.NotFound
		return known
	case apierrors.IsForbidden(err):
		return problem.Refuse(v1alpha1.ReasonAccessDenied, "the API server does not let the manager find its addresses, which the run must not deny: grant get on endpointslices named kubernetes (config/rbac/role.yaml)")
	default:
		return problem.Wait(v1alpha1.ReasonAWSUnavailable, "the addresses that the run must not deny are not all known yet: %s", aws.Message(err))
	}
}

// exempt takes what must not be denied out of what the run denies, as soon as it is known; a rule
// that is in place goes.
func (s *scope) exempt() {
	all, full := recordExemptions(s.status().Exemptions, exemptions(run.Desired(s.obj), s.limits()))
	s.status().Exemptions = all
	if full {
		s.abort(v1alpha1.AbortPlanDoesNotFit, "more than %d of the addresses to deny are protected", v1alpha1.MaxExemptions)
	}
}

// subnetRanges are the blocks of a subnet.
func subnetRanges(texts ...string) []netip.Prefix {
	var ranges []netip.Prefix
	for _, text := range texts {
		if prefix, err := netip.ParsePrefix(text); err == nil {
			ranges = append(ranges, prefix.Masked())
		}
	}
	return ranges
}
