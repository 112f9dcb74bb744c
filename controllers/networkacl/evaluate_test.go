// SPDX-License-Identifier: Apache-2.0

package networkacl_test

import (
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	. "agentdisconnect.dev/agentdisconnect/controllers/networkacl/acltest"
)

func TestEvaluate(t *testing.T) {
	denyTCP := TCP(DenyOut(50, "10.0.0.0/24"), 0, 65535)
	fullRange := DenyOut(50, "10.0.0.0/24")
	fullRange.PortRange = &networkacl.PortRange{From: 0, To: 65535}
	for _, tc := range []struct {
		name    string
		entries []networkacl.Entry
		prefix  string
		denied  bool
		by      int32
	}{
		{"nothing at all", nil, "10.0.0.1/32", true, networkacl.DefaultIPv4},
		{"nothing at all, IPv6", nil, "2001:db8::1/128", true, networkacl.DefaultIPv6},
		{"only the listed default", []networkacl.Entry{DenyOut(networkacl.DefaultIPv4, "0.0.0.0/0")}, "10.0.0.1/32", true, networkacl.DefaultIPv4},
		{"allow for another range", []networkacl.Entry{AllowOut(100, "192.168.0.0/16")}, "10.0.0.1/32", true, networkacl.DefaultIPv4},
		{"allow for the other family", []networkacl.Entry{AllowOut(100, "::/0")}, "10.0.0.1/32", true, networkacl.DefaultIPv4},
		{"allow that comes in", []networkacl.Entry{Ingress(AllowOut(100, "0.0.0.0/0"))}, "10.0.0.1/32", true, networkacl.DefaultIPv4},
		{"allow before deny", []networkacl.Entry{AllowOut(100, "0.0.0.0/0"), DenyOut(101, "10.0.0.1/32")}, "10.0.0.1/32", false, 100},
		{"deny before allow, listed later", []networkacl.Entry{AllowOut(100, "0.0.0.0/0"), DenyOut(80, "10.0.0.1/32")}, "10.0.0.1/32", true, 80},
		{"deny that comes in", []networkacl.Entry{Ingress(DenyOut(80, "10.0.0.1/32")), AllowOut(100, "0.0.0.0/0")}, "10.0.0.1/32", false, 100},
		{"allow of one port before deny", []networkacl.Entry{TCP(AllowOut(70, "0.0.0.0/0"), 22, 22), DenyOut(80, "10.0.0.1/32")}, "10.0.0.1/32", false, 70},
		{"deny of one protocol", []networkacl.Entry{denyTCP, AllowOut(100, "0.0.0.0/0")}, "10.0.0.1/32", false, 100},
		{"deny of all with a full range of ports", []networkacl.Entry{fullRange, AllowOut(100, "0.0.0.0/0")}, "10.0.0.1/32", true, 50},
		{"deny of one address of the range", []networkacl.Entry{DenyOut(80, "10.0.0.1/32"), AllowOut(100, "0.0.0.0/0")}, "10.0.0.0/24", false, 100},
		{"allow of one address of the range", []networkacl.Entry{AllowOut(70, "10.0.0.1/32"), DenyOut(80, "10.0.0.0/24")}, "10.0.0.0/24", false, 70},
		{"two denies that make up the range", []networkacl.Entry{DenyOut(81, "10.0.0.128/25"), DenyOut(80, "10.0.0.0/25"), AllowOut(100, "0.0.0.0/0")}, "10.0.0.0/24", true, 81},
		{"allow between them of what is denied already", []networkacl.Entry{DenyOut(80, "10.0.0.0/25"), AllowOut(81, "10.0.0.7/32"), DenyOut(82, "10.0.0.0/24"), AllowOut(100, "0.0.0.0/0")}, "10.0.0.0/24", true, 82},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := NewWithT(t)
			prefix := netip.MustParsePrefix(tc.prefix)
			verdict := networkacl.Evaluate(tc.entries, To(prefix))
			g.Expect(verdict.Denied).To(Equal(tc.denied))
			g.Expect(verdict.Entry.Number).To(Equal(tc.by))

			by, denied := networkacl.Denied(tc.entries, To(prefix))
			allow, allowed := networkacl.FirstAllow(tc.entries, To(prefix))
			g.Expect(denied).To(Equal(tc.denied))
			g.Expect(allowed).To(Equal(!tc.denied))
			if tc.denied {
				g.Expect(by).To(Equal(tc.by))
				g.Expect(allow).To(BeZero())
			} else {
				g.Expect(by).To(BeZero())
				g.Expect(allow.Number).To(Equal(tc.by))
			}
		})
	}
}

// What counts for the session of an agent is TCP to port 443.
func TestEvaluateForASession(t *testing.T) {
	const host = "10.0.0.1/32"
	icmp := Out(1, true, "0.0.0.0/0")
	icmp.Protocol, icmp.ICMP = "1", &networkacl.ICMP{Type: -1, Code: -1}
	all := AllowOut(100, "0.0.0.0/0")
	for name, tc := range map[string]struct {
		entries []networkacl.Entry
		denied  bool
		by      int32
	}{
		"an allow of ICMP is not in the way":         {[]networkacl.Entry{icmp, DenyOut(80, host), all}, true, 80},
		"an allow of SSH is not in the way":          {[]networkacl.Entry{TCP(AllowOut(7, host), 22, 22), DenyOut(80, host), all}, true, 80},
		"an allow of HTTPS is":                       {[]networkacl.Entry{TCP(AllowOut(7, host), 443, 443), DenyOut(80, host), all}, false, 7},
		"an allow of all ports of TCP is":            {[]networkacl.Entry{TCP(AllowOut(7, host), 0, 65535), DenyOut(80, host), all}, false, 7},
		"a deny of HTTPS alone does":                 {[]networkacl.Entry{TCP(DenyOut(50, host), 443, 443), all}, true, 50},
		"a deny of a range of ports with HTTPS does": {[]networkacl.Entry{TCP(DenyOut(50, host), 1, 1024), all}, true, 50},
		"a deny of SSH alone does not":               {[]networkacl.Entry{TCP(DenyOut(50, host), 22, 22), all}, false, 100},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			d := Dest(acs, "a", host)
			d.Traffic = networkacl.HTTPS
			verdict := networkacl.Evaluate(tc.entries, d)
			g.Expect(verdict.Denied).To(Equal(tc.denied))
			g.Expect(verdict.Entry.Number).To(Equal(tc.by))

			if _, strictly := networkacl.Denied(tc.entries, To(d.CIDR)); strictly {
				g.Expect(verdict.Denied).To(BeTrue(), "what denies all traffic denies this too")
			}
		})
	}
}

func TestAnInvalidRangeIsNotDenied(t *testing.T) {
	g := NewWithT(t)
	_, denied := networkacl.Denied(nil, To(netip.Prefix{}))
	_, allowed := networkacl.FirstAllow(nil, To(netip.Prefix{}))
	g.Expect(denied).To(BeFalse())
	g.Expect(allowed).To(BeFalse())
}

// A range is denied only if every packet to each of its addresses is; where all entries are for all traffic, or one
// port counts, if and only if, and the number is exact.
func TestEvaluateAgreesWithPackets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		allTraffic := rapid.Bool().Draw(t, "all traffic")
		entries := entriesGen(allTraffic).Draw(t, "entries")
		d := To(RangeGen().Draw(t, "range"))
		d.Traffic = TrafficGen().Draw(t, "traffic")

		anyAllowed, firstAllow, lastDeny := false, networkacl.DefaultIPv6, int32(0)
		for _, p := range counting(d) {
			number, allowed := firstMatch(entries, p)
			if allowed {
				anyAllowed, firstAllow = true, min(firstAllow, number)
			} else {
				lastDeny = max(lastDeny, number)
			}
		}
		by, denied := networkacl.Denied(entries, d)
		allow, found := networkacl.FirstAllow(entries, d)
		g.Expect(found).To(Equal(!denied))
		if anyAllowed {
			g.Expect(denied).To(BeFalse(), "a packet gets out")
			g.Expect(allow.Number).To(BeNumerically("<=", firstAllow))
		}
		if allTraffic || d.Traffic != (networkacl.Traffic{}) {
			g.Expect(denied).To(Equal(!anyAllowed))
			if denied {
				g.Expect(by).To(Equal(lastDeny))
			} else {
				g.Expect(allow.Number).To(Equal(firstAllow))
			}
		}
	})
}
