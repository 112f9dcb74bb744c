// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"net/netip"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/agents"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
)

// sent is how many calls of an action there were that were no dry runs.
func (w *world) sent(action string) int {
	n := 0
	for _, c := range w.writes() {
		if c.Name() == action {
			n++
		}
	}
	return n
}

// A manager that stands still in the middle of a pass finds out, before it writes to AWS, what became of the object meanwhile.
var _ = Describe("A manager that is paused between the ledger and the rules", func() {
	// Less than the ten seconds after which nothing is sent at all, and more than the API server's word is taken for.
	const paused = 5 * time.Second

	DescribeTable("asks the API server again, and", func(ctx context.Context, meanwhile func(context.Context, *world, *v1alpha1.AgentDisconnect), sent bool) {
		w := newWorld(ctx)
		w.boot()
		obj := w.create(ctx)
		w.at(w.sim.Faults().After, "ec2:CreateTags", func() {
			meanwhile(ctx, w, obj)
			w.clock.Step(paused)
		})
		for range 60 {
			if w.sent("ec2:CreateTags") > 0 {
				break
			}
			_, _ = w.pass(ctx, obj) // what comes of it is seen in AWS
			w.clock.Step(time.Second)
		}
		Expect(w.sent("ec2:CreateTags")).To(Equal(1))
		if sent {
			Expect(w.denies(aclID)).To(HaveLen(6))
		} else {
			Expect(w.sent("ec2:CreateNetworkAclEntry")).To(BeZero(), "rules of a run that is no longer as the pass knew it")
		}
	},
		Entry("goes on where the object is as it was", func(context.Context, *world, *v1alpha1.AgentDisconnect) {}, true),
		Entry("sends nothing where it was deleted", func(ctx context.Context, _ *world, obj *v1alpha1.AgentDisconnect) {
			Expect(kube.Delete(ctx, obj)).To(Succeed())
		}, false),
		Entry("sends nothing where it is gone", func(ctx context.Context, w *world, _ *v1alpha1.AgentDisconnect) {
			w.forget(ctx)
		}, false),
		Entry("sends nothing where it was suspended", func(ctx context.Context, w *world, obj *v1alpha1.AgentDisconnect) {
			w.edit(ctx, obj, suspended(true))
		}, false),
		Entry("sends nothing where another manager wrote its ledger", func(ctx context.Context, w *world, obj *v1alpha1.AgentDisconnect) {
			w.editStatus(ctx, obj, func(status *v1alpha1.AgentDisconnectStatus) { status.Rules = status.Rules[:5] })
		}, false),
	)
})

var _ = Describe("The dead man's switch, where the Scheduler fails,", func() {
	It("is armed before an address is denied that is found later", func(ctx context.Context) {
		w := switchWorld(ctx)
		obj := w.blocking(ctx, cloning)
		clone := w.get(ctx, obj).Status.NetworkACL.ID
		host := w.sim.World().Hosts[0]
		found := []netip.Addr{netip.MustParseAddr("52.119.223.70")}
		for _, address := range host.Addresses {
			found = append(found, netip.MustParseAddr(address))
		}
		permit := w.sim.Faults().Add(faults.Fault{Action: "scheduler:CreateSchedule", Denied: true})
		w.sim.SetHost(agents.ACS, host.Name, found...)
		w.run(ctx, time.Minute, obj)
		Expect(w.denies(clone)).To(HaveLen(6), "a rule that nothing ends if the cluster is lost")
		seen := w.get(ctx, obj)
		claimed := slices.DeleteFunc(seen.Status.Rules, func(line v1alpha1.Rule) bool { return line.State == v1alpha1.RuleReleased })
		Expect(claimed).To(HaveLen(6), "AWS was never asked for it")
		Expect(describe(seen)).To(ContainSubstring("scheduler:CreateSchedule"))
		Expect(w.sent("ec2:CreateNetworkAclEntry") - w.copies(clone)).To(Equal(6))
		permit()
		w.run(ctx, time.Minute, obj)
		Expect(w.denies(clone)).To(HaveLen(7))
		Expect(w.schedules()).To(Equal(armedFor(w.get(ctx, obj))))
	})

	It("stays armed for the rules of a clone that stays, as long as those stand", func(ctx context.Context) {
		w := switchWorld(ctx)
		obj := w.blocking(ctx, shared, within(time.Hour))
		clone := w.get(ctx, obj).Status.NetworkACL.ID
		permit := w.sim.Faults().Add(faults.Fault{Action: "ec2:DeleteNetworkAclEntry", Denied: true})
		Expect(w.sim.Region().CreateNetworkACLEntry(clone, onlyWeb(120, true))).To(Succeed())
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, 2*time.Minute, obj)
		Expect(w.denies(clone)).To(HaveLen(6))
		Expect(w.schedules()).To(HaveLen(6), "they are all that ends those rules")
		permit()
		w.run(ctx, 2*time.Minute, obj)
		Expect(w.denies(clone)).To(BeEmpty())
		Expect(w.schedules()).To(BeEmpty())
	})

	It("stays armed for the rules of a clone whose original is gone, as long as those stand", func(ctx context.Context) {
		w := switchWorld(ctx)
		original := w.anotherACL()
		w.move(subnetID, original)
		obj := w.settled(ctx, cloning)
		clone := w.get(ctx, obj).Status.NetworkACL.ID
		Expect(w.sim.Region().DeleteNetworkACL(original)).To(Succeed())
		permit := w.sim.Faults().Add(faults.Fault{Action: "ec2:DeleteNetworkAclEntry", Denied: true})
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, 5*time.Minute, obj)
		Expect(w.denies(clone)).To(HaveLen(6))
		Expect(w.schedules()).To(HaveLen(6))
		permit()
		w.run(ctx, 5*time.Minute, obj)
		Expect(w.gone(ctx, obj)).To(BeTrue(), "%v", w.entries())
		Expect(w.denies(clone)).To(BeEmpty())
		Expect(w.schedules()).To(BeEmpty())
	})

	It("is remembered until AWS has deleted its schedules", func(ctx context.Context) {
		w := switchWorld(ctx)
		obj := w.blocking(ctx, cloning, within(time.Hour))
		clone := w.get(ctx, obj).Status.NetworkACL.ID
		answer := w.sim.Faults().Add(faults.Fault{Action: "scheduler:DeleteSchedule", Error: "InternalServerException"})
		Expect(w.sim.Region().CreateNetworkACLEntry(clone, onlyWeb(120, true))).To(Succeed())
		w.run(ctx, 10*time.Minute, obj)
		Expect(w.denies(clone)).To(BeEmpty())
		seen := w.get(ctx, obj)
		Expect(seen.Status.NetworkACL.DeadManSwitch).NotTo(BeNil(), describe(seen))
		Expect(seen.Status.NetworkACL.DeadManSwitch.RuleNumbers).To(HaveLen(6))
		answer()
		w.run(ctx, time.Minute, obj)
		Expect(w.schedules()).To(BeEmpty())
	})

	It("is not moved for a run that is cut short so far that it is over", func(ctx context.Context) {
		w := switchWorld(ctx)
		obj := w.blocking(ctx, cloning, within(time.Hour))
		w.run(ctx, 5*time.Minute, obj)
		tags := w.sent("ec2:CreateTags")
		w.edit(ctx, obj, within(time.Minute))
		w.run(ctx, time.Minute, obj)
		Expect(w.sent("scheduler:UpdateSchedule")).To(BeZero())
		Expect(w.sent("ec2:CreateTags")).To(Equal(tags))
		Expect(w.schedules()).To(BeEmpty())
		w.expectRestored()
	})
})

// copies are the entries of a clone that are no denies of a run.
func (w *world) copies(id string) int {
	found, _ := w.sim.Region().NetworkACL(id)
	n := 0
	for _, e := range found.Entries {
		if !e.Default() && !slices.Contains([]int{80, 81, 82, 90, 91, 92}, e.RuleNumber) {
			n++
		}
	}
	return n
}

var _ = Describe("A run that is suspended while the swap of its clone got no answer", func() {
	unanswered := func(ctx context.Context) (*world, *v1alpha1.AgentDisconnect, func()) {
		w := cloneWorld(ctx)
		answer := w.sim.Faults().Add(faults.Fault{Action: "ec2:ReplaceNetworkAclAssociation", Error: "InternalError"})
		obj := w.create(ctx, shared, within(time.Hour))
		w.until(ctx, obj, time.Minute, func(seen *v1alpha1.AgentDisconnect) bool {
			return seen.Status.NetworkACL != nil && seen.Status.NetworkACL.State == v1alpha1.CloneAssociating
		})
		w.edit(ctx, obj, suspended(true))
		return w, obj, answer
	}

	It("keeps the clone for later once reads had the time to show a swap, and resumes with it", func(ctx context.Context) {
		w, obj, answer := unanswered(ctx)
		w.run(ctx, networkacl.SettleFor-30*time.Second, obj)
		Expect(w.get(ctx, obj).Status.NetworkACL.State).To(Equal(v1alpha1.CloneAssociating), "it may still show")
		w.run(ctx, 2*time.Minute, obj)
		Expect(w.get(ctx, obj).Status.NetworkACL.State).To(Equal(v1alpha1.CloneReady), describe(w.get(ctx, obj)))
		Expect(w.aclOf(sharedSubnet)).To(Equal(sharedACL))
		answer()
		w.resume(ctx, obj)
		w.expectServing(ctx, obj)
		w.expectGone(ctx, obj)
	})

	It("gives the subnet its network ACL back where the swap took effect late", func(ctx context.Context) {
		w, obj, answer := unanswered(ctx)
		w.run(ctx, 30*time.Second, obj)
		answer()
		w.move(sharedSubnet, w.cloneOf(ctx, obj).ID)
		w.run(ctx, time.Minute, obj)
		Expect(w.aclOf(sharedSubnet)).To(Equal(sharedACL))
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateSuspended), describe(w.get(ctx, obj)))
		w.expectGone(ctx, obj)
	})
})
