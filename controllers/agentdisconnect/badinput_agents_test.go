// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/policies"
)

func noneConnected(n int) string {
	return fmt.Sprintf("none of the %d container instances of cluster demo in subnet %s has a connected agent: start the agents, then the run begins", n, subnetID)
}

func noInstance(cluster, subnet string) string {
	return "cluster " + cluster + " has no container instance in subnet " + subnet +
		": Fargate tasks and external instances have no agent there. Check spec.cluster and spec.subnetID"
}

// cutting names another cluster than demo, whose agents are in the subnet too.
func cutting(cluster string) func(*v1alpha1.AgentDisconnect) {
	return func(obj *v1alpha1.AgentDisconnect) {
		withCluster(cluster)(obj)
		amongOthers(obj)
	}
}

var _ = DescribeTable("A cluster without agents to cut off", func(ctx context.Context, b badInput) { b.check(ctx) },
	Entry("it runs on Fargate alone", badInput{
		simulator: grantedFor(policies.Values{Cluster: "fargate"}),
		cause:     func(w *world) { Expect(w.sim.Region().AddCluster("fargate", nil)).To(Succeed()) },
		object:    cutting("fargate"), reason: v1alpha1.ReasonNoConnectedAgents, message: noInstance("fargate", subnetID),
		mend: func(w *world) { w.register("fargate", subnetID) },
	}),
	Entry("its instances are in another subnet", badInput{
		simulator: grantedFor(policies.Values{Cluster: "other"}),
		object:    cutting("other"), reason: v1alpha1.ReasonNoConnectedAgents, message: noInstance("other", subnetID),
		mend: func(w *world) { w.register("other", subnetID) },
	}),
	Entry("it has more instances there than a run counts", badInput{
		cause: func(w *world) {
			for range v1alpha1.MaxContainerInstances - 1 {
				w.register(clusterName, subnetID)
			}
		},
		reason:  v1alpha1.ReasonTooManyAgents,
		message: "cluster demo has more than 1000 container instances in subnet " + subnetID + ", and a run counts no more than that: choose a smaller subnet",
		mend:    func(w *world) { Expect(w.sim.Region().RemoveContainerInstance(w.agents()[0])).To(Succeed()) },
	}),
	Entry("its agents are all stopped", badInput{
		cause:  func(w *world) { w.setAgents(false) },
		reason: v1alpha1.ReasonNoConnectedAgents, message: noneConnected(2),
		mend: func(w *world) { w.setAgents(true) },
	}),
	Entry("its instances are all being deregistered", badInput{
		cause: func(w *world) {
			for _, arn := range w.agents() {
				w.sim.Region().SetContainerInstanceStatus(arn, "DEREGISTERING")
			}
		},
		reason: v1alpha1.ReasonNoConnectedAgents, message: noneConnected(2),
		mend: func(w *world) {
			for _, arn := range w.agents() {
				w.sim.Region().SetContainerInstanceStatus(arn, "ACTIVE")
			}
		},
	}),
)

var _ = Describe("Agents that are connected now and then", func() {
	It("count only after two polls in a row, and the status claims neither before", func(ctx context.Context) {
		w := newWorld(ctx)
		w.setAgents(false)
		obj := w.create(ctx)
		w.run(ctx, time.Second, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateRefused))

		By("having been seen connected once")
		w.setAgents(true)
		w.run(ctx, w.options.AgentPollInterval, obj)
		w.run(ctx, time.Second, obj)
		seen := w.get(ctx, obj)
		Expect(seen.Status.StartTime).To(BeNil())
		succeeded := condition(seen, v1alpha1.ConditionSucceeded)
		Expect(succeeded.Message).NotTo(ContainSubstring("none of the"), "ECS has just said otherwise")
		Expect(succeeded.Reason).To(Equal(v1alpha1.StateDiscovering))
		Expect(condition(seen, v1alpha1.ConditionStalled).Status).To(BeEquivalentTo("Absent"))

		By("being gone again on the second look")
		w.setAgents(false)
		w.run(ctx, 20*time.Second, obj)
		badInput{reason: v1alpha1.ReasonNoConnectedAgents, message: noneConnected(2)}.expect(ctx, w, obj)

		By("staying")
		w.setAgents(true)
		w.run(ctx, 45*time.Second, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking))
		w.discard(ctx, obj)
	})

	It("leave the others to count", func(ctx context.Context) {
		w := newWorld(ctx)
		connected := w.agents()[0]
		w.sim.Region().SetAgentConnected(w.agents()[1], false)
		obj := w.blocking(ctx)
		agents := w.get(ctx, obj).Status.Agents
		Expect(*agents.Total).To(BeEquivalentTo(1))
		Expect(agents.ContainerInstances).To(HaveLen(1))
		Expect(agents.ContainerInstances[0].ARN).To(Equal(connected))
		w.discard(ctx, obj)
	})
})
