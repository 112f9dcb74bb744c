// SPDX-License-Identifier: Apache-2.0

package region

import (
	"net/netip"
	"strings"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
)

// SetCallerVPC puts the callers of the APIs into a VPC, or out of all of them (empty, as at the start). What
// DiscoverPollEndpoint answers depends on the path that the call took.
func (r *Region) SetCallerVPC(vpcID string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.current.vpcs.m[vpcID]; !ok && vpcID != "" {
		return kindVPC.missing(vpcID)
	}
	r.callerVPC = vpcID
	return nil
}

// CallerVPC is the VPC that callers of the APIs are in, empty outside of all.
func (r *Region) CallerVPC() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.callerVPC
}

// privateEndpoint is the endpoint of a VPC that serves a service under its own host name.
func (v View) privateEndpoint(vpcID, service string) (VPCEndpoint, bool) {
	for _, e := range v.s.endpoints.m {
		if vpcID != "" && e.VPCID == vpcID && e.PrivateDNS && e.Serves() && e.Service() == service {
			return e, true
		}
	}
	return VPCEndpoint{}, false
}

// PrivateDNS are the addresses that a host name has within a VPC through private DNS; none: what it has outside counts.
func (v View) PrivateDNS(vpcID, host string) []netip.Addr {
	for service, label := range privateNames {
		if strings.EqualFold(host, v.r.host(label)) {
			e, _ := v.privateEndpoint(vpcID, service)
			return e.Addresses()
		}
	}
	return nil
}

// HasPrivateDNS reports whether any name has another address within a VPC than outside.
func (v View) HasPrivateDNS(vpcID string) bool {
	for service := range privateNames {
		if _, ok := v.privateEndpoint(vpcID, service); ok {
			return true
		}
	}
	return false
}

// privateLink are the URLs that DiscoverPollEndpoint answers to a call that came through an endpoint for ECS.
func (v View) privateLink(vpcID string) (acs, tcs string, ok bool) {
	if _, ok := v.privateEndpoint(vpcID, ServiceECS); !ok {
		return "", "", false
	}
	return "https://" + v.r.host(privateNames[ServiceAgent]) + "/acs/1/", "https://" + v.r.host(privateNames[ServiceTelemetry]) + "/tcs/1/", true
}

// Passes reports whether a packet between a host in a subnet and a remote address gets through now. A network ACL acts
// where a packet crosses the border of a subnet: that of the host's subnet on all that is remote, that of an endpoint's
// interface too if it is in another subnet, and none at all within one subnet. A host in no subnet is outside of AWS,
// where no ACL is in its way and no interface in its reach.
func (r *Region) Passes(subnetID string, host netip.Addr, p acl.Packet) bool {
	r.mu.Lock()
	s := r.current
	r.mu.Unlock()
	sub, ok := s.subnets.m[subnetID]
	remote, private, reachable := s.interfaceAt(sub.VPCID, p.Remote)
	own := acl.Allows(s.acls.m[sub.NetworkACLID].Entries, p)
	switch {
	case !ok:
		return subnetID == "" && !private
	case !private:
		return own
	case !reachable:
		return false
	case remote.SubnetID == subnetID:
		return true
	}
	// The same packet, seen from the other subnet: what leaves here enters there.
	there := p
	there.Egress, there.Remote = !p.Egress, host
	return own && acl.Allows(s.acls.m[s.subnets.m[remote.SubnetID].NetworkACLID].Entries, there)
}

// interfaceAt finds the endpoint's interface that has an address. Private: the address is or was one of some VPC.
// Reachable: of this VPC, and it still is.
func (s *state) interfaceAt(vpcID string, ip netip.Addr) (found NetworkInterface, private, reachable bool) {
	ip = ip.Unmap()
	for _, e := range s.endpoints.m {
		for _, n := range e.Interfaces {
			if n.PrivateIP != ip && n.IPv6 != ip {
				continue
			}
			if private = true; e.Serves() && e.VPCID == vpcID {
				return n, true, true
			}
		}
	}
	return found, private, false
}

// PrivateHost is the host name that an endpoint's private DNS takes over, empty without private DNS.
func (v View) PrivateHost(e VPCEndpoint) string {
	if label, ok := privateNames[e.Service()]; ok && e.PrivateDNS {
		return v.r.host(label)
	}
	return ""
}
