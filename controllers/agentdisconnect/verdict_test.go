// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"path"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// connect has ECS say of one agent that it is connected or not.
func (w *world) connect(n int, connected bool) {
	w.sim.Region().SetAgentConnected(w.agents()[n], connected)
}

// expired is a run whose time has just ended; its agents are as they were left.
func (w *world) expired(ctx context.Context, obj *v1alpha1.AgentDisconnect) *v1alpha1.AgentDisconnect {
	GinkgoHelper()
	w.run(ctx, w.get(ctx, obj).Status.ExpirationTime.Sub(w.clock.Now()), obj)
	w.expectRestored()
	return w.get(ctx, obj)
}

var _ = Describe("The verdict", func() {
	It("is AgentsStayedConnected when one agent never disconnected", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.blocking(ctx)
		w.connect(0, false)
		seen := w.expired(ctx, obj)
		Expect(*seen.Status.Agents.Disconnected).To(BeEquivalentTo(1))
		Expect(seen.Status.Agents.DisconnectedTime).To(BeNil())
		w.setAgents(true)
		seen = w.finish(ctx, obj, 15*time.Minute)
		succeeded := condition(seen, v1alpha1.ConditionSucceeded)
		Expect(succeeded.Status).To(Equal(metav1.ConditionFalse))
		Expect(succeeded.Reason).To(Equal(v1alpha1.StateAgentsStayedConnected), describe(seen))
		Expect(succeeded.Message).To(And(ContainSubstring(path.Base(w.agents()[1])), Not(ContainSubstring(path.Base(w.agents()[0])))))
		Expect(condition(seen, v1alpha1.ConditionStalled).Status).To(Equal(metav1.ConditionTrue))
	})

	It("is Completed when each agent was seen disconnected, if not all at once", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.blocking(ctx)
		w.connect(0, false)
		w.run(ctx, time.Minute, obj)
		w.connect(0, true)
		w.connect(1, false)
		seen := w.expired(ctx, obj)
		Expect(condition(seen, v1alpha1.ConditionAgentsDisconnected).Status).To(Equal(metav1.ConditionFalse))
		w.setAgents(true)
		seen = w.finish(ctx, obj, 15*time.Minute)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateCompleted), describe(seen))
	})

	It("is AgentsDidNotReconnect when an agent isn't back after 10 minutes, and not before", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.blocking(ctx, within(2*time.Minute))
		w.setAgents(false)
		restored := w.expired(ctx, obj).Status.RestoredTime.Time
		w.connect(0, true)
		w.run(ctx, restored.Add(10*time.Minute).Sub(w.clock.Now())-time.Second, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateRecovering))
		w.run(ctx, time.Second, obj)
		seen := w.get(ctx, obj)
		succeeded := condition(seen, v1alpha1.ConditionSucceeded)
		Expect(succeeded.Reason).To(Equal(v1alpha1.StateAgentsDidNotReconnect), describe(seen))
		Expect(succeeded.Message).To(ContainSubstring(path.Base(w.agents()[1])))
		Expect(seen.Finalizers).To(BeEmpty())
	})

	It("doesn't wait for ever for a look at the agents", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.blocking(ctx, within(2*time.Minute))
		w.setAgents(false)
		w.expired(ctx, obj)
		w.restartAs("AKIAUNKNOWN000000001")
		seen := w.finish(ctx, obj, 12*time.Minute)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateAgentsNotObserved), describe(seen))
		Expect(condition(seen, v1alpha1.ConditionAgentsDisconnected).Status).To(Equal(metav1.ConditionUnknown), describe(seen))
		Expect(seen.Finalizers).To(BeEmpty())
	})

	It("doesn't believe a single poll that agents disconnected", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.blocking(ctx)
		polls := w.count("ecs:DescribeContainerInstances")
		w.setAgents(false)
		w.until(ctx, obj, time.Minute, func(*v1alpha1.AgentDisconnect) bool { return w.count("ecs:DescribeContainerInstances") > polls })
		w.setAgents(true)
		seen := w.get(ctx, obj)
		Expect(*seen.Status.Agents.Disconnected).To(BeZero(), describe(seen))
		w.run(ctx, time.Minute, obj)
		w.expired(ctx, obj)
		seen = w.finish(ctx, obj, 15*time.Minute)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateAgentsStayedConnected), describe(seen))
	})

	It("doesn't believe a single poll that agents are back", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.blocking(ctx, within(2*time.Minute))
		w.setAgents(false)
		w.expired(ctx, obj)
		polls := w.count("ecs:DescribeContainerInstances")
		w.setAgents(true)
		w.until(ctx, obj, time.Minute, func(*v1alpha1.AgentDisconnect) bool { return w.count("ecs:DescribeContainerInstances") > polls })
		w.setAgents(false)
		w.run(ctx, 3*time.Minute, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateRecovering), describe(w.get(ctx, obj)))
	})

	It("is about the agents that were connected on two polls before the start, and no others", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.connect(0, false)
		obj := w.create(ctx)
		w.run(ctx, 10*time.Second, obj)
		w.run(ctx, 20*time.Second, obj)
		w.connect(0, true) // it came too late to count
		w.run(ctx, time.Minute, obj)
		seen := w.get(ctx, obj)
		Expect(seen.Status.Agents.ContainerInstances).To(ConsistOf(HaveField("ARN", w.agents()[1])), describe(seen))
		w.connect(1, false)
		w.expired(ctx, obj)
		w.connect(1, true)
		seen = w.finish(ctx, obj, 15*time.Minute)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateCompleted), describe(seen))
	})

	It("isn't reached without an agent that counts: a run doesn't begin on polls that differ", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.create(ctx)
		for range 4 {
			w.setAgents(true)
			w.until(ctx, obj, 30*time.Second, w.polled())
			w.setAgents(false)
			w.until(ctx, obj, 30*time.Second, w.polled())
		}
		Expect(w.get(ctx, obj).Status.StartTime).To(BeNil())
		Expect(w.writes()).To(BeEmpty())
	})

	It("follows the duration while the run is on: a longer one, and one that is past already", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.follow()
		obj := w.blocking(ctx)
		change := func(d time.Duration) {
			fresh := w.get(ctx, obj)
			fresh.Spec.Duration = metav1.Duration{Duration: d}
			Expect(kube.Update(ctx, fresh)).To(Succeed())
			_, err := w.pass(ctx, obj)
			Expect(err).NotTo(HaveOccurred())
		}
		change(20 * time.Minute)
		seen := w.get(ctx, obj)
		Expect(seen.Status.ExpirationTime.Sub(seen.Status.StartTime.Time)).To(Equal(20 * time.Minute))
		w.run(ctx, 12*time.Minute, obj)
		Expect(w.denies(aclID)).To(HaveLen(6))
		change(5 * time.Minute)
		w.expectRestored()
		w.run(ctx, 5*time.Second, obj)
		change(time.Hour)
		w.run(ctx, 5*time.Second, obj)
		w.expectRestored()
	})
})

// count is how many calls of an action there were.
func (w *world) count(action string) (n int) {
	for _, c := range w.sim.Calls() {
		if c.Name() == action {
			n++
		}
	}
	return n
}

// polled reports whether ECS was asked about agents since.
func (w *world) polled() func(*v1alpha1.AgentDisconnect) bool {
	before := w.count("ecs:DescribeContainerInstances")
	return func(*v1alpha1.AgentDisconnect) bool { return w.count("ecs:DescribeContainerInstances") > before }
}
