// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
)

const (
	dns64Message = "subnet " + subnetID + " has DNS64 enabled: agents there may connect to IPv6 addresses under 64:ff9b::/96 that the resolver synthesizes from IPv4 addresses, and the manager's lookups don't return those, so the rules would miss them. " +
		"Disable it (aws ec2 modify-subnet-attribute --subnet-id " + subnetID + " --no-enable-dns64), or choose another subnet"
	nativeMessage = "subnet " + subnetID + " is IPv6-only (ipv6Native): agents there use the dual-stack API of ECS, which may name other hosts to them than to the manager, so the rules could miss them. " +
		"Choose a subnet with an IPv4 range; it may have an IPv6 range too"
)

func ipv6Native(o *sim.Options) {
	dualStack(o)
	o.World.Subnets[0].IPv6Native = true
}

var _ = DescribeTable("A subnet whose agents may use addresses that lookups don't show", func(ctx context.Context, b badInput) { b.check(ctx) },
	Entry("IPv6 alone", badInput{
		simulator: ipv6Native,
		reason:    v1alpha1.ReasonSubnetNotSupported, message: nativeMessage,
	}),
	Entry("DNS64", badInput{
		simulator: dualStack,
		cause:     func(w *world) { Expect(w.sim.Region().SetDNS64(subnetID, true)).To(Succeed()) },
		reason:    v1alpha1.ReasonSubnetNotSupported, message: dns64Message,
		mend: func(w *world) { Expect(w.sim.Region().SetDNS64(subnetID, false)).To(Succeed()) },
	}),
)

var _ = Describe("A plan for a subnet whose agents may use addresses that lookups don't show", func() {
	It("is refused with each cause", func(ctx context.Context) {
		w := newWorld(ctx, ipv6Native)
		Expect(w.sim.Region().SetDNS64(subnetID, true)).To(Succeed())
		Expect(w.planned(ctx).Status.Plan.Refusals).To(ContainElements(
			v1alpha1.Refusal{Reason: v1alpha1.ReasonSubnetNotSupported, Message: nativeMessage},
			v1alpha1.Refusal{Reason: v1alpha1.ReasonSubnetNotSupported, Message: dns64Message},
		))
	})

	It("goes ahead where another subnet has DNS64", func(ctx context.Context) {
		w := newWorld(ctx, dualStack)
		Expect(w.sim.Region().SetDNS64(sharedSubnet, true)).To(Succeed())
		Expect(w.planned(ctx).Status.Plan.Refusals).To(BeEmpty())
	})
})
