// SPDX-License-Identifier: Apache-2.0

package acl

import "net/netip"

// Protocol numbers that network ACLs treat specially.
const (
	All    = -1
	ICMP   = 1
	TCP    = 6
	UDP    = 17
	ICMPv6 = 58
)

// Rule numbers that Amazon VPC reserves. Callers choose numbers from 1 to MaxRuleNumber; the last entry of each
// direction and family is the one that the console shows as "*", and it can't be changed.
const (
	MaxRuleNumber     = 32766
	DefaultRuleNumber = 32767
	// DefaultIPv6RuleNumber is the one for IPv6, which only the ACLs of VPCs with IPv6 have.
	DefaultIPv6RuleNumber = 32768
)

// Any matches every ICMP type or code.
const Any = -1

// Entry is one rule. From and To hold the destination ports for TCP and UDP, Type and Code the ICMP type and code for
// ICMP; for other protocols they mean nothing.
type Entry struct {
	RuleNumber int
	Egress     bool
	Protocol   int
	Allow      bool
	CIDR       netip.Prefix
	From, To   int
	Type, Code int
}

// HasPorts reports whether the entry's port range counts.
func (e Entry) HasPorts() bool { return e.Protocol == TCP || e.Protocol == UDP }

// HasICMP reports whether the entry's ICMP type and code count. Protocol 58 takes them with an IPv6 CIDR alone: with
// an IPv4 CIDR it matches all types and codes.
func (e Entry) HasICMP() bool {
	return e.Protocol == ICMP || e.Protocol == ICMPv6 && e.CIDR.Addr().Is6()
}

// Default reports whether the entry is the "*" entry that every direction ends with.
func (e Entry) Default() bool { return e.RuleNumber > MaxRuleNumber }

// Packet is what a network ACL looks at when a packet leaves (Egress) or enters a subnet. Remote is the address
// outside the subnet, Port the destination port in either direction.
type Packet struct {
	Egress     bool
	Protocol   int
	Remote     netip.Addr
	Port       int
	Type, Code int
}

// Allows reports whether the entries let the packet pass. Their order in the slice doesn't matter.
func Allows(entries []Entry, p Packet) bool {
	var first *Entry
	for i := range entries {
		e := &entries[i]
		if e.matches(p) && (first == nil || e.RuleNumber < first.RuleNumber) {
			first = e
		}
	}
	return first != nil && first.Allow
}

func (e Entry) matches(p Packet) bool {
	if e.Egress != p.Egress || !e.CIDR.Contains(p.Remote.Unmap()) {
		return false
	}
	if e.Protocol == All {
		return true
	}
	if e.Protocol != p.Protocol {
		return false
	}
	if e.HasPorts() {
		return e.From <= p.Port && p.Port <= e.To
	}
	if e.HasICMP() {
		return (e.Type == Any || e.Type == p.Type) && (e.Code == Any || e.Code == p.Code)
	}
	return true
}
