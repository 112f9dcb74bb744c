// SPDX-License-Identifier: Apache-2.0

package networkacl_test

import (
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	. "agentdisconnect.dev/agentdisconnect/controllers/networkacl/acltest"
)

func TestEntryString(t *testing.T) {
	icmp := func(protocol string, icmpType, code int32) networkacl.Entry {
		e := AllowOut(10, "10.0.0.0/8")
		e.Protocol, e.ICMP = protocol, &networkacl.ICMP{Type: icmpType, Code: code}
		return e
	}
	udp, gre := AllowOut(9, "::/0"), DenyOut(9, "::/0")
	udp.Protocol, gre.Protocol = "17", "47"
	for want, entry := range map[string]networkacl.Entry{
		"rule 100: allow all traffic out to 0.0.0.0/0":          AllowOut(100, "0.0.0.0/0"),
		"rule 80: deny all traffic out to 52.119.223.69/32":     networkacl.Deny(80, netip.MustParsePrefix("52.119.223.69/32")),
		"rule 100: allow all traffic in from 0.0.0.0/0":         Ingress(AllowOut(100, "0.0.0.0/0")),
		"rule 7: allow TCP port 443 out to 0.0.0.0/0":           TCP(AllowOut(7, "0.0.0.0/0"), 443, 443),
		"rule 7: deny TCP ports 1024 to 65535 in from ::/0":     Ingress(TCP(DenyOut(7, "::/0"), 1024, 65535)),
		"rule 7: allow all TCP traffic out to 0.0.0.0/0":        TCP(AllowOut(7, "0.0.0.0/0"), 0, 65535),
		"rule 9: allow all UDP traffic out to ::/0":             udp,
		"rule 9: deny all protocol 47 traffic out to ::/0":      gre,
		"rule 10: allow ICMP type 8 code 0 out to 10.0.0.0/8":   icmp("1", 8, 0),
		"rule 10: allow ICMPv6 type 128 out to 10.0.0.0/8":      icmp("58", 128, -1),
		"rule 10: allow all ICMP traffic out to 10.0.0.0/8":     icmp("1", -1, -1),
		"rule 32767: deny all traffic out to 0.0.0.0/0":         DenyOut(networkacl.DefaultIPv4, "0.0.0.0/0"),
		"rule 1: deny all traffic out to 2001:db8::1/128":       DenyOut(1, "2001:db8::1/128"),
		"rule 32766: allow all traffic out to 192.168.0.0/16":   AllowOut(networkacl.LastNumber, "192.168.0.0/16"),
		"rule 11: deny all traffic in from 198.51.100.0/24":     Ingress(DenyOut(11, "198.51.100.0/24")),
		"rule 12: deny TCP ports 0 to 1023 out to 192.0.2.0/24": TCP(DenyOut(12, "192.0.2.0/24"), 0, 1023),
	} {
		NewWithT(t).Expect(entry.String()).To(Equal(want))
	}
}

func TestEntryEqualComparesAllOfIt(t *testing.T) {
	base := func() networkacl.Entry {
		e := TCP(DenyOut(80, "10.0.0.1/32"), 443, 443)
		e.ICMP = &networkacl.ICMP{Type: 8}
		return e
	}
	g := NewWithT(t)
	g.Expect(base().Equal(base())).To(BeTrue(), "equal, though not the same pointers")
	for name, change := range map[string]func(*networkacl.Entry){
		"number":    func(e *networkacl.Entry) { e.Number = 81 },
		"direction": func(e *networkacl.Entry) { e.Egress = false },
		"action":    func(e *networkacl.Entry) { e.Allow = true },
		"protocol":  func(e *networkacl.Entry) { e.Protocol = "17" },
		"range":     func(e *networkacl.Entry) { e.CIDR = netip.MustParsePrefix("10.0.0.1/31") },
		"ports":     func(e *networkacl.Entry) { e.PortRange.To = 444 },
		"no ports":  func(e *networkacl.Entry) { e.PortRange = nil },
		"ICMP":      func(e *networkacl.Entry) { e.ICMP.Code = 1 },
		"no ICMP":   func(e *networkacl.Entry) { e.ICMP = nil },
	} {
		changed := base()
		change(&changed)
		g.Expect(changed.Equal(base())).To(BeFalse(), name)
		g.Expect(base().Equal(changed)).To(BeFalse(), name)
	}
}

func TestDenyHasOneShape(t *testing.T) {
	NewWithT(t).Expect(networkacl.Deny(80, netip.MustParsePrefix("10.0.0.1/24"))).To(Equal(networkacl.Entry{
		Number: 80, Egress: true, Allow: false, Protocol: "-1", CIDR: netip.MustParsePrefix("10.0.0.0/24"),
	}))
}
