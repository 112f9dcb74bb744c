// SPDX-License-Identifier: Apache-2.0

package networkacl

import (
	"cmp"
	"fmt"
	"net/netip"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// Numbers of entries.
const (
	// FirstNumber is the smallest number that an entry can have.
	FirstNumber int32 = 1
	// LastNumber is the largest number that an entry can have.
	LastNumber int32 = 32766
	// DefaultIPv4 is the number of the IPv4 entry (* in the console) that denies what no other
	// entry matches.
	DefaultIPv4 int32 = 32767
	// DefaultIPv6 is the number of its IPv6 counterpart.
	DefaultIPv6 int32 = 32768
)

// AllProtocols is the protocol of an entry that matches all traffic, on every port.
const AllProtocols = "-1"

// Entry is one entry of a network ACL, as AWS reports it.
type Entry struct {
	// Number is the entry's place: 1 to 32766, the smallest is evaluated first. 32767 and 32768 are
	// the defaults.
	Number int32
	// Egress is true for traffic that leaves the subnet, false for traffic that enters it.
	Egress bool
	// Allow is true for an entry that allows, false for one that denies.
	Allow bool
	// Protocol is a protocol number: "-1" all, "6" TCP, "17" UDP, "1" ICMP, "58" ICMPv6, …
	Protocol string
	// CIDR is the range that the entry matches, masked: of destinations where Egress is true, else
	// of sources.
	CIDR netip.Prefix
	// PortRange is nil where the entry matches all ports, or the protocol has none.
	PortRange *PortRange
	// ICMP is nil where the protocol is not ICMP.
	ICMP *ICMP
}

// PortRange is a range of ports, both ends included.
type PortRange struct{ From, To int32 }

// ICMP is a type and code of ICMP or ICMPv6; -1 is all of them.
type ICMP struct{ Type, Code int32 }

// Destination is what a run wants denied.
type Destination struct {
	// CIDR is an address as a /32 or /128, or a range of the spec.
	CIDR netip.Prefix
	// Hostname is the host that the address belongs to: "" for a range of the spec.
	Hostname string
	// Session is what the host serves.
	Session v1alpha1.EndpointSession
	// Traffic is what counts of the traffic there: only an entry that allows some of it is in the
	// way of a rule, and one that denies all of it makes a rule needless. Our own rules deny all
	// traffic.
	Traffic Traffic
}

// String describes the destination for messages.
func (d Destination) String() string {
	if d.Hostname == "" {
		return d.CIDR.String()
	}
	return fmt.Sprintf("%s (%s)", d.CIDR, d.Hostname)
}

// compare orders destinations: ACS, TCS, Additional; then by host; then by range, the wider first.
func (d Destination) compare(o Destination) int {
	return cmp.Or(
		cmp.Compare(sessionRank(d.Session), sessionRank(o.Session)),
		cmp.Compare(d.Hostname, o.Hostname),
		d.CIDR.Compare(o.CIDR),
	)
}

func sessionRank(s v1alpha1.EndpointSession) int {
	switch s {
	case v1alpha1.EndpointACS:
		return 0
	case v1alpha1.EndpointTCS:
		return 1
	default:
		return 2
	}
}

// Deny is the entry that denies a destination: outbound, deny, all traffic. It is the only shape
// that we ever make.
func Deny(number int32, cidr netip.Prefix) Entry {
	return Entry{Number: number, Egress: true, Protocol: AllProtocols, CIDR: cidr.Masked()}
}

// Equal compares the whole entry, number and direction included.
func (e Entry) Equal(o Entry) bool {
	return e.Number == o.Number && e.Egress == o.Egress && e.Allow == o.Allow && e.Protocol == o.Protocol &&
		e.CIDR == o.CIDR && samePointee(e.PortRange, o.PortRange) && samePointee(e.ICMP, o.ICMP)
}

func samePointee[T comparable](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// String describes the entry for messages: "rule 100: allow all traffic out to 0.0.0.0/0".
func (e Entry) String() string {
	action := "deny"
	if e.Allow {
		action = "allow"
	}
	return fmt.Sprintf("rule %d: %s %s", e.Number, action, e.traffic())
}

// traffic describes what the entry matches: "all traffic out to 0.0.0.0/0".
func (e Entry) traffic() string {
	direction := "in from"
	if e.Egress {
		direction = "out to"
	}
	return fmt.Sprintf("%s %s %s", e.protocol(), direction, e.CIDR)
}

func (e Entry) protocol() string {
	name := "protocol " + e.Protocol
	switch e.Protocol {
	case AllProtocols:
		return "all traffic"
	case "6":
		name = "TCP"
	case "17":
		name = "UDP"
	case "1":
		name = "ICMP"
	case "58":
		name = "ICMPv6"
	}

	switch {
	case e.PortRange != nil && !e.allPorts():
		if e.PortRange.From == e.PortRange.To {
			return fmt.Sprintf("%s port %d", name, e.PortRange.From)
		}
		return fmt.Sprintf("%s ports %d to %d", name, e.PortRange.From, e.PortRange.To)
	case e.ICMP != nil && e.ICMP.Type != -1 && e.ICMP.Code != -1:
		return fmt.Sprintf("%s type %d code %d", name, e.ICMP.Type, e.ICMP.Code)
	case e.ICMP != nil && e.ICMP.Type != -1:
		return fmt.Sprintf("%s type %d", name, e.ICMP.Type)
	}
	return "all " + name + " traffic"
}

func (e Entry) allPorts() bool {
	return e.PortRange == nil || *e.PortRange == PortRange{From: 0, To: 65535}
}

// Line is the entry on one line of a fixed form, all of it: "egress 100 allow 6 0.0.0.0/0 ports
// 443-443". ICMP has "icmp TYPE/CODE" in place of ports.
func (e Entry) Line() string {
	direction, action := "ingress", "deny"
	if e.Egress {
		direction = "egress"
	}

	if e.Allow {
		action = "allow"
	}

	line := fmt.Sprintf("%s %d %s %s %s", direction, e.Number, action, e.Protocol, e.CIDR)
	if e.PortRange != nil {
		line += fmt.Sprintf(" ports %d-%d", e.PortRange.From, e.PortRange.To)
	}

	if e.ICMP != nil {
		line += fmt.Sprintf(" icmp %d/%d", e.ICMP.Type, e.ICMP.Code)
	}
	return line
}

// IsDefault tells the entries that AWS puts at the end of every network ACL: they deny and can't be
// changed.
func (e Entry) IsDefault() bool { return e.Number > LastNumber }

// Family is an address family. AWS counts the entries of each apart, and gives both numbers out of
// one range.
type Family string

// The address families.
const (
	IPv4 Family = "IPv4"
	IPv6 Family = "IPv6"
)

// FamilyOf is the address family of a range.
func FamilyOf(prefix netip.Prefix) Family {
	if prefix.Addr().Is4() {
		return IPv4
	}
	return IPv6
}
