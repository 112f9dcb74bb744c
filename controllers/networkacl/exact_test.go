// SPDX-License-Identifier: Apache-2.0

package networkacl_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
)

// An original that did not change is no reason to end a run, whatever room there is for more.
func TestAnUnchangedOriginalIsFollowedWhereThereIsNoRoom(t *testing.T) {
	g := NewWithT(t)
	first := allowOut(1, everywhere)
	host := []networkacl.Destination{dest(v1alpha1.EndpointACS, "a.example", "10.0.0.1/32")}
	copies, err := networkacl.Recopy(copiesOf(first), []networkacl.Entry{first}, nil, host, 0)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(copies).To(Equal(copiesOf(first)))
	_, err = networkacl.Recopy(copiesOf(denyOut(1, everywhere)), []networkacl.Entry{first}, nil, host, 0)
	g.Expect(err).To(HaveOccurred(), "a change that leaves no room is")
}

// Where making what is new first would cut traffic off that is allowed before and after, something
// else comes first.
func TestStepsAreInTheOrderThatCutsNothingOff(t *testing.T) {
	g := NewWithT(t)
	create, replace := denyOut(20, "10.0.0.0/8"), allowOut(10, "10.1.0.0/16")
	steps := networkacl.InOrder([]networkacl.Entry{denyOut(10, "192.0.2.0/24"), allowOut(100, everywhere)}, []networkacl.Entry{create}, []networkacl.Entry{replace}, nil, 0)
	g.Expect(steps).To(Equal([]networkacl.CopyStep{{Verb: networkacl.StepReplace, Entry: replace}, {Verb: networkacl.StepCreate, Entry: create}}))
}

func TestAFullNetworkACLMakesRoomFirst(t *testing.T) {
	g := NewWithT(t)
	stays, goes, comes := allowOut(100, "10.0.0.0/8"), allowOut(110, "192.0.2.0/24"), allowOut(120, "198.51.100.0/24")
	order := func(quota int) []networkacl.CopyVerb {
		var verbs []networkacl.CopyVerb
		for _, step := range networkacl.InOrder([]networkacl.Entry{stays, goes}, []networkacl.Entry{comes}, nil, []networkacl.Entry{goes}, quota) {
			verbs = append(verbs, step.Verb)
		}
		return verbs
	}
	g.Expect(order(3)).To(Equal([]networkacl.CopyVerb{networkacl.StepRemove, networkacl.StepCreate}), "the default entry counts")
	g.Expect(order(4)).To(Equal([]networkacl.CopyVerb{networkacl.StepCreate, networkacl.StepRemove}))
	g.Expect(order(0)).To(Equal([]networkacl.CopyVerb{networkacl.StepCreate, networkacl.StepRemove}))
}

// What an entry of AWS's says is kept whole, be it more than AWS is known to say.
func TestACopyWithPortsAndICMPIsReadAgain(t *testing.T) {
	g := NewWithT(t)
	c := same(tcp(icmp(allowOut(100, everywhere), 8, 0), 80, 443))
	g.Expect(c.String()).To(Equal("egress 100 allow 6 0.0.0.0/0 ports 80-443 icmp 8/0"))
	read, err := networkacl.ParseCopy(c.String())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(read).To(Equal(c))
}

func TestOverridden(t *testing.T) {
	g := NewWithT(t)
	const address = "10.0.0.1/32"
	udp := allowOut(50, everywhere)
	udp.Protocol = "17"
	host, anything := dest(v1alpha1.EndpointACS, "a.example", address), dest(v1alpha1.EndpointAdditional, "", address)
	host.Traffic = networkacl.HTTPS
	line := rule(90, address, installed)
	for _, tc := range []struct {
		observed []networkacl.Entry
		desired  []networkacl.Destination
		want     bool
	}{
		{[]networkacl.Entry{allowOut(50, everywhere)}, []networkacl.Destination{host}, true},
		{[]networkacl.Entry{allowOut(91, everywhere)}, []networkacl.Destination{host}, false},
		{[]networkacl.Entry{udp}, []networkacl.Destination{host}, false},
		{[]networkacl.Entry{udp}, []networkacl.Destination{anything}, true},
		{[]networkacl.Entry{udp}, []networkacl.Destination{host, host}, false},
		{[]networkacl.Entry{udp}, []networkacl.Destination{host, anything}, true},
		{[]networkacl.Entry{udp}, []networkacl.Destination{anything, host}, true},
		{[]networkacl.Entry{udp}, nil, true},
	} {
		g.Expect(networkacl.Overridden(line, tc.observed, tc.desired)).To(Equal(tc.want), "%v for %v", tc.observed, tc.desired)
	}
}

func TestARangeIsDeniedFromItsFirstAddress(t *testing.T) {
	g := NewWithT(t)
	plan, err := networkacl.NewPlan(networkacl.PlanInput{
		NetworkACLID: aclID, Desired: []networkacl.Destination{dest(v1alpha1.EndpointAdditional, "", "10.0.0.7/24")}, Observed: allowAll,
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(plan.Create).To(HaveExactElements(HaveField("CIDR", "10.0.0.0/24")))
}

func TestRoom(t *testing.T) {
	entries := []networkacl.Entry{
		allowOut(1, everywhere), allowOut(2, "::/0"), allowOut(3, "10.0.0.0/8"), ingress(allowOut(1, everywhere)),
		denyOut(networkacl.DefaultIPv4, everywhere), denyOut(networkacl.DefaultIPv6, "::/0"), ingress(denyOut(networkacl.DefaultIPv4, everywhere)),
	}
	inbound := make([]networkacl.Entry, 0, 8)
	for n := range int32(8) {
		inbound = append(inbound, ingress(allowOut(n+1, everywhere)))
	}
	more := []v1alpha1.Rule{rule(80, "10.0.0.1/32", ""), rule(81, "2001:db8::1/128", ""), rule(82, "2001:db8::2/128", ""), {CIDR: "?"}}
	for name, tc := range map[string]struct {
		entries []networkacl.Entry
		more    []v1alpha1.Rule
		quota   int
		four    int
		six     int
	}{
		"nothing":                     {nil, nil, 20, 19, 19},
		"entries":                     {entries, nil, 20, 17, 18},
		"and lines":                   {entries, more, 20, 16, 16},
		"too many":                    {entries, more, 3, -1, -1},
		"more than the quota allows":  {entries, nil, 2, 0, 1},
		"or as many in one direction": {inbound, nil, 2, 8, 8},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(networkacl.Room(tc.entries, tc.more, tc.quota)).To(Equal(map[networkacl.Family]int{networkacl.IPv4: tc.four, networkacl.IPv6: tc.six}))
		})
	}
}

func TestDifferences(t *testing.T) {
	g := NewWithT(t)
	before := copiesOf(allowOut(100, everywhere), denyOut(90, "10.0.0.0/8"), ingress(allowOut(100, everywhere)), allowOut(110, everywhere))
	after := copiesOf(tcp(allowOut(100, everywhere), 443, 443), denyOut(80, "10.0.0.0/8"), ingress(allowOut(100, everywhere)), allowOut(110, everywhere))
	g.Expect(networkacl.Differences(before, after)).To(Equal([]string{
		"rule 80: deny all traffic out to 10.0.0.0/8 was added",
		"rule 90: deny all traffic out to 10.0.0.0/8 was removed",
		"rule 100: allow all traffic out to 0.0.0.0/0 was replaced by rule 100: allow TCP port 443 out to 0.0.0.0/0",
	}))
	g.Expect(networkacl.Differences(before, before)).To(BeEmpty())
	g.Expect(networkacl.Differences(nil, copiesOf(ingress(allowOut(100, everywhere))))).To(HaveLen(1), "direction and number tell entries apart")
}

// What a read shows while it may lag is told by EarlyDrift, and later by Drift.
func TestEarlyDrift(t *testing.T) {
	g := NewWithT(t)
	const a, b = "52.119.223.69/32", "52.119.223.70/32"
	lines := []v1alpha1.Rule{
		aged(rule(81, b, installed), networkacl.SettleFor-time.Second), aged(rule(80, a, installed), networkacl.SettleFor-time.Minute),
		aged(rule(82, a, installed), networkacl.SettleFor), aged(rule(83, a, creating), 0), rule(84, a, installed), aged(rule(85, a, installed), 0),
	}
	observed := with(denyOut(85, a))
	g.Expect(networkacl.EarlyDrift(lines, observed, nil, now)).To(Equal([]networkacl.Early{
		{What: "rule 80 (" + a + ") was removed", Settles: now.Add(time.Minute)}, {What: "rule 81 (" + b + ") was removed", Settles: now.Add(time.Second)},
	}))
	g.Expect(networkacl.Drift(lines, observed, nil, now)).To(Equal([]string{"rule 82 (" + a + ") was removed", "rule 84 (" + a + ") was removed"}))
}

// What can't be read is no reason to follow, nor is a destination that no entry can deny.
func TestRecopyOfWhatCannotBeFollowed(t *testing.T) {
	g := NewWithT(t)
	broken := allowOut(100, everywhere)
	broken.Protocol = "tcp"
	_, err := networkacl.Recopy(nil, []networkacl.Entry{broken}, nil, nil, 0)
	g.Expect(err).To(HaveOccurred())
	_, err = networkacl.Recopy(nil, []networkacl.Entry{allowOut(100, everywhere)}, nil, []networkacl.Destination{dest(v1alpha1.EndpointACS, "a.example", "::ffff:10.0.0.1/128")}, 0)
	g.Expect(err).To(MatchError(ContainSubstring("is not an IPv4 or IPv6 range")))
}
