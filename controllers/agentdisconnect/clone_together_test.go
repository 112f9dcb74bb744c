// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
)

// plain is a run in the other subnet that shares the network ACL.
func plain(obj *v1alpha1.AgentDisconnect) { withSubnet(plainSubnet)(obj) }

// consenting gives the subnet plainSubnet its owner's consent and a container instance.
func (w *world) consenting() {
	GinkgoHelper()
	Expect(w.sim.Region().CreateTags([]string{plainSubnet}, map[string]string{consentTag: "true"})).To(Succeed())
	w.register(clusterName, plainSubnet)
}

// expectWaiting says that a run has not begun, and names what it waits for.
func (w *world) expectWaiting(ctx context.Context, obj, holder *v1alpha1.AgentDisconnect) {
	GinkgoHelper()
	seen := w.get(ctx, obj)
	Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateWaiting), describe(seen))
	Expect(condition(seen, v1alpha1.ConditionSucceeded).Message).To(ContainSubstring(holder.Namespace + "/" + holder.Name))
	Expect(seen.Status.StartTime).To(BeNil())
}

var _ = Describe("Two runs of which one has a clone", func() {
	It("are on together where both have clones of one network ACL for different subnets", func(ctx context.Context) {
		w := cloneWorld(ctx)
		w.consenting()
		one, two := w.create(ctx, shared), w.create(ctx, plain, cloning)
		w.run(ctx, 30*time.Second, one, two)
		w.expectServing(ctx, one)
		w.expectServing(ctx, two)
		Expect(w.aclOf(sharedSubnet)).NotTo(Equal(w.aclOf(plainSubnet)))

		By("each following changes of the original")
		w.onOriginal(adding(deny(70, "192.0.2.0/24")))
		w.run(ctx, carried, one, two)
		w.expectServing(ctx, one)
		w.expectServing(ctx, two)

		By("the end of one leaving the other alone")
		Expect(kube.Delete(ctx, one)).To(Succeed())
		w.run(ctx, passes, one, two)
		Expect(w.gone(ctx, one)).To(BeTrue())
		Expect(w.aclOf(sharedSubnet)).To(Equal(sharedACL))
		w.expectServing(ctx, two)
		Expect(kube.Delete(ctx, two)).To(Succeed())
		w.run(ctx, passes, two)
		Expect(w.aclOf(plainSubnet)).To(Equal(sharedACL))
		Expect(w.acls()).To(ConsistOf(aclID, sharedACL))
		Expect(w.denies(sharedACL)).To(Equal(map[int]string{70: "192.0.2.0/24"}))
	})

	It("are on together also where the second finds the network ACL without the subnet that the first has on its clone", func(ctx context.Context) {
		w := cloneWorld(ctx)
		w.consenting()
		one := w.blocking(ctx, shared)
		two := w.blocking(ctx, plain)
		w.expectServing(ctx, one)
		w.expectServing(ctx, two)
		Expect(w.get(ctx, two).Status.NetworkACL.ModeReason).To(Equal(v1alpha1.NetworkACLModeShared))
		Expect(kube.Delete(ctx, one)).To(Succeed())
		Expect(kube.Delete(ctx, two)).To(Succeed())
		w.run(ctx, passes, one, two)
		Expect(w.acls()).To(ConsistOf(aclID, sharedACL))
		Expect(w.denies(sharedACL)).To(BeEmpty())
	})

	DescribeTable("take turns where one would write to the network ACL that the other has a clone of", func(ctx context.Context, first, second func(*v1alpha1.AgentDisconnect)) {
		w := newWorld(ctx)
		w.consenting()
		one := w.blocking(ctx, first)
		two := w.create(ctx, second)
		w.run(ctx, 30*time.Second, one, two)
		w.expectWaiting(ctx, two, one)
		Expect(kube.Delete(ctx, one)).To(Succeed())
		w.run(ctx, 40*time.Second, one, two)
		Expect(w.state(ctx, two)).To(Equal(v1alpha1.StateBlocking), describe(w.get(ctx, two)))
	},
		Entry("Clone first", shared, func(obj *v1alpha1.AgentDisconnect) { plain(obj); sharing(obj); amongOthers(obj) }),
		Entry("InPlace first", func(obj *v1alpha1.AgentDisconnect) { shared(obj); sharing(obj) }, func(obj *v1alpha1.AgentDisconnect) { plain(obj); cloning(obj) }),
	)

	It("take turns where both are for one subnet", func(ctx context.Context) {
		w := cloneWorld(ctx)
		one := w.blocking(ctx, shared)
		two := w.create(ctx, shared)
		w.run(ctx, 30*time.Second, one, two)
		w.expectWaiting(ctx, two, one)
		Expect(w.acls()).To(HaveLen(3))

		By("also while the first is suspended")
		w.edit(ctx, one, suspended(true))
		w.run(ctx, 30*time.Second, one, two)
		Expect(w.state(ctx, one)).To(Equal(v1alpha1.StateSuspended))
		w.expectWaiting(ctx, two, one)

		Expect(kube.Delete(ctx, one)).To(Succeed())
		w.run(ctx, 40*time.Second, one, two)
		w.expectServing(ctx, two)
		w.expectGone(ctx, two)
	})

	It("of different Kubernetes clusters don't clone each other's clones", func(ctx context.Context) {
		w := cloneWorld(ctx)
		Expect(w.sim.Region().MoveSubnet(sharedSubnet, w.anotherACL())).To(Succeed())
		const uid = "0f9a8b7c-6d5e-4f30-8a2b-1c0d9e8f7a6b"
		tags := ownership.Ownership{UID: uid, Owner: "elsewhere/theirs", ClusterID: "theirs", Expires: w.clock.Now().Add(time.Hour)}.Tags()
		tags[ownership.TagClone] = uid
		theirs := w.aclOf(sharedSubnet)
		Expect(w.sim.Region().CreateTags([]string{theirs}, tags)).To(Succeed())
		obj := w.create(ctx, shared, cloning)
		w.run(ctx, 30*time.Second, obj)
		seen := w.get(ctx, obj)
		stalled := condition(seen, v1alpha1.ConditionStalled)
		Expect(stalled.Reason).To(Equal(v1alpha1.ReasonNetworkACLTemporary), describe(seen))
		Expect(stalled.Message).To(ContainSubstring("network ACL " + theirs + " is itself the clone of a run"))
		Expect(w.writes()).To(BeEmpty())

		w.move(sharedSubnet, sharedACL)
		w.run(ctx, 30*time.Second, obj)
		w.expectServing(ctx, obj)
	})
})
