// SPDX-License-Identifier: Apache-2.0

package clones_test

import (
	"errors"
	"slices"
	"testing"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	. "agentdisconnect.dev/agentdisconnect/controllers/networkacl/acltest"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/clones"
)

func mustParse(g Gomega, lines ...string) []clones.Copy {
	copies, err := clones.ParseCopies(lines)
	g.Expect(err).NotTo(HaveOccurred())
	return copies
}

func TestPlanCloneNumbers(t *testing.T) {
	two := slices.Concat(Hosts(acs, 0, 1), Hosts(tcs, 1, 1))
	full := slices.Concat([]networkacl.Entry{AllowOut(1, "0.0.0.0/0"), AllowOut(networkacl.LastNumber, "::/0")})
	for _, tc := range []struct {
		name       string
		desired    []networkacl.Destination
		original   []networkacl.Entry
		copies     []string
		rules      []int32
		renumbered bool
	}{
		{"as a VPC comes with it", two, AllowAll,
			[]string{"egress 100 allow -1 0.0.0.0/0", "ingress 100 allow -1 0.0.0.0/0"}, []int32{80, 90}, false},
		{"nothing but the defaults", two, AllowAll[1:2], nil, nil, false},
		{"allow at 1", two, []networkacl.Entry{AllowOut(1, "0.0.0.0/0"), TCP(AllowOut(2, "::/0"), 443, 443), Ingress(AllowOut(1, "0.0.0.0/0"))},
			[]string{"egress 1>101 allow -1 0.0.0.0/0", "egress 2>102 allow 6 ::/0 ports 443-443", "ingress 1 allow -1 0.0.0.0/0"}, []int32{80, 90}, true},
		{"nothing desired", nil, []networkacl.Entry{AllowOut(1, "0.0.0.0/0")}, []string{"egress 1 allow -1 0.0.0.0/0"}, nil, false},
		{"allow at 1 after a foreign deny", two, []networkacl.Entry{DenyOut(1, "10.0.0.0/15"), AllowOut(2, "0.0.0.0/0")},
			[]string{"egress 1 deny -1 10.0.0.0/15", "egress 2 allow -1 0.0.0.0/0"}, nil, false},
		{"allow at 2 has room for one", two, []networkacl.Entry{AllowOut(2, "0.0.0.0/0")}, []string{"egress 2>102 allow -1 0.0.0.0/0"}, []int32{80, 90}, true},
		{"no room at the end either", two, full,
			[]string{"egress 1>101 allow -1 0.0.0.0/0", "egress 32766>102 allow -1 ::/0"}, []int32{80, 90}, true},
		{"room for an offset at the end", two, []networkacl.Entry{AllowOut(1, "0.0.0.0/0"), AllowOut(32666, "::/0")},
			[]string{"egress 1>101 allow -1 0.0.0.0/0", "egress 32666>32766 allow -1 ::/0"}, []int32{80, 90}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := NewWithT(t)
			plan, err := clones.NewPlan(tc.original, tc.desired, 0)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(clones.FormatCopies(plan.Copies)).To(Equal(tc.copies))
			g.Expect(Numbers(plan.Rules)).To(Equal(tc.rules))
			g.Expect(plan.Renumbered).To(Equal(tc.renumbered))
			for _, r := range plan.Rules {
				g.Expect(r.State).To(Equal(creating))
				g.Expect(r.NetworkACLID).To(BeEmpty(), "the clone has no id yet")
			}
		})
	}
}

// With quotas that AWS doesn't give, the copies move as far as it takes.
func TestPlanCloneMovesAsFarAsItTakes(t *testing.T) {
	g := NewWithT(t)
	many := slices.Concat(Hosts(acs, 0, 200), Hosts(tcs, 1, 50))
	plan, err := clones.NewPlan([]networkacl.Entry{AllowOut(1, "0.0.0.0/0")}, many, 1000)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(clones.FormatCopies(plan.Copies)).To(Equal([]string{"egress 1>301 allow -1 0.0.0.0/0"}))
	plan, err = clones.NewPlan([]networkacl.Entry{AllowOut(1, "0.0.0.0/0"), AllowOut(32700, "::/0")}, many, 1000)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(clones.FormatCopies(plan.Copies)).To(Equal([]string{"egress 1>32765 allow -1 0.0.0.0/0", "egress 32700>32766 allow -1 ::/0"}))
}

func TestPlanCloneRefuses(t *testing.T) {
	odd := AllowOut(7, "0.0.0.0/0")
	odd.Protocol = "tcp"
	for want, original := range map[string][]networkacl.Entry{
		"the clone of the network ACL has 19 outbound IPv4 rules, the default one included, of the 20 that its quota allows, and the run needs 2 more: " +
			"delete 1 of them, or raise the quota of rules per network ACL (L-2AEEBF1A, 40 at most)": slices.Concat([]networkacl.Entry{AllowOut(200, "0.0.0.0/0")}, ForeignRun(300, 316)),
		"rule 7: allow all protocol tcp traffic out to 0.0.0.0/0 can't be copied: AWS reports it in a way that this version doesn't know": {odd},
	} {
		g := NewWithT(t)
		plan, err := clones.NewPlan(original, Hosts(acs, 0, 2), 0)
		g.Expect(err).To(MatchError(want))
		g.Expect(plan).To(BeZero())
	}
	_, err := clones.NewPlan(Inbound(ForeignRun(300, 319)), Hosts(acs, 0, 2), 0)
	NewWithT(t).Expect(err).NotTo(HaveOccurred(), "the original shows that the quota is larger")
	_, err = clones.NewPlan(AllowAll, []networkacl.Destination{{Session: acs}}, 0)
	NewWithT(t).Expect(err).To(MatchError(ContainSubstring("is not an IPv4 or IPv6 range")))
}

func TestRecopy(t *testing.T) {
	moved := []string{"egress 1>101 allow -1 0.0.0.0/0", "ingress 1 allow -1 0.0.0.0/0"}
	plain := []string{"egress 100 allow -1 0.0.0.0/0", "ingress 100 allow -1 0.0.0.0/0"}
	packed := []string{"egress 1>101 allow -1 0.0.0.0/0", "egress 32766>102 allow -1 ::/0"}
	base := map[string][]networkacl.Entry{
		"moved": {AllowOut(1, "0.0.0.0/0"), Ingress(AllowOut(1, "0.0.0.0/0"))}, "plain": AllowAll,
		"packed": {AllowOut(1, "0.0.0.0/0"), AllowOut(32766, "::/0")},
	}
	rules := []v1alpha1.Rule{Rule(80, "10.0.0.1/32", installed)}
	one := Hosts(acs, 0, 1)
	more := func(name string, entries ...networkacl.Entry) []networkacl.Entry {
		return slices.Concat(base[name], entries)
	}
	for _, tc := range []struct {
		name     string
		baseline []string
		original []networkacl.Entry
		want     []string
		why      string // part of a RenumberError
	}{
		{name: "nothing changed", baseline: moved, original: base["moved"], want: moved},
		{name: "added, no offset", baseline: plain, original: more("plain", DenyOut(90, "192.0.2.0/24")),
			want: []string{"egress 90 deny -1 192.0.2.0/24", plain[0], plain[1]}},
		{name: "added, offset", baseline: moved, original: more("moved", TCP(DenyOut(2, "::/0"), 22, 22), Ingress(DenyOut(2, "::/0"))),
			want: []string{moved[0], "egress 2>102 deny 6 ::/0 ports 22-22", moved[1], "ingress 2 deny -1 ::/0"}},
		{name: "replaced", baseline: moved, original: []networkacl.Entry{AllowOut(1, "10.0.0.0/8"), Ingress(AllowOut(1, "::/0"))},
			want: []string{"egress 1>101 allow -1 10.0.0.0/8", "ingress 1 allow -1 ::/0"}},
		{name: "removed", baseline: moved, original: nil, want: nil},
		{name: "replaced in a packed one", baseline: packed, original: []networkacl.Entry{DenyOut(1, "0.0.0.0/0"), AllowOut(32766, "::/0")},
			want: []string{"egress 1>101 deny -1 0.0.0.0/0", packed[1]}},
		{name: "removed from a packed one", baseline: packed, original: base["packed"][1:], want: packed[1:]},
		{name: "added to a packed one", baseline: packed, original: more("packed", DenyOut(50, "192.0.2.0/24")),
			why: "rule 50: deny all traffic out to 192.0.2.0/24: the numbers of the clone's entries are consecutive"},
		{name: "a baseline in another order", baseline: []string{"egress 1>105 allow -1 0.0.0.0/0", "egress 2>102 allow -1 ::/0"},
			original: []networkacl.Entry{AllowOut(1, "0.0.0.0/0"), AllowOut(2, "::/0")}, why: "it would be rule 102 there, which is not after rule 105, the copy of rule 1"},
		{name: "past the end", baseline: moved, original: more("moved", DenyOut(32667, "192.0.2.0/24")), why: "it would be rule 32767 there"},
		{name: "at a number of ours", baseline: plain, original: more("plain", DenyOut(80, "192.0.2.0/24")), why: "rule 80 of the clone is the run's own"},
		{name: "inbound at a number of ours", baseline: plain, original: more("plain", Ingress(DenyOut(80, "192.0.2.0/24"))),
			want: []string{plain[0], "ingress 80 deny -1 192.0.2.0/24", plain[1]}},
		{name: "allow before our deny", baseline: plain, original: more("plain", TCP(AllowOut(50, "10.0.0.0/8"), 443, 443)),
			why: "rule 50: allow TCP port 443 out to 10.0.0.0/8: it would allow 10.0.0.1/32 (host-ACS) before the run's deny of it"},
		{name: "allow of another address before our deny", baseline: plain, original: more("plain", AllowOut(50, "10.0.0.2/32")),
			want: []string{"egress 50 allow -1 10.0.0.2/32", plain[0], plain[1]}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := NewWithT(t)
			got, err := clones.Recopy(mustParse(g, tc.baseline...), tc.original, rules, one, 0)
			if tc.why == "" {
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(clones.FormatCopies(got)).To(Equal(tc.want))
				return
			}
			var renumber *clones.RenumberError
			g.Expect(errors.As(err, &renumber)).To(BeTrue())
			g.Expect(err).To(MatchError(And(ContainSubstring(tc.why), HaveSuffix("revert the change, or run again, with a clone of the network ACL as it is now"))))
			g.Expect(got).To(BeNil())
		})
	}
}

// A foreign deny spared a rule. When it goes, a rule is to be had where there is a number for it.
func TestRecopyWithoutAForeignDeny(t *testing.T) {
	g := NewWithT(t)
	for number, want := range map[int32]string{
		100: "",
		2:   "rule 2: allow all traffic out to 0.0.0.0/0: the clone has no free number to deny 10.0.0.2/32 (host-ACS) before it",
	} {
		allow := AllowOut(number, "0.0.0.0/0")
		baseline := []clones.Copy{same(DenyOut(1, "10.0.0.0/8")), same(allow)}
		_, err := clones.Recopy(baseline, []networkacl.Entry{allow}, nil, Hosts(acs, 0, 2), 0)
		if want == "" {
			g.Expect(err).NotTo(HaveOccurred())
		} else {
			g.Expect(err).To(MatchError(ContainSubstring(want)))
		}
	}
	// A number that is being given back isn't free yet.
	allow := AllowOut(2, "0.0.0.0/0")
	_, err := clones.Recopy([]clones.Copy{same(allow), same(DenyOut(3, "::/0"))}, []networkacl.Entry{allow}, []v1alpha1.Rule{Rule(1, "192.0.2.1/32", deleting)}, Hosts(acs, 0, 1), 0)
	g.Expect(err).To(MatchError(ContainSubstring("the clone has no free number to deny 10.0.0.1/32 (host-ACS) before it")))
}

func TestRecopyCountsAgainstTheQuota(t *testing.T) {
	g := NewWithT(t)
	baseline := []clones.Copy{same(AllowOut(100, "0.0.0.0/0"))}
	rules := []v1alpha1.Rule{Rule(80, "10.0.0.1/32", installed), Rule(81, "10.0.0.2/32", deleting)}
	original := slices.Concat([]networkacl.Entry{AllowOut(100, "0.0.0.0/0")}, ForeignRun(200, 216))
	_, err := clones.Recopy(baseline, original, rules, Hosts(acs, 0, 1), 20)
	g.Expect(err).NotTo(HaveOccurred(), "what is being deleted doesn't count")
	_, err = clones.Recopy(baseline, append(original, DenyOut(217, "192.0.2.1/32")), rules, Hosts(acs, 0, 1), 20)
	var full *networkacl.QuotaError
	g.Expect(errors.As(err, &full)).To(BeTrue(), "%v", err)
}
