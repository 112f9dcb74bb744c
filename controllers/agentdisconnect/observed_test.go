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
	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/agents"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// unseen has AWS answer no call of an action, until it is told to again.
func (w *world) unseen(action string) (again func()) {
	return w.sim.Faults().Add(faults.Fault{Action: action, Error: "ThrottlingException"})
}

var _ = Describe("What the manager could not look at lately", func() {
	It("is Unknown, with the time of the last look, and the verdict does not call the agents connected", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.boot()
		obj := w.blocking(ctx)
		again := w.unseen("ecs:DescribeContainerInstances")
		last := w.clock.Now()
		w.setAgents(false)
		w.run(ctx, 2*time.Minute, obj)
		seen := w.get(ctx, obj)
		disconnected := condition(seen, v1alpha1.ConditionAgentsDisconnected)
		Expect(disconnected.Status).To(Equal(metav1.ConditionUnknown), describe(seen))
		Expect(disconnected.Message).To(And(HavePrefix("ECS last answered about the agents at "), ContainSubstring("ecs:DescribeContainerInstances")))
		Expect(seen.Status.Agents.Disconnected).To(BeNil(), "the column says what ECS said long ago")
		Expect(seen.Status.Agents.ObservedTime.Time).To(BeTemporally("~", last, time.Minute))

		w.run(ctx, 2*time.Minute, obj)
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionAgentsDisconnected).Message).To(Equal(disconnected.Message))
		w.expired(ctx, obj)
		again()
		w.setAgents(true)
		seen = w.finish(ctx, obj, 5*time.Minute)
		succeeded := condition(seen, v1alpha1.ConditionSucceeded)
		Expect(succeeded.Reason).To(Equal(v1alpha1.StateAgentsNotObserved), describe(seen))
		Expect(succeeded.Message).To(ContainSubstring("whether 2 agents were disconnected is not known"))
		Expect(condition(seen, v1alpha1.ConditionAgentsDisconnected).Reason).NotTo(Equal("Reconnected"), describe(seen))
	})

	It("are the rules: they are no longer called read back", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.boot()
		obj := w.blocking(ctx)
		again := w.unseen("ec2:DescribeNetworkAcls")
		w.run(ctx, 3*time.Minute, obj)
		seen := w.get(ctx, obj)
		rules := condition(seen, v1alpha1.ConditionRulesInstalled)
		Expect(rules.Status).To(Equal(metav1.ConditionUnknown), describe(seen))
		Expect(rules.Message).To(ContainSubstring(" was last read at "))
		succeeded := condition(seen, v1alpha1.ConditionSucceeded)
		Expect(succeeded.Reason).To(Equal(v1alpha1.StateBlocking), describe(seen))
		Expect(succeeded.Message).NotTo(ContainSubstring("read back"))
		again()
		w.until(ctx, obj, time.Minute, installed(metav1.ConditionTrue))
		w.discard(ctx, obj)
	})

	It("is nothing that a manager said which was replaced since", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.follow()
		w.boot()
		obj := w.blocking(ctx)
		w.run(ctx, time.Minute, obj)
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionAgentsDisconnected).Status).To(Equal(metav1.ConditionTrue), describe(w.get(ctx, obj)))
		w.boot()
		again := w.unseen("*:Describe*")
		w.run(ctx, 5*time.Second, obj)
		seen := w.get(ctx, obj)
		for _, each := range []string{v1alpha1.ConditionAgentsDisconnected, v1alpha1.ConditionRulesInstalled} {
			Expect(condition(seen, each).Status).To(Equal(metav1.ConditionUnknown), describe(seen))
		}
		again()
		w.run(ctx, 20*time.Second, obj)
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionAgentsDisconnected).Status).To(Equal(metav1.ConditionTrue), describe(w.get(ctx, obj)))
		w.discard(ctx, obj)
	})
})

var _ = DescribeTable("A manager that was away while the agents were awaited polls twice before it judges", func(ctx context.Context, connected bool, state string) {
	w, _ := audited(ctx)
	obj := w.blocking(ctx)
	w.setAgents(false)
	w.run(ctx, time.Minute, obj)
	w.expired(ctx, obj)
	w.clock.Step(run.RecoveryTimeout + time.Minute)
	w.restart()
	w.setAgents(connected)
	w.run(ctx, time.Second, obj)
	Expect(w.get(ctx, obj).Status.CompletionTime).To(BeNil(), "a single poll was believed")
	seen := w.finish(ctx, obj, time.Minute)
	Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(state), describe(seen))
	Expect(condition(seen, v1alpha1.ConditionAgentsDisconnected).Status).To(Equal(metav1.ConditionFalse), describe(seen))
},
	Entry("and they are back", true, v1alpha1.StateCompleted),
	Entry("and they are not", false, v1alpha1.StateAgentsDidNotReconnect),
)

var _ = Describe("A disconnection", func() {
	It("is not credited to a run whose rules are overridden", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.blocking(ctx, within(5*time.Minute))
		w.add(region.AllowAll(50, true)) // not put right before two minutes after the manager's own writes
		w.until(ctx, obj, 31*time.Second, installed(metav1.ConditionFalse))
		w.setAgents(false)
		w.run(ctx, 40*time.Second, obj)
		seen := w.get(ctx, obj)
		Expect(seen.Status.Agents.DisconnectedTime).To(BeNil(), describe(seen))
		Expect(condition(seen, v1alpha1.ConditionAgentsDisconnected).Reason).To(Equal("NotByTheRules"), describe(seen))
		w.setAgents(true)
		w.run(ctx, 30*time.Second, obj)
		w.strip(50)
		w.run(ctx, w.get(ctx, obj).Status.ExpirationTime.Sub(w.clock.Now()), obj)
		seen = w.finish(ctx, obj, 15*time.Minute)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateAgentsStayedConnected), describe(seen))
	})

	It("is not credited to a run while a third party denies everything before its rules do", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.blocking(ctx)
		w.add(deny(10, "0.0.0.0/0"))
		w.run(ctx, 40*time.Second, obj)
		w.setAgents(false)
		w.run(ctx, time.Minute, obj)
		seen := w.get(ctx, obj)
		rules := condition(seen, v1alpha1.ConditionRulesInstalled)
		Expect(rules.Reason).To(Equal("DeniedByOthers"), describe(seen))
		Expect(seen.Status.Agents.DisconnectedTime).To(BeNil(), describe(seen))
		w.strip(10)
		w.run(ctx, time.Minute, obj)
		Expect(w.get(ctx, obj).Status.Agents.DisconnectedTime).NotTo(BeNil(), "the rules are in force")
		w.discard(ctx, obj)
	})

	It("counts only with a read of the network ACL after it", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.options.ACLPollInterval = time.Minute
		w.boot()
		obj := w.blocking(ctx)
		w.run(ctx, 46*time.Second, obj) // right after a read
		for number := range w.denies(aclID) {
			w.strip(number)
		}
		w.setAgents(false)
		w.run(ctx, 40*time.Second, obj)
		seen := w.get(ctx, obj)
		Expect(seen.Status.Agents.DisconnectedTime).To(BeNil(), describe(seen))
	})
})

var _ = Describe("Lookups that are not answered", func() {
	It("are no quiet time: the host and the resolver are named, and nothing is settled", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.blocking(ctx, within(time.Hour))
		w.sim.DNS().SetFailing(tcsHost, true)
		w.run(ctx, 40*time.Second, obj)
		seen := w.get(ctx, obj)
		found := condition(seen, v1alpha1.ConditionEndpointsDiscovered)
		Expect(found.Message).To(And(ContainSubstring(tcsHost+" (A: the DNS server fails)"), ContainSubstring(w.options.DNSServer)), describe(seen))
		w.run(ctx, 6*time.Minute, obj)
		seen = w.get(ctx, obj)
		Expect(condition(seen, v1alpha1.ConditionEndpointsDiscovered).Status).To(Equal(metav1.ConditionUnknown), describe(seen))
		Expect(condition(seen, v1alpha1.ConditionAgentsDisconnected).Message).NotTo(ContainSubstring("lookups find no other address"))
		w.sim.DNS().SetFailing(tcsHost, false)
		w.run(ctx, 20*time.Second, obj)
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionEndpointsDiscovered).Reason).To(Equal("Discovered"), describe(w.get(ctx, obj)))
		w.run(ctx, 6*time.Minute, obj)
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionEndpointsDiscovered).Reason).To(Equal("Settled"), describe(w.get(ctx, obj)))
		w.discard(ctx, obj)
	})
})

var _ = Describe("An agent that ECS names another host later", func() {
	It("is denied that one too", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.sim.SetHost(agents.ACS, joinedHost, netip.MustParseAddr("192.0.2.7"))
		obj := w.blocking(ctx, within(time.Hour))
		asked := w.count("ecs:DiscoverPollEndpoint")
		w.sim.Region().SetACSEndpoint(w.agents()[0], "https://"+joinedHost+"/")
		w.run(ctx, 4*time.Minute, obj)
		Expect(w.count("ecs:DiscoverPollEndpoint")).To(Equal(asked), "asked more often than an interval")
		w.run(ctx, 2*time.Minute, obj)
		seen := w.get(ctx, obj)
		Expect(w.denies(aclID)).To(HaveKeyWithValue(83, "192.0.2.7/32"), describe(seen))
		Expect(w.denies(aclID)).To(HaveLen(7), "the hosts that were named before are denied still")
		w.run(ctx, 4*time.Minute, obj)
		Expect(w.count("ecs:DiscoverPollEndpoint")).To(BeNumerically("<=", asked+4), "at most an interval, and once at once")
		w.discard(ctx, obj)
	})
})
