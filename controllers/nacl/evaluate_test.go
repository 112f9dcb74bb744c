// SPDX-License-Identifier: Apache-2.0

package nacl_test

import (
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"agentdisconnect.dev/agentdisconnect/controllers/nacl"
)

func TestEvaluate(t *testing.T) {
	denyTCP := tcp(denyOut(50, "10.0.0.0/24"), 0, 65535)
	fullRange := denyOut(50, "10.0.0.0/24")
	fullRange.PortRange = &nacl.PortRange{From: 0, To: 65535}
	for _, tc := range []struct {
		name    string
		entries []nacl.Entry
		prefix  string
		denied  bool
		by      int32
	}{
		{"nothing at all", nil, "10.0.0.1/32", true, nacl.DefaultIPv4},
		{"nothing at all, IPv6", nil, "2001:db8::1/128", true, nacl.DefaultIPv6},
		{"only the listed default", []nacl.Entry{denyOut(nacl.DefaultIPv4, "0.0.0.0/0")}, "10.0.0.1/32", true, nacl.DefaultIPv4},
		{"allow for another range", []nacl.Entry{allowOut(100, "192.168.0.0/16")}, "10.0.0.1/32", true, nacl.DefaultIPv4},
		{"allow for the other family", []nacl.Entry{allowOut(100, "::/0")}, "10.0.0.1/32", true, nacl.DefaultIPv4},
		{"allow that comes in", []nacl.Entry{ingress(allowOut(100, "0.0.0.0/0"))}, "10.0.0.1/32", true, nacl.DefaultIPv4},
		{"allow before deny", []nacl.Entry{allowOut(100, "0.0.0.0/0"), denyOut(101, "10.0.0.1/32")}, "10.0.0.1/32", false, 100},
		{"deny before allow, listed later", []nacl.Entry{allowOut(100, "0.0.0.0/0"), denyOut(80, "10.0.0.1/32")}, "10.0.0.1/32", true, 80},
		{"deny that comes in", []nacl.Entry{ingress(denyOut(80, "10.0.0.1/32")), allowOut(100, "0.0.0.0/0")}, "10.0.0.1/32", false, 100},
		{"allow of one port before deny", []nacl.Entry{tcp(allowOut(70, "0.0.0.0/0"), 22, 22), denyOut(80, "10.0.0.1/32")}, "10.0.0.1/32", false, 70},
		{"deny of one protocol", []nacl.Entry{denyTCP, allowOut(100, "0.0.0.0/0")}, "10.0.0.1/32", false, 100},
		{"deny of all with a full range of ports", []nacl.Entry{fullRange, allowOut(100, "0.0.0.0/0")}, "10.0.0.1/32", true, 50},
		{"deny of one address of the range", []nacl.Entry{denyOut(80, "10.0.0.1/32"), allowOut(100, "0.0.0.0/0")}, "10.0.0.0/24", false, 100},
		{"allow of one address of the range", []nacl.Entry{allowOut(70, "10.0.0.1/32"), denyOut(80, "10.0.0.0/24")}, "10.0.0.0/24", false, 70},
		{"two denies that make up the range", []nacl.Entry{denyOut(81, "10.0.0.128/25"), denyOut(80, "10.0.0.0/25"), allowOut(100, "0.0.0.0/0")}, "10.0.0.0/24", true, 81},
		{"allow between them of what is denied already", []nacl.Entry{denyOut(80, "10.0.0.0/25"), allowOut(81, "10.0.0.7/32"), denyOut(82, "10.0.0.0/24"), allowOut(100, "0.0.0.0/0")}, "10.0.0.0/24", true, 82},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := NewWithT(t)
			prefix := netip.MustParsePrefix(tc.prefix)
			verdict := nacl.Evaluate(tc.entries, to(prefix))
			g.Expect(verdict.Denied).To(Equal(tc.denied))
			g.Expect(verdict.Entry.Number).To(Equal(tc.by))

			by, denied := nacl.Denied(tc.entries, to(prefix))
			allow, allowed := nacl.FirstAllow(tc.entries, to(prefix))
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
	icmp := out(1, true, "0.0.0.0/0")
	icmp.Protocol, icmp.ICMP = "1", &nacl.ICMP{Type: -1, Code: -1}
	all := allowOut(100, "0.0.0.0/0")
	for name, tc := range map[string]struct {
		entries []nacl.Entry
		denied  bool
		by      int32
	}{
		"an allow of ICMP is not in the way":         {[]nacl.Entry{icmp, denyOut(80, host), all}, true, 80},
		"an allow of SSH is not in the way":          {[]nacl.Entry{tcp(allowOut(7, host), 22, 22), denyOut(80, host), all}, true, 80},
		"an allow of HTTPS is":                       {[]nacl.Entry{tcp(allowOut(7, host), 443, 443), denyOut(80, host), all}, false, 7},
		"an allow of all ports of TCP is":            {[]nacl.Entry{tcp(allowOut(7, host), 0, 65535), denyOut(80, host), all}, false, 7},
		"a deny of HTTPS alone does":                 {[]nacl.Entry{tcp(denyOut(50, host), 443, 443), all}, true, 50},
		"a deny of a range of ports with HTTPS does": {[]nacl.Entry{tcp(denyOut(50, host), 1, 1024), all}, true, 50},
		"a deny of SSH alone does not":               {[]nacl.Entry{tcp(denyOut(50, host), 22, 22), all}, false, 100},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			d := dest(acs, "a", host)
			d.Traffic = nacl.HTTPS
			verdict := nacl.Evaluate(tc.entries, d)
			g.Expect(verdict.Denied).To(Equal(tc.denied))
			g.Expect(verdict.Entry.Number).To(Equal(tc.by))

			if _, strictly := nacl.Denied(tc.entries, to(d.CIDR)); strictly {
				g.Expect(verdict.Denied).To(BeTrue(), "what denies all traffic denies this too")
			}
		})
	}
}

func TestAnInvalidRangeIsNotDenied(t *testing.T) {
	g := NewWithT(t)
	_, denied := nacl.Denied(nil, to(netip.Prefix{}))
	_, allowed := nacl.FirstAllow(nil, to(netip.Prefix{}))
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
		d := to(rangeGen().Draw(t, "range"))
		d.Traffic = trafficGen().Draw(t, "traffic")

		anyAllowed, firstAllow, lastDeny := false, nacl.DefaultIPv6, int32(0)
		for _, p := range counting(d) {
			number, allowed := firstMatch(entries, p)
			if allowed {
				anyAllowed, firstAllow = true, min(firstAllow, number)
			} else {
				lastDeny = max(lastDeny, number)
			}
		}
		by, denied := nacl.Denied(entries, d)
		allow, found := nacl.FirstAllow(entries, d)
		g.Expect(found).To(Equal(!denied))
		if anyAllowed {
			g.Expect(denied).To(BeFalse(), "a packet gets out")
			g.Expect(allow.Number).To(BeNumerically("<=", firstAllow))
		}
		if allTraffic || d.Traffic != (nacl.Traffic{}) {
			g.Expect(denied).To(Equal(!anyAllowed))
			if denied {
				g.Expect(by).To(Equal(lastDeny))
			} else {
				g.Expect(allow.Number).To(Equal(firstAllow))
			}
		}
	})
}
