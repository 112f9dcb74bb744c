// SPDX-License-Identifier: Apache-2.0

package networkacl_test

import (
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
)

func same(e networkacl.Entry) networkacl.Copy { return networkacl.Copy{Entry: e, Number: e.Number} }
func moved(e networkacl.Entry, number int32) networkacl.Copy {
	return networkacl.Copy{Entry: e, Number: number}
}
func icmp(e networkacl.Entry, typ, code int32) networkacl.Entry {
	e.Protocol, e.ICMP = "1", &networkacl.ICMP{Type: typ, Code: code}
	return e
}

func TestCopyString(t *testing.T) {
	for want, c := range map[string]networkacl.Copy{
		"egress 100 allow 6 0.0.0.0/0 ports 443-443": same(tcp(allowOut(100, "0.0.0.0/0"), 443, 443)),
		"egress 1>101 allow -1 0.0.0.0/0":            moved(allowOut(1, "0.0.0.0/0"), 101),
		"egress 32766>32666 deny -1 2001:db8::1/128": moved(denyOut(32766, "2001:db8::1/128"), 32666),
		"ingress 100 deny 1 10.0.0.0/8 icmp 8/-1":    same(ingress(icmp(denyOut(100, "10.0.0.0/8"), 8, -1))),
		"ingress 7 allow 6 ::/0 ports 1024-65535":    same(ingress(tcp(allowOut(7, "::/0"), 1024, 65535))),
	} {
		g := NewWithT(t)
		g.Expect(c.String()).To(Equal(want))
		again, err := networkacl.ParseCopy(want)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(again).To(Equal(c))
	}
}

var notCopies = []string{
	"", " ", "egress", "egress 100 allow -1", "egress 100 allow -1 0.0.0.0/0 ", " egress 100 allow -1 0.0.0.0/0",
	"Egress 100 allow -1 0.0.0.0/0", "out 100 allow -1 0.0.0.0/0", "egress 0 allow -1 0.0.0.0/0", "egress 32767 deny -1 0.0.0.0/0",
	"egress 0100 allow -1 0.0.0.0/0", "egress +100 allow -1 0.0.0.0/0", "egress 100>100 allow -1 0.0.0.0/0", "egress 100> allow -1 0.0.0.0/0",
	"egress 100>0 allow -1 0.0.0.0/0", "egress 1>2>3 allow -1 0.0.0.0/0", "ingress 1>101 allow -1 0.0.0.0/0", "egress 100 accept -1 0.0.0.0/0",
	"egress 100 allow tcp 0.0.0.0/0", "egress 100 allow 256 0.0.0.0/0", "egress 100 allow -2 0.0.0.0/0", "egress 100 allow 06 0.0.0.0/0",
	"egress 100 allow -1 10.0.0.1/8", "egress 100 allow -1 0.0.0.0", "egress 100 allow -1 2001:DB8::/32", "egress 100 allow -1 fe80::1%eth0/128",
	"egress 100 allow 6 0.0.0.0/0 ports", "egress 100 allow 6 0.0.0.0/0 ports 443", "egress 100 allow 6 0.0.0.0/0 ports 443-22",
	"egress 100 allow 6 0.0.0.0/0 ports -1-443", "egress 100 allow 6 0.0.0.0/0 ports 0-65536", "egress 100 allow 6 0.0.0.0/0 ports 1-2 ports 1-2",
	"egress 100 allow 1 0.0.0.0/0 icmp 8", "egress 100 allow 1 0.0.0.0/0 icmp 8/-2", "egress 100 allow 1 0.0.0.0/0 icmp 256/0",
	"egress 100 allow 1 0.0.0.0/0 icmp 8/0 ports 1-2", "egress 100 allow 1 0.0.0.0/0 type 8/0", "egress 99999999999 allow -1 0.0.0.0/0",
	"egress 100 allow -1 0.0.0.0/0\n", "egress 100 allow -1 invalid Prefix",
}

func TestParseCopyRefusesAllElse(t *testing.T) {
	for _, line := range notCopies {
		c, err := networkacl.ParseCopy(line)
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring("is not a copied entry, such as")), line)
		NewWithT(t).Expect(c).To(BeZero())
	}
}

func TestParseCopiesRefusesTwoAtOnePlace(t *testing.T) {
	g := NewWithT(t)
	lines := []string{"egress 1>101 allow -1 0.0.0.0/0", "egress 2>102 allow -1 ::/0", "ingress 101 allow -1 0.0.0.0/0"}
	copies, err := networkacl.ParseCopies(lines)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(networkacl.FormatCopies(copies)).To(Equal(lines))
	for _, twice := range []string{lines[2], "egress 1 deny -1 ::/0", "egress 3>101 allow -1 ::/0", "egress 102 allow -1 ::/0"} {
		_, err := networkacl.ParseCopies(append(lines[:3:3], twice))
		g.Expect(err).To(MatchError(ContainSubstring("is not the only copied entry with its number")), twice)
	}
	_, err = networkacl.ParseCopies([]string{"nonsense"})
	g.Expect(err).To(HaveOccurred())
}

func TestCopiesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		number := rapid.Int32Range(networkacl.FirstNumber, networkacl.LastNumber)
		c := same(copiedGen(number).Draw(t, "entry"))
		if c.Entry.Egress && rapid.Bool().Draw(t, "renumbered") {
			c.Number = number.Draw(t, "number in the clone")
		}
		if bytes := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "address"); rapid.Bool().Draw(t, "long address") {
			c.Entry.CIDR = netip.PrefixFrom(netip.AddrFrom16([16]byte(bytes)), rapid.IntRange(0, 128).Draw(t, "bits")).Masked()
		}
		line := c.String()
		g.Expect(len(line)).To(BeNumerically("<=", 128))
		again, err := networkacl.ParseCopy(line)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(again).To(Equal(c))
	})
}

func FuzzParseCopy(f *testing.F) {
	for _, seed := range append([]string{
		"egress 100 allow 6 0.0.0.0/0 ports 443-443", "egress 1>101 allow -1 0.0.0.0/0", "ingress 100 deny 58 2001:db8::/32 icmp 128/-1",
	}, notCopies...) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		g := NewWithT(t)
		c, err := networkacl.ParseCopy(line)
		if err != nil {
			g.Expect(c).To(BeZero())
			g.Expect(len(err.Error())).To(BeNumerically("<", 1000))
			return
		}
		g.Expect(c.String()).To(Equal(line))
		g.Expect(len(line)).To(BeNumerically("<=", 128))
		g.Expect(c.Number).To(And(BeNumerically(">=", networkacl.FirstNumber), BeNumerically("<=", networkacl.LastNumber)))
		g.Expect(c.Entry.CIDR).To(Equal(c.Entry.CIDR.Masked()))
	})
}
