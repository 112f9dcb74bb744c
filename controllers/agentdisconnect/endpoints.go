// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/nacl"
)

// endpointTTL is how soon ECS is asked again for the endpoints of a run that can't begin since a host isn't resolved: by then
// it may name another. With many container instances it is many calls.
const endpointTTL = time.Minute

// discover brings the hosts in the status of a run that has not begun in line with what ECS and the spec name. Each
// container instance is asked for once, unless a host that was named stays without an address.
func (r *Reconciler) discover(ctx context.Context, s *scope, t *target) error {
	if unresolved(s.status().Endpoints) != "" && s.now.Sub(s.seen.hostsAsked) >= endpointTTL {
		clear(s.seen.hosts)
	}
	var unknown []string
	for _, arn := range t.instances {
		if _, known := s.seen.hosts[arn]; !known {
			unknown = append(unknown, arn)
		}
	}
	found, err := discovery.PollEndpoints(ctx, s.clients.ECS, t.cluster.ARN, unknown)
	maps.Copy(s.seen.hosts, found)
	if len(found) > 0 {
		s.seen.hostsAsked = s.now
	}
	if err != nil {
		return err
	}
	perInstance := make(map[string][]discovery.Host, len(t.instances))
	for _, arn := range t.instances {
		perInstance[arn] = s.seen.hosts[arn]
	}
	hosts := wantedHosts(&s.obj.Spec, perInstance)
	if len(hosts) > v1alpha1.MaxEndpoints {
		return refuse(v1alpha1.ReasonTooManyEndpoints, "the agents and spec.additionalEndpoints name %d hosts, and a run takes at most %d: choose a smaller subnet, or name fewer hosts", len(hosts), v1alpha1.MaxEndpoints)
	}
	s.status().Endpoints = keepAddresses(s.status().Endpoints, hosts)
	s.status().CIDRs = nil
	if more := s.obj.Spec.AdditionalEndpoints; more != nil {
		s.status().CIDRs = slices.Sorted(slices.Values(more.CIDRs))
	}
	return nil
}

// wantedHosts are the hosts of the sessions that the spec asks for, and those that it names itself.
func wantedHosts(spec *v1alpha1.AgentDisconnectSpec, perInstance map[string][]discovery.Host) []discovery.Host {
	var additional []discovery.Host
	if spec.AdditionalEndpoints != nil {
		for _, hostname := range spec.AdditionalEndpoints.Hostnames {
			additional = append(additional, discovery.Host{Hostname: hostname, Session: v1alpha1.EndpointAdditional})
		}
	}
	return slices.DeleteFunc(discovery.Union(perInstance, additional...), func(h discovery.Host) bool {
		return h.Session != v1alpha1.EndpointAdditional && len(spec.Sessions) > 0 &&
			!slices.Contains(spec.Sessions, v1alpha1.Session(h.Session))
	})
}

// keepAddresses gives an endpoint for every host, with the addresses that were seen before.
func keepAddresses(before []v1alpha1.Endpoint, hosts []discovery.Host) []v1alpha1.Endpoint {
	endpoints := make([]v1alpha1.Endpoint, 0, len(hosts))
	for _, host := range hosts {
		endpoint := v1alpha1.Endpoint{Hostname: host.Hostname, Session: host.Session}
		for _, old := range before {
			if old.Hostname == endpoint.Hostname && old.Session == endpoint.Session {
				endpoint.Addresses = old.Addresses
			}
		}
		endpoints = append(endpoints, endpoint)
	}
	return endpoints
}

// lookUp looks the hosts in the status up and adds what is new to their addresses. Nothing is ever taken away. The error
// names a host of which no address is known.
func (r *Reconciler) lookUp(ctx context.Context, s *scope) error {
	endpoints := s.status().Endpoints
	if s.now.Sub(s.seen.looked) >= r.options.LookupInterval || unresolved(endpoints) != "" {
		var names []string
		for _, endpoint := range endpoints {
			names = append(names, endpoint.Hostname)
		}
		slices.Sort(names)
		answers := r.resolver.Lookup(ctx, slices.Compact(names))
		grown := map[string]bool{}
		for i := range endpoints {
			host := endpoints[i].Hostname
			grown[host] = addAddresses(&endpoints[i], answers[host].Addresses) || grown[host]
		}
		for host, answer := range answers {
			s.seen.note(host, answer, grown[host], s.now)
		}
		s.seen.looked = s.now
	}
	if host := unresolved(endpoints); host != "" {
		return refuse(v1alpha1.ReasonHostNotResolved, "%s has no address to deny (%s): check the name, and the DNS server that the manager asks (--dns-server)", host, s.seen.lookups[host].failure)
	}
	return nil
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
		if m.lookups[endpoint.Hostname].quiet < settledAfter {
			hosts = append(hosts, endpoint.Hostname)
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// desired are the destinations that a run denies: every address seen, and the ranges of the spec.
func desired(status *v1alpha1.AgentDisconnectStatus) []nacl.Destination {
	var destinations []nacl.Destination
	for _, endpoint := range status.Endpoints {
		for _, text := range endpoint.Addresses {
			// What doesn't parse was written by hand: it is no address that a lookup gave.
			if address, err := netip.ParseAddr(text); err == nil {
				destinations = append(destinations, nacl.Destination{
					CIDR: netip.PrefixFrom(address, address.BitLen()), Hostname: endpoint.Hostname, Session: endpoint.Session,
				})
			}
		}
	}
	for _, text := range status.CIDRs {
		if cidr, err := netip.ParsePrefix(text); err == nil {
			destinations = append(destinations, nacl.Destination{CIDR: cidr, Session: v1alpha1.EndpointAdditional})
		}
	}
	return destinations
}

// describeEndpoints says how many addresses of how many hosts are known.
func describeEndpoints(endpoints []v1alpha1.Endpoint) string {
	addresses := 0
	for _, endpoint := range endpoints {
		addresses += len(endpoint.Addresses)
	}
	return fmt.Sprintf("%s of %s", plural(addresses, "address", "addresses"), plural(len(endpoints), "host", "hosts"))
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
