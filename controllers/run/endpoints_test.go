// SPDX-License-Identifier: Apache-2.0

package run_test

import (
	"net/netip"
	"slices"
	"testing"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// destination is one of which all traffic counts.
func destination(cidr, hostname string, session v1alpha1.EndpointSession) networkacl.Destination {
	return networkacl.Destination{CIDR: netip.MustParsePrefix(cidr), Hostname: hostname, Session: session}
}

// https is a destination of which the traffic of an agent's session counts.
func https(cidr, hostname string, session v1alpha1.EndpointSession) networkacl.Destination {
	d := destination(cidr, hostname, session)
	d.Traffic = networkacl.HTTPS
	return d
}

func TestAddressesAreOnlyEverAddedInOrderAndWithinTheBound(t *testing.T) {
	g := NewWithT(t)
	endpoint := v1alpha1.Endpoint{Hostname: "a.example", Addresses: []string{"192.0.2.10"}}
	add := func(texts ...string) bool {
		var addresses []netip.Addr
		for _, text := range texts {
			addresses = append(addresses, netip.MustParseAddr(text))
		}
		return run.AddAddresses(&endpoint, addresses)
	}
	g.Expect(add()).To(BeFalse())
	g.Expect(add("192.0.2.10")).To(BeFalse())
	g.Expect(add("192.0.2.9", "192.0.2.10")).To(BeTrue())
	g.Expect(endpoint.Addresses).To(Equal([]string{"192.0.2.9", "192.0.2.10"}), "by value, not by text")
	for i := range 60 {
		add(netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}).String())
	}
	g.Expect(endpoint.Addresses).To(HaveLen(v1alpha1.MaxAddresses))
	g.Expect(endpoint.Addresses[0]).To(Equal("192.0.2.9"))
}

func TestDesiredIsEveryAddressAndEveryRange(t *testing.T) {
	g := NewWithT(t)
	obj := &v1alpha1.AgentDisconnect{
		Spec: v1alpha1.AgentDisconnectSpec{AdditionalEndpoints: &v1alpha1.AdditionalEndpoints{CIDRs: []string{"203.0.113.0/24"}}},
		Status: v1alpha1.AgentDisconnectStatus{
			Endpoints: []v1alpha1.Endpoint{
				{Hostname: "a.example", Session: v1alpha1.EndpointACS, Addresses: []string{"192.0.2.1", "not an address", "2001:db8::1"}},
				{Hostname: "t.example", Session: v1alpha1.EndpointTCS, Addresses: []string{"::ffff:192.0.2.3"}},
				{Hostname: "b.example", Session: v1alpha1.EndpointAdditional, Addresses: []string{"192.0.2.2"}},
			},
			StartedWith: &v1alpha1.StartedWith{AdditionalEndpoints: &v1alpha1.AdditionalEndpoints{CIDRs: []string{"198.51.100.0/24", "not a range"}}},
		},
	}
	addresses := []networkacl.Destination{
		https("192.0.2.1/32", "a.example", v1alpha1.EndpointACS), https("2001:db8::1/128", "a.example", v1alpha1.EndpointACS),
		https("192.0.2.3/32", "t.example", v1alpha1.EndpointTCS), destination("192.0.2.2/32", "b.example", v1alpha1.EndpointAdditional),
	}
	ranges := func(cidr string) []networkacl.Destination {
		return append(slices.Clone(addresses), destination(cidr, "", v1alpha1.EndpointAdditional))
	}
	g.Expect(run.Desired(obj)).To(Equal(ranges("198.51.100.0/24")), "the ranges that the run began with")

	obj.Status.StartedWith.AdditionalEndpoints = nil
	g.Expect(run.Desired(obj)).To(Equal(addresses), "it began without ranges")

	obj.Status.StartedWith = nil
	g.Expect(run.Desired(obj)).To(Equal(ranges("203.0.113.0/24")), "before it began, those of the spec")

	obj.Status.Exemptions = []v1alpha1.Exemption{{CIDR: "203.0.113.7/32"}}
	g.Expect(run.Desired(obj)).To(Equal(addresses), "but for what is exempt")
}

func TestExemptDestinationsAreNotDesired(t *testing.T) {
	g := NewWithT(t)
	one, all, beside := destination("192.0.2.7/32", "a", v1alpha1.EndpointACS), destination("192.0.2.0/24", "", v1alpha1.EndpointAdditional), destination("192.0.2.8/32", "a", v1alpha1.EndpointACS)
	exempt := []v1alpha1.Exemption{{CIDR: "192.0.2.7/32"}}
	g.Expect(run.WithoutExempt([]networkacl.Destination{one, all, beside}, exempt)).To(Equal([]networkacl.Destination{beside}), "nor what covers them")
	exempt = []v1alpha1.Exemption{{CIDR: "192.0.2.0/24"}}
	g.Expect(run.WithoutExempt([]networkacl.Destination{one, all, beside}, exempt)).To(Equal([]networkacl.Destination{one, beside}), "an address within a range that is exempt as a whole may be denied")
}

func TestLinesThatNothingNeeds(t *testing.T) {
	g := NewWithT(t)
	lines := []v1alpha1.Rule{{CIDR: "192.0.2.7/32"}, {CIDR: "192.0.2.8/32"}, {CIDR: "198.51.100.1/32"}}
	desired := []networkacl.Destination{destination("192.0.2.8/32", "a", v1alpha1.EndpointACS), destination("198.51.100.0/24", "", v1alpha1.EndpointAdditional)}
	g.Expect(run.UnneededLines(lines, desired)).To(Equal(lines[:1]))
	g.Expect(run.UnneededLines(lines, nil)).To(Equal(lines))
}

func TestASubnetWithoutIPv6HasNoUseForIPv6Addresses(t *testing.T) {
	g := NewWithT(t)
	one, six, two := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("192.0.2.2")
	found := []netip.Addr{six, one, two}
	g.Expect(run.UsableAddresses(found, true)).To(Equal(found))
	g.Expect(run.UsableAddresses(found, false)).To(Equal([]netip.Addr{one, two}))
	g.Expect(found).To(Equal([]netip.Addr{six, one, two}), "what was found stays as it is")
}

func TestAVPCEndpointIsKnownByItsID(t *testing.T) {
	for host, private := range map[string]bool{
		"vpce-0a1b2c3d4e5f60718": true,
		"vpce-0a1b2c3d4e5f60718-x1y2z3.ecs-a.us-east-1.vpce.amazonaws.com": false,
		"ecs-a-4.us-east-1.amazonaws.com":                                  false,
		"localhost":                                                        false,
	} {
		NewWithT(t).Expect(run.IsPrivate(v1alpha1.Endpoint{Hostname: host})).To(Equal(private), host)
	}
}

func TestTheFirstHostWithoutAnAddressIsUnresolved(t *testing.T) {
	resolved := func(host string) v1alpha1.Endpoint {
		return v1alpha1.Endpoint{Hostname: host, Addresses: []string{"192.0.2.1"}}
	}
	for name, tc := range map[string]struct {
		endpoints []v1alpha1.Endpoint
		want      string
	}{
		"no host":       {},
		"all have some": {endpoints: []v1alpha1.Endpoint{resolved("a.example"), resolved("b.example")}},
		"one has none":  {[]v1alpha1.Endpoint{resolved("a.example"), {Hostname: "b.example"}}, "b.example"},
		"two have none": {[]v1alpha1.Endpoint{resolved("a.example"), {Hostname: "c.example"}, {Hostname: "b.example"}}, "c.example"},
	} {
		NewWithT(t).Expect(run.UnresolvedHost(tc.endpoints)).To(Equal(tc.want), name)
	}
}
