// SPDX-License-Identifier: Apache-2.0

package networkacl_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	. "agentdisconnect.dev/agentdisconnect/controllers/networkacl/acltest"
)

func TestOverridden(t *testing.T) {
	g := NewWithT(t)
	const address = "10.0.0.1/32"
	udp := AllowOut(50, Everywhere)
	udp.Protocol = "17"
	host, anything := Dest(v1alpha1.EndpointACS, "a.example", address), Dest(v1alpha1.EndpointAdditional, "", address)
	host.Traffic = networkacl.HTTPS
	line := Rule(90, address, installed)
	for _, tc := range []struct {
		observed []networkacl.Entry
		desired  []networkacl.Destination
		want     bool
	}{
		{[]networkacl.Entry{AllowOut(50, Everywhere)}, []networkacl.Destination{host}, true},
		{[]networkacl.Entry{AllowOut(91, Everywhere)}, []networkacl.Destination{host}, false},
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
		NetworkACLID: ACLID, Desired: []networkacl.Destination{Dest(v1alpha1.EndpointAdditional, "", "10.0.0.7/24")}, Observed: AllowAll,
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(plan.Create).To(HaveExactElements(HaveField("CIDR", "10.0.0.0/24")))
}

func TestRoom(t *testing.T) {
	entries := []networkacl.Entry{
		AllowOut(1, Everywhere), AllowOut(2, "::/0"), AllowOut(3, "10.0.0.0/8"), Ingress(AllowOut(1, Everywhere)),
		DenyOut(networkacl.DefaultIPv4, Everywhere), DenyOut(networkacl.DefaultIPv6, "::/0"), Ingress(DenyOut(networkacl.DefaultIPv4, Everywhere)),
	}
	inbound := make([]networkacl.Entry, 0, 8)
	for n := range int32(8) {
		inbound = append(inbound, Ingress(AllowOut(n+1, Everywhere)))
	}
	more := []v1alpha1.Rule{Rule(80, "10.0.0.1/32", ""), Rule(81, "2001:db8::1/128", ""), Rule(82, "2001:db8::2/128", ""), {CIDR: "?"}}
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

// What a read shows while it may lag is told by EarlyDrift, and later by Drift.
func TestEarlyDrift(t *testing.T) {
	g := NewWithT(t)
	const a, b = "52.119.223.69/32", "52.119.223.70/32"
	lines := []v1alpha1.Rule{
		aged(Rule(81, b, installed), networkacl.SettleFor-time.Second), aged(Rule(80, a, installed), networkacl.SettleFor-time.Minute),
		aged(Rule(82, a, installed), networkacl.SettleFor), aged(Rule(83, a, creating), 0), Rule(84, a, installed), aged(Rule(85, a, installed), 0),
	}
	observed := With(DenyOut(85, a))
	g.Expect(networkacl.EarlyDrift(lines, observed, nil, now)).To(Equal([]networkacl.Early{
		{What: "rule 80 (" + a + ") was removed", Settles: now.Add(time.Minute)}, {What: "rule 81 (" + b + ") was removed", Settles: now.Add(time.Second)},
	}))
	g.Expect(networkacl.Drift(lines, observed, nil, now)).To(Equal([]string{"rule 82 (" + a + ") was removed", "rule 84 (" + a + ") was removed"}))
}
