// SPDX-License-Identifier: Apache-2.0

package ownership_test

import (
	"fmt"
	"net/netip"
	"time"

	"pgregory.net/rapid"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
)

const (
	aclID     = "acl-0a1b2c3d4e5f60718"
	creating  = v1alpha1.RuleCreating
	installed = v1alpha1.RuleInstalled
	deleting  = v1alpha1.RuleDeleting
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// allowAll are the entries that a network ACL of a new VPC comes with.
var allowAll = []networkacl.Entry{
	allowOut(100, "0.0.0.0/0"), denyOut(networkacl.DefaultIPv4, "0.0.0.0/0"),
	ingress(allowOut(100, "0.0.0.0/0")), ingress(denyOut(networkacl.DefaultIPv4, "0.0.0.0/0")),
}

// Short forms for entries, lines and destinations.

func out(number int32, allow bool, cidr string) networkacl.Entry {
	return networkacl.Entry{
		Number: number, Egress: true, Allow: allow, Protocol: networkacl.AllProtocols, CIDR: netip.MustParsePrefix(cidr),
	}
}

func allowOut(number int32, cidr string) networkacl.Entry { return out(number, true, cidr) }
func denyOut(number int32, cidr string) networkacl.Entry  { return out(number, false, cidr) }

func tcp(e networkacl.Entry, from, to int32) networkacl.Entry {
	e.Protocol, e.PortRange = "6", &networkacl.PortRange{From: from, To: to}
	return e
}

func ingress(e networkacl.Entry) networkacl.Entry {
	e.Egress = false
	return e
}

func rule(number int32, cidr string, state v1alpha1.RuleState) v1alpha1.Rule {
	return v1alpha1.Rule{NetworkACLID: aclID, RuleNumber: number, CIDR: cidr, State: state}
}

func entryOf(r v1alpha1.Rule) networkacl.Entry {
	return networkacl.Deny(r.RuleNumber, netip.MustParsePrefix(r.CIDR))
}

// rangeGen draws ranges near one another, so that they often overlap.
func rangeGen() *rapid.Generator[netip.Prefix] {
	return rapid.Custom(func(t *rapid.T) netip.Prefix {
		narrower := rapid.SampledFrom([]int{0, 0, 0, 1, 2, 3, 4}).Draw(t, "host bits")
		last := rapid.IntRange(0, 15).Draw(t, "last")
		addr, bits := netip.AddrFrom4([4]byte{10, 0, 0, byte(last)}), 32
		if rapid.IntRange(0, 3).Draw(t, "family") == 0 {
			addr, bits = netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", last)), 128
		}
		return netip.PrefixFrom(addr, bits-narrower).Masked()
	})
}

// shuffled draws an order of values.
func shuffled[T any](t *rapid.T, in []T, label string) []T {
	if len(in) == 0 {
		return nil
	}
	return rapid.Permutation(in).Draw(t, label)
}
