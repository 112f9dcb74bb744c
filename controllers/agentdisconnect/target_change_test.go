// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// sharing has a run accept that its network ACL serves other subnets too.
func sharing(obj *v1alpha1.AgentDisconnect) {
	obj.Spec.NetworkACLMode = v1alpha1.NetworkACLModeInPlace
}

// leave takes all container instances of the run out of the cluster.
func (w *world) leave() {
	GinkgoHelper()
	for _, arn := range w.agents() {
		Expect(w.sim.Region().RemoveContainerInstance(arn)).To(Succeed())
	}
}

// move gives a subnet another network ACL.
func (w *world) move(subnet, to string) {
	GinkgoHelper()
	Expect(w.sim.Region().MoveSubnet(subnet, to)).To(Succeed())
}

// anotherACL is a network ACL of a third party in the same VPC.
func (w *world) anotherACL() string {
	GinkgoHelper()
	found, _ := w.sim.Region().NetworkACL(aclID)
	made, err := w.sim.Region().CreateNetworkACL(found.VPCID, "", "", nil)
	Expect(err).NotTo(HaveOccurred())
	Expect(w.sim.Region().SetEntries(made.ID, region.AllowAll(100, true), region.AllowAll(100, false))).To(Succeed())
	return made.ID
}

var _ = Describe("A run whose target changes", func() {
	DescribeTable("ends, takes its rules back where it made them, and says why", func(ctx context.Context, change func(w *world), reasons ...string) {
		w, _ := audited(ctx)
		w.follow()
		obj := w.settled(ctx)
		change(w)
		w.acceptMoves()
		seen := w.until(ctx, obj, 40*time.Second, aborted)
		Expect(seen.Status.Abort.Reason).To(BeElementOf(reasons), describe(seen))
		w.run(ctx, 5*time.Second, obj)
		w.expectRestored()

		seen = w.finish(ctx, obj, 15*time.Minute)
		succeeded := condition(seen, v1alpha1.ConditionSucceeded)
		Expect(succeeded.Status).To(Equal(metav1.ConditionFalse), describe(seen))
		Expect(succeeded.Reason).To(BeElementOf(reasons))
		Expect(condition(seen, v1alpha1.ConditionStalled).Reason).To(Equal(succeeded.Reason))
		Expect(condition(seen, v1alpha1.ConditionRulesInstalled).Status).To(Equal(metav1.ConditionFalse))
		Expect(seen.Finalizers).To(BeEmpty())
	},
		Entry("when another subnet joins its network ACL", func(w *world) { w.move(plainSubnet, aclID) }, v1alpha1.AbortNetworkACLShared),
		Entry("when the subnet moves to another network ACL", func(w *world) { w.move(subnetID, sharedACL) }, v1alpha1.AbortSubnetLeft),
		Entry("when the network ACL is deleted", func(w *world) {
			w.move(subnetID, sharedACL)
			Expect(w.sim.Region().DeleteNetworkACL(aclID)).To(Succeed())
		}, v1alpha1.AbortNetworkACLDeleted),
		Entry("when the subnet is deleted", func(w *world) { Expect(w.sim.Region().DeleteSubnet(subnetID)).To(Succeed()) }, v1alpha1.AbortSubnetLeft, v1alpha1.AbortAgentsLeft),
		Entry("when the VPC is deleted", func(w *world) {
			subnet, _ := w.sim.Region().View(time.Time{}).Subnet(subnetID)
			Expect(w.sim.Region().DeleteVPC(subnet.VPCID)).To(Succeed())
		}, v1alpha1.AbortSubnetLeft, v1alpha1.AbortNetworkACLDeleted, v1alpha1.AbortAgentsLeft),
		Entry("when the cluster is deleted", func(w *world) { Expect(w.sim.Region().DeleteCluster(clusterName)).To(Succeed()) }, v1alpha1.AbortClusterGone),
		Entry("when all agents leave the cluster", func(w *world) { w.leave() }, v1alpha1.AbortAgentsLeft),
		Entry("when the subnet's owner takes the consent back", func(w *world) {
			Expect(w.sim.Region().DeleteTags([]string{subnetID}, []region.Deletion{{Key: w.options.ConsentTagKey}})).To(Succeed())
		}, v1alpha1.AbortConsentWithdrawn),
		Entry("when the subnet's owner consents for other namespaces only", func(w *world) {
			Expect(w.sim.Region().CreateTags([]string{subnetID}, map[string]string{w.options.ConsentTagKey: "somewhere else"})).To(Succeed())
		}, v1alpha1.AbortConsentWithdrawn),
	)

	It("goes on when another subnet joins that consents, if sharing was asked for", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.consenting()
		obj := w.settled(ctx, sharing)
		w.move(plainSubnet, aclID)
		w.run(ctx, 5*time.Minute, obj)
		Expect(w.get(ctx, obj).Status.Abort).To(BeNil())
		w.expectAllDenied(w.get(ctx, obj))
	})

	It("goes on when it was asked for sharing only after its start, and ends when a subnet joins", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.settled(ctx)
		fresh := w.get(ctx, obj)
		sharing(fresh)
		Expect(kube.Update(ctx, fresh)).To(Succeed())
		w.run(ctx, time.Minute, obj)
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionSucceeded).Message).To(ContainSubstring("networkACLMode"), "the change isn't said to be without effect")
		w.move(plainSubnet, aclID)
		Expect(w.until(ctx, obj, 40*time.Second, aborted).Status.Abort.Reason).To(Equal(v1alpha1.AbortNetworkACLShared))
	})

	It("doesn't believe one read that another subnet joined", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.settled(ctx)
		before := w.count("ec2:DescribeNetworkAcls")
		w.move(plainSubnet, aclID)
		w.until(ctx, obj, 31*time.Second, func(*v1alpha1.AgentDisconnect) bool { return w.count("ec2:DescribeNetworkAcls") > before })
		w.move(plainSubnet, sharedACL)
		w.run(ctx, 5*time.Minute, obj)
		Expect(w.get(ctx, obj).Status.Abort).To(BeNil(), describe(w.get(ctx, obj)))
	})

	It("doesn't count two reads that show different trouble as one that lasts", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.settled(ctx)
		w.strip(80)
		w.until(ctx, obj, 31*time.Second, installed(metav1.ConditionFalse))
		w.add(deny(80, first+"/32"))
		w.move(plainSubnet, aclID)
		w.until(ctx, obj, 10*time.Second, installed(metav1.ConditionTrue))
		w.move(plainSubnet, sharedACL)
		w.run(ctx, time.Minute, obj)
		Expect(w.get(ctx, obj).Status.Abort).To(BeNil(), describe(w.get(ctx, obj)))
	})

	It("leaves the network ACL alone that the subnet was moved to, even with rules just like its own", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.settled(ctx)
		other := w.anotherACL()
		Expect(w.sim.Region().CreateNetworkACLEntry(other, deny(80, first+"/32"))).To(Succeed())
		w.move(subnetID, other)
		w.acceptMoves()
		w.until(ctx, obj, 40*time.Second, aborted)
		w.run(ctx, 5*time.Second, obj)
		w.expectRestored()
		Expect(w.denies(other)).To(Equal(map[int]string{80: first + "/32"}))
	})

	It("no longer counts a container instance that left", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.follow()
		obj := w.settled(ctx)
		Expect(w.sim.Region().RemoveContainerInstance(w.agents()[0])).To(Succeed())
		w.run(ctx, 31*time.Second, obj)
		seen := w.get(ctx, obj)
		Expect(*seen.Status.Agents.Total).To(BeEquivalentTo(1), describe(seen))
		Expect(condition(seen, v1alpha1.ConditionAgentsDisconnected).Status).To(Equal(metav1.ConditionTrue), describe(seen))
		Expect(seen.Status.Abort).To(BeNil())
	})
})
