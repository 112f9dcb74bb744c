// SPDX-License-Identifier: Apache-2.0

package acltest

import (
	"fmt"
	"net/netip"
	"slices"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
)

// ACLID is the network ACL of the ledger lines.
const ACLID = "acl-0a1b2c3d4e5f60718"

// Everywhere is every IPv4 address.
const Everywhere = "0.0.0.0/0"

// AllowAll are the entries of a network ACL as a VPC comes with it.
var AllowAll = []networkacl.Entry{
	AllowOut(100, "0.0.0.0/0"), DenyOut(networkacl.DefaultIPv4, "0.0.0.0/0"),
	Ingress(AllowOut(100, "0.0.0.0/0")), Ingress(DenyOut(networkacl.DefaultIPv4, "0.0.0.0/0")),
}

// Out is an outbound entry for all traffic.
func Out(number int32, allow bool, cidr string) networkacl.Entry {
	return networkacl.Entry{Number: number, Egress: true, Allow: allow, Protocol: networkacl.AllProtocols, CIDR: netip.MustParsePrefix(cidr)}
}

// AllowOut is an outbound entry that allows all traffic.
func AllowOut(number int32, cidr string) networkacl.Entry { return Out(number, true, cidr) }

// DenyOut is one that denies it.
func DenyOut(number int32, cidr string) networkacl.Entry { return Out(number, false, cidr) }

// TCP is the entry for a range of TCP ports alone.
func TCP(e networkacl.Entry, from, to int32) networkacl.Entry {
	e.Protocol, e.PortRange = "6", &networkacl.PortRange{From: from, To: to}
	return e
}

// Ingress is the entry of the other direction.
func Ingress(e networkacl.Entry) networkacl.Entry {
	e.Egress = false
	return e
}

// Rule is a line of the ledger, on network ACL ACLID.
func Rule(number int32, cidr string, state v1alpha1.RuleState) v1alpha1.Rule {
	return v1alpha1.Rule{NetworkACLID: ACLID, RuleNumber: number, CIDR: cidr, State: state}
}

// Dest is a destination of a session, of which all traffic counts.
func Dest(session v1alpha1.EndpointSession, host, cidr string) networkacl.Destination {
	return networkacl.Destination{CIDR: netip.MustParsePrefix(cidr), Hostname: host, Session: session}
}

// To is the destination of all traffic to a range.
func To(prefix netip.Prefix) networkacl.Destination { return networkacl.Destination{CIDR: prefix} }

// Hosts gives n destinations of one session: 10.0.0.1/32, 10.0.0.2/32, …
func Hosts(session v1alpha1.EndpointSession, third, n int) []networkacl.Destination {
	var ds []networkacl.Destination
	for i := range n {
		ds = append(ds, Dest(session, "host-"+string(session), fmt.Sprintf("10.0.%d.%d/32", third, i+1)))
	}
	return ds
}

// Numbers are the numbers of ledger lines.
func Numbers(rules []v1alpha1.Rule) []int32 {
	var ns []int32
	for _, r := range rules {
		ns = append(ns, r.RuleNumber)
	}
	return ns
}

// EntryOf is the entry that a line stands for.
func EntryOf(r v1alpha1.Rule) networkacl.Entry {
	return networkacl.Deny(r.RuleNumber, netip.MustParsePrefix(r.CIDR))
}

// ICMP is the entry for a type and code of ICMP alone.
func ICMP(e networkacl.Entry, typ, code int32) networkacl.Entry {
	e.Protocol, e.ICMP = "1", &networkacl.ICMP{Type: typ, Code: code}
	return e
}

// With are AllowAll and further entries.
func With(entries ...networkacl.Entry) []networkacl.Entry { return slices.Concat(AllowAll, entries) }

// ForeignRun gives foreign entries at all numbers of a range.
func ForeignRun(from, to int32) []networkacl.Entry {
	var entries []networkacl.Entry
	for n := from; n <= to; n++ {
		entries = append(entries, DenyOut(n, "192.0.2.1/32"))
	}
	return entries
}

// Counted gives how many entries there are of the direction and family of e, without the default one.
func Counted(entries []networkacl.Entry, e networkacl.Entry) int {
	n := 0
	for _, o := range entries {
		if o.Egress == e.Egress && networkacl.FamilyOf(o.CIDR) == networkacl.FamilyOf(e.CIDR) && o.Number <= networkacl.LastNumber {
			n++
		}
	}
	return n
}

// Inbound gives entries as those of the other direction.
func Inbound(entries []networkacl.Entry) []networkacl.Entry {
	inbound := make([]networkacl.Entry, 0, len(entries))
	for _, entry := range entries {
		inbound = append(inbound, Ingress(entry))
	}
	return inbound
}
