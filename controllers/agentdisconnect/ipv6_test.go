// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	simworld "agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

const (
	vpcIPv6       = "2406:da14:1:1100::/56"
	dedicatedIPv6 = "2406:da14:1:1101::/64"
	sharedIPv6    = "2406:da14:1:1102::/64"
	acsIPv6       = "2406:da14:ff::a1"
	tcsIPv6       = "2406:da14:ff::b1"
)

// ipv6Answers has both hosts resolve to an IPv6 address too.
func ipv6Answers(o *sim.Options) {
	o.World = simworld.Default()
	o.World.Hosts[0].Addresses = append(o.World.Hosts[0].Addresses, acsIPv6)
	o.World.Hosts[1].Addresses = append(o.World.Hosts[1].Addresses, tcsIPv6)
}

// dualStack has IPv6 in the VPC and in two subnets, whose network ACLs allow it.
func dualStack(o *sim.Options) {
	ipv6Answers(o)
	o.World.VPCs[0].IPv6CIDR = vpcIPv6
	o.World.Subnets[0].IPv6CIDR, o.World.Subnets[1].IPv6CIDR = dedicatedIPv6, sharedIPv6
	for _, direction := range []string{"egress", "ingress"} {
		o.World.NetworkACLs[1].Entries = append(o.World.NetworkACLs[1].Entries, simworld.Entry{Rule: 101, Direction: direction, Action: "allow", CIDR: "::/0"})
	}
}

var bothFamilies = map[int]string{
	80: "52.119.219.115/32", 81: "52.119.220.39/32", 82: "52.119.223.69/32", 83: acsIPv6 + "/128",
	90: "52.119.219.118/32", 91: "52.119.221.107/32", 92: "52.119.223.82/32", 93: tcsIPv6 + "/128",
}

var _ = Describe("IPv6", func() {
	It("is denied address by address in a subnet that has it, in the same number space", func(ctx context.Context) {
		w := newWorld(ctx, dualStack)
		obj := w.blocking(ctx)
		Expect(w.denies(aclID)).To(Equal(bothFamilies))
		Expect(w.reachable(subnetID, acsIPv6)).To(BeFalse())
		Expect(w.reachable(subnetID, "2406:da14:ff::c1")).To(BeTrue())
		Expect(*w.get(ctx, obj).Status.Target.IPv6).To(BeTrue())
		w.discard(ctx, obj)

		By("counting the families apart in a plan")
		headroom := w.planned(ctx).Status.Plan.Headroom
		Expect(*headroom.IPv4Entries).To(BeEquivalentTo(20 - 2 - 6))
		Expect(*headroom.IPv6Entries).To(BeEquivalentTo(20 - 2 - 2))
	})

	It("is left alone in a subnet without it, whatever the DNS says", func(ctx context.Context) {
		w := newWorld(ctx, ipv6Answers)
		obj := w.blocking(ctx)
		Expect(w.denies(aclID)).To(HaveLen(6))
		Expect(w.get(ctx, obj).Status.Target.IPv6).To(BeNil())
		for _, endpoint := range w.get(ctx, obj).Status.Endpoints {
			Expect(endpoint.Addresses).To(HaveLen(3))
		}
		w.discard(ctx, obj)
	})

	It("that a subnet gets during the run is denied from then on", func(ctx context.Context) {
		w := newWorld(ctx, func(o *sim.Options) {
			dualStack(o)
			o.World.Subnets[0].IPv6CIDR = ""
		})
		obj := w.blocking(ctx)
		Expect(w.denies(aclID)).To(HaveLen(6))
		Expect(w.sim.Region().AssociateSubnetIPv6(subnetID, netip.MustParsePrefix(dedicatedIPv6))).To(Succeed())
		w.run(ctx, time.Minute, obj)
		Expect(w.denies(aclID)).To(Equal(bothFamilies), describe(w.get(ctx, obj)))
		w.discard(ctx, obj)
	})

	It("ranges of the spec are denied where the network ACL lets them through", func(ctx context.Context) {
		w := newWorld(ctx, dualStack)
		obj := w.blocking(ctx, withEndpoints(nil, "2406:da14:ff::/48", "198.51.100.0/24"))
		Expect(w.denies(aclID)).To(HaveLen(8), "the range takes the place of both addresses")
		Expect(w.denies(aclID)).To(And(HaveKeyWithValue(99, "198.51.100.0/24"), HaveKeyWithValue(98, "2406:da14:ff::/48")))
		Expect(w.reachable(subnetID, acsIPv6)).To(BeFalse())
		w.discard(ctx, obj)
	})

	It("ranges of the spec take no rule in a VPC without IPv6", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.blocking(ctx, withEndpoints(nil, "2001:db8::/48"))
		Expect(w.denies(aclID)).To(HaveLen(6))
		w.discard(ctx, obj)
	})

	It("of a VPC endpoint's interfaces is denied beside their IPv4 addresses", func(ctx context.Context) {
		w := newWorld(ctx, dualStack)
		agent := w.privateLink(region.ServiceAgent, sharedSubnet)
		Expect(agent.Addresses()).To(HaveLen(2))
		obj := w.blocking(ctx)
		Expect(w.denies(aclID)).To(HaveLen(10))
		for _, address := range agent.Addresses() {
			Expect(w.numberOf(address)).To(And(BeNumerically(">=", 80), BeNumerically("<=", 89)))
			Expect(w.passes(address)).To(BeFalse())
		}
		w.discard(ctx, obj)
	})

	It("entries are in a clone as they are in the original", func(ctx context.Context) {
		w := newWorld(ctx, dualStack)
		Expect(w.sim.Region().CreateNetworkACLEntry(sharedACL, acl.Entry{
			RuleNumber: 50, Protocol: acl.TCP, CIDR: netip.MustParsePrefix("2001:db8::/32"), From: 22, To: 22,
		})).To(Succeed())
		w.before = w.entries()
		obj := w.blocking(ctx, withSubnet(sharedSubnet), amongOthers)
		clone := w.get(ctx, obj).Status.NetworkACL.ID
		Expect(w.denies(clone)).To(Equal(bothFamilies))
		theirs := func(id string) []string {
			return slices.DeleteFunc(slices.Clone(w.entries()[id]), func(line string) bool {
				return strings.HasPrefix(line, "tag ") || strings.HasPrefix(line, "subnet ") || slices.ContainsFunc(slices.Collect(maps.Values(bothFamilies)), func(cidr string) bool {
					return strings.Contains(line, "CIDR:"+cidr)
				})
			})
		}
		Expect(theirs(clone)).To(Equal(theirs(sharedACL)))
		Expect(theirs(clone)).To(HaveLen(4 + 4 + 1))
		w.discard(ctx, obj)
	})

	It("fills its own quota: the refusal names the family, and the other one has room", func(ctx context.Context) {
		w := newWorld(ctx, dualStack)
		fill := func(n int) {
			entries := []acl.Entry{region.AllowAll(100, true), region.AllowAll(100, false), region.AllowAllIPv6(101, true), region.AllowAllIPv6(101, false)}
			for i := range n {
				entries = append(entries, acl.Entry{RuleNumber: 200 + i, Egress: true, Protocol: acl.All, CIDR: netip.MustParsePrefix(fmt.Sprintf("2001:db8:%x::/48", i))})
			}
			Expect(w.sim.Region().SetEntries(aclID, entries...)).To(Succeed())
			w.before = w.entries()
		}
		fill(17)
		obj := w.create(ctx)
		w.run(ctx, 20*time.Second, obj)
		badInput{
			reason: v1alpha1.ReasonQuotaExceeded,
			message: "network ACL " + aclID + " has 19 outbound IPv6 rules, the default one included, of the 20 that its quota allows, and the run needs 2 more: " +
				"delete 1 of them, or raise the quota of rules per network ACL (L-2AEEBF1A, 40 at most)",
		}.expect(ctx, w, obj)
		Expect(refusalsOf(w.planned(ctx))).To(Equal([]string{v1alpha1.ReasonQuotaExceeded}))
		fill(16)
		w.run(ctx, 30*time.Second, obj)
		Expect(w.denies(aclID)).To(HaveLen(8+16), describe(w.get(ctx, obj)))
		w.discard(ctx, obj)
	})
})
