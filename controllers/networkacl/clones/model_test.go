// SPDX-License-Identifier: Apache-2.0

package clones_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"pgregory.net/rapid"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	. "agentdisconnect.dev/agentdisconnect/controllers/networkacl/acltest"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/clones"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
)

const (
	acs       = v1alpha1.EndpointACS
	tcs       = v1alpha1.EndpointTCS
	creating  = v1alpha1.RuleCreating
	installed = v1alpha1.RuleInstalled
	deleting  = v1alpha1.RuleDeleting
)

// verdict judges one packet by the entries, written apart from the code under test and from the simulator.
func verdict(entries []networkacl.Entry, p acl.Packet) bool {
	ordered := slices.SortedFunc(slices.Values(entries), func(a, b networkacl.Entry) int { return int(a.Number - b.Number) })
	for _, e := range ordered {
		if e.Egress != p.Egress || !e.CIDR.Contains(p.Remote) {
			continue
		}
		if e.Protocol != "-1" {
			if e.Protocol != strconv.Itoa(p.Protocol) {
				continue
			}
			if r := e.PortRange; r != nil && (p.Port < int(r.From) || p.Port > int(r.To)) {
				continue
			}
			if i := e.ICMP; i != nil && (i.Type != -1 && p.Type != int(i.Type) || i.Code != -1 && p.Code != int(i.Code)) {
				continue
			}
		}
		return e.Allow
	}
	return false
}

// simulated gives the entries as the simulator has them.
func simulated(entries []networkacl.Entry) []acl.Entry {
	var out []acl.Entry
	for _, e := range entries {
		protocol, err := strconv.Atoi(e.Protocol)
		if err != nil {
			panic(err)
		}
		s := acl.Entry{RuleNumber: int(e.Number), Egress: e.Egress, Protocol: protocol, Allow: e.Allow, CIDR: e.CIDR}
		if e.PortRange != nil {
			s.From, s.To = int(e.PortRange.From), int(e.PortRange.To)
		}
		if e.ICMP != nil {
			s.Type, s.Code = int(e.ICMP.Type), int(e.ICMP.Code)
		}
		out = append(out, s)
	}
	return out
}

func packetGen() *rapid.Generator[acl.Packet] {
	return rapid.Custom(func(t *rapid.T) acl.Packet {
		remote := rapid.SampledFrom([]string{"10.0.0.%d", "10.0.0.%d", "198.51.100.%d", "2001:db8::%x", "2001:db8:1::%x"}).Draw(t, "network")
		return acl.Packet{
			Egress:   rapid.IntRange(0, 3).Draw(t, "in") > 0,
			Protocol: rapid.SampledFrom([]int{6, 6, 17, 47, 1, 58}).Draw(t, "protocol"),
			Remote:   netip.MustParseAddr(fmt.Sprintf(remote, rapid.IntRange(0, 15).Draw(t, "last"))),
			Port:     rapid.SampledFrom([]int{0, 22, 443, 5000, 65535}).Draw(t, "port"),
			Type:     rapid.SampledFrom([]int{0, 3, 8, 128}).Draw(t, "type"),
			Code:     rapid.IntRange(0, 2).Draw(t, "code"),
		}
	})
}

// copiedGen gives entries of every kind as AWS reports them: ports with TCP and UDP, types with ICMP.
func copiedGen(number *rapid.Generator[int32]) *rapid.Generator[networkacl.Entry] {
	return rapid.Custom(func(t *rapid.T) networkacl.Entry {
		wide := rapid.SampledFrom([]netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")})
		e := networkacl.Entry{
			Number:   number.Draw(t, "number"),
			Egress:   rapid.IntRange(0, 3).Draw(t, "in") > 0,
			Allow:    rapid.Bool().Draw(t, "allow"),
			Protocol: rapid.SampledFrom([]string{"-1", "-1", "6", "17", "1", "47", "58"}).Draw(t, "protocol"),
			CIDR:     rapid.OneOf(wide, RangeGen()).Draw(t, "cidr"),
		}
		switch {
		case e.Protocol == "6" || e.Protocol == "17":
			from := rapid.SampledFrom([]int32{0, 22, 443}).Draw(t, "from")
			e.PortRange = &networkacl.PortRange{From: from, To: rapid.SampledFrom([]int32{from, 5000, 65535}).Draw(t, "to")}
		case e.Protocol == "1", e.Protocol == "58" && e.CIDR.Addr().Is6():
			e.ICMP = &networkacl.ICMP{
				Type: rapid.SampledFrom([]int32{-1, 0, 3, 8, 128}).Draw(t, "type"), Code: rapid.Int32Range(-1, 2).Draw(t, "code"),
			}
		}
		return e
	})
}

// numberGen gives numbers that leave room in front, or don't, or leave none at the end either.
func numberGen(t *rapid.T) *rapid.Generator[int32] {
	return rapid.SampledFrom([]*rapid.Generator[int32]{
		rapid.Int32Range(1, 40),
		rapid.Int32Range(60, 140),
		rapid.Int32Range(32700, networkacl.LastNumber),
		rapid.OneOf(rapid.Int32Range(1, 30), rapid.Int32Range(32740, networkacl.LastNumber)),
		rapid.Int32Range(1, networkacl.LastNumber),
	}).Draw(t, "numbers")
}

// originalGen gives a network ACL that holds up to its quota, with its default entries.
func originalGen(quota int) *rapid.Generator[[]networkacl.Entry] {
	return rapid.Custom(func(t *rapid.T) []networkacl.Entry {
		entry := copiedGen(numberGen(t))
		var entries []networkacl.Entry
		if rapid.Bool().Draw(t, "allow at 1") {
			entries = append(entries, AllowOut(1, "0.0.0.0/0"), AllowOut(2, "::/0"), Ingress(AllowOut(1, "0.0.0.0/0")))
		}
		least := rapid.SampledFrom([]int{0, 0, 2 * quota}).Draw(t, "least") // the latter fills it
		for _, e := range rapid.SliceOfN(entry, least, 3*quota).Draw(t, "entries") {
			if Counted(entries, e)+1 < quota {
				entries = put(entries, e, false)
			}
		}
		for _, d := range []networkacl.Entry{DenyOut(networkacl.DefaultIPv4, "0.0.0.0/0"), DenyOut(networkacl.DefaultIPv6, "::/0")} {
			entries = append(entries, d, Ingress(d))
		}
		return entries
	})
}

// put adds an entry, or replaces the one that is in its place.
func put(entries []networkacl.Entry, e networkacl.Entry, replace bool) []networkacl.Entry {
	i := slices.IndexFunc(entries, func(o networkacl.Entry) bool { return o.Egress == e.Egress && o.Number == e.Number })
	switch {
	case i < 0:
		return append(slices.Clone(entries), e)
	case replace:
		entries = slices.Clone(entries)
		entries[i] = e
	}
	return entries
}

func without(entries []networkacl.Entry, e networkacl.Entry) []networkacl.Entry {
	return slices.DeleteFunc(slices.Clone(entries), e.Equal)
}

// cloned is a clone at work: what AWS has, and what the status says of it.
type cloned struct {
	copies  []clones.Copy
	rules   []v1alpha1.Rule
	entries []networkacl.Entry
}

// build makes the clone of a plan, as AWS would: it begins with the default entries.
func build(plan clones.Plan) cloned {
	c := cloned{copies: plan.Copies, entries: []networkacl.Entry{
		DenyOut(networkacl.DefaultIPv4, "0.0.0.0/0"), Ingress(DenyOut(networkacl.DefaultIPv4, "0.0.0.0/0")),
	}}
	for _, r := range plan.Rules {
		c.install(r)
	}
	create, _, _ := clones.CopySteps(plan.Copies, c.rules, c.entries)
	c.entries = append(c.entries, create...)
	return c
}

func (c *cloned) install(r v1alpha1.Rule) {
	r.NetworkACLID, r.State = ACLID, installed
	c.rules = append(c.rules, r)
	c.entries = append(c.entries, EntryOf(r))
}
