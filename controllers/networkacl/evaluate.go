// SPDX-License-Identifier: Apache-2.0

package networkacl

import (
	"cmp"
	"net/netip"
	"slices"
)

// Verdict is what a network ACL does with traffic that leaves for a destination.
type Verdict struct {
	// Denied is true when none of the traffic to any address of the range gets out.
	Denied bool
	// Entry decides: the deny that leaves nothing of the range over, or the first entry that allows
	// some of the traffic. Where the default entry decides, it is here whether it was listed or
	// not.
	Entry Entry
}

// Evaluate walks the outbound entries as AWS does, the smallest number first, and judges a whole
// range of addresses.
//
// It is exact about addresses: several denies may cover the range together, and an allow counts
// only for addresses that no earlier deny took. It is exact about traffic of one port, and strict
// about all traffic: then only a deny for every protocol and port covers an address, and an allow
// for any of it counts. So a run never claims an address as denied while something that counts may
// get out.
//
// A range that is not valid is not denied.
func Evaluate(entries []Entry, d Destination) Verdict {
	if !d.CIDR.IsValid() {
		return Verdict{}
	}

	undecided := []netip.Prefix{d.CIDR.Masked()}
	for _, e := range outbound(entries) {
		switch {
		case e.Allow && e.matchesSome(d.Traffic) && slices.ContainsFunc(undecided, e.CIDR.Overlaps):
			return Verdict{Entry: e}
		case !e.Allow && e.matchesAll(d.Traffic):
			undecided = subtract(undecided, e.CIDR)
		}
		if len(undecided) == 0 {
			return Verdict{Denied: true, Entry: e}
		}
	}
	return Verdict{Denied: true, Entry: defaultEntry(FamilyOf(d.CIDR))}
}

// Denied reports whether all traffic to a destination that counts is denied before any entry allows
// some of it. By is the number of the entry that completes it, which is DefaultIPv4 or DefaultIPv6
// where no other entry matches.
func Denied(entries []Entry, d Destination) (by int32, ok bool) {
	v := Evaluate(entries, d)
	if !v.Denied {
		return 0, false
	}
	return v.Entry.Number, true
}

// FirstAllow gives the smallest-numbered outbound entry that allows any traffic to a destination
// that counts. An entry whose part of the range is denied before its turn allows nothing of it.
func FirstAllow(entries []Entry, d Destination) (Entry, bool) {
	v := Evaluate(entries, d)
	if v.Denied || !d.CIDR.IsValid() {
		return Entry{}, false
	}
	return v.Entry, true
}

// outbound gives the entries for traffic that leaves, without the defaults, in the order of
// evaluation.
func outbound(entries []Entry) []Entry {
	out := make([]Entry, 0, len(entries))
	for _, e := range entries {
		if e.Egress && !e.IsDefault() {
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, func(a, b Entry) int { return cmp.Compare(a.Number, b.Number) })
	return out
}

func defaultEntry(family Family) Entry {
	if family == IPv4 {
		return Deny(DefaultIPv4, netip.PrefixFrom(netip.IPv4Unspecified(), 0))
	}
	return Deny(DefaultIPv6, netip.PrefixFrom(netip.IPv6Unspecified(), 0))
}

// subtract gives what is left of the ranges without those in cut. Two ranges that overlap are one
// inside the other.
func subtract(ranges []netip.Prefix, cut netip.Prefix) []netip.Prefix {
	var left []netip.Prefix
	for _, r := range ranges {
		if !r.Overlaps(cut) {
			left = append(left, r)
			continue
		}
		// Halve the range again and again; the half that cut is not in is left over.
		for bits := r.Bits() + 1; bits <= cut.Bits(); bits++ {
			left = append(left, otherHalf(cut.Addr(), bits))
		}
	}
	return left
}

// otherHalf gives the range of that many bits which makes a whole with the one that holds the
// address.
func otherHalf(addr netip.Addr, bits int) netip.Prefix {
	raw := addr.AsSlice()
	raw[(bits-1)/8] ^= 0x80 >> ((bits - 1) % 8)
	other, _ := netip.AddrFromSlice(raw)
	return netip.PrefixFrom(other, bits).Masked()
}
