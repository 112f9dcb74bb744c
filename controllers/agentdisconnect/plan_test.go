// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/pages"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

func planMode(obj *v1alpha1.AgentDisconnect) { obj.Spec.Mode = v1alpha1.ModePlan }

// planned creates an object in mode Plan and takes it to its plan, which it makes in one pass.
func (w *world) planned(ctx context.Context, change ...func(*v1alpha1.AgentDisconnect)) *v1alpha1.AgentDisconnect {
	GinkgoHelper()
	obj := w.create(ctx, append(change, planMode)...)
	w.run(ctx, time.Second, obj)
	return w.expectPlanned(ctx, obj)
}

// expectPlanned holds an object against what every plan promises: nothing was written but a status, and it is current.
func (w *world) expectPlanned(ctx context.Context, obj *v1alpha1.AgentDisconnect) *v1alpha1.AgentDisconnect {
	GinkgoHelper()
	seen := w.get(ctx, obj)
	Expect(seen.Status.Plan).NotTo(BeNil(), describe(seen))
	succeeded, stalled := condition(seen, v1alpha1.ConditionSucceeded), condition(seen, v1alpha1.ConditionStalled)
	if refused := len(seen.Status.Plan.Refusals) > 0; refused {
		Expect(seen.Status.Plan.WouldStart).To(HaveValue(BeFalse()))
		Expect(succeeded.Status).To(Equal(metav1.ConditionFalse), describe(seen))
		Expect([]string{succeeded.Reason, stalled.Reason}).To(HaveEach(v1alpha1.StatePlanRefused))
		Expect(stalled.Message).To(ContainSubstring(seen.Status.Plan.Refusals[0].Message))
		Expect(w.told("Warning "+v1alpha1.StatePlanRefused)).To(ContainElement(HaveSuffix(". See "+pages.State(v1alpha1.StatePlanRefused))), "however long the message is")
	} else {
		Expect(seen.Status.Plan.WouldStart).To(HaveValue(BeTrue()))
		Expect(succeeded.Status).To(Equal(metav1.ConditionTrue), describe(seen))
		Expect(succeeded.Reason).To(Equal(v1alpha1.StatePlanned))
		Expect(stalled.Status).To(BeEquivalentTo("Absent"), describe(seen))
	}
	Expect(seen.Status.Plan.ObservedGeneration).To(Equal(seen.Generation))
	Expect(seen.Status.ObservedGeneration).To(Equal(seen.Generation))
	Expect(condition(seen, v1alpha1.ConditionReconciling).Status).To(BeEquivalentTo("Absent"), describe(seen))
	Expect(seen.Finalizers).To(BeEmpty())
	return seen
}

// refusalsOf are the reasons why a run would not start.
func refusalsOf(obj *v1alpha1.AgentDisconnect) []string {
	var reasons []string
	for _, refusal := range obj.Status.Plan.Refusals {
		reasons = append(reasons, refusal.Reason)
	}
	return reasons
}

// rulesOf are planned rules as w.denies has those of a network ACL.
func rulesOf(obj *v1alpha1.AgentDisconnect) map[int]string {
	rules := map[int]string{}
	for _, rule := range obj.Status.Plan.Rules {
		rules[int(rule.RuleNumber)] = rule.CIDR
	}
	return rules
}

func runMode(obj *v1alpha1.AgentDisconnect) { obj.Spec.Mode = v1alpha1.ModeRun }

func withRunID(id string) func(*v1alpha1.AgentDisconnect) {
	return func(obj *v1alpha1.AgentDisconnect) { obj.Spec.RunID = id }
}

var _ = Describe("A plan", func() {
	It("writes nothing, and says what the run then does", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.planned(ctx, withRunID("one"))
		plan := obj.Status.Plan

		By("having only read and asked")
		Expect(w.writes()).To(BeEmpty())
		Expect(w.count("ec2:CreateNetworkAclEntry")).To(Equal(1), "by dry run")
		w.expectRestored()
		Expect(obj.Status.RunID).To(BeEmpty())
		Expect(obj.Status.StartTime).To(BeNil())
		Expect(obj.Status.Rules).To(BeEmpty())
		Expect(obj.Status.Endpoints).To(BeEmpty())

		By("having said all of it")
		Expect(plan.Refusals).To(BeEmpty())
		Expect(plan.Notes).To(BeEmpty())
		Expect(*plan.NetworkACL).To(Equal(v1alpha1.PlannedNetworkACL{
			ID: aclID, Mode: v1alpha1.NetworkACLModeInPlace, ModeReason: v1alpha1.NetworkACLModeOnlySubnet, OtherSubnets: new(int32(0)),
		}))
		Expect(plan.Endpoints).To(ConsistOf(
			HaveField("Addresses", Equal([]string{"52.119.219.115", "52.119.220.39", "52.119.223.69"})),
			HaveField("Addresses", Equal([]string{"52.119.219.118", "52.119.221.107", "52.119.223.82"})),
		))
		Expect(*plan.Headroom).To(Equal(v1alpha1.Headroom{
			EntryQuota: new(int32(20)), IPv4Entries: new(int32(20 - 2 - 6)), IPv6Entries: new(int32(19)), Tags: new(int32(50 - 1 - 2)),
		}))
		Expect(*plan.Agents.Total).To(BeEquivalentTo(2))
		Expect(*plan.Agents.Connected).To(BeEquivalentTo(2))
		Expect(plan.Agents.ContainerInstances).To(Equal(w.agents()))
		Expect(*plan.Outside.Total).To(BeEquivalentTo(1))
		Expect(plan.Outside.AtLeast).To(BeNil())
		Expect(condition(obj, v1alpha1.ConditionSucceeded).Message).To(Equal("a run would start: 6 rules on network ACL " + aclID + " (InPlace) for 2 connected agents"))

		Expect(condition(obj, v1alpha1.ConditionEndpointsDiscovered).Message).NotTo(ContainSubstring("has not been asked"))

		By("staying as it is as long as the spec is")
		calls := len(w.sim.Calls())
		w.run(ctx, time.Hour, obj)
		Expect(w.sim.Calls()).To(HaveLen(calls))
		Expect(w.get(ctx, obj).ResourceVersion).To(Equal(obj.ResourceVersion))

		By("running as planned")
		w.edit(ctx, obj, runMode)
		w.run(ctx, 20*time.Second, obj)
		seen := w.get(ctx, obj)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateBlocking), describe(seen))
		Expect(w.denies(aclID)).To(Equal(rulesOf(obj)))
		Expect(seen.Status.RunID).To(Equal("one"))
		Expect(seen.Status.Plan).To(BeNil())
		Expect(seen.Status.ExpirationTime.Sub(seen.Status.StartTime.Time)).To(Equal(10 * time.Minute))
		w.discard(ctx, obj)
	})

	It("of a clone says what is shared, what is renumbered and what there is room for", func(ctx context.Context) {
		w := newWorld(ctx)
		Expect(w.sim.Region().SetEntries(sharedACL, region.AllowAll(1, true), region.AllowAll(100, false))).To(Succeed())
		w.before = w.entries()
		obj := w.planned(ctx, withSubnet(sharedSubnet), amongOthers)
		plan := obj.Status.Plan
		Expect(plan.Refusals).To(BeEmpty())
		Expect(*plan.NetworkACL).To(Equal(v1alpha1.PlannedNetworkACL{
			ID: sharedACL, Mode: v1alpha1.NetworkACLModeClone, ModeReason: v1alpha1.NetworkACLModeShared,
			OtherSubnets: new(int32(1)), OtherSubnetIDs: []string{plainSubnet}, Renumbered: new(true),
		}))
		Expect(*plan.Headroom.NetworkACLs).To(BeEquivalentTo(200 - 2 - 1))
		Expect(plan.Headroom.Tags).To(BeNil())
		Expect(plan.Notes).To(ConsistOf(HavePrefix("the permissions to change and delete the clone can be checked only when it exists")))
		Expect(*plan.Agents.Total).To(BeEquivalentTo(1))
		Expect(*plan.Outside.Total).To(BeEquivalentTo(2))
		Expect(plan.Outside.ContainerInstances).To(Equal(w.agents()))
		Expect(w.writes()).To(BeEmpty())

		w.edit(ctx, obj, runMode)
		w.run(ctx, 20*time.Second, obj)
		seen := w.get(ctx, obj)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateBlocking), describe(seen))
		Expect(w.denies(seen.Status.NetworkACL.ID)).To(Equal(rulesOf(obj)))
		w.discard(ctx, obj)
	})

	DescribeTable("says what it knows of the quota of entries", func(ctx context.Context, prepare func(*world), quota, room int, assumed bool, note string) {
		w := newWorld(ctx)
		w.boot() // repeats no read within a pass
		prepare(w)
		plan := w.planned(ctx).Status.Plan
		Expect(*plan.Headroom.EntryQuota).To(BeEquivalentTo(quota))
		Expect(*plan.Headroom.IPv4Entries).To(BeEquivalentTo(room))
		Expect(plan.Headroom.EntryQuotaAssumed != nil).To(Equal(assumed))
		if note == "" {
			Expect(plan.Notes).To(BeEmpty())
		} else {
			Expect(plan.Notes).To(ConsistOf(HavePrefix(note)))
		}
		Expect(plan.Refusals).To(BeEmpty())
	},
		Entry("where AWS granted more", func(w *world) { w.setQuota(40) }, 40, 32, false, ""),
		Entry("where it is less than the manager assumes", func(w *world) { w.setQuota(8) }, 8, 0, false, ""),
		Entry("where it may not be read", func(w *world) { w.sim.Faults().Add(faults.Fault{Action: "servicequotas:*", Denied: true}) }, 20, 12, true,
			"the quota of rules per network ACL (L-2AEEBF1A) could not be read, and 20 is assumed (--network-acl-entry-quota): "),
		Entry("where AWS does not answer", func(w *world) { w.sim.Faults().Add(faults.Fault{Action: "servicequotas:*", Lost: true}) }, 20, 12, true,
			"the quota of rules per network ACL (L-2AEEBF1A) could not be read, and 20 is assumed (--network-acl-entry-quota): "),
	)

	DescribeTable("counts the instances outside the subnet and names ten", func(ctx context.Context, more, total int, atLeast bool) {
		w := newWorld(ctx)
		for range more {
			w.register(clusterName, plainSubnet)
		}
		outside := w.planned(ctx).Status.Plan.Outside
		Expect(*outside.Total).To(BeEquivalentTo(total))
		Expect(outside.ContainerInstances).To(HaveLen(10))
		Expect(slices.IsSorted(outside.ContainerInstances)).To(BeTrue())
		Expect(outside.AtLeast != nil).To(Equal(atLeast))
	},
		Entry("all of them", 12, 13, false),
		Entry("as many as it looks at", 1100, 998, true),
	)

	It("is made anew when the spec changes", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.planned(ctx)
		Expect(obj.Status.Plan.Rules).To(HaveLen(6))
		w.edit(ctx, obj, func(obj *v1alpha1.AgentDisconnect) { obj.Spec.Sessions = []v1alpha1.Session{v1alpha1.SessionTCS} })
		w.run(ctx, time.Second, obj)
		obj = w.expectPlanned(ctx, obj)
		Expect(rulesOf(obj)).To(Equal(map[int]string{90: "52.119.219.118/32", 91: "52.119.221.107/32", 92: "52.119.223.82/32"}))
	})

	It("is made again where AWS gives no usable answer, and says so meanwhile", func(ctx context.Context) {
		w := newWorld(ctx)
		w.boot() // repeats no read within a pass
		undo := w.sim.Faults().Add(faults.Fault{Action: "ecs:DescribeContainerInstances", Error: "ThrottlingException"})
		undoQuota := w.sim.Faults().Add(faults.Fault{Action: "servicequotas:GetServiceQuota", Error: "TooManyRequestsException"})
		obj := w.create(ctx, planMode)
		w.run(ctx, time.Second, obj)
		seen := w.get(ctx, obj)
		Expect(seen.Status.Plan).To(BeNil())
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateDiscovering), describe(seen))
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Message).To(Equal("determining what a run would do; AWS limits the rate of ecs:DescribeContainerInstances: the manager retries"))
		Expect(condition(seen, v1alpha1.ConditionReconciling).Status).To(Equal(metav1.ConditionTrue))
		asked := w.count("ecs:DiscoverPollEndpoint")
		undo()
		w.run(ctx, 3*time.Second, obj)
		Expect(w.get(ctx, obj).Status.Plan).To(BeNil(), "a quota that is only throttled is no unknown one")
		undoQuota()
		w.run(ctx, 3*time.Second, obj)
		Expect(w.expectPlanned(ctx, obj).Status.Plan.Refusals).To(BeEmpty())
		Expect(w.count("ecs:DiscoverPollEndpoint")).To(Equal(asked), "what was answered is not asked for again")
	})
})
