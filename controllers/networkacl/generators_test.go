// SPDX-License-Identifier: Apache-2.0

package networkacl_test

import (
	"net/netip"

	"pgregory.net/rapid"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	. "agentdisconnect.dev/agentdisconnect/controllers/networkacl/acltest"
)

// The ranges are few and close together, so that they meet: 16 addresses of each family.

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
			CIDR:     rapid.OneOf(wide, RangeGen()).Draw(t, "cidr"),
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

// worldGen gives a network ACL with foreign entries of all kinds, mostly one that allows everything, and a ledger whose
// lines are observed, not observed or displaced, in every state, desired or not, some of another network ACL.
func worldGen(desired []networkacl.Destination) *rapid.Generator[world] {
	return rapid.Custom(func(t *rapid.T) world {
		var w world
		if rapid.IntRange(0, 3).Draw(t, "allow all") > 0 {
			number := rapid.SampledFrom([]int32{100, 85, 120, 8}).Draw(t, "number")
			w.entries = append(w.entries, AllowOut(number, "0.0.0.0/0"), AllowOut(number+1, "::/0"), Ingress(AllowOut(number, "0.0.0.0/0")))
		}
		for _, e := range entriesGen(false).Draw(t, "entries") {
			w.add(e)
		}
		if rapid.Bool().Draw(t, "defaults listed") {
			for _, d := range []networkacl.Entry{DenyOut(networkacl.DefaultIPv4, "0.0.0.0/0"), DenyOut(networkacl.DefaultIPv6, "::/0")} {
				w.entries = append(w.entries, d, Ingress(d))
			}
		}
		w.ledger = rapid.SliceOfNDistinct(lineGen(desired), 0, 8, func(r v1alpha1.Rule) int32 { return r.RuleNumber }).Draw(t, "ledger")
		for i, r := range w.ledger {
			switch rapid.SampledFrom([]string{"observed", "not observed", "displaced", "elsewhere"}).Draw(t, "line") {
			case "observed": // if its number isn't taken: then the line is displaced
				w.add(EntryOf(r))
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
		cidr := RangeGen()
		if len(desired) > 0 && rapid.IntRange(0, 3).Draw(t, "stray") > 0 {
			cidr = rapid.Map(rapid.SampledFrom(desired), func(d networkacl.Destination) netip.Prefix { return d.CIDR })
		}
		states := []v1alpha1.RuleState{installed, creating, deleting}
		return Rule(rapid.Int32Range(76, 102).Draw(t, "number"), cidr.Draw(t, "cidr").String(), rapid.SampledFrom(states).Draw(t, "state"))
	})
}
