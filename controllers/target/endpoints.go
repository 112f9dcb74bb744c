// SPDX-License-Identifier: Apache-2.0

package target

import (
	"context"
	"slices"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// WantsSession reports whether an endpoint serves a session that the spec asks for.
func WantsSession(spec *v1alpha1.AgentDisconnectSpec, endpoint discovery.VPCEndpoint) bool {
	session, ok := discovery.Session(endpoint.Service)
	return ok && (len(spec.Sessions) == 0 || slices.Contains(spec.Sessions, v1alpha1.Session(session)))
}

// Mismatch says how the manager's own network path may have shaped what ECS named; empty: it
// doesn't look so, or the VPC's endpoints are not known. The hosts are those of the status, since a
// manager that was restarted in a run asks for few.
func (t *Target) Mismatch() string {
	if t.Cache.Endpoints.AnsweredAt().IsZero() || run.IsPathKnown(t.Status(), run.StartSpec(t.Object)) {
		return ""
	}
	var hosts []discovery.Host
	for _, endpoint := range t.Status().Endpoints {
		if !run.IsPrivate(endpoint) {
			hosts = append(hosts, discovery.Host{Hostname: endpoint.Hostname, Session: endpoint.Session})
		}
	}
	return discovery.PathMismatch(hosts, t.Cache.Endpoints.Value())
}

// AdoptHosts brings the endpoints in the status of a run that has not begun in line with what ECS,
// the VPC and the spec name.
func (t *Target) AdoptHosts(instances []string, private []discovery.VPCEndpoint, ipv6 bool) error {
	endpoints := keepAddresses(t.Status().Endpoints, wantedHosts(&t.Object.Spec, t.History.Hosts.Of(instances)))
	endpoints = append(endpoints, privateEndpoints(&t.Object.Spec, private, ipv6)...)
	if len(endpoints) > v1alpha1.MaxEndpoints {
		return problem.Refuse(v1alpha1.ReasonTooManyEndpoints, "the agents, the VPC's endpoints and spec.additionalEndpoints name %d hosts, and a run can deny at most %d: choose a smaller subnet, or name fewer hosts", len(endpoints), v1alpha1.MaxEndpoints)
	}
	t.Status().Endpoints = endpoints
	return nil
}

// privateEndpoints are the VPC's interface endpoints for the sessions that the spec asks for. Their
// addresses don't change while they are there.
func privateEndpoints(spec *v1alpha1.AgentDisconnectSpec, found []discovery.VPCEndpoint, ipv6 bool) []v1alpha1.Endpoint {
	var endpoints []v1alpha1.Endpoint
	for _, each := range found {
		if !WantsSession(spec, each) || len(each.Interfaces) == 0 {
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
func (t *Target) join(hosts []discovery.Host, private []v1alpha1.Endpoint) {
	status := t.Status()
	known := func(hostname string, session v1alpha1.EndpointSession) int {
		return slices.IndexFunc(status.Endpoints, func(e v1alpha1.Endpoint) bool { return e.Hostname == hostname && e.Session == session })
	}

	for _, endpoint := range slices.Concat(keepAddresses(nil, hosts), private) {
		i := known(endpoint.Hostname, endpoint.Session)
		switch {
		case i >= 0:
			run.AddAddresses(&status.Endpoints[i], run.ParseAddresses(endpoint.Addresses))
		case len(status.Endpoints) >= v1alpha1.MaxEndpoints:
			t.Abort(v1alpha1.AbortPlanDoesNotFit, "host %s was found, and a run can deny no more than %d hosts", endpoint.Hostname, v1alpha1.MaxEndpoints)
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

// privateInSubnet are the interfaces of VPC endpoints in the subnet itself that agents may connect
// to.
func (t *Target) privateInSubnet() []string {
	var found []string
	for _, endpoint := range t.Cache.Endpoints.Value() {
		for _, each := range endpoint.Interfaces {
			if each.SubnetID == t.Object.Spec.SubnetID && WantsSession(run.StartSpec(t.Object), endpoint) {
				found = append(found, each.ID+" of "+endpoint.ID)
			}
		}
	}
	return found
}

// WithoutTelemetry are those of the container instances to which ECS names no TCS endpoint, where
// both sessions are denied.
func (t *Target) WithoutTelemetry(instances []string) []string {
	if sessions := run.StartSpec(t.Object).Sessions; len(sessions) > 0 && !slices.Contains(sessions, v1alpha1.SessionTCS) || run.DeniesTelemetryAlone(sessions) {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(instances), func(arn string) bool {
		known := t.History.Hosts.Of([]string{arn})[arn]
		return t.History.Hosts.AnsweredFor(arn).IsZero() || slices.ContainsFunc(known, func(h discovery.Host) bool { return h.Session == v1alpha1.EndpointTCS })
	})
}

// Endpoints looks the VPC's interface endpoints of ECS and of the protected APIs up.
func (t *Target) Endpoints(ctx context.Context, vpcID string) ([]discovery.VPCEndpoint, error) {
	return t.Cache.Endpoints.Get(t.Now, vpcID, func() ([]discovery.VPCEndpoint, error) {
		return discovery.VPCEndpoints(ctx, t.slow(t.Cache.Endpoints.AnsweredAt()).EC2, t.Clients.Region, vpcID)
	})
}
