// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
)

// lookUp looks the hosts in the status up and adds what is new to their addresses, IPv6 ones only where the subnet has
// them. Nothing is ever taken away. The error names a host of which no address is known.
func (r *Reconciler) lookUp(ctx context.Context, s *scope, ipv6 bool) error {
	endpoints := s.status().Endpoints
	if s.now.Sub(s.seen.looked) >= r.options.LookupInterval || unresolved(endpoints) != "" {
		var names []string
		for _, endpoint := range endpoints {
			if !isPrivate(endpoint) {
				names = append(names, endpoint.Hostname)
			}
		}
		slices.Sort(names)
		answers := r.resolver.Lookup(ctx, slices.Compact(names), ipv6)
		grown := map[string]bool{}
		for i := range endpoints {
			host := endpoints[i].Hostname
			grown[host] = addAddresses(&endpoints[i], answers[host].Addresses) || grown[host]
		}
		for host, answer := range answers {
			s.seen.note(host, answer, grown[host], s.now)
		}
		s.seen.looked = s.now
		if host := overflowing(endpoints, answers); host != "" {
			return s.tooMany(host)
		}
	}
	if host := unresolved(endpoints); host != "" {
		return refuse(v1alpha1.ReasonHostNotResolved, "%s has no address to deny (%s): check the name, and the DNS server that the manager asks (--dns-server)", host, s.seen.lookups[host].failure)
	}
	return nil
}

// overflowing is a host with more addresses than the status holds for one; empty: there is none.
func overflowing(endpoints []v1alpha1.Endpoint, answers map[string]discovery.Answer) string {
	for _, endpoint := range endpoints {
		for _, address := range answers[endpoint.Hostname].Addresses {
			if !slices.Contains(endpoint.Addresses, address.String()) {
				return endpoint.Hostname
			}
		}
	}
	return ""
}

// tooMany refuses a run, or ends it, since an agent would get through the address that the status has no room for.
func (s *scope) tooMany(host string) error {
	const message = "%s has more than %d addresses, which no network ACL has room for"
	if s.status().StartTime != nil {
		s.abort(v1alpha1.AbortPlanDoesNotFit, message, host, v1alpha1.MaxAddresses)
		return nil
	}
	return refuse(v1alpha1.ReasonTooManyEndpoints, message+": name fewer hosts", host, v1alpha1.MaxAddresses)
}

// unresolved is the first host of which no address is known; empty: there is none.
func unresolved(endpoints []v1alpha1.Endpoint) string {
	for _, endpoint := range endpoints {
		if len(endpoint.Addresses) == 0 {
			return endpoint.Hostname
		}
	}
	return ""
}

// addAddresses adds what is new to an endpoint's addresses, and says whether anything was.
func addAddresses(endpoint *v1alpha1.Endpoint, addresses []netip.Addr) (grown bool) {
	for _, address := range addresses {
		if text := address.String(); !slices.Contains(endpoint.Addresses, text) && len(endpoint.Addresses) < v1alpha1.MaxAddresses {
			endpoint.Addresses = append(endpoint.Addresses, text)
			grown = true
		}
	}
	slices.SortFunc(endpoint.Addresses, compareAddresses)
	return grown
}

// note keeps how the lookups of a host went; grown says that they gave an address that was not known.
func (m *memory) note(host string, answer discovery.Answer, grown bool, now time.Time) {
	history := m.lookups[host]
	history.failure = ""
	switch {
	case answer.Err != nil:
		history.failure = discovery.Explain(answer.Err)
	case grown || history.quietSince.IsZero():
		history.quietSince, history.quiet = now, 0
	default:
		history.quiet = now.Sub(history.quietSince)
	}
	m.lookups[host] = history
}

func compareAddresses(a, b string) int {
	left, errLeft := netip.ParseAddr(a)
	right, errRight := netip.ParseAddr(b)
	if errLeft != nil || errRight != nil {
		return cmp.Compare(a, b)
	}
	return left.Compare(right)
}

// settledAfter is for how long lookups must give no new address before the set counts as settled: several times the minute
// for which a resolver may hold one answer.
const settledAfter = 5 * time.Minute

// unsettled gives the hosts that may still have addresses which no lookup gave.
func (m *memory) unsettled(endpoints []v1alpha1.Endpoint) []string {
	var hosts []string
	for _, endpoint := range endpoints {
		if !isPrivate(endpoint) && m.lookups[endpoint.Hostname].quiet < settledAfter {
			hosts = append(hosts, endpoint.Hostname)
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}
