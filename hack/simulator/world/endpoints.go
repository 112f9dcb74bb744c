// SPDX-License-Identifier: Apache-2.0

package world

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// Services have more than one part at times (ecr.dkr), but none that matters here has.
var servicePattern = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

// endpointStates are the states that AWS gives endpoints.
var endpointStates = map[string]bool{
	"": true, "pendingAcceptance": true, "pending": true, "available": true, "deleting": true, "deleted": true, "rejected": true, "failed": true,
}

// checkEndpoints looks at VPC endpoints and their interfaces.
func (w *World) checkEndpoints(c *checker) {
	private := map[string]int{}
	for i, e := range w.VPCEndpoints {
		at := fmt.Sprintf("vpcEndpoints[%d]", i)
		if e.ID != "" {
			c.id(at+".id", "VPC endpoint", e.ID, region.CheckVPCEndpointID)
		}
		c.known(at+".vpc", "VPC", e.VPC, "vpcs")
		c.tags(at+".tags", e.Tags)
		if !servicePattern.MatchString(e.Service) {
			c.add(at+".service", "%q is no service; write ecs-agent, ecs-telemetry or ecs", e.Service)
		}
		if !endpointStates[e.State] {
			c.add(at+".state", "%q is no state; write available or leave it out", e.State)
		}
		if first, ok := private[e.VPC+"/"+e.Service]; ok && e.private() {
			c.add(at+".privateDNS", "vpcEndpoints[%d] has private DNS for %s in %s already; a VPC has one", first, e.Service, e.VPC)
		} else if e.private() {
			private[e.VPC+"/"+e.Service] = i
		}
		if len(e.Interfaces) == 0 {
			c.add(at+".interfaces", "is empty; write {subnet: …} for each subnet")
		}
		w.checkInterfaces(c, at, e)
	}
}

func (w *World) checkInterfaces(c *checker, at string, e VPCEndpoint) {
	zones := map[string]int{}
	for i, n := range e.Interfaces {
		at := fmt.Sprintf("%s.interfaces[%d]", at, i)
		if n.ID != "" {
			c.id(at+".id", "network interface", n.ID, region.CheckNetworkInterfaceID)
		}
		if n.IPv6 != "" {
			w.checkIPv6Address(c, at+".ipv6", n.IPv6, n.Subnet)
		}
		s, ok := w.subnet(n.Subnet)
		if !c.known(at+".subnet", "subnet", n.Subnet, "subnets") || !ok {
			continue
		}
		if s.VPC != e.VPC {
			c.add(at+".subnet", "%s is of VPC %s, the endpoint of %s", n.Subnet, s.VPC, e.VPC)
		}
		if first, ok := zones[s.AvailabilityZone]; ok {
			c.add(at+".subnet", "interfaces[%d] is in %s already; an endpoint has one subnet an Availability Zone", first, s.AvailabilityZone)
		}
		zones[s.AvailabilityZone] = i
		if n.PrivateIP == "" {
			continue
		}
		ip, err := netip.ParseAddr(n.PrivateIP)
		if err != nil {
			c.add(at+".privateIP", "%q is no IP address", n.PrivateIP)
			continue
		}
		c.unique(at+".privateIP", "private IP", n.PrivateIP)
		if p, err := netip.ParsePrefix(s.CIDR); err == nil && !p.Contains(ip) {
			c.add(at+".privateIP", "%s lies outside of %s, the subnet's; take an address within it", ip, p)
		}
	}
}

func (w *World) subnet(id string) (Subnet, bool) {
	for _, s := range w.Subnets {
		if s.ID == id {
			return s, true
		}
	}
	return Subnet{}, false
}

// ipv6 looks at an IPv6 CIDR block that may be unset; ok is true for one that is there and right.
func (c *checker) ipv6(at, text string, longest int) (netip.Prefix, bool) {
	if text == "" {
		return netip.Prefix{}, false
	}
	p, ok := c.prefix(at, text)
	if !ok {
		return p, false
	}
	if err := region.CheckIPv6CIDR(p, longest); err != nil {
		c.add(at, "%v; write one like 2406:da14:1:1100::/%d", err, longest)
		return p, false
	}
	return p, true
}

// checkSubnetIPv6 holds the block of the i-th subnet against its VPC's and those of the subnets before it.
func (w *World) checkSubnetIPv6(c *checker, at string, i int, p netip.Prefix) {
	s := w.Subnets[i]
	for _, v := range w.VPCs {
		if vpc := prefixOrNone(v.IPv6CIDR); v.ID == s.VPC && (!vpc.Contains(p.Addr()) || p.Bits() < vpc.Bits()) {
			c.add(at, "%s lies outside of %s, the VPC's; take a block within it", p, vpc)
		}
	}
	for j, o := range w.Subnets[:i] {
		if b := prefixOrNone(o.IPv6CIDR); o.VPC == s.VPC && b.Overlaps(p) {
			c.add(at, "%s overlaps %s of subnets[%d]; take a block that is free", p, b, j)
		}
	}
}

// checkIPv6Address looks at an address of a subnet.
func (w *World) checkIPv6Address(c *checker, at, text, subnetID string) {
	ip, err := netip.ParseAddr(text)
	if err != nil || !ip.Is6() {
		c.add(at, "%q is no IPv6 address", text)
		return
	}
	c.unique(at, "IPv6 address", ip.String())
	if s, ok := w.subnet(subnetID); ok && !prefixOrNone(s.IPv6CIDR).Contains(ip) {
		c.add(at, "%s lies outside of the subnet's ipv6CIDR %q; take an address within it", ip, s.IPv6CIDR)
	}
}

func (e VPCEndpoint) private() bool { return e.PrivateDNS == nil || *e.PrivateDNS }

func (e VPCEndpoint) endpoint(r *region.Region) region.VPCEndpoint {
	out := region.VPCEndpoint{
		ID: e.ID, VPCID: e.VPC, ServiceName: r.EndpointService(e.Service), PrivateDNS: e.private(), State: e.State, Tags: maps.Clone(e.Tags),
	}
	for _, n := range e.Interfaces {
		out.Interfaces = append(out.Interfaces, region.NetworkInterface{
			ID: n.ID, SubnetID: n.Subnet, PrivateIP: addrOrNone(n.PrivateIP), IPv6: addrOrNone(n.IPv6),
		})
	}
	return out
}

// prefixOrNone is the zero Prefix for what is unset or no prefix: Validate has said so.
func prefixOrNone(text string) netip.Prefix {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

func addrOrNone(text string) netip.Addr {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return a
}
