// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"slices"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// adoptHosts brings the endpoints in the status of a run that has not begun in line with what ECS,
// the VPC and the spec name.
func (r *Reconciler) adoptHosts(s *scope, t *target) error {
	endpoints := keepAddresses(s.status().Endpoints, wantedHosts(&s.obj.Spec, s.seen.history.Hosts.Of(t.instances)))
	endpoints = append(endpoints, privateEndpoints(&s.obj.Spec, t.endpoints, t.subnet.ipv6)...)
	if len(endpoints) > v1alpha1.MaxEndpoints {
		return problem.Refuse(v1alpha1.ReasonTooManyEndpoints, "the agents, the VPC's endpoints and spec.additionalEndpoints name %d hosts, and a run can deny at most %d: choose a smaller subnet, or name fewer hosts", len(endpoints), v1alpha1.MaxEndpoints)
	}
	s.status().Endpoints = endpoints
	return nil
}

// privateEndpoints are the VPC's interface endpoints for the sessions that the spec asks for. Their
// addresses don't change while they are there.
func privateEndpoints(spec *v1alpha1.AgentDisconnectSpec, found []discovery.VPCEndpoint, ipv6 bool) []v1alpha1.Endpoint {
	var endpoints []v1alpha1.Endpoint
	for _, each := range found {
		if !wantsSession(spec, each) || len(each.Interfaces) == 0 {
			continue
		}
		session, _ := discovery.Session(each.Service)
		endpoint := v1alpha1.Endpoint{Hostname: each.ID, Session: session}
		for _, at := range each.Interfaces {
			run.AddAddresses(&endpoint, run.UsableAddresses(at.Addresses, ipv6))
		}
		if len(endpoint.Addresses) > 0 {
			endpoints = append(endpoints, endpoint)
		}
	}
	return endpoints
}

// join adds to the endpoints of a run that is on what joined since: hosts of further container
// instances, and VPC endpoints. More than the status can hold end the run.
func (s *scope) join(hosts []discovery.Host, private []v1alpha1.Endpoint) {
	status := s.status()
	known := func(hostname string, session v1alpha1.EndpointSession) int {
		return slices.IndexFunc(status.Endpoints, func(e v1alpha1.Endpoint) bool { return e.Hostname == hostname && e.Session == session })
	}
	for _, endpoint := range slices.Concat(keepAddresses(nil, hosts), private) {
		i := known(endpoint.Hostname, endpoint.Session)
		switch {
		case i >= 0:
			run.AddAddresses(&status.Endpoints[i], run.ParseAddresses(endpoint.Addresses))
		case len(status.Endpoints) >= v1alpha1.MaxEndpoints:
			s.abort(v1alpha1.AbortPlanDoesNotFit, "host %s was found, and a run can deny no more than %d hosts", endpoint.Hostname, v1alpha1.MaxEndpoints)
			return
		default:
			status.Endpoints = append(status.Endpoints, endpoint)
		}
	}
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
