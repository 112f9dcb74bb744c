// SPDX-License-Identifier: Apache-2.0

package networkacl

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
)

// Packet stands for all packets that some sets of entries can't tell apart.
type Packet struct {
	egress   bool
	protocol string
	remote   netip.Addr
	port     int32
	icmp     ICMP
}

// matches reports whether AWS judges the packet by the entry.
func (e Entry) matches(p Packet) bool {
	if e.Egress != p.egress || !e.CIDR.Contains(p.remote) {
		return false
	}
	if e.Protocol == AllProtocols {
		return true
	}
	return e.Protocol == p.protocol &&
		(e.PortRange == nil || IsInRange(p.port, e.PortRange.From, e.PortRange.To)) &&
		(e.ICMP == nil || isAnyOr(e.ICMP.Type, p.icmp.Type) && isAnyOr(e.ICMP.Code, p.icmp.Code))
}

// isAnyOr reports whether a type or code of ICMP is -1, which is all of them, or the given one.
func isAnyOr(want, is int32) bool { return want == -1 || want == is }

// Table is a set of entries in the order in which AWS asks them.
type Table []Entry

// TableOf gives the entries as a table.
func TableOf(entries []Entry) Table {
	return slices.SortedStableFunc(slices.Values(entries), func(a, b Entry) int { return cmp.Compare(a.Number, b.Number) })
}

// Allows reports what becomes of a packet: the first entry that matches decides, and without one it
// is denied.
func (t Table) Allows(p Packet) bool {
	for _, e := range t {
		if e.matches(p) {
			return e.Allow
		}
	}
	return false
}

// PacketsOf gives a packet for each kind of traffic that any of the entries tells from others: two
// sets of them treat all traffic alike if they treat these packets alike.
func PacketsOf(sets ...[]Entry) []Packet {
	var packets []Packet
	all := slices.Concat(sets...)
	for _, egress := range []bool{true, false} {
		for _, family := range []Family{IPv4, IPv6} {
			some := slices.DeleteFunc(slices.Clone(all), func(e Entry) bool { return e.Egress != egress || FamilyOf(e.CIDR) != family })
			shapes := shapesOf(some)
			for _, remote := range addressesOf(some, family) {
				for _, shape := range shapes {
					shape.egress, shape.remote = egress, remote
					packets = append(packets, shape)
				}
			}
		}
	}
	return packets
}

// addressesOf gives an address of each range of the entries that is in no narrower one, and one
// that is in none at all.
func addressesOf(entries []Entry, family Family) []netip.Addr {
	ranges := []netip.Prefix{defaultEntry(family).CIDR}
	for _, e := range entries {
		ranges = append(ranges, e.CIDR)
	}

	slices.SortFunc(ranges, netip.Prefix.Compare)
	ranges = slices.Compact(ranges)

	var addresses []netip.Addr
	for _, outer := range ranges {
		left := []netip.Prefix{outer}
		for _, inner := range ranges {
			if inner.Bits() > outer.Bits() && outer.Contains(inner.Addr()) {
				left = subtract(left, inner)
			}
		}
		if len(left) > 0 {
			addresses = append(addresses, left[0].Addr())
		}
	}
	return addresses
}

// shapesOf gives each kind of traffic to one address that the entries tell from others: of each
// protocol that one names, and of one that none names.
func shapesOf(entries []Entry) []Packet {
	named := map[string][]Entry{}
	for _, e := range entries {
		if e.Protocol != AllProtocols {
			named[e.Protocol] = append(named[e.Protocol], e)
		}
	}

	var shapes []Packet
	for protocol, some := range named {
		shapes = append(shapes, shapesOfProtocol(protocol, some)...)
	}

	for number := range 256 {
		if protocol := strconv.Itoa(number); named[protocol] == nil {
			return append(shapes, Packet{protocol: protocol})
		}
	}
	return shapes
}

// shapesOfProtocol gives the smallest port of each range that the bounds of the entries cut all
// ports into, or each type and code of ICMP that one names, and one that none names.
func shapesOfProtocol(protocol string, entries []Entry) []Packet {
	ports, types, codes := []int32{0}, []int32(nil), []int32(nil)
	for _, e := range entries {
		if e.PortRange != nil {
			ports = append(ports, e.PortRange.From, e.PortRange.To+1)
		}
		if e.ICMP != nil {
			types, codes = append(types, e.ICMP.Type), append(codes, e.ICMP.Code)
		}
	}

	slices.Sort(ports)
	var shapes []Packet
	for _, port := range slices.Compact(ports) {
		for _, typ := range andAnother(types) {
			for _, code := range andAnother(codes) {
				shapes = append(shapes, Packet{protocol: protocol, port: port, icmp: ICMP{Type: typ, Code: code}})
			}
		}
	}
	return shapes
}

// andAnother gives the numbers without -1 and without repeats, and one that is not among them.
func andAnother(numbers []int32) []int32 {
	numbers = slices.DeleteFunc(slices.Clone(numbers), func(n int32) bool { return n < 0 })
	slices.Sort(numbers)
	numbers = slices.Compact(numbers)
	other := int32(0)
	for slices.Contains(numbers, other) {
		other++
	}
	return append(numbers, other)
}

// Covers reports whether the entry matches all that another one matches.
func (e Entry) Covers(o Entry) bool {
	if e.Egress != o.Egress || FamilyOf(e.CIDR) != FamilyOf(o.CIDR) || e.CIDR.Bits() > o.CIDR.Bits() || !e.CIDR.Contains(o.CIDR.Addr()) {
		return false
	}
	if e.Protocol == AllProtocols {
		return true
	}
	ports := e.allPorts() || o.PortRange != nil && e.PortRange.From <= o.PortRange.From && o.PortRange.To <= e.PortRange.To
	icmp := e.ICMP == nil || o.ICMP != nil && isAnyOr(e.ICMP.Type, o.ICMP.Type) && isAnyOr(e.ICMP.Code, o.ICMP.Code)
	return e.Protocol == o.Protocol && ports && icmp
}

// Change is what a step from one set of entries to another does to traffic.
type Change struct {
	// Opens is true where some traffic is denied before and allowed after, Closes where it is the
	// other way round.
	Opens, Closes bool
}

// ChangeOf compares what two sets of entries do with all traffic, in both directions.
func ChangeOf(before, after []Entry) Change {
	var change Change
	was, is := TableOf(before), TableOf(after)
	for _, p := range PacketsOf(before, after) {
		switch allowed, allows := was.Allows(p), is.Allows(p); {
		case allows && !allowed:
			change.Opens = true
		case allowed && !allows:
			change.Closes = true
		}
	}
	return change
}

// LetsOut reports whether the entries allow traffic that a run would deny: TCP 443 to an agent's
// host, any to a range of the spec.
func LetsOut(entries []Entry, to Destination) bool {
	if to.Hostname == "" {
		_, denied := Denied(entries, to)
		return !denied
	}
	// The address itself is an entry here, so that it is told from the ranges that it is in.
	shape := Entry{Egress: true, Protocol: "6", CIDR: to.CIDR, PortRange: &PortRange{From: 443, To: 443}}
	judged := TableOf(entries)
	return slices.ContainsFunc(PacketsOf(append(slices.Clone(entries), shape)), func(p Packet) bool {
		return shape.matches(p) && judged.Allows(p)
	})
}
