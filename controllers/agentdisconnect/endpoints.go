// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
)

// adoptHosts brings the endpoints in the status of a run that has not begun in line with what ECS, the VPC and the spec
// name.
func (r *Reconciler) adoptHosts(s *scope, t *target) error {
	perInstance := make(map[string][]discovery.Host, len(t.instances))
	for _, arn := range t.instances {
		perInstance[arn] = s.seen.hosts[arn].hosts
	}
	endpoints := keepAddresses(s.status().Endpoints, wantedHosts(&s.obj.Spec, perInstance))
	endpoints = append(endpoints, privateEndpoints(&s.obj.Spec, t.endpoints, t.subnet.ipv6)...)
	if len(endpoints) > v1alpha1.MaxEndpoints {
		return refuse(v1alpha1.ReasonTooManyEndpoints, "the agents, the VPC's endpoints and spec.additionalEndpoints name %d hosts, and a run takes at most %d: choose a smaller subnet, or name fewer hosts", len(endpoints), v1alpha1.MaxEndpoints)
	}
	s.status().Endpoints = endpoints
	return nil
}

// privateEndpoints are the VPC's interface endpoints for the sessions that the spec asks for. Their addresses don't change
// while they are there.
func privateEndpoints(spec *v1alpha1.AgentDisconnectSpec, found []discovery.VPCEndpoint, ipv6 bool) []v1alpha1.Endpoint {
	var endpoints []v1alpha1.Endpoint
	for _, each := range found {
		if !wantsSession(spec, each) || len(each.Interfaces) == 0 {
			continue
		}
		session, _ := discovery.Session(each.Service)
		endpoint := v1alpha1.Endpoint{Hostname: each.ID, Session: session}
		for _, at := range each.Interfaces {
			addAddresses(&endpoint, usable(at.Addresses, ipv6))
		}
		if len(endpoint.Addresses) > 0 {
			endpoints = append(endpoints, endpoint)
		}
	}
	return endpoints
}

// usable are the addresses that agents in a subnet can connect to: without an IPv6 range of its own, IPv4 alone.
func usable(addresses []netip.Addr, ipv6 bool) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(addresses), func(a netip.Addr) bool { return !ipv6 && !a.Is4() })
}

// isPrivate says whether an endpoint is a VPC endpoint: its addresses are those of interfaces, not of lookups.
func isPrivate(endpoint v1alpha1.Endpoint) bool {
	return strings.HasPrefix(endpoint.Hostname, "vpce-") && !strings.Contains(endpoint.Hostname, ".")
}

// join adds to the endpoints of a run that is on what joined since: hosts of further container instances, and VPC
// endpoints. More than the status can hold end the run.
func (s *scope) join(hosts []discovery.Host, private []v1alpha1.Endpoint) {
	status := s.status()
	known := func(hostname string, session v1alpha1.EndpointSession) int {
		return slices.IndexFunc(status.Endpoints, func(e v1alpha1.Endpoint) bool { return e.Hostname == hostname && e.Session == session })
	}
	for _, endpoint := range slices.Concat(keepAddresses(nil, hosts), private) {
		i := known(endpoint.Hostname, endpoint.Session)
		switch {
		case i >= 0:
			addAddresses(&status.Endpoints[i], parseAddresses(endpoint.Addresses))
		case len(status.Endpoints) >= v1alpha1.MaxEndpoints:
			s.abort(v1alpha1.AbortPlanDoesNotFit, "%s was found, and a run takes no more than %d hosts", endpoint.Hostname, v1alpha1.MaxEndpoints)
			return
		default:
			status.Endpoints = append(status.Endpoints, endpoint)
		}
	}
}

func parseAddresses(texts []string) []netip.Addr {
	var addresses []netip.Addr
	for _, text := range texts {
		// What doesn't parse was written by hand: it is no address that AWS gave.
		if address, err := netip.ParseAddr(text); err == nil {
			addresses = append(addresses, address.Unmap())
		}
	}
	return addresses
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

// desired are the destinations that a run denies: every address seen, and the ranges of the spec, but for those that were found to be
// protected.
func desired(obj *v1alpha1.AgentDisconnect) []networkacl.Destination {
	var destinations []networkacl.Destination
	for _, endpoint := range obj.Status.Endpoints {
		for _, address := range parseAddresses(endpoint.Addresses) {
			destinations = append(destinations, networkacl.Destination{
				CIDR: netip.PrefixFrom(address, address.BitLen()), Hostname: endpoint.Hostname, Session: endpoint.Session,
				Traffic: trafficOf(endpoint.Session),
			})
		}
	}
	for _, text := range ranges(obj) {
		if cidr, err := netip.ParsePrefix(text); err == nil {
			destinations = append(destinations, networkacl.Destination{CIDR: cidr, Session: v1alpha1.EndpointAdditional})
		}
	}
	return withoutExempt(destinations, obj.Status.Exemptions)
}

// trafficOf is what counts of the traffic to a host: the session of an agent. Of a host of the spec all of it does.
func trafficOf(session v1alpha1.EndpointSession) networkacl.Traffic {
	if session == v1alpha1.EndpointAdditional {
		return networkacl.Traffic{}
	}
	return networkacl.HTTPS
}

func (s *scope) desired() []networkacl.Destination { return desired(s.obj) }

// ranges are the ranges of the spec that a run denies, as they were when it began: ledger lines may be of them.
func ranges(obj *v1alpha1.AgentDisconnect) []string {
	more := obj.Spec.AdditionalEndpoints
	if with := obj.Status.StartedWith; with != nil {
		more = with.AdditionalEndpoints
	}
	if more == nil {
		return nil
	}
	return more.CIDRs
}

// describeEndpoints says how many addresses of how many hosts are known.
func describeEndpoints(endpoints []v1alpha1.Endpoint) string {
	addresses := 0
	for _, endpoint := range endpoints {
		addresses += len(endpoint.Addresses)
	}
	return fmt.Sprintf("%s of %s", plural(addresses, "address", "addresses"), plural(len(endpoints), "host", "hosts"))
}

// describeDenied says how many addresses of how many hosts a run denies: all that are known, but for those that are exempt.
func describeDenied(status *v1alpha1.AgentDisconnectStatus) string {
	denied := slices.Clone(status.Endpoints)
	for i := range denied {
		denied[i].Addresses = slices.DeleteFunc(slices.Clone(denied[i].Addresses), func(text string) bool {
			address, err := netip.ParseAddr(text)
			return err == nil && len(withoutExempt([]networkacl.Destination{{CIDR: netip.PrefixFrom(address, address.BitLen())}}, status.Exemptions)) == 0
		})
	}
	return describeEndpoints(denied)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
