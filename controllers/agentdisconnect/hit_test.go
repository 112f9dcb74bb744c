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
	"agentdisconnect.dev/agentdisconnect/hack/simulator/agents"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// inPlace is a run in place in the subnet that shares its network ACL with plainSubnet.
func inPlace(obj *v1alpha1.AgentDisconnect) {
	withSubnet(sharedSubnet)(obj)
	sharing(obj)
}

// revoke removes a subnet's consent.
func (w *world) revoke(subnet string) {
	GinkgoHelper()
	Expect(w.sim.Region().DeleteTags([]string{subnet}, []region.Deletion{{Key: w.options.ConsentTagKey}})).To(Succeed())
}

var _ = DescribeTable("A run in place on a network ACL that subnets share", func(ctx context.Context, b badInput) { b.check(ctx) },
	Entry("with a subnet that does not consent, is refused", badInput{
		object: func(obj *v1alpha1.AgentDisconnect) { inPlace(obj); amongOthers(obj) },
		reason: v1alpha1.ReasonNoConsent,
		message: fmt.Sprintf("with spec.networkACLMode InPlace the rules act on all 2 subnets of network ACL %s, and subnet %s does not consent to runs of this namespace (tag %s): set spec.networkACLMode to Clone, which acts on subnet %s alone, or have their owners consent",
			sharedACL, plainSubnet, consentTag, sharedSubnet),
		mend: func(w *world) { w.consenting() },
	}),
	Entry("with another cluster in another of its subnets, is refused", badInput{
		cause: func(w *world) {
			w.consenting()
			w.evict(otherARN, sharedSubnet)
			w.register("other", plainSubnet)
		},
		object: inPlace,
		reason: v1alpha1.ReasonOtherClusters,
		message: fmt.Sprintf("cluster %s has container instances in the 2 subnets of network ACL %s (%s, %s) too, whose agents would be cut off as well: set spec.networkACLMode to Clone, which acts on subnet %s alone, or set spec.otherClusters to Allow to accept that",
			otherARN, sharedACL, sharedSubnet, plainSubnet, sharedSubnet),
		mend: func(w *world) { w.evict(otherARN, plainSubnet) },
	}),
)

var _ = Describe("A run in place that is on", func() {
	DescribeTable("ends within two looks", func(ctx context.Context, change func(w *world), reason, message string) {
		w, _ := audited(ctx)
		w.consenting()
		obj := w.settled(ctx, inPlace, amongOthers)
		change(w)
		w.acceptMoves()
		seen := w.until(ctx, obj, 40*time.Second, aborted)
		Expect(seen.Status.Abort.Reason).To(Equal(reason), describe(seen))
		Expect(seen.Status.Abort.Message).To(Equal(fmt.Sprintf(message, w.namespace)))
		w.run(ctx, 5*time.Second, obj)
		w.expectRestored()
	},
		Entry("when the owner of another subnet withdraws its consent", func(w *world) { w.revoke(plainSubnet) }, v1alpha1.AbortConsentWithdrawn,
			"subnet "+plainSubnet+" of network ACL "+sharedACL+", which the rules act on too, no longer consents to namespace %s (tag "+consentTag+")"),
		Entry("when a subnet joins that does not consent", func(w *world) {
			w.revoke(subnetID)
			w.move(subnetID, sharedACL)
		}, v1alpha1.AbortNetworkACLShared,
			"network ACL "+sharedACL+" serves subnet "+subnetID+" too, and it does not consent to namespace %s (tag "+consentTag+")"),
	)

	It("ends when consent is withdrawn while ECS can't be asked about other clusters, which is said", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.consenting()
		w.evict(otherARN, sharedSubnet)
		obj := w.settled(ctx, inPlace)
		w.sim.Faults().Add(faults.Fault{Action: "ecs:ListClusters", Denied: true})
		w.run(ctx, 2*time.Minute, obj)
		w.until(ctx, obj, 100*time.Second, func(seen *v1alpha1.AgentDisconnect) bool { return strings.Contains(describe(seen), "ecs:ListClusters") })
		Expect(w.get(ctx, obj).Status.Abort).To(BeNil())
		w.expectAllDeniedOn(w.get(ctx, obj))

		w.revoke(plainSubnet)
		seen := w.until(ctx, obj, 40*time.Second, aborted)
		Expect(seen.Status.Abort.Reason).To(Equal(v1alpha1.AbortConsentWithdrawn), describe(seen))
		w.run(ctx, 5*time.Second, obj)
		w.expectRestored()
	})

	DescribeTable("that is resumed adds no deny before AWS says whose subnets it hits", func(ctx context.Context, hidden faults.Fault, change func(*world)) {
		w, _ := audited(ctx)
		w.consenting()
		w.evict(otherARN, sharedSubnet)
		obj := w.settled(ctx, inPlace)
		w.edit(ctx, obj, suspending(true))
		w.run(ctx, 10*time.Second, obj)
		Expect(w.denies(sharedACL)).To(BeEmpty())

		show := w.sim.Faults().Add(hidden)
		change(w)
		w.edit(ctx, obj, suspending(false))
		w.run(ctx, 5*time.Minute, obj)
		Expect(w.denies(sharedACL)).To(BeEmpty(), "rules were added to subnets that were not looked at")
		Expect(w.get(ctx, obj).Status.Abort).To(BeNil())
		show()
		w.until(ctx, obj, 100*time.Second, aborted)
		Expect(w.denies(sharedACL)).To(BeEmpty())
	},
		Entry("of the others", faults.Fault{Action: "ec2:DescribeSubnets", Denied: true, Params: map[string]string{"Filter.1.Name": "subnet-id"}},
			func(w *world) { w.revoke(plainSubnet) }),
		Entry("of its own", faults.Fault{Action: "ec2:DescribeSubnets", Denied: true, Params: map[string]string{"Filter.1.Value.1": sharedSubnet}},
			func(w *world) { w.revoke(sharedSubnet) }),
		Entry("of other clusters", faults.Fault{Action: "ecs:ListClusters", Denied: true},
			func(w *world) { w.register("other", plainSubnet) }),
		Entry("of other clusters, and never said it to this manager", faults.Fault{Action: "ecs:ListClusters", Denied: true},
			func(w *world) {
				w.register("other", plainSubnet)
				w.boot()
			}),
	)

	It("repairs again soon after one look at the subnets failed", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.consenting()
		obj := w.settled(ctx, inPlace, amongOthers)
		w.sim.Faults().Add(faults.Fault{Action: "ec2:DescribeSubnets", Error: "Unavailable", Times: 20})
		w.run(ctx, 31*time.Second, obj)
		w.sim.Faults().Clear()
		w.sim.SetHost(agents.ACS, acsHost, netip.MustParseAddr("192.0.2.77"))
		w.until(ctx, obj, 40*time.Second, func(*v1alpha1.AgentDisconnect) bool {
			return slices.Contains(slices.Collect(maps.Values(w.denies(sharedACL))), "192.0.2.77/32")
		})
	})

	It("ends when another cluster comes to one of its subnets", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.consenting()
		w.evict(otherARN, sharedSubnet)
		obj := w.settled(ctx, inPlace)
		w.register("other", plainSubnet)
		seen := w.until(ctx, obj, 100*time.Second, aborted)
		Expect(seen.Status.Abort.Reason).To(Equal(v1alpha1.AbortOtherClusters), describe(seen))
	})

	It("ends at once when a consenting subnet joins with another cluster in it", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.consenting()
		w.evict(otherARN, sharedSubnet)
		obj := w.settled(ctx, inPlace)
		w.register("other", subnetID)
		w.move(subnetID, sharedACL)
		seen := w.until(ctx, obj, 40*time.Second, aborted)
		Expect(seen.Status.Abort.Reason).To(Equal(v1alpha1.AbortOtherClusters), describe(seen))
	})

	It("adds no deny while a look shows a subnet that does not consent", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.consenting()
		obj := w.settled(ctx, inPlace, amongOthers)
		w.revoke(plainSubnet)
		before := w.numbers("CreateNetworkAclEntry")
		w.sim.SetHost(agents.ACS, acsHost, netip.MustParseAddr("192.0.2.77"))
		w.until(ctx, obj, 40*time.Second, aborted)
		Expect(w.numbers("CreateNetworkAclEntry")).To(HaveLen(len(before)), "an entry was made after the consent was gone")
	})

	It("counts the subnets that it hits, in its message and in a plan", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.planned(ctx, inPlace, amongOthers)
		Expect(refusalsOf(obj)).To(Equal([]string{v1alpha1.ReasonNoConsent}))

		w.consenting()
		Expect(refusalsOf(w.planned(ctx, inPlace, amongOthers))).To(BeEmpty())
		run := w.blocking(ctx, inPlace, amongOthers)
		Expect(condition(w.get(ctx, run), v1alpha1.ConditionSucceeded).Message).To(ContainSubstring("the rules act on all its 2 subnets, " + sharedSubnet + ", " + plainSubnet))
		w.discard(ctx, run)
	})
})
