// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"net/netip"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/agents"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

const joinedHost = "ecs-a-7.ap-northeast-1.amazonaws.com"

// joins registers a connected container instance in the subnet, to which ECS names an ACS endpoint of its own.
func (w *world) joins(acs string) string {
	GinkgoHelper()
	arn, err := w.sim.Region().AddContainerInstance(clusterName, "", region.ContainerInstance{SubnetID: subnetID, AgentConnected: true, ACSEndpoint: acs})
	Expect(err).NotTo(HaveOccurred())
	return arn
}

var _ = Describe("A container instance that joins during a run", func() {
	It("is denied what it connects to, is counted apart, and does not delay the run", func(ctx context.Context) {
		w := newWorld(ctx)
		w.sim.SetHost(agents.ACS, joinedHost, netip.MustParseAddr("192.0.2.7"))
		obj := w.blocking(ctx)
		Expect(*w.get(ctx, obj).Status.Agents.Uncounted).To(BeZero())
		counted := w.agents()
		w.restart()
		w.joins("https://" + joinedHost + "/")
		w.run(ctx, time.Minute, obj)
		seen := w.get(ctx, obj)
		Expect(w.denies(aclID)).To(HaveKeyWithValue(83, "192.0.2.7/32"), describe(seen))
		Expect(*seen.Status.Agents.Total).To(BeEquivalentTo(2))
		Expect(*seen.Status.Agents.Uncounted).To(BeEquivalentTo(1))
		Expect(condition(seen, v1alpha1.ConditionAgentsDisconnected).Message).To(HaveSuffix(". 1 further container instance in the subnet is not tracked: not connected before the start, or joined later"))
		Expect(condition(seen, v1alpha1.ConditionRulesInstalled).Status).To(Equal(metav1.ConditionTrue))

		By("ending by the agents that count, after another restart too")
		for _, arn := range counted {
			w.sim.Region().SetAgentConnected(arn, false)
		}
		w.run(ctx, time.Minute, obj)
		w.restart()
		w.run(ctx, time.Minute, obj)
		seen = w.get(ctx, obj)
		Expect(condition(seen, v1alpha1.ConditionAgentsDisconnected).Status).To(Equal(metav1.ConditionTrue), describe(seen))
		Expect(*seen.Status.Agents.Uncounted).To(BeEquivalentTo(1))
		w.run(ctx, seen.Status.ExpirationTime.Sub(w.clock.Now()), obj)
		w.expectRestored()
		for _, arn := range counted {
			w.sim.Region().SetAgentConnected(arn, true)
		}
		Expect(condition(w.finish(ctx, obj, time.Minute), v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateCompleted))
	})

	It("and is named an endpoint that can't be used hides no other one's", func(ctx context.Context) {
		w := newWorld(ctx)
		w.sim.SetHost(agents.ACS, joinedHost, netip.MustParseAddr("192.0.2.7"))
		obj := w.blocking(ctx)
		bad := w.joins("https://10.1.2.3/")
		w.joins("https://" + joinedHost + "/")
		w.until(ctx, obj, time.Minute, func(seen *v1alpha1.AgentDisconnect) bool {
			return condition(seen, v1alpha1.ConditionStalled).Reason == v1alpha1.ReasonInvalidEndpoint
		})
		w.run(ctx, time.Minute, obj)
		Expect(w.denies(aclID)).To(HaveKeyWithValue(83, "192.0.2.7/32"), describe(w.get(ctx, obj)))
		Expect(w.sim.Region().RemoveContainerInstance(bad)).To(Succeed())
		w.run(ctx, time.Minute, obj)
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionStalled).Status).To(BeEquivalentTo("Absent"), describe(w.get(ctx, obj)))
		w.discard(ctx, obj)
	})

	It("while AWS throttles is found once it doesn't", func(ctx context.Context) {
		w := newWorld(ctx)
		w.sim.SetHost(agents.ACS, joinedHost, netip.MustParseAddr("192.0.2.7"))
		obj := w.blocking(ctx)
		w.boot() // repeats no read within a pass
		undo := w.sim.Faults().Add(faults.Fault{Action: "ecs:DiscoverPollEndpoint", Error: "ThrottlingException"})
		w.joins("https://" + joinedHost + "/")
		w.run(ctx, 31*time.Second, obj)
		Expect(*w.get(ctx, obj).Status.Agents.Uncounted).To(BeEquivalentTo(1))
		undo()
		w.run(ctx, 45*time.Second, obj)
		Expect(w.denies(aclID)).To(HaveKeyWithValue(83, "192.0.2.7/32"))
		w.discard(ctx, obj)
	})
})

var _ = Describe("A container instance that leaves during a run", func() {
	It("is not waited for, up to the run's end and over a restart", func(ctx context.Context) {
		w := newWorld(ctx)
		w.follow()
		obj := w.blocking(ctx)
		left := w.agents()[0]
		Expect(w.sim.Region().RemoveContainerInstance(left)).To(Succeed())
		w.run(ctx, 30*time.Second, obj)
		w.restart()
		w.run(ctx, time.Minute, obj)
		seen := w.get(ctx, obj)
		Expect(*seen.Status.Agents.Total).To(BeEquivalentTo(1), describe(seen))
		Expect(condition(seen, v1alpha1.ConditionAgentsDisconnected).Status).To(Equal(metav1.ConditionTrue), describe(seen))
		seen = w.finish(ctx, obj, 15*time.Minute)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateCompleted), describe(seen))
		Expect(seen.Status.CompletionTime.Sub(seen.Status.ExpirationTime.Time)).To(BeNumerically("<", 2*time.Minute), "no agent was waited for")
		w.expectRestored()
	})
})

var _ = Describe("What a target has beside agents that count", func() {
	const managedNote = "the target has ECS Managed Instances (capacity provider provider): ECS may repair or replace an instance whose agent is disconnected"

	It("are Managed Instances: an event and a plan warn", func(ctx context.Context) {
		w := newWorld(ctx)
		w.capacityProvider(region.ProviderManagedInstances)
		Expect(w.planned(ctx).Status.Plan.Notes).To(Equal([]string{managedNote}))
		obj := w.blocking(ctx)
		Expect(w.told("Warning TargetNote")).To(Equal([]string{"Warning TargetNote " + managedNote}))
		w.discard(ctx, obj)
	})

	It("may be instances of an Auto Scaling group: nothing to warn of", func(ctx context.Context) {
		w := newWorld(ctx)
		w.capacityProvider(region.ProviderAutoScaling)
		Expect(w.planned(ctx).Status.Plan.Notes).To(BeEmpty())
		obj := w.blocking(ctx)
		Expect(w.told("Warning TargetNote")).To(BeEmpty())
		w.discard(ctx, obj)
	})

	It("are tasks on Fargate and external instances: not counted, and it is said", func(ctx context.Context) {
		w := newWorld(ctx)
		Expect(w.sim.Region().SetFargateTasks(clusterName, 3)).To(Succeed())
		_, err := w.sim.Region().AddContainerInstance(clusterName, "", region.ContainerInstance{External: true, AgentConnected: true, PrivateIP: netip.MustParseAddr("192.168.7.11")})
		Expect(err).NotTo(HaveOccurred())
		plan := w.planned(ctx).Status.Plan
		fargate := "3 tasks of the cluster on Fargate: these have no agent in the subnet, and are not tracked"
		Expect(plan.Notes).To(ConsistOf("1 container instance of the cluster is external (ECS Anywhere): in no subnet, and not tracked", fargate))
		Expect(*plan.Agents.Total).To(BeEquivalentTo(2))
		Expect(*plan.Outside.Total).To(BeEquivalentTo(2))
		obj := w.blocking(ctx)
		Expect(w.told("Warning TargetNote")).To(Equal([]string{"Warning TargetNote " + fargate}))
		Expect(*w.get(ctx, obj).Status.Agents.Total).To(BeEquivalentTo(2))
		Expect(*w.get(ctx, obj).Status.Agents.Uncounted).To(BeZero())
		w.discard(ctx, obj)
	})
})
