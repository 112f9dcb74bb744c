// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"context"
	"net"
	"net/netip"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/agents"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// SetResolverVPC makes the DNS server at DNSAddr answer as the resolver of a VPC does, where the private names of
// interface endpoints hold, or as from outside of all VPCs (empty, as at the start). Agents have their own VPC's.
func (s *Simulator) SetResolverVPC(vpcID string) error {
	if _, ok := s.region.View(time.Time{}).VPC(vpcID); !ok && vpcID != "" {
		return region.MissingVPC(vpcID)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resolverVPC = vpcID
	return nil
}

// ResolverVPC is the VPC whose resolver the DNS server at DNSAddr is, empty outside of all.
func (s *Simulator) ResolverVPC() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.resolverVPC
}

// resolverZone is what the resolver of a VPC knows. It implements dns.WholeZone.
type resolverZone struct {
	s   *Simulator
	vpc func() string
}

// Lookup implements dns.Zone.
func (z resolverZone) Lookup(host string) []netip.Addr {
	if private := z.private(host); len(private) > 0 {
		return private
	}
	return z.s.zone.Lookup(host)
}

// Whole implements dns.WholeZone.
func (z resolverZone) Whole(host string) bool { return len(z.private(host)) > 0 }

func (z resolverZone) private(host string) []netip.Addr {
	return z.s.region.View(time.Time{}).PrivateDNS(z.vpc(), host)
}

// resolve looks a host up as an instance in a subnet does: one query for A and one for AAAA, to its VPC's resolver.
func (s *Simulator) resolve(ctx context.Context, subnetID, host string) ([]netip.Addr, error) {
	addr, err := s.resolverOf(subnetID)
	if err != nil {
		return nil, err
	}
	return resolverAt(addr).LookupNetIP(ctx, "ip", host)
}

// resolverAt asks the DNS server at an address whatever the machine is configured with.
func resolverAt(addr string) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}}
}

// resolverOf is the address of a resolver that knows what a subnet's VPC knows. VPCs without private names share the one
// at DNSAddr, as long as it answers from outside.
func (s *Simulator) resolverOf(subnetID string) (string, error) {
	v := s.region.View(time.Time{})
	known := func(vpc string) string {
		if v.HasPrivateDNS(vpc) {
			return vpc
		}
		return ""
	}
	sub, _ := v.Subnet(subnetID)
	vpc := known(sub.VPCID)
	s.mu.Lock()
	defer s.mu.Unlock()
	if vpc == known(s.resolverVPC) {
		return s.dns.Addr(), nil
	}
	if s.resolvers[vpc] == "" {
		addr, err := s.dns.AddView(s.ctx, resolverZone{s, func() string { return vpc }})
		if err != nil {
			return "", err
		}
		s.resolvers[vpc] = addr
	}
	return s.resolvers[vpc], nil
}

// endpointKinds are what listens behind the interfaces of endpoints.
var endpointKinds = map[string]agents.Kind{region.ServiceAgent: agents.ACS, region.ServiceTelemetry: agents.TCS}

// syncEndpoints puts ACS and TCS behind the interfaces of VPC endpoints, and takes them away from those that are gone.
func (s *Simulator) syncEndpoints() {
	wanted := map[netip.Addr]agents.Kind{}
	for _, e := range s.region.VPCEndpoints() {
		if kind, ok := endpointKinds[e.Service()]; ok && e.Serves() {
			for _, a := range e.Addresses() {
				wanted[a] = kind
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for a, kind := range wanted {
		if s.served[a] != kind {
			s.control.Serve(kind, netip.AddrPortFrom(a, controlPlanePort))
			s.served[a] = kind
		}
	}
	for a := range s.served {
		if _, ok := wanted[a]; !ok {
			s.fabric.Unregister(netip.AddrPortFrom(a, controlPlanePort))
			delete(s.served, a)
		}
	}
}
