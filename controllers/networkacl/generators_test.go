// SPDX-License-Identifier: Apache-2.0

package networkacl_test

import (
	"fmt"
	"net/netip"

	"pgregory.net/rapid"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
)

// The ranges are few and close together, so that they meet: 16 addresses of each family.

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

func entryGen(allTraffic bool) *rapid.Generator[networkacl.Entry] {
	return rapid.Custom(func(t *rapid.T) networkacl.Entry {
		wide := rapid.SampledFrom([]netip.Prefix{
			netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0"), netip.MustParsePrefix("10.0.0.0/24"),
		})
		e := networkacl.Entry{
			Number:   rapid.OneOf(rapid.Int32Range(1, 12), rapid.Int32Range(78, 102), rapid.Int32Range(1, networkacl.LastNumber)).Draw(t, "number"),
			Egress:   rapid.IntRange(0, 4).Draw(t, "ingress") > 0,
			Allow:    rapid.Bool().Draw(t, "allow"),
			Protocol: networkacl.AllProtocols,
			CIDR:     rapid.OneOf(wide, rangeGen()).Draw(t, "cidr"),
		}
		if !allTraffic && rapid.Bool().Draw(t, "narrow") {
			e.Protocol = rapid.SampledFrom([]string{"6", "17", "47"}).Draw(t, "protocol")
			if e.Protocol != "47" && rapid.Bool().Draw(t, "ports") {
				e.PortRange = &networkacl.PortRange{From: 443, To: rapid.SampledFrom([]int32{443, 65535}).Draw(t, "to")}
			}
		}
		return e
	})
}

func entriesGen(allTraffic bool) *rapid.Generator[[]networkacl.Entry] {
	type place struct {
		number int32
		egress bool
	}
	return rapid.SliceOfNDistinct(entryGen(allTraffic), 0, 14, func(e networkacl.Entry) place { return place{e.Number, e.Egress} })
}

func trafficGen() *rapid.Generator[networkacl.Traffic] {
	return rapid.SampledFrom([]networkacl.Traffic{{}, networkacl.HTTPS, networkacl.HTTPS})
}

func desiredGen(least int) *rapid.Generator[[]networkacl.Destination] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) networkacl.Destination {
		cidr := rangeGen().Draw(t, "cidr")
		var traffic networkacl.Traffic // of a range of the spec all of it counts
		if cidr.IsSingleIP() {
			traffic = trafficGen().Draw(t, "traffic")
		}
		return networkacl.Destination{
			CIDR:     cidr,
			Traffic:  traffic,
			Hostname: rapid.SampledFrom([]string{"", "a.example", "b.example"}).Draw(t, "host"),
			Session: rapid.SampledFrom([]v1alpha1.EndpointSession{
				v1alpha1.EndpointACS, v1alpha1.EndpointTCS, v1alpha1.EndpointAdditional,
			}).Draw(t, "session"),
		}
	}), least, 14)
}

// worldGen gives a network ACL with foreign entries of all kinds, mostly one that allows everything, and a ledger whose
// lines are observed, not observed or displaced, in every state, desired or not, some of another network ACL.
func worldGen(desired []networkacl.Destination) *rapid.Generator[world] {
	return rapid.Custom(func(t *rapid.T) world {
		var w world
		if rapid.IntRange(0, 3).Draw(t, "allow all") > 0 {
			number := rapid.SampledFrom([]int32{100, 85, 120, 8}).Draw(t, "number")
			w.entries = append(w.entries, allowOut(number, "0.0.0.0/0"), allowOut(number+1, "::/0"), ingress(allowOut(number, "0.0.0.0/0")))
		}
		for _, e := range entriesGen(false).Draw(t, "entries") {
			w.add(e)
		}
		if rapid.Bool().Draw(t, "defaults listed") {
			for _, d := range []networkacl.Entry{denyOut(networkacl.DefaultIPv4, "0.0.0.0/0"), denyOut(networkacl.DefaultIPv6, "::/0")} {
				w.entries = append(w.entries, d, ingress(d))
			}
		}
		w.ledger = rapid.SliceOfNDistinct(lineGen(desired), 0, 8, func(r v1alpha1.Rule) int32 { return r.RuleNumber }).Draw(t, "ledger")
		for i, r := range w.ledger {
			switch rapid.SampledFrom([]string{"observed", "not observed", "displaced", "elsewhere"}).Draw(t, "line") {
			case "observed": // if its number isn't taken: then the line is displaced
				w.add(entryOf(r))
			case "displaced":
				e := entryGen(false).Draw(t, "in its place")
				e.Number, e.Egress = r.RuleNumber, true
				w.add(e)
			case "elsewhere":
				w.ledger[i].NetworkACLID = "acl-00000000"
			}
		}
		return w
	})
}

func lineGen(desired []networkacl.Destination) *rapid.Generator[v1alpha1.Rule] {
	return rapid.Custom(func(t *rapid.T) v1alpha1.Rule {
		cidr := rangeGen()
		if len(desired) > 0 && rapid.IntRange(0, 3).Draw(t, "stray") > 0 {
			cidr = rapid.Map(rapid.SampledFrom(desired), func(d networkacl.Destination) netip.Prefix { return d.CIDR })
		}
		states := []v1alpha1.RuleState{installed, creating, deleting}
		return rule(rapid.Int32Range(76, 102).Draw(t, "number"), cidr.Draw(t, "cidr").String(), rapid.SampledFrom(states).Draw(t, "state"))
	})
}
