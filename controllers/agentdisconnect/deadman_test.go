// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	clocktesting "k8s.io/utils/clock/testing"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/deadman"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/hack/policies"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/agents"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
)

const (
	switchGroup = "experiments"
	switchRole  = "arn:aws:iam::123456789012:role/" + switchRoleName
)

// switchWorld is a world whose manager has a dead man's switch, and whose Region goes by the same clock.
func switchWorld(ctx context.Context) *world {
	clock := clocktesting.NewFakeClock(time.Now().Truncate(time.Second))
	w := newWorldAt(ctx, clock, func(o *sim.Options) { o.Clock = clock })
	w.options.DeadManRoleARN, w.options.DeadManScheduleGroup = switchRole, switchGroup
	Expect(w.sim.Region().CreateScheduleGroup("", "", switchGroup, nil)).To(Succeed())
	role, err := policies.SwitchRole(w.sim.World(), shippedFor)
	Expect(err).NotTo(HaveOccurred())
	w.sim.Region().Roles().Put(role)
	w.boot()
	w.mirror()
	return w
}

// schedules are the Region's, as "name at time deletes rule of network ACL".
func (w *world) schedules() []string {
	var all []string
	for _, s := range w.sim.Region().Schedules() {
		all = append(all, fmt.Sprintf("%s %s %s", s.Name, s.At.UTC().Format(time.RFC3339), s.Target.Input))
	}
	return all
}

// armedFor are the schedules that a run should have.
func armedFor(obj *v1alpha1.AgentDisconnect) []string {
	var all []string
	for _, rule := range obj.Status.Rules {
		all = append(all, fmt.Sprintf("%s %s {\"NetworkAclId\":%q,\"RuleNumber\":%d,\"Egress\":true}", deadman.Name(string(obj.UID), rule.RuleNumber),
			obj.Status.ExpirationTime.Add(10*time.Minute).UTC().Format(time.RFC3339), obj.Status.NetworkACL.ID, rule.RuleNumber))
	}
	slices.Sort(all)
	return all
}

// position is the place of the first call of an action in the log, so that two can be compared.
func (w *world) position(action string) int {
	return slices.IndexFunc(w.sim.Calls(), func(c sim.Call) bool { return c.Name() == action && !c.DryRun })
}

var _ = Describe("The dead man's switch", func() {
	It("is armed before the clone serves, for every rule, and disarmed once they are gone", func(ctx context.Context) {
		w := switchWorld(ctx)
		obj := w.blocking(ctx, cloning)
		seen := w.get(ctx, obj)
		Expect(seen.Status.Rules).To(HaveLen(6))
		Expect(w.schedules()).To(Equal(armedFor(seen)))
		Expect(seen.Status.NetworkACL.DeadManSwitch.State).To(Equal(v1alpha1.SwitchArmed))
		Expect(seen.Status.NetworkACL.DeadManSwitch.RuleNumbers).To(HaveLen(6))
		Expect(w.position("scheduler:CreateSchedule")).To(BeNumerically("<", w.position("ec2:ReplaceNetworkAclAssociation")))
		for _, s := range w.sim.Region().Schedules() {
			Expect(s.ActionAfterCompletion).To(Equal("DELETE"))
			Expect(s.Target.RoleARN).To(Equal(switchRole))
			cluster, owner, ok := deadman.ParseDescription(s.Description)
			Expect([]any{cluster, owner, ok}).To(Equal([]any{w.options.ClusterID, obj.Namespace + "/" + obj.Name, true}))
		}

		w.finish(ctx, obj, time.Hour)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateCompleted))
		Expect(w.schedules()).To(BeEmpty())
		Expect(w.get(ctx, obj).Status.NetworkACL.DeadManSwitch).To(BeNil())
		deleted := func(c sim.Call) bool {
			return c.Name() == "scheduler:DeleteSchedule" && c.Param("Name") != deadman.Name(string(obj.UID), 0) // which only asks
		}
		Expect(w.position("ec2:DeleteNetworkAcl")).To(BeNumerically("<", slices.IndexFunc(w.sim.Calls(), deleted)), "the rules go first")
		w.expectRestored()
	})

	It("gives the agents their connection back when cluster and manager are lost", func(ctx context.Context) {
		w := switchWorld(ctx)
		obj := w.blocking(ctx, cloning)
		clone := w.get(ctx, obj).Status.NetworkACL.ID
		w.clock.SetTime(w.get(ctx, obj).Status.ExpirationTime.Add(10 * time.Minute).Add(-time.Second))
		Expect(w.denies(clone)).To(HaveLen(6), "not before its time")
		Expect(w.reachable(subnetID, first)).To(BeFalse())

		w.clock.Step(time.Minute + time.Second)
		w.sim.RunSchedules()
		Expect(w.denies(clone)).To(BeEmpty())
		Expect(w.reachable(subnetID, first)).To(BeTrue())
		Expect(w.schedules()).To(BeEmpty(), "each deletes itself")

		By("a manager that comes back after all finds nothing of it in its way")
		w.finish(ctx, obj, time.Hour)
		w.expectRestored()
		Expect(w.get(ctx, obj).Status.NetworkACL.DeadManSwitch).To(BeNil())
	})

	It("moves first where a run gets longer, and last where it gets shorter", func(ctx context.Context) {
		w := switchWorld(ctx)
		obj := w.blocking(ctx, cloning, within(time.Hour))
		var mu sync.Mutex // calls are made side by side
		var order []string
		note := func(action string) {
			w.sim.Faults().After(action, func(c call.Call) {
				mu.Lock()
				defer mu.Unlock()
				order = append(order, fmt.Sprintf("%s until %s", c.Action, w.get(ctx, obj).Status.ExpirationTime.Sub(obj.CreationTimestamp.Time).Round(time.Hour)))
			})
		}
		note("ec2:CreateTags")
		note("scheduler:UpdateSchedule")

		w.edit(ctx, obj, within(3*time.Hour))
		w.run(ctx, time.Second, obj)
		Expect(w.schedules()).To(Equal(armedFor(w.get(ctx, obj))))
		Expect(slices.Compact(order)).To(Equal([]string{"UpdateSchedule until 1h0m0s", "CreateTags until 1h0m0s"}))
		claims, _ := ownership.ParseClaims(w.cloneOf(ctx, obj).Tags)
		Expect(claims[0].Expires).To(BeTemporally("==", w.get(ctx, obj).Status.ExpirationTime.Time))

		order = nil
		w.edit(ctx, obj, within(2*time.Hour))
		w.run(ctx, time.Second, obj)
		Expect(w.schedules()).To(Equal(armedFor(w.get(ctx, obj))))
		Expect(slices.Compact(order)).To(Equal([]string{"CreateTags until 2h0m0s", "UpdateSchedule until 2h0m0s"}))
		claims, _ = ownership.ParseClaims(w.cloneOf(ctx, obj).Tags)
		Expect(claims[0].Expires).To(BeTemporally("==", w.get(ctx, obj).Status.ExpirationTime.Time))

		By("EventBridge Scheduler not answering: the run keeps its end, and is looked after")
		remove := w.sim.Faults().Add(faults.Fault{Action: "scheduler:*", Error: "InternalServerException"})
		w.edit(ctx, obj, within(4*time.Hour))
		w.run(ctx, time.Minute, obj)
		seen := w.get(ctx, obj)
		Expect(seen.Status.ExpirationTime.Sub(seen.Status.StartTime.Time)).To(Equal(2 * time.Hour))
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking))
		remove()
		w.run(ctx, time.Minute, obj)
		seen = w.get(ctx, obj)
		Expect(seen.Status.ExpirationTime.Sub(seen.Status.StartTime.Time)).To(Equal(4 * time.Hour))
		Expect(w.schedules()).To(Equal(armedFor(seen)))
	})

	It("covers an address that is found later, before it is denied", func(ctx context.Context) {
		w := switchWorld(ctx)
		obj := w.blocking(ctx, cloning)
		host := w.sim.World().Hosts[0]
		var addresses []netip.Addr
		for _, address := range append(slices.Clone(host.Addresses), "52.119.223.70") {
			addresses = append(addresses, netip.MustParseAddr(address))
		}
		w.sim.SetHost(agents.ACS, host.Name, addresses...)
		w.run(ctx, time.Minute, obj)
		seen := w.get(ctx, obj)
		Expect(seen.Status.Rules).To(HaveLen(7))
		Expect(w.schedules()).To(Equal(armedFor(seen)))
	})

	It("is not there in place, nor where the manager has none, and the status says so", func(ctx context.Context) {
		w := switchWorld(ctx)
		obj := w.blocking(ctx)
		Expect(w.get(ctx, obj).Status.NetworkACL.DeadManSwitch).To(Equal(&v1alpha1.DeadManSwitch{State: v1alpha1.SwitchNotInPlace}))
		Expect(w.schedules()).To(BeEmpty())
		other := cloneWorld(ctx)
		obj = other.blocking(ctx, cloning)
		Expect(other.get(ctx, obj).Status.NetworkACL.DeadManSwitch).To(Equal(&v1alpha1.DeadManSwitch{State: v1alpha1.SwitchNotConfigured}))
	})

	It("stays armed while a run is suspended", func(ctx context.Context) {
		w := switchWorld(ctx)
		obj := w.blocking(ctx, cloning, within(time.Hour))
		w.edit(ctx, obj, suspended(true))
		w.run(ctx, time.Minute, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateSuspended))
		Expect(w.schedules()).To(Equal(armedFor(w.get(ctx, obj))))
		w.edit(ctx, obj, suspended(false))
		w.run(ctx, time.Minute, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking))
		Expect(w.schedules()).To(Equal(armedFor(w.get(ctx, obj))))
	})

	It("keeps a run from starting where there is no such group, and costs it no time", func(ctx context.Context) {
		w := switchWorld(ctx)
		Expect(w.sim.Region().DeleteScheduleGroup("", switchGroup)).To(Succeed())
		obj := w.create(ctx, cloning)
		w.run(ctx, time.Minute, obj)
		seen := w.get(ctx, obj)
		Expect(seen.Status.StartTime).To(BeNil())
		stalled := condition(seen, v1alpha1.ConditionStalled)
		Expect(stalled.Reason).To(Equal(v1alpha1.ReasonNoDeadManSwitch))
		Expect(stalled.Message).To(ContainSubstring("aws scheduler create-schedule-group --name " + switchGroup))
		Expect(w.sim.Region().CreateScheduleGroup("", "", switchGroup, nil)).To(Succeed())
		w.run(ctx, time.Minute, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking))
	})

	DescribeTable("keeps the clone from serving as long as it can't be armed", func(ctx context.Context, fault faults.Fault, says string) {
		w := switchWorld(ctx)
		remove := w.sim.Faults().Add(fault)
		obj := w.create(ctx, cloning)
		w.run(ctx, time.Minute, obj)
		Expect(w.position("ec2:ReplaceNetworkAclAssociation")).To(Equal(-1))
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionSucceeded).Message).To(ContainSubstring(says))
		remove()
		w.run(ctx, time.Minute, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking), describe(w.get(ctx, obj)))
		Expect(w.schedules()).To(Equal(armedFor(w.get(ctx, obj))))
		Expect(w.get(ctx, obj).Status.NetworkACL.DeadManSwitch.State).To(Equal(v1alpha1.SwitchArmed))
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, time.Minute, obj)
		Expect(w.gone(ctx, obj)).To(BeTrue())
		Expect(w.schedules()).To(BeEmpty())
		w.expectRestored()
	},
		Entry("not allowed to create schedules", faults.Fault{Action: "scheduler:CreateSchedule", Denied: true}, "scheduler:CreateSchedule"),
		Entry("not allowed to pass the role", faults.Fault{Action: "iam:PassRole", Denied: true}, "iam:PassRole"),
		Entry("no answer", faults.Fault{Action: "scheduler:CreateSchedule", Error: "InternalServerException"}, "scheduler:CreateSchedule"),
	)

	It("is not forgotten where its removal is denied: the object says what it waits for", func(ctx context.Context) {
		w := switchWorld(ctx)
		obj := w.blocking(ctx, cloning)
		remove := w.sim.Faults().Add(faults.Fault{Action: "scheduler:DeleteSchedule", Denied: true})
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, time.Minute, obj)
		Expect(w.gone(ctx, obj)).To(BeFalse())
		w.expectRestored()
		seen := w.get(ctx, obj)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Message).To(ContainSubstring("the schedules of the dead man's switch are still to be deleted"))
		Expect(condition(seen, v1alpha1.ConditionStalled).Message).To(ContainSubstring("scheduler:DeleteSchedule"))
		remove()
		w.run(ctx, time.Minute, obj)
		Expect(w.gone(ctx, obj)).To(BeTrue())
		Expect(w.schedules()).To(BeEmpty())
	})

	It("is taken away with the rules from a clone that stays", func(ctx context.Context) {
		w := switchWorld(ctx)
		obj := w.blocking(ctx, cloning, within(time.Hour))
		clone := w.get(ctx, obj).Status.NetworkACL.ID
		Expect(w.sim.Region().CreateNetworkACLEntry(clone, onlyWeb(120, true))).To(Succeed())
		w.run(ctx, 10*time.Minute, obj)
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionStalled).Reason).To(Equal(v1alpha1.ReasonCloneEdited))
		Expect(w.denies(clone)).To(BeEmpty())
		Expect(w.schedules()).To(BeEmpty(), "a number of the clone may be the third party's now")
	})

	It("never fires on a run that is being prolonged, whatever keeps that from being done", func(ctx context.Context) {
		w := switchWorld(ctx)
		obj := w.blocking(ctx, cloning, within(30*time.Minute))
		remove := w.sim.Faults().Add(faults.Fault{Action: "ec2:CreateTags", Error: "InternalError"})
		w.edit(ctx, obj, within(time.Hour))
		host := w.sim.World().Hosts[0]
		w.sim.SetHost(agents.ACS, host.Name, netip.MustParseAddr(host.Addresses[0]), netip.MustParseAddr("52.119.223.70"))
		w.run(ctx, time.Minute, obj)
		remove()
		w.run(ctx, time.Minute, obj)
		seen := w.get(ctx, obj)
		Expect(seen.Status.ExpirationTime.Sub(seen.Status.StartTime.Time)).To(Equal(time.Hour))
		Expect(seen.Status.Rules).To(HaveLen(7))
		Expect(w.schedules()).To(Equal(armedFor(seen)))
	})

	It("keeps a run from starting that could not take it away again", func(ctx context.Context) {
		w := switchWorld(ctx)
		remove := w.sim.Faults().Add(faults.Fault{Action: "scheduler:DeleteSchedule", Denied: true})
		obj := w.create(ctx, cloning)
		w.run(ctx, time.Minute, obj)
		Expect(w.get(ctx, obj).Status.StartTime).To(BeNil())
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionStalled).Message).To(ContainSubstring("scheduler:DeleteSchedule"))
		remove()
		w.run(ctx, 2*time.Minute, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking))
	})

	It("lets go of the numbers of rules that are gone, though a line of the ledger can't be undone", func(ctx context.Context) {
		w := switchWorld(ctx)
		obj := w.blocking(ctx, cloning, within(time.Hour))
		clone := w.get(ctx, obj).Status.NetworkACL.ID
		w.editStatus(ctx, obj, func(status *v1alpha1.AgentDisconnectStatus) { status.Rules[5].CIDR = "10.0.0.0/8" })
		Expect(w.sim.Region().CreateNetworkACLEntry(clone, onlyWeb(120, true))).To(Succeed())
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, time.Minute, obj)
		Expect(w.denies(clone)).To(HaveLen(1))
		Expect(w.schedules()).To(HaveLen(1), "that of the rule that stands")
	})
})
