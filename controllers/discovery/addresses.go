// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// lookupsAPass is how often a host is looked up in one pass. A server that rotates gives another address each
	// time; one that caches gives the same, and the next pass asks again.
	lookupsAPass = 4
	// lookupTimeout bounds one lookup, so that a resolver that says nothing doesn't hold up the object's other work.
	lookupTimeout = 3 * time.Second
)

// Resolver looks up the IPv4 addresses of hosts.
type Resolver struct{ resolver *net.Resolver }

// NewResolver gives a resolver that asks server, an address with port such as 10.0.0.2:53; empty: the system's own.
func NewResolver(server string) *Resolver {
	if server == "" {
		return &Resolver{net.DefaultResolver}
	}
	return &Resolver{&net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var dialer net.Dialer
			return dialer.DialContext(ctx, network, server)
		},
	}}
}

// Answer is what the lookups of one host gave in a pass.
type Answer struct {
	// Addresses are those of all lookups, sorted.
	Addresses []netip.Addr
	// Lookups is how many of them were answered.
	Lookups int
	// Err says why there is no address.
	Err error
}

// Lookup looks every host up several times, the hosts side by side: name to answer.
func (r *Resolver) Lookup(ctx context.Context, hostnames []string) map[string]Answer {
	answers := make([]Answer, len(hostnames))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for i, hostname := range hostnames {
		group.Go(func() error {
			answers[i] = r.lookupAgain(ctx, hostname)
			return nil
		})
	}
	_ = group.Wait() // no lookup fails the others
	byName := make(map[string]Answer, len(hostnames))
	for i, hostname := range hostnames {
		byName[hostname] = answers[i]
	}
	return byName
}

func (r *Resolver) lookupAgain(ctx context.Context, hostname string) Answer {
	var answer Answer
	for range lookupsAPass {
		addresses, err := r.lookup(ctx, hostname)
		if err != nil {
			answer.Err = err
			break // a resolver that fails now fails again: the next pass asks
		}
		answer.Lookups++
		answer.Addresses = append(answer.Addresses, addresses...)
	}
	slices.SortFunc(answer.Addresses, netip.Addr.Compare)
	answer.Addresses = slices.Compact(answer.Addresses)
	switch {
	case len(answer.Addresses) > 0:
		answer.Err = nil
	case answer.Err == nil:
		answer.Err = errNoUsableAddress
	}
	return answer
}

// errNoUsableAddress says that a host has no address that an agent could connect to over a network.
var errNoUsableAddress = errors.New("it has no IPv4 address that agents could connect to")

func (r *Resolver) lookup(ctx context.Context, hostname string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	// The dot keeps a pod's search domains out of it.
	found, err := r.resolver.LookupNetIP(ctx, "ip4", strings.TrimSuffix(hostname, ".")+".")
	if err != nil {
		return nil, err
	}
	var usable []netip.Addr
	for _, address := range found {
		if address = address.Unmap(); address.Is4() && address.IsGlobalUnicast() {
			usable = append(usable, address)
		}
	}
	return usable, nil
}

// Explain says why a host wasn't resolved, the same for the same cause every time.
func Explain(err error) string {
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return "no such host"
	case errors.As(err, &dns) && dns.IsTimeout, errors.Is(err, context.DeadlineExceeded):
		return "the DNS server does not answer"
	case errors.As(err, &dns):
		return "the DNS server fails"
	default:
		return err.Error()
	}
}
