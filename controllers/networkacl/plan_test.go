// SPDX-License-Identifier: Apache-2.0

package networkacl_test

import (
	"net/netip"
	"slices"
	"testing"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	. "agentdisconnect.dev/agentdisconnect/controllers/networkacl/acltest"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/removal"
)

const (
	acs        = v1alpha1.EndpointACS
	tcs        = v1alpha1.EndpointTCS
	additional = v1alpha1.EndpointAdditional

	creating  = v1alpha1.RuleCreating
	installed = v1alpha1.RuleInstalled
	deleting  = v1alpha1.RuleDeleting
)

func TestPlanOfTheProcedureByHand(t *testing.T) {
	g := NewWithT(t)
	const a4, t4 = "ecs-a-4.ap-northeast-1.amazonaws.com", "ecs-t-4.ap-northeast-1.amazonaws.com"
	plan, err := networkacl.NewPlan(networkacl.PlanInput{NetworkACLID: ACLID, Observed: AllowAll, Desired: []networkacl.Destination{
		Dest(tcs, t4, "52.119.221.107/32"), Dest(tcs, t4, "52.119.223.82/32"), Dest(tcs, t4, "52.119.219.118/32"),
		Dest(acs, a4, "52.119.223.69/32"), Dest(acs, a4, "52.119.219.115/32"), Dest(acs, a4, "52.119.220.39/32"),
	}})
	g.Expect(err).NotTo(HaveOccurred())
	line := func(number int32, cidr, host string) v1alpha1.Rule {
		r := Rule(number, cidr, creating)
		r.Hostname = host
		return r
	}
	g.Expect(plan).To(Equal(networkacl.Plan{Create: []v1alpha1.Rule{
		line(80, "52.119.219.115/32", a4), line(81, "52.119.220.39/32", a4), line(82, "52.119.223.69/32", a4),
		line(90, "52.119.219.118/32", t4), line(91, "52.119.221.107/32", t4), line(92, "52.119.223.82/32", t4),
	}}))
}

func TestPlanNumbers(t *testing.T) {
	one := []networkacl.Destination{Dest(acs, "a", "10.0.0.1/32")}
	for _, tc := range []struct {
		name     string
		desired  []networkacl.Destination
		observed []networkacl.Entry
		want     []int32
	}{
		{"more than ten ACS addresses", Hosts(acs, 0, 12), AllowAll, []int32{80, 81, 82, 83, 84, 85, 86, 87, 88, 89, 98, 99}},
		{"more than ten ACS addresses leave the 90s to TCS", slices.Concat(Hosts(acs, 0, 11), Hosts(tcs, 1, 2)), AllowAll,
			[]int32{80, 81, 82, 83, 84, 85, 86, 87, 88, 89, 90, 91, 99}},
		{"ranges of the spec", []networkacl.Destination{Dest(additional, "", "10.0.0.0/24"), Dest(additional, "x", "10.1.0.1/32")}, AllowAll, []int32{98, 99}},
		{"allow at 85", Hosts(acs, 0, 7), []networkacl.Entry{AllowOut(85, "0.0.0.0/0")}, []int32{78, 79, 80, 81, 82, 83, 84}},
		{"allow at 85, TCS", Hosts(tcs, 0, 2), []networkacl.Entry{AllowOut(85, "0.0.0.0/0")}, []int32{83, 84}},
		{"allow below the bands", Hosts(acs, 0, 2), []networkacl.Entry{AllowOut(10, "0.0.0.0/0")}, []int32{8, 9}},
		{"allow of one port counts", one, With(TCP(AllowOut(50, "0.0.0.0/0"), 443, 443)), []int32{49}},
		{"allow for another address doesn't", one, With(AllowOut(50, "10.0.0.2/32")), []int32{80}},
		{"allow only of what a foreign deny took doesn't", one, With(DenyOut(40, "10.0.0.0/31"), AllowOut(50, "10.0.0.0/24")), nil},
		{"numbers that foreign entries have", one, With(DenyOut(80, "192.0.2.1/32"), AllowOut(81, "192.0.2.2/32")), []int32{82}},
		{"numbers that IPv6 entries have", one, With(AllowOut(80, "2001:db8::/32")), []int32{81}},
		{"numbers that inbound entries have are free", one, With(Ingress(DenyOut(80, "192.0.2.1/32"))), []int32{80}},
		{"inbound allows don't count", one, With(Ingress(AllowOut(1, "0.0.0.0/0"))), []int32{80}},
		{"both families share the numbers",
			[]networkacl.Destination{Dest(acs, "a", "10.0.0.1/32"), Dest(acs, "a", "2001:db8::1/128")}, With(AllowOut(101, "::/0")), []int32{80, 81}},
		{"the tightest chooses first",
			[]networkacl.Destination{Dest(acs, "a", "10.0.0.1/32"), Dest(tcs, "t", "10.0.0.2/32")}, With(AllowOut(2, "10.0.0.2/32")), []int32{1, 80}},
		{"no band takes the last number that another needs", // 80 is the only number below 81
			[]networkacl.Destination{Dest(acs, "a", "10.0.0.1/32"), Dest(tcs, "t", "10.0.0.2/32")},
			slices.Concat(With(AllowOut(81, "10.0.0.2/32")), ForeignRun(1, 79)), []int32{80, 82}},
		{"same address of two hosts", []networkacl.Destination{Dest(tcs, "t", "10.0.0.1/32"), Dest(acs, "a", "10.0.0.1/32")}, AllowAll, []int32{80}},
		{"address in a range of the spec", []networkacl.Destination{Dest(acs, "a", "10.0.0.1/32"), Dest(additional, "", "10.0.0.0/24")}, AllowAll, []int32{99}},
		{"default deny", one, []networkacl.Entry{AllowOut(100, "192.168.0.0/16"), DenyOut(networkacl.DefaultIPv4, "0.0.0.0/0")}, nil},
		{"default deny, in order", []networkacl.Destination{Dest(acs, "a", "10.0.0.9/32"), Dest(tcs, "t", "10.0.0.1/32"), Dest(additional, "", "10.1.0.0/16")}, nil, nil},
		{"default deny that isn't listed", one, nil, nil},
		{"foreign deny", one, With(DenyOut(99, "10.0.0.0/24")), nil},
		{"foreign deny that comes too late", one, With(DenyOut(101, "10.0.0.1/32")), []int32{80}},
		{"foreign deny of half the range", []networkacl.Destination{Dest(additional, "", "10.0.0.0/24")}, With(DenyOut(50, "10.0.0.0/25")), []int32{99}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := NewWithT(t)
			plan, err := networkacl.NewPlan(networkacl.PlanInput{NetworkACLID: ACLID, Desired: tc.desired, Observed: tc.observed, Quota: 200})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(Numbers(plan.Create)).To(Equal(tc.want))
			if tc.want == nil {
				g.Expect(plan.AlreadyDenied).To(Equal(tc.desired))
			} else {
				g.Expect(plan.AlreadyDenied).To(BeEmpty())
			}
		})
	}
}

func TestPlanOfLines(t *testing.T) {
	one := []networkacl.Destination{Dest(acs, "a", "10.0.0.1/32")}
	const cidr = "10.0.0.1/32"
	ours := func(number int32) networkacl.Entry { return DenyOut(number, cidr) }
	for _, tc := range []struct {
		name     string
		desired  []networkacl.Destination
		observed []networkacl.Entry
		owned    []v1alpha1.Rule
		want     networkacl.Plan
	}{
		{"at work", one, With(ours(80)), []v1alpha1.Rule{Rule(80, cidr, installed)},
			networkacl.Plan{Keep: []v1alpha1.Rule{Rule(80, cidr, installed)}}},
		{"created, answer lost", one, With(ours(80)), []v1alpha1.Rule{Rule(80, cidr, creating)},
			networkacl.Plan{Keep: []v1alpha1.Rule{Rule(80, cidr, creating)}}},
		{"not created yet", one, AllowAll, []v1alpha1.Rule{Rule(80, cidr, creating)},
			networkacl.Plan{Keep: []v1alpha1.Rule{Rule(80, cidr, creating)}}},
		{"installed, the read lags", one, AllowAll, []v1alpha1.Rule{Rule(80, cidr, installed)},
			networkacl.Plan{Keep: []v1alpha1.Rule{Rule(80, cidr, installed)}}},
		{"kept where a foreign entry denies too", one, With(ours(80), DenyOut(50, "10.0.0.0/8")), []v1alpha1.Rule{Rule(80, cidr, installed)},
			networkacl.Plan{Keep: []v1alpha1.Rule{Rule(80, cidr, installed)}}},
		{"its end is under way", one, With(ours(80)), []v1alpha1.Rule{Rule(80, cidr, deleting)},
			networkacl.Plan{Create: []v1alpha1.Rule{Rule(81, cidr, creating)}, Delete: []v1alpha1.Rule{Rule(80, cidr, deleting)}}},
		{"its own deny is no foreign one", one, With(ours(80)), []v1alpha1.Rule{Rule(80, cidr, deleting), Rule(81, cidr, creating)},
			networkacl.Plan{Keep: []v1alpha1.Rule{Rule(81, cidr, creating)}, Delete: []v1alpha1.Rule{Rule(80, cidr, deleting)}}},
		{"overridden by an allow for everything", one, With(ours(80), AllowOut(70, "0.0.0.0/0")), []v1alpha1.Rule{Rule(80, cidr, installed)},
			networkacl.Plan{Create: []v1alpha1.Rule{Rule(69, cidr, creating)}, Delete: []v1alpha1.Rule{Rule(80, cidr, installed)}}},
		{"overridden for one port", one, With(ours(80), TCP(AllowOut(70, "10.0.0.0/8"), 443, 443)), []v1alpha1.Rule{Rule(80, cidr, installed)},
			networkacl.Plan{Create: []v1alpha1.Rule{Rule(69, cidr, creating)}, Delete: []v1alpha1.Rule{Rule(80, cidr, installed)}}},
		{"displaced", one, With(AllowOut(80, "192.0.2.0/24")), []v1alpha1.Rule{Rule(80, cidr, installed)},
			networkacl.Plan{Create: []v1alpha1.Rule{Rule(81, cidr, creating)}, Displaced: []v1alpha1.Rule{Rule(80, cidr, installed)}}},
		{"displaced by a deny of another address", one, With(DenyOut(80, "10.0.0.2/32")), []v1alpha1.Rule{Rule(80, cidr, creating)},
			networkacl.Plan{Create: []v1alpha1.Rule{Rule(81, cidr, creating)}, Displaced: []v1alpha1.Rule{Rule(80, cidr, creating)}}},
		{"displaced by an allow for everything", one, With(AllowOut(80, "0.0.0.0/0")), []v1alpha1.Rule{Rule(80, cidr, installed)},
			networkacl.Plan{Create: []v1alpha1.Rule{Rule(79, cidr, creating)}, Displaced: []v1alpha1.Rule{Rule(80, cidr, installed)}}},
		{"displaced, and no longer desired", nil, With(AllowOut(80, "192.0.2.0/24")), []v1alpha1.Rule{Rule(80, cidr, installed)},
			networkacl.Plan{Delete: []v1alpha1.Rule{Rule(80, cidr, installed)}}},
		{"two for one address: the one that was seen", one, With(ours(81)), []v1alpha1.Rule{Rule(80, cidr, installed), Rule(81, cidr, creating)},
			networkacl.Plan{Keep: []v1alpha1.Rule{Rule(81, cidr, creating)}, Delete: []v1alpha1.Rule{Rule(80, cidr, installed)}}},
		{"two for one address, none seen: the acknowledged one", one, AllowAll, []v1alpha1.Rule{Rule(80, cidr, creating), Rule(81, cidr, installed)},
			networkacl.Plan{Keep: []v1alpha1.Rule{Rule(81, cidr, installed)}, Delete: []v1alpha1.Rule{Rule(80, cidr, creating)}}},
		{"address that a range took over", []networkacl.Destination{Dest(additional, "", "10.0.0.0/24")}, With(ours(80)), []v1alpha1.Rule{Rule(80, cidr, installed)},
			networkacl.Plan{Create: []v1alpha1.Rule{Rule(99, "10.0.0.0/24", creating)}, Delete: []v1alpha1.Rule{Rule(80, cidr, installed)}}},
		{"line that can't be read", one, With(ours(80)), []v1alpha1.Rule{Rule(80, "10.0.0.1", installed), Rule(82, "10.0.0.1/24", installed)},
			networkacl.Plan{AlreadyDenied: one, Displaced: []v1alpha1.Rule{Rule(80, "10.0.0.1", installed), Rule(82, "10.0.0.1/24", installed)}}},
		{"line of another network ACL", one, AllowAll, []v1alpha1.Rule{{NetworkACLID: "acl-00000000", RuleNumber: 80, CIDR: cidr, State: installed}},
			networkacl.Plan{Create: []v1alpha1.Rule{Rule(80, cidr, creating)}}},
		{"nothing desired", nil, With(ours(80)), []v1alpha1.Rule{Rule(82, cidr, deleting), Rule(81, cidr, creating), Rule(80, cidr, installed)},
			networkacl.Plan{Delete: []v1alpha1.Rule{Rule(80, cidr, installed), Rule(81, cidr, creating), Rule(82, cidr, deleting)}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := NewWithT(t)
			plan, err := networkacl.NewPlan(networkacl.PlanInput{NetworkACLID: ACLID, Desired: tc.desired, Observed: tc.observed, Owned: tc.owned})
			g.Expect(err).NotTo(HaveOccurred())
			for i := range plan.Create {
				plan.Create[i].Hostname = ""
			}
			g.Expect(plan).To(Equal(tc.want))
		})
	}
}

func TestPlanWithoutRoom(t *testing.T) {
	full := func(n int) []networkacl.Entry { // a quota's worth of entries but for the default and n
		return slices.Concat([]networkacl.Entry{AllowOut(100, "0.0.0.0/0")}, ForeignRun(1, int32(networkacl.DefaultQuota-2-n)))
	}
	fullIPv6 := []networkacl.Entry{AllowOut(200, "::/0")}
	for n := range int32(18) {
		fullIPv6 = append(fullIPv6, DenyOut(300+n, "2001:db8:1::/48"))
	}
	six := slices.Concat(Hosts(acs, 0, 3), Hosts(tcs, 1, 3))
	for _, tc := range []struct {
		name     string
		desired  []networkacl.Destination
		observed []networkacl.Entry
		owned    []v1alpha1.Rule
		quota    int
		want     string
	}{
		{name: "allow all at number 1", desired: six, observed: []networkacl.Entry{AllowOut(1, "0.0.0.0/0")},
			want: "network ACL acl-0a1b2c3d4e5f60718 has no free number to deny 10.0.0.1/32 (host-ACS) before rule 1, " +
				"which allows all traffic out to 0.0.0.0/0: give rule 1 a larger number"},
		{name: "too few numbers", desired: six, observed: []networkacl.Entry{TCP(AllowOut(6, "10.0.0.0/8"), 443, 443)},
			want: "network ACL acl-0a1b2c3d4e5f60718 has no free number to deny 10.0.1.3/32 (host-TCS) before rule 6, " +
				"which allows TCP port 443 out to 10.0.0.0/8: free a number below 6, or give rule 6 a larger number"},
		{name: "full", desired: six, observed: full(0),
			want: "network ACL acl-0a1b2c3d4e5f60718 has 20 outbound IPv4 rules, the default one included, of the 20 that its quota allows, " +
				"and the run needs 6 more: delete 6 of them, or raise the quota of rules per network ACL (L-2AEEBF1A, 40 at most)"},
		{name: "one too few", desired: six, observed: full(5),
			want: "network ACL acl-0a1b2c3d4e5f60718 has 15 outbound IPv4 rules, the default one included, of the 20 that its quota allows, " +
				"and the run needs 6 more: delete 1 of them, or raise the quota of rules per network ACL (L-2AEEBF1A, 40 at most)"},
		{name: "just enough", desired: six, observed: full(6)},
		{name: "a larger quota", desired: six, observed: full(0), quota: 26},
		{name: "the largest quota", desired: Hosts(acs, 0, 40), observed: AllowAll, quota: 40,
			want: "network ACL acl-0a1b2c3d4e5f60718 has 2 outbound IPv4 rules, the default one included, of the 40 that its quota allows, " +
				"and the run needs 40 more: delete 2 of them"},
		{name: "lines that are kept but not seen need room", desired: six, observed: full(5),
			owned: []v1alpha1.Rule{Rule(80, "10.0.0.1/32", creating)},
			want: "network ACL acl-0a1b2c3d4e5f60718 has 15 outbound IPv4 rules, the default one included, of the 20 that its quota allows, " +
				"and the run needs 6 more: delete 1 of them, or raise the quota of rules per network ACL (L-2AEEBF1A, 40 at most)"},
		{name: "what is to be deleted isn't free yet", desired: Hosts(acs, 0, 1), observed: append(full(1), DenyOut(80, "10.0.9.9/32")),
			owned: []v1alpha1.Rule{Rule(80, "10.0.9.9/32", installed)},
			want: "network ACL acl-0a1b2c3d4e5f60718 has 20 outbound IPv4 rules, the default one included, of the 20 that its quota allows, " +
				"and the run needs 1 more: delete 1 of them, or raise the quota of rules per network ACL (L-2AEEBF1A, 40 at most)"},
		{name: "full, and all is there", desired: Hosts(acs, 0, 1), observed: append(full(1), DenyOut(80, "10.0.0.1/32")),
			owned: []v1alpha1.Rule{Rule(80, "10.0.0.1/32", installed)}},
		{name: "inbound entries need none of it", desired: six,
			observed: slices.Concat(AllowAll, Inbound(ForeignRun(1, 19)))},
		{name: "IPv6 is counted apart", desired: six, observed: slices.Concat(AllowAll, fullIPv6)},
		{name: "IPv6 is counted too", desired: []networkacl.Destination{Dest(acs, "a", "2001:db8::1/128")}, observed: slices.Concat(AllowAll, fullIPv6),
			want: "network ACL acl-0a1b2c3d4e5f60718 has 20 outbound IPv6 rules, the default one included, of the 20 that its quota allows, " +
				"and the run needs 1 more: delete 1 of them, or raise the quota of rules per network ACL (L-2AEEBF1A, 40 at most)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := NewWithT(t)
			plan, err := networkacl.NewPlan(networkacl.PlanInput{NetworkACLID: ACLID, Desired: tc.desired, Observed: tc.observed, Owned: tc.owned, Quota: tc.quota})
			if tc.want == "" {
				g.Expect(err).NotTo(HaveOccurred())
				return
			}
			g.Expect(err).To(MatchError(tc.want))
			g.Expect(plan).To(BeZero())
			g.Expect(err).To(Or(BeAssignableToTypeOf(&networkacl.NoRoomError{}), BeAssignableToTypeOf(&networkacl.QuotaError{})))
		})
	}
}

func TestPlanRefusesWhatIsNoRange(t *testing.T) {
	for _, prefix := range []netip.Prefix{{}, netip.MustParsePrefix("::ffff:10.0.0.1/128")} {
		_, err := networkacl.NewPlan(networkacl.PlanInput{NetworkACLID: ACLID, Observed: AllowAll, Desired: []networkacl.Destination{{CIDR: prefix, Session: acs}}})
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring("is not an IPv4 or IPv6 range")))
	}
}

// What the run gave up is a third party's: its number is not given out, and it is neither kept nor deleted.
func TestReleasedLines(t *testing.T) {
	g := NewWithT(t)
	released := Rule(80, "52.119.223.69/32", v1alpha1.RuleReleased)
	wanted := networkacl.Destination{CIDR: netip.MustParsePrefix("52.119.223.69/32"), Hostname: "ecs-a-4", Session: acs}
	allow := networkacl.Entry{Number: 100, Egress: true, Allow: true, Protocol: networkacl.AllProtocols, CIDR: netip.MustParsePrefix("0.0.0.0/0")}
	in := networkacl.PlanInput{NetworkACLID: released.NetworkACLID, Desired: []networkacl.Destination{wanted}, Observed: []networkacl.Entry{allow}, Owned: []v1alpha1.Rule{released}}

	plan, err := networkacl.NewPlan(in)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(plan.Create).To(ConsistOf(HaveField("RuleNumber", int32(81))))
	g.Expect(append(plan.Keep, append(plan.Delete, plan.Displaced...)...)).To(BeEmpty())

	in.Observed = append(in.Observed, networkacl.Deny(80, wanted.CIDR))
	plan, err = networkacl.NewPlan(in)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(plan.AlreadyDenied).To(ConsistOf(wanted))
	g.Expect(plan.Create).To(BeEmpty())
	g.Expect(new(removal.Evidence).Next(removal.OfLine(released), in.Observed, now).Step).To(Equal(removal.StepGone))
	g.Expect(ownership.MissingLines(ownership.Ownership{UID: "9b2f4c1e-7a3d-4e5f-8a6b-0c1d2e3f4a5b", Rules: in.Owned}.Tags(), "9b2f4c1e-7a3d-4e5f-8a6b-0c1d2e3f4a5b",
		released.NetworkACLID, in.Owned, in.Observed)).To(BeEmpty())
}
