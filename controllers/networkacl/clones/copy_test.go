// SPDX-License-Identifier: Apache-2.0

package clones_test

import (
	"net/netip"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	. "agentdisconnect.dev/agentdisconnect/controllers/networkacl/acltest"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/clones"
)

func same(e networkacl.Entry) clones.Copy { return clones.Copy{Entry: e, Number: e.Number} }
func moved(e networkacl.Entry, number int32) clones.Copy {
	return clones.Copy{Entry: e, Number: number}
}

func TestCopyString(t *testing.T) {
	for want, c := range map[string]clones.Copy{
		"egress 100 allow 6 0.0.0.0/0 ports 443-443": same(TCP(AllowOut(100, "0.0.0.0/0"), 443, 443)),
		"egress 1>101 allow -1 0.0.0.0/0":            moved(AllowOut(1, "0.0.0.0/0"), 101),
		"egress 32766>32666 deny -1 2001:db8::1/128": moved(DenyOut(32766, "2001:db8::1/128"), 32666),
		"ingress 100 deny 1 10.0.0.0/8 icmp 8/-1":    same(Ingress(ICMP(DenyOut(100, "10.0.0.0/8"), 8, -1))),
		"egress 100 allow 255 0.0.0.0/0 icmp 255/255": same(func() networkacl.Entry {
			e := ICMP(AllowOut(100, "0.0.0.0/0"), 255, 255)
			e.Protocol = "255"
			return e
		}()),
		"ingress 7 allow 6 ::/0 ports 1024-65535": same(Ingress(TCP(AllowOut(7, "::/0"), 1024, 65535))),
	} {
		g := NewWithT(t)
		g.Expect(c.String()).To(Equal(want))
		again, err := clones.ParseCopy(want)
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
	"egress 100 allow 1 0.0.0.0/0 icmp 8", "egress 100 allow 1 0.0.0.0/0 icmp 8/-2", "egress 100 allow 1 0.0.0.0/0 icmp 256/0", "egress 100 allow 1 0.0.0.0/0 icmp 8/256",
	"egress 100 allow 1 0.0.0.0/0 icmp 8/0 ports 1-2", "egress 100 allow 1 0.0.0.0/0 type 8/0", "egress 99999999999 allow -1 0.0.0.0/0",
	"egress 100 allow -1 0.0.0.0/0\n", "egress 100 allow -1 invalid Prefix",
}

func TestParseCopyRefusesAllElse(t *testing.T) {
	for _, line := range notCopies {
		c, err := clones.ParseCopy(line)
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring("is not a copied entry, such as")), line)
		NewWithT(t).Expect(c).To(BeZero())
	}
}

func TestParseCopiesRefusesTwoAtOnePlace(t *testing.T) {
	g := NewWithT(t)
	lines := []string{"egress 1>101 allow -1 0.0.0.0/0", "egress 2>102 allow -1 ::/0", "ingress 101 allow -1 0.0.0.0/0"}
	copies, err := clones.ParseCopies(lines)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(clones.FormatCopies(copies)).To(Equal(lines))
	for _, twice := range []string{lines[2], "egress 1 deny -1 ::/0", "egress 3>101 allow -1 ::/0", "egress 102 allow -1 ::/0"} {
		_, err := clones.ParseCopies(append(lines[:3:3], twice))
		g.Expect(err).To(MatchError(ContainSubstring("is not the only copied entry with its number")), twice)
	}
	_, err = clones.ParseCopies([]string{"nonsense"})
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
		again, err := clones.ParseCopy(line)
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
		c, err := clones.ParseCopy(line)
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

// Lines of a clone's baseline are taken as a whole or not at all, and come back as they were.
func FuzzParseCopies(f *testing.F) {
	f.Add("egress 1>101 allow -1 0.0.0.0/0\negress 2>102 allow -1 ::/0\ningress 101 allow -1 0.0.0.0/0")
	f.Add("egress 1>101 allow -1 0.0.0.0/0\negress 101 allow -1 ::/0")
	f.Add("egress 100 allow 6 0.0.0.0/0 ports 443-443\negress 100 deny 1 0.0.0.0/0 icmp 8/-1")
	f.Add("\n")
	f.Add(strings.Join(notCopies, "\n"))
	f.Fuzz(func(t *testing.T, text string) {
		g := NewWithT(t)
		lines := strings.Split(text, "\n")
		copies, err := clones.ParseCopies(lines)
		if err != nil {
			g.Expect(copies).To(BeNil())
			return
		}
		g.Expect(clones.FormatCopies(copies)).To(Equal(lines))
		clone := clones.InClone(copies)
		g.Expect(clones.Complete(copies, nil, clone)).To(BeTrue())
		g.Expect(clones.Edits([][]clones.Copy{copies}, nil, clone)).To(BeEmpty())
		create, replace, remove := clones.CopySteps(copies, nil, nil)
		g.Expect(create).To(ConsistOf(clone))
		g.Expect(replace).To(BeEmpty())
		g.Expect(remove).To(BeEmpty())
		var entries []networkacl.Entry
		for _, c := range copies {
			entries = append(entries, c.Entry)
		}
		again, err := clones.Recopy(copies, entries, nil, nil, 200)
		if err == nil {
			g.Expect(clones.FormatCopies(again)).To(ConsistOf(lines))
		}
	})
}
