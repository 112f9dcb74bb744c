// SPDX-License-Identifier: Apache-2.0

package region

import (
	"fmt"
	"net/netip"
	"slices"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
)

// defaultEntries are the entries that the network ACLs of a VPC have and that can't be changed.
func (s *state) defaultEntries(vpcID string) []acl.Entry {
	entries := DefaultEntries()
	if s.vpcs.m[vpcID].IPv6CIDR.IsValid() {
		entries = append(entries, DefaultIPv6Entries()...)
		sortEntries(entries)
	}
	return entries
}

// DefaultIPv6Entries are what the network ACLs of a VPC with IPv6 have beside DefaultEntries.
func DefaultIPv6Entries() []acl.Entry {
	all := netip.MustParsePrefix("::/0")
	return []acl.Entry{
		{RuleNumber: acl.DefaultIPv6RuleNumber, Egress: true, Protocol: acl.All, CIDR: all},
		{RuleNumber: acl.DefaultIPv6RuleNumber, Egress: false, Protocol: acl.All, CIDR: all},
	}
}

// AllowAllIPv6 is the entry that lets all IPv6 traffic of one direction pass.
func AllowAllIPv6(number int, egress bool) acl.Entry {
	e := DefaultIPv6Entries()[0]
	e.RuleNumber, e.Egress, e.Allow = number, egress, true
	return e
}

// withIPv6Allow is what AWS does to a VPC's default network ACL when the VPC gets IPv6: rule 101 allows it in each
// direction whose rules were not modified.
func withIPv6Allow(entries []acl.Entry) []acl.Entry {
	out := slices.Clone(entries)
	for _, egress := range []bool{true, false} {
		var rules []acl.Entry
		for _, e := range entries {
			if e.Egress == egress && !e.Default() {
				rules = append(rules, e)
			}
		}
		if slices.Equal(rules, []acl.Entry{AllowAll(100, egress)}) {
			out = append(out, AllowAllIPv6(101, egress))
		}
	}
	return out
}

// CheckIPv6CIDR refuses what can't be the IPv6 CIDR block of a VPC (/44 to /60) or of a subnet (to /64), in steps of 4.
func CheckIPv6CIDR(p netip.Prefix, longest int) error {
	if !p.IsValid() || !p.Addr().Is6() || p.Addr().Is4In6() || p != p.Masked() {
		return fmt.Errorf("%s is no IPv6 CIDR block", p)
	}
	if p.Bits() < 44 || p.Bits() > longest || p.Bits()%4 != 0 {
		return fmt.Errorf("%s: AWS takes /44 to /%d, in steps of 4", p, longest)
	}
	return nil
}

// Longest IPv6 prefixes of VPCs and of subnets.
const (
	LongestVPCIPv6    = 60
	LongestSubnetIPv6 = 64
)

// AssociateVPCIPv6 gives a VPC an IPv6 CIDR block. Its network ACLs get the default entries of IPv6, and its default one
// rule 101 in the directions that were not modified.
func (r *Region) AssociateVPCIPv6(vpcID string, cidr netip.Prefix) error {
	return r.change(func(s *state) error {
		v, ok := s.vpcs.m[vpcID]
		if !ok {
			return kindVPC.missing(vpcID)
		}
		if v.IPv6CIDR.IsValid() {
			return fmt.Errorf("vpc %s has %s already", vpcID, v.IPv6CIDR)
		}
		if err := CheckIPv6CIDR(cidr, LongestVPCIPv6); err != nil {
			return fmt.Errorf("vpc %s: %w", vpcID, err)
		}
		v.IPv6CIDR = cidr
		s.vpcs.put(vpcID, v)
		for id, a := range s.acls.m {
			if a.VPCID != vpcID {
				continue
			}
			if a.Default {
				a.Entries = withIPv6Allow(a.Entries)
			}
			a.Entries = append(slices.Clone(a.Entries), DefaultIPv6Entries()...)
			sortEntries(a.Entries)
			s.acls.put(id, a)
		}
		return nil
	})
}

// AssociateSubnetIPv6 gives a subnet an IPv6 CIDR block within its VPC's. What is in the subnet already has no IPv6
// address by that: see AssignIPv6.
func (r *Region) AssociateSubnetIPv6(subnetID string, cidr netip.Prefix) error {
	return r.change(func(s *state) error {
		sub, ok := s.subnets.m[subnetID]
		if !ok {
			return kindSubnet.missing(subnetID)
		}
		if sub.IPv6CIDR.IsValid() {
			return fmt.Errorf("subnet %s has %s already", subnetID, sub.IPv6CIDR)
		}
		sub.IPv6CIDR = cidr
		if err := s.checkSubnetIPv6(sub); err != nil {
			return err
		}
		s.subnets.put(subnetID, sub)
		return nil
	})
}

func (s *state) checkSubnetIPv6(sub Subnet) error {
	if sub.IPv6CIDR == (netip.Prefix{}) {
		return nil
	}
	if err := CheckIPv6CIDR(sub.IPv6CIDR, LongestSubnetIPv6); err != nil {
		return fmt.Errorf("subnet %s: %w", sub.ID, err)
	}
	if vpc := s.vpcs.m[sub.VPCID].IPv6CIDR; !vpc.IsValid() || !vpc.Contains(sub.IPv6CIDR.Addr()) || sub.IPv6CIDR.Bits() < vpc.Bits() {
		return fmt.Errorf("subnet %s: %s lies outside of %s, the VPC's", sub.ID, sub.IPv6CIDR, vpc)
	}
	for _, o := range s.subnets.m {
		if o.ID != sub.ID && o.VPCID == sub.VPCID && o.IPv6CIDR.IsValid() && o.IPv6CIDR.Overlaps(sub.IPv6CIDR) {
			return fmt.Errorf("subnet %s: %s overlaps %s of %s", sub.ID, sub.IPv6CIDR, o.IPv6CIDR, o.ID)
		}
	}
	return nil
}

// AssignIPv6 gives a container instance an IPv6 address of its subnet, one that is free if ip is the zero Addr. Its agent
// uses it from its next start on.
func (r *Region) AssignIPv6(instanceARN string, ip netip.Addr) (netip.Addr, error) {
	err := r.change(func(s *state) error {
		i, ok := s.instances.m[instanceARN]
		if !ok {
			return fmt.Errorf("no container instance %s", instanceARN)
		}
		i.IPv6 = ip
		if err := s.placeIPv6(&i); err != nil {
			return err
		}
		if ip = i.IPv6; !ip.IsValid() {
			return fmt.Errorf("container instance: subnet %s has no IPv6", i.SubnetID)
		}
		i.Version++
		s.instances.put(instanceARN, i)
		return nil
	})
	return ip, err
}

// placeIPv6 gives an instance of a subnet with IPv6 an address, and refuses one that is not the subnet's.
func (s *state) placeIPv6(i *ContainerInstance) error {
	sub := s.subnets.m[i.SubnetID]
	switch {
	case i.IPv6.IsValid() && !sub.IPv6CIDR.Contains(i.IPv6):
		return fmt.Errorf("container instance: %s lies outside of the IPv6 CIDR block of subnet %s", i.IPv6, i.SubnetID)
	case !i.IPv6.IsValid() && sub.IPv6CIDR.IsValid():
		i.IPv6 = s.freeIPv6(sub)
	}
	return nil
}

// freeIPv6 is the first address of a subnet, from ::1000 on, that nothing has.
func (s *state) freeIPv6(sub Subnet) netip.Addr {
	bytes := sub.IPv6CIDR.Addr().As16()
	bytes[14] |= 0x10
	ip := netip.AddrFrom16(bytes)
	for s.taken(ip) {
		ip = ip.Next()
	}
	return ip
}

// freeIPv4 is the last address of a subnet that nothing has: people number their instances from the other end.
func (s *state) freeIPv4(sub Subnet) (netip.Addr, error) {
	bytes := sub.CIDR.Addr().As4()
	n := uint32(bytes[0])<<24 | uint32(bytes[1])<<16 | uint32(bytes[2])<<8 | uint32(bytes[3])
	n |= 1<<(32-sub.CIDR.Bits()) - 1
	last := netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}) // AWS keeps it for itself
	for ip := last.Prev(); sub.CIDR.Contains(ip); ip = ip.Prev() {
		if !s.taken(ip) {
			return ip, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("subnet %s has no free address", sub.ID)
}

// taken reports whether an instance or an interface has an address. It looks at all VPCs: the simulated network has one
// place for an address.
func (s *state) taken(ip netip.Addr) bool {
	for _, i := range s.instances.m {
		if i.PrivateIP == ip || i.IPv6 == ip {
			return true
		}
	}
	for _, e := range s.endpoints.m {
		for _, n := range e.Interfaces {
			if !e.removed && (n.PrivateIP == ip || n.IPv6 == ip) {
				return true
			}
		}
	}
	return false
}
