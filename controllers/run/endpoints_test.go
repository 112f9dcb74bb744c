// SPDX-License-Identifier: Apache-2.0

package run

import (
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
)

func TestAddressesAreOnlyEverAddedInOrderAndWithinTheBound(t *testing.T) {
	g := NewWithT(t)
	endpoint := v1alpha1.Endpoint{Hostname: "a.example", Addresses: []string{"192.0.2.10"}}
	add := func(texts ...string) bool {
		var addresses []netip.Addr
		for _, text := range texts {
			addresses = append(addresses, netip.MustParseAddr(text))
		}
		return AddAddresses(&endpoint, addresses)
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
	var got []string
	for _, d := range Desired(&v1alpha1.AgentDisconnect{Status: v1alpha1.AgentDisconnectStatus{
		Endpoints: []v1alpha1.Endpoint{
			{Hostname: "a.example", Session: v1alpha1.EndpointACS, Addresses: []string{"192.0.2.1", "not an address", "2001:db8::1"}},
			{Hostname: "b.example", Session: v1alpha1.EndpointAdditional, Addresses: []string{"192.0.2.2"}},
		},
		StartedWith: &v1alpha1.StartedWith{AdditionalEndpoints: &v1alpha1.AdditionalEndpoints{CIDRs: []string{"198.51.100.0/24", "not a range"}}},
	}}) {
		got = append(got, string(d.Session)+" "+d.String())
	}
	g.Expect(got).To(Equal([]string{
		"ACS 192.0.2.1/32 (a.example)", "ACS 2001:db8::1/128 (a.example)", "Additional 192.0.2.2/32 (b.example)", "Additional 198.51.100.0/24",
	}))
}

func TestExemptDestinationsAreNotDesired(t *testing.T) {
	g := NewWithT(t)
	one, all, beside := destination("192.0.2.7/32", "a", v1alpha1.EndpointACS), destination("192.0.2.0/24", "", v1alpha1.EndpointAdditional), destination("192.0.2.8/32", "a", v1alpha1.EndpointACS)
	exempt := []v1alpha1.Exemption{{CIDR: "192.0.2.7/32"}}
	g.Expect(WithoutExempt([]networkacl.Destination{one, all, beside}, exempt)).To(Equal([]networkacl.Destination{beside}), "nor what covers them")
	exempt = []v1alpha1.Exemption{{CIDR: "192.0.2.0/24"}}
	g.Expect(WithoutExempt([]networkacl.Destination{one, all, beside}, exempt)).To(Equal([]networkacl.Destination{one, beside}), "an address within a range that is exempt as a whole may be denied")
}

func TestLinesThatNothingNeeds(t *testing.T) {
	g := NewWithT(t)
	lines := []v1alpha1.Rule{{CIDR: "192.0.2.7/32"}, {CIDR: "192.0.2.8/32"}, {CIDR: "198.51.100.1/32"}}
	desired := []networkacl.Destination{destination("192.0.2.8/32", "a", v1alpha1.EndpointACS), destination("198.51.100.0/24", "", v1alpha1.EndpointAdditional)}
	g.Expect(UnneededLines(lines, desired)).To(Equal(lines[:1]))
	g.Expect(UnneededLines(lines, nil)).To(Equal(lines))
}
