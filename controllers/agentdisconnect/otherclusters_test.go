// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
)

const (
	otherARN  = "arn:aws:ecs:ap-northeast-1:123456789012:cluster/other"
	lastARN   = "arn:aws:ecs:ap-northeast-1:123456789012:cluster/zz-last"
	acceptFix = "choose a subnet of its own for the cluster, or set spec.otherClusters to Allow to accept that"
)

// addClusters makes clusters without container instances.
func (w *world) addClusters(n int) {
	GinkgoHelper()
	for i := range n {
		Expect(w.sim.Region().AddCluster(fmt.Sprintf("empty-%03d", i), nil)).To(Succeed())
	}
}

// evict takes the container instances of a cluster out of a subnet.
func (w *world) evict(clusterARN, subnet string) {
	GinkgoHelper()
	for _, instance := range w.sim.Region().ContainerInstances() {
		if instance.ClusterARN == clusterARN && instance.SubnetID == subnet {
			Expect(w.sim.Region().RemoveContainerInstance(instance.ARN)).To(Succeed())
		}
	}
}

var _ = DescribeTable("A subnet with other clusters", func(ctx context.Context, b badInput) {
	b.reason = v1alpha1.ReasonOtherClusters
	b.check(ctx)
},
	Entry("that has one begins when its instances are gone", badInput{
		cause:   func(w *world) { w.register("other", subnetID) },
		message: "cluster " + otherARN + " has container instances in subnet " + subnetID + " too, whose agents would be cut off as well: " + acceptFix,
		mend:    func(w *world) { w.evict(otherARN, subnetID) },
	}),
	Entry("that has one, alone on its network ACL and InPlace by name, begins when its instances are gone", badInput{
		cause:   func(w *world) { w.register("other", subnetID) },
		object:  sharing,
		message: "cluster " + otherARN + " has container instances in subnet " + subnetID + " too, whose agents would be cut off as well: " + acceptFix,
		mend:    func(w *world) { w.evict(otherARN, subnetID) },
	}),
	Entry("that has two, one of which only a later page of the list has", badInput{
		cause: func(w *world) {
			w.addClusters(220)
			Expect(w.sim.Region().AddCluster("zz-last", nil)).To(Succeed())
			w.sim.Region().SetContainerInstanceStatus(w.register("zz-last", subnetID), "DRAINING")
			w.register("other", subnetID)
		},
		message: "clusters " + otherARN + ", " + lastARN + " have container instances in subnet " + subnetID + " too, whose agents would be cut off as well: " + acceptFix,
		mend: func(w *world) {
			w.evict(otherARN, subnetID)
			w.evict(lastARN, subnetID)
		},
	}),
	Entry("of which there are too many to look at", badInput{
		cause: func(w *world) { w.addClusters(discovery.MaxClusters) },
		message: "the Region has more than 300 clusters, and the manager checks no more than that: whether others have container instances in subnet " + subnetID +
			" is not known. Choose a subnet of its own for the cluster, or set spec.otherClusters to Allow to accept that",
		mend: func(w *world) { Expect(w.sim.Region().DeleteCluster("empty-000")).To(Succeed()) },
	}),
	Entry("of which there are too many to look at, and one of those that were is there", badInput{
		cause: func(w *world) {
			w.addClusters(discovery.MaxClusters)
			w.register("empty-000", subnetID)
		},
		message: "cluster arn:aws:ecs:ap-northeast-1:123456789012:cluster/empty-000 has container instances in subnet " + subnetID +
			" too, whose agents would be cut off as well (only 300 of the Region's clusters were checked): " + acceptFix,
		mend: func(w *world) { Expect(w.sim.Region().DeleteCluster("empty-000")).To(Succeed()) },
	}),
)

var _ = Describe("Other clusters in the subnet", func() {
	It("that are allowed are not looked for, and cut off too", func(ctx context.Context) {
		w := newWorld(ctx)
		w.register("other", subnetID)
		w.sim.Faults().Add(faults.Fault{Action: "ecs:ListClusters", Denied: true})
		obj := w.blocking(ctx, amongOthers)
		Expect(w.denies(aclID)).To(HaveLen(6))
		Expect(*w.get(ctx, obj).Status.Agents.Total).To(BeEquivalentTo(2), "the run counts its own cluster's agents alone")
		Expect(*w.get(ctx, obj).Status.Agents.Uncounted).To(BeZero())
		w.discard(ctx, obj)
	})

	It("may not be there unseen: without the permission to look, the run doesn't begin", func(ctx context.Context) {
		w := newWorld(ctx)
		undo := w.sim.Faults().Add(faults.Fault{Action: "ecs:ListClusters", Denied: true})
		obj := w.create(ctx)
		w.run(ctx, time.Minute, obj)
		stalled := condition(w.get(ctx, obj), v1alpha1.ConditionStalled)
		Expect(stalled.Reason).To(Equal(v1alpha1.ReasonAccessDenied), describe(w.get(ctx, obj)))
		Expect(stalled.Message).To(HavePrefix("AWS denies the manager's role ecs:ListClusters: "))
		undo()
		w.run(ctx, 30*time.Second, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking))
		w.discard(ctx, obj)
	})

	It("that join the subnet during a run end it, once two looks found them", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.blocking(ctx)
		w.register("other", subnetID)
		said := "cluster " + otherARN + " has container instances in subnet " + subnetID + " now, whose agents the rules cut off as well, and spec.otherClusters does not allow that"
		suspected := w.until(ctx, obj, 95*time.Second, func(seen *v1alpha1.AgentDisconnect) bool {
			return strings.Contains(condition(seen, v1alpha1.ConditionSucceeded).Message, said)
		})
		Expect(suspected.Status.Abort).To(BeNil(), "one look is not enough")
		Expect(*suspected.Status.Agents.Uncounted).To(BeZero(), describe(suspected))

		seen := w.until(ctx, obj, 10*time.Second, aborted)
		Expect(seen.Status.Abort.Reason).To(Equal(v1alpha1.AbortOtherClusters))
		Expect(seen.Status.Abort.Message).To(Equal(said))
		w.run(ctx, 10*time.Second, obj)
		w.expectRestored()
	})

	It("that join one after another end the run by the first one's two looks, and all are named", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.blocking(ctx)
		w.register("other", subnetID)
		w.until(ctx, obj, 95*time.Second, func(seen *v1alpha1.AgentDisconnect) bool {
			return strings.Contains(condition(seen, v1alpha1.ConditionSucceeded).Message, otherARN)
		})
		Expect(w.sim.Region().AddCluster("zz-last", nil)).To(Succeed())
		w.register("zz-last", subnetID)
		seen := w.until(ctx, obj, 7*time.Second, aborted)
		Expect(seen.Status.Abort.Message).To(ContainSubstring("clusters " + otherARN + ", " + lastARN + " have container instances"))
	})

	It("that come and go, another one at each look, end nothing", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.blocking(ctx)
		w.register("other", subnetID)
		w.until(ctx, obj, 95*time.Second, func(seen *v1alpha1.AgentDisconnect) bool {
			return strings.Contains(condition(seen, v1alpha1.ConditionSucceeded).Message, otherARN)
		})
		w.evict(otherARN, subnetID)
		Expect(w.sim.Region().AddCluster("zz-last", nil)).To(Succeed())
		w.register("zz-last", subnetID)
		w.until(ctx, obj, 7*time.Second, func(seen *v1alpha1.AgentDisconnect) bool {
			return strings.Contains(condition(seen, v1alpha1.ConditionSucceeded).Message, lastARN)
		})
		w.evict(lastARN, subnetID)
		w.run(ctx, time.Minute, obj)
		Expect(w.get(ctx, obj).Status.Abort).To(BeNil(), describe(w.get(ctx, obj)))
		w.discard(ctx, obj)
	})

	It("that one look shows and the next does not end nothing", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.blocking(ctx, within(time.Hour))
		w.register("other", subnetID)
		w.until(ctx, obj, 95*time.Second, func(seen *v1alpha1.AgentDisconnect) bool {
			return strings.Contains(condition(seen, v1alpha1.ConditionSucceeded).Message, otherARN)
		})
		w.evict(otherARN, subnetID)
		w.run(ctx, 5*time.Minute, obj)
		seen := w.get(ctx, obj)
		Expect(seen.Status.Abort).To(BeNil(), describe(seen))
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Message).NotTo(ContainSubstring(otherARN))
		w.discard(ctx, obj)
	})

	It("that are allowed may join during a run", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.blocking(ctx, amongOthers)
		w.register("other", subnetID)
		w.run(ctx, 4*time.Minute, obj)
		Expect(w.get(ctx, obj).Status.Abort).To(BeNil())
		w.discard(ctx, obj)
	})

	It("are in a plan by name, refused or allowed", func(ctx context.Context) {
		w := newWorld(ctx)
		w.register("other", subnetID)
		obj := w.planned(ctx)
		Expect(obj.Status.Plan.OtherClusters).To(Equal([]string{otherARN}))
		Expect(refusalsOf(obj)).To(Equal([]string{v1alpha1.ReasonOtherClusters}))

		obj = w.planned(ctx, sharing)
		Expect(obj.Status.Plan.OtherClusters).To(Equal([]string{otherARN}), "InPlace by name")
		Expect(refusalsOf(obj)).To(Equal([]string{v1alpha1.ReasonOtherClusters}))

		obj = w.planned(ctx, amongOthers)
		Expect(obj.Status.Plan.OtherClusters).To(Equal([]string{otherARN}))
		Expect(obj.Status.Plan.Refusals).To(BeEmpty())
		Expect(obj.Status.Plan.Notes).To(BeEmpty())
	})

	It("that are allowed are no trouble to a plan that can't look at all of them, and it says so", func(ctx context.Context) {
		w := newWorld(ctx)
		w.addClusters(discovery.MaxClusters)
		obj := w.planned(ctx, amongOthers)
		Expect(obj.Status.Plan.Refusals).To(BeEmpty())
		Expect(obj.Status.Plan.Notes).To(ConsistOf("the Region has more than 300 clusters, and the manager checked no more than that for container instances in the subnet"))

		w.sim.Faults().Add(faults.Fault{Action: "ecs:ListClusters", Denied: true})
		obj = w.planned(ctx, amongOthers)
		Expect(obj.Status.Plan.Refusals).To(BeEmpty())
		Expect(obj.Status.Plan.Notes).To(ConsistOf(HavePrefix("other clusters in the subnet are allowed, and the search for them failed: AWS denies the manager's role ecs:ListClusters")))
	})

	It("are not waited for where a look at the subnet shows that the run may have to end", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.blocking(ctx)
		w.revoke(subnetID)
		hold := make(chan struct{})
		DeferCleanup(func() { close(hold) })
		w.sim.Faults().Before("ecs:ListClusters", func(call.Call) { <-hold })
		w.restart() // no answer of before is known
		_, err := w.pass(ctx, obj)
		Expect(err).NotTo(HaveOccurred())
		seen := w.get(ctx, obj)
		Expect(describe(seen)).NotTo(ContainSubstring("ListClusters"), "the pass waited for an answer")
		Expect(seen.Status.Abort).To(BeNil(), "one look is not enough")
		w.run(ctx, 10*time.Second, obj)
		Expect(w.get(ctx, obj).Status.Abort).To(HaveValue(HaveField("Reason", v1alpha1.AbortConsentWithdrawn)))
		w.expectRestored()
	})
})
