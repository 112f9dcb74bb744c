// SPDX-License-Identifier: Apache-2.0

package target

import (
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
)

func destination(cidr, hostname string, session v1alpha1.EndpointSession) networkacl.Destination {
	return networkacl.Destination{CIDR: netip.MustParsePrefix(cidr), Hostname: hostname, Session: session}
}

func TestWhatIsNotDenied(t *testing.T) {
	known := limits{
		protected: []discovery.Protected{
			{Address: netip.MustParseAddr("192.0.2.7"), Name: "ecs.example", API: "the ECS API"},
			{Address: netip.MustParseAddr("2001:db8::7"), Name: "ecs.example", API: "the ECS API"},
		},
		hosts:        map[string]string{"ecs.example": "the ECS API"},
		subnetRanges: subnetRanges("10.0.1.0/24", "2001:db8:1::/64", ""),
	}
	for name, tc := range map[string]struct {
		destination networkacl.Destination
		reason      string
	}{
		"an agents' address":                     {destination("192.0.2.8/32", "ecs-a", v1alpha1.EndpointACS), ""},
		"an agents' address that is protected":   {destination("192.0.2.7/32", "ecs-a", v1alpha1.EndpointACS), v1alpha1.ReasonProtectedAddress},
		"a range that covers a protected one":    {destination("192.0.2.0/29", "", v1alpha1.EndpointAdditional), v1alpha1.ReasonProtectedAddress},
		"a range beside it":                      {destination("192.0.2.8/29", "", v1alpha1.EndpointAdditional), ""},
		"an IPv6 range that covers one":          {destination("2001:db8::/64", "", v1alpha1.EndpointAdditional), v1alpha1.ReasonProtectedAddress},
		"a protected host, whatever its address": {destination("192.0.2.99/32", "ecs.example", v1alpha1.EndpointAdditional), v1alpha1.ReasonProtectedAddress},
		"a part of the subnet":                   {destination("10.0.1.4/32", "", v1alpha1.EndpointAdditional), v1alpha1.ReasonNetworkACLHasNoEffect},
		"a range around the subnet":              {destination("10.0.0.0/16", "", v1alpha1.EndpointAdditional), v1alpha1.ReasonNetworkACLHasNoEffect},
		"the subnet's IPv6 range":                {destination("2001:db8:1::/128", "", v1alpha1.EndpointAdditional), v1alpha1.ReasonNetworkACLHasNoEffect},
		"the subnet beside it":                   {destination("10.0.2.0/24", "", v1alpha1.EndpointAdditional), ""},
		"the instance metadata service":          {destination("169.254.169.254/32", "", v1alpha1.EndpointAdditional), v1alpha1.ReasonNetworkACLHasNoEffect},
		"its IPv6 address":                       {destination("fd00:ec2::254/128", "", v1alpha1.EndpointAdditional), v1alpha1.ReasonNetworkACLHasNoEffect},
		"a VPC endpoint's interface in the subnet, which has a reason of its own": {destination("10.0.1.9/32", "vpce-0a", v1alpha1.EndpointACS), ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			reason, message := known.against(tc.destination)
			g.Expect(reason).To(Equal(tc.reason))
			if reason == "" {
				g.Expect(message).To(BeEmpty())
			} else {
				g.Expect(message).NotTo(BeEmpty())
			}
		})
	}
}

func TestNoMoreExemptionsThanTheStatusHolds(t *testing.T) {
	g := NewWithT(t)
	var found []exemption
	for i := range v1alpha1.MaxExemptions + 1 {
		address := netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})
		found = append(found, exemption{networkacl.Destination{CIDR: netip.PrefixFrom(address, 32)}, v1alpha1.ReasonProtectedAddress, "needed"})
	}
	all, full := recordExemptions(nil, found[:v1alpha1.MaxExemptions])
	g.Expect(full).To(BeFalse())
	again, full := recordExemptions(all, found[:3])
	g.Expect(full).To(BeFalse(), "those that are there already take no room")
	g.Expect(again).To(Equal(all))
	_, full = recordExemptions(all, found)
	g.Expect(full).To(BeTrue())
}
