// SPDX-License-Identifier: Apache-2.0

package acl

import (
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func entry(number int, egress bool, protocol int, allow bool, cidr string) Entry {
	return Entry{RuleNumber: number, Egress: egress, Protocol: protocol, Allow: allow, CIDR: netip.MustParsePrefix(cidr)}
}

func ports(e Entry, from, to int) Entry {
	e.From, e.To = from, to
	return e
}

func icmp(e Entry, typ, code int) Entry {
	e.Type, e.Code = typ, code
	return e
}

func TestAllows(t *testing.T) {
	const out, in = true, false
	const allow, deny = true, false
	last := []Entry{
		entry(DefaultRuleNumber, out, All, deny, "0.0.0.0/0"),
		entry(DefaultRuleNumber, in, All, deny, "0.0.0.0/0"),
	}
	https := Packet{Egress: out, Protocol: TCP, Remote: netip.MustParseAddr("52.119.223.69"), Port: 443}
	with := func(p Packet, change func(*Packet)) Packet {
		change(&p)
		return p
	}

	for name, tc := range map[string]struct {
		entries []Entry
		packet  Packet
		want    bool
	}{
		"no entries at all":            {nil, https, false},
		"only the default entries":     {last, https, false},
		"allow all":                    {append(last, entry(100, out, All, allow, "0.0.0.0/0")), https, true},
		"allow all of the other way":   {append(last, entry(100, in, All, allow, "0.0.0.0/0")), https, false},
		"smaller deny before allow":    {append(last, entry(100, out, All, allow, "0.0.0.0/0"), entry(80, out, All, deny, "52.119.223.69/32")), https, false},
		"larger deny comes too late":   {append(last, entry(100, out, All, allow, "0.0.0.0/0"), entry(110, out, All, deny, "52.119.223.69/32")), https, true},
		"deny of another address":      {append(last, entry(100, out, All, allow, "0.0.0.0/0"), entry(80, out, All, deny, "52.119.223.70/32")), https, true},
		"deny of the network around":   {append(last, entry(100, out, All, allow, "0.0.0.0/0"), entry(80, out, All, deny, "52.119.220.0/22")), https, false},
		"allow before the deny":        {append(last, entry(79, out, TCP, allow, "52.119.223.69/32"), entry(80, out, All, deny, "52.119.223.69/32")), with(https, func(p *Packet) { p.Protocol = UDP }), false},
		"allow of ports before deny":   {append(last, ports(entry(79, out, TCP, allow, "0.0.0.0/0"), 443, 443), entry(80, out, All, deny, "52.119.223.69/32")), https, true},
		"port below the range":         {append(last, ports(entry(79, out, TCP, allow, "0.0.0.0/0"), 444, 500)), https, false},
		"port at the end of the range": {append(last, ports(entry(79, out, TCP, allow, "0.0.0.0/0"), 400, 443)), https, true},
		"UDP rule, TCP packet":         {append(last, ports(entry(79, out, UDP, allow, "0.0.0.0/0"), 0, 65535)), https, false},
		"another protocol has no ports": {append(last, entry(10, out, 47, allow, "0.0.0.0/0")),
			with(https, func(p *Packet) { p.Protocol = 47 }), true},
		"ICMP type and code": {append(last, icmp(entry(10, out, ICMP, allow, "0.0.0.0/0"), 8, 0)),
			Packet{Egress: out, Protocol: ICMP, Remote: https.Remote, Type: 8, Code: 0}, true},
		"ICMP of another code": {append(last, icmp(entry(10, out, ICMP, allow, "0.0.0.0/0"), 3, 4)),
			Packet{Egress: out, Protocol: ICMP, Remote: https.Remote, Type: 3, Code: 1}, false},
		"ICMP of any code": {append(last, icmp(entry(10, out, ICMP, allow, "0.0.0.0/0"), 3, Any)),
			Packet{Egress: out, Protocol: ICMP, Remote: https.Remote, Type: 3, Code: 1}, true},
		"ICMP of another type": {append(last, icmp(entry(10, out, ICMP, allow, "0.0.0.0/0"), 3, Any)),
			Packet{Egress: out, Protocol: ICMP, Remote: https.Remote, Type: 8, Code: 0}, false},
		"ICMP of any type": {append(last, icmp(entry(10, out, ICMP, allow, "0.0.0.0/0"), Any, 1)),
			Packet{Egress: out, Protocol: ICMP, Remote: https.Remote, Type: 3, Code: 1}, true},
		"ICMPv6 type and code": {append(last, icmp(entry(10, out, ICMPv6, allow, "::/0"), 128, 0)),
			Packet{Egress: out, Protocol: ICMPv6, Remote: netip.MustParseAddr("2600:1f00::1"), Type: 128, Code: 0}, true},
		"ICMPv6 of another type": {append(last, icmp(entry(10, out, ICMPv6, allow, "::/0"), 128, 0)),
			Packet{Egress: out, Protocol: ICMPv6, Remote: netip.MustParseAddr("2600:1f00::1"), Type: 129, Code: 0}, false},
		"ICMPv6 over IPv4 has no types": {append(last, icmp(entry(10, out, ICMPv6, allow, "0.0.0.0/0"), 128, 0)),
			Packet{Egress: out, Protocol: ICMPv6, Remote: https.Remote, Type: 129, Code: 1}, true},
		"another protocol over IPv6 has no types": {append(last, icmp(entry(10, out, 47, allow, "::/0"), 128, 0)),
			Packet{Egress: out, Protocol: 47, Remote: netip.MustParseAddr("2600:1f00::1"), Type: 129}, true},
		"IPv4 rules say nothing about IPv6": {append(last, entry(100, out, All, allow, "0.0.0.0/0")),
			with(https, func(p *Packet) { p.Remote = netip.MustParseAddr("2600:1f00::1") }), false},
		"IPv6 deny before the allow": {append(last, entry(101, out, All, allow, "::/0"), entry(80, out, All, deny, "2600:1f00::1/128")),
			with(https, func(p *Packet) { p.Remote = netip.MustParseAddr("2600:1f00::1") }), false},
		"IPv6 deny says nothing about IPv4": {append(last, entry(100, out, All, allow, "0.0.0.0/0"), entry(80, out, All, deny, "::/0")), https, true},
		"IPv6 default entry":                {append(last, entry(DefaultIPv6RuleNumber, out, All, deny, "::/0")), with(https, func(p *Packet) { p.Remote = netip.MustParseAddr("2600:1f00::1") }), false},
		"IPv6 rule": {append(last, entry(101, out, All, allow, "::/0")),
			with(https, func(p *Packet) { p.Remote = netip.MustParseAddr("2600:1f00::1") }), true},
		"IPv4 in IPv6 clothes": {append(last, entry(100, out, All, allow, "0.0.0.0/0")),
			with(https, func(p *Packet) { p.Remote = netip.MustParseAddr("::ffff:52.119.223.69") }), true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Allows(slices.Clone(tc.entries), tc.packet); got != tc.want {
				t.Errorf("Allows = %v, want %v", got, tc.want)
			}
		})
	}
}

// The numbers are AWS's and IANA's: rules of people and programs hold them as such.
func TestNumbers(t *testing.T) {
	got := []int{All, Any, ICMP, TCP, UDP, ICMPv6, MaxRuleNumber, DefaultRuleNumber, DefaultIPv6RuleNumber}
	if want := []int{-1, -1, 1, 6, 17, 58, 32766, 32767, 32768}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestDefaultEntries(t *testing.T) {
	for number, want := range map[int]bool{1: false, 32766: false, 32767: true, 32768: true} {
		if got := entry(number, true, All, false, "0.0.0.0/0").Default(); got != want {
			t.Errorf("Default of rule %d = %v", number, got)
		}
	}
}

// The order in which entries are listed carries no meaning, and entries of the other direction never decide.
func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.IntRange(1, 200)
		entries := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) Entry {
			return entry(number.Draw(t, "number"), rapid.Bool().Draw(t, "egress"), rapid.SampledFrom([]int{All, TCP}).Draw(t, "protocol"),
				rapid.Bool().Draw(t, "allow"), rapid.SampledFrom([]string{"0.0.0.0/0", "10.0.0.0/8", "10.1.1.1/32"}).Draw(t, "cidr"))
		}), 0, 12, func(e Entry) [2]int {
			if e.Egress {
				return [2]int{e.RuleNumber, 1}
			}
			return [2]int{e.RuleNumber, 0}
		}).Draw(t, "entries")
		p := Packet{
			Egress: rapid.Bool().Draw(t, "egress"), Protocol: TCP, Port: 443,
			Remote: netip.MustParseAddr(rapid.SampledFrom([]string{"10.1.1.1", "10.2.2.2", "8.8.8.8"}).Draw(t, "remote")),
		}
		want := Allows(entries, p)
		if got := Allows(rapid.Permutation(entries).Draw(t, "shuffled"), p); got != want {
			t.Fatalf("shuffled: %v, want %v", got, want)
		}
		oneWay := slices.DeleteFunc(slices.Clone(entries), func(e Entry) bool { return e.Egress != p.Egress })
		if got := Allows(oneWay, p); got != want {
			t.Fatalf("entries of one direction only: %v, want %v", got, want)
		}
	})
}
