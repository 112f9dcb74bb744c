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
	// lookupsAPass is how often a host is looked up in one pass. A server that rotates gives
	// another address each time; one that caches gives the same, and the next pass asks again.
	lookupsAPass = 4
	// lookupTimeout bounds one lookup, so that a resolver that says nothing doesn't hold up the
	// object's other work.
	lookupTimeout = 3 * time.Second
)

// Resolver looks up the addresses of hosts.
type Resolver struct {
	resolver *net.Resolver
	server   string
}

// NewResolver gives a resolver that asks server, an address with port such as 10.0.0.2:53; empty:
// the system's own.
func NewResolver(server string) *Resolver {
	if server == "" {
		return &Resolver{resolver: net.DefaultResolver}
	}
	return &Resolver{server: server, resolver: &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var dialer net.Dialer
			return dialer.DialContext(ctx, network, server)
		},
	}}
}

// String names the resolver for messages.
func (r *Resolver) String() string {
	if r.server == "" {
		return "the system's resolver"
	}
	return "DNS server " + r.server
}

// Answer is what the lookups of one host gave in a pass.
type Answer struct {
	// Addresses are those of all lookups, sorted.
	Addresses []netip.Addr
	// Lookups is how many of them were answered, for the address family that was answered more
	// often.
	Lookups int
	// Err says why there is no address.
	Err error
	// Families are the address families that were asked for.
	Families []Family
}

// Family is how the lookups of one address family went.
type Family struct {
	// Record is what was requested: A or AAAA.
	Record string
	// Err says why no lookup was answered; nil: one was, be it with no address of the family.
	Err error
}

// Answered reports whether a lookup of any family was answered, be it that there is no such host.
func (a Answer) Answered() bool {
	return slices.ContainsFunc(a.Families, func(f Family) bool { return f.Err == nil })
}

// Failure says why the lookups leave something unknown: a family was not answered, or there is no
// address. Empty: nothing.
func (a Answer) Failure() string {
	var failures []string
	for _, family := range a.Families {
		if family.Err != nil {
			failures = append(failures, family.Record+": "+Explain(family.Err))
		}
	}
	if len(failures) == 0 && a.Err != nil {
		return Explain(a.Err)
	}
	return strings.Join(failures, ", ")
}

// family is how the lookups of one family went, of which this is the answer. That there is no such
// record is an answer.
func (a Answer) family(record string) Family {
	if a.Lookups > 0 || isNotFound(a.Err) {
		return Family{Record: record}
	}
	return Family{record, a.Err}
}

// Lookup looks every host up several times, the hosts side by side: name to answer. It asks for
// IPv4 addresses, and for IPv6 ones if they are wanted: a host need not have both, so that what
// fails for one family is no error where the other gave an address.
func (r *Resolver) Lookup(ctx context.Context, hostnames []string, ipv6 bool) map[string]Answer {
	answers := make([]Answer, len(hostnames))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for i, hostname := range hostnames {
		group.Go(func() error {
			answers[i] = r.lookupFamilies(ctx, hostname, ipv6)
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

// lookupFamilies looks a host up in each address family, side by side, so that one that isn't
// answered costs the other no time.
func (r *Resolver) lookupFamilies(ctx context.Context, hostname string, ipv6 bool) Answer {
	if !ipv6 {
		four := r.lookupAgain(ctx, hostname, "ip4")
		four.Families = []Family{four.family("A")}
		return four.settle(errNoIPv4Address)
	}

	var four, six Answer
	var group errgroup.Group
	group.Go(func() error { four = r.lookupAgain(ctx, hostname, "ip4"); return nil })
	group.Go(func() error { six = r.lookupAgain(ctx, hostname, "ip6"); return nil })
	_ = group.Wait()
	both := Answer{
		Addresses: append(four.Addresses, six.Addresses...), Lookups: max(four.Lookups, six.Lookups), Err: four.Err,
		Families: []Family{four.family("A"), six.family("AAAA")},
	}

	// That there is no such host says less than a server that fails: of that family nothing is
	// known.
	if six.Err != nil && (four.Err == nil || isNotFound(four.Err)) {
		both.Err = six.Err
	}
	return both.settle(errNoAddress)
}

func (r *Resolver) lookupAgain(ctx context.Context, hostname, family string) Answer {
	var answer Answer
	for range lookupsAPass {
		addresses, err := r.lookup(ctx, hostname, family)
		if err != nil {
			answer.Err = err
			break // a resolver that fails now fails again: the next pass asks
		}
		answer.Lookups++
		answer.Addresses = append(answer.Addresses, addresses...)
	}
	return answer
}

// settle sorts the addresses and keeps an error only where there is none; none is the error of a
// host without a usable one.
func (a Answer) settle(none error) Answer {
	slices.SortFunc(a.Addresses, netip.Addr.Compare)
	a.Addresses = slices.Compact(a.Addresses)
	switch {
	case len(a.Addresses) > 0:
		a.Err = nil
	case a.Lookups > 0 && (a.Err == nil || isNotFound(a.Err)):
		a.Err = none
	}
	return a
}

// A host that resolves, but to no address that an agent could connect to over a network.
var (
	errNoIPv4Address = errors.New("it has no IPv4 address that agents could connect to")
	errNoAddress     = errors.New("it has no address that agents could connect to")
)

// lookup asks once for the addresses of a family, ip4 or ip6. IPv6 ones that stand for IPv4 ones
// are left out by package net.
func (r *Resolver) lookup(ctx context.Context, hostname, family string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	// The dot keeps a pod's search domains out of it.
	found, err := r.resolver.LookupNetIP(ctx, family, strings.TrimSuffix(hostname, ".")+".")
	if _, unsuitable := errors.AsType[*net.AddrError](err); unsuitable {
		return nil, nil // there was an answer, with no address of the family in it
	}

	if err != nil {
		return nil, err
	}

	var usable []netip.Addr
	for _, address := range found {
		if address = address.Unmap(); address.IsGlobalUnicast() {
			usable = append(usable, address.WithZone(""))
		}
	}
	return usable, nil
}

func isNotFound(err error) bool {
	dns, ok := errors.AsType[*net.DNSError](err)
	return ok && dns.IsNotFound
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
