// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

func suspended(is bool) func(*v1alpha1.AgentDisconnect) {
	return func(obj *v1alpha1.AgentDisconnect) { obj.Spec.Suspend = &is }
}

// suspendedClone is a run of an hour that is suspended, and its clone.
func (w *world) suspendedClone(ctx context.Context) (*v1alpha1.AgentDisconnect, string) {
	GinkgoHelper()
	obj := w.blocking(ctx, shared, within(time.Hour))
	clone := w.cloneOf(ctx, obj).ID
	w.edit(ctx, obj, suspended(true))
	w.run(ctx, passes, obj)
	Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateSuspended), describe(w.get(ctx, obj)))
	Expect(w.aclOf(sharedSubnet)).To(Equal(sharedACL))
	Expect(w.acls()).To(ContainElement(clone))
	return obj, clone
}

// resume takes a run up again, and gives it time enough to notice what happened meanwhile.
func (w *world) resume(ctx context.Context, obj *v1alpha1.AgentDisconnect) {
	GinkgoHelper()
	w.edit(ctx, obj, suspended(false))
	w.run(ctx, passes, obj)
}

var _ = Describe("A run on a clone that is suspended", func() {
	It("gives the subnet its own network ACL back, and resumes with the same clone", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj, clone := w.suspendedClone(ctx)
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionRulesInstalled).Status).To(Equal(metav1.ConditionFalse))
		Expect(w.reachable(sharedSubnet, first)).To(BeTrue())
		expires := w.get(ctx, obj).Status.ExpirationTime
		writes := len(w.writes())
		w.run(ctx, 3*time.Minute, obj)
		Expect(w.writes()).To(HaveLen(writes))

		w.resume(ctx, obj)
		w.expectServing(ctx, obj)
		Expect(w.cloneOf(ctx, obj).ID).To(Equal(clone))
		Expect(w.get(ctx, obj).Status.ExpirationTime).To(Equal(expires))
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking))

		By("again and again, at once")
		for range 3 {
			w.edit(ctx, obj, suspended(true))
			w.run(ctx, passes, obj)
			Expect(w.aclOf(sharedSubnet)).To(Equal(sharedACL))
			w.resume(ctx, obj)
			w.expectServing(ctx, obj)
		}
		w.expectGone(ctx, obj)
	})

	It("resumes with a clone of the original as it is then", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj, clone := w.suspendedClone(ctx)
		w.onOriginal(func(r *region.Region, id string) error {
			return r.SetEntries(id, onlyWeb(130, true), deny(140, "192.0.2.0/24"), onlyWeb(5, false))
		})
		w.run(ctx, networkacl.SettleFor, obj)
		w.resume(ctx, obj)
		w.expectServing(ctx, obj)
		Expect(w.cloneOf(ctx, obj).ID).To(Equal(clone))
		Expect(w.get(ctx, obj).Status.Abort).To(BeNil())
		w.expectGone(ctx, obj)
	})

	It("ends when it is resumed, where the clone can't follow the original any more", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj, _ := w.suspendedClone(ctx)
		w.onOriginal(inFront)
		w.run(ctx, networkacl.SettleFor, obj)
		w.edit(ctx, obj, suspended(false))
		w.expectAborted(ctx, obj, v1alpha1.AbortOriginalChanged)
		w.expectRestored()
		Expect(w.numbers("ec2:DeleteNetworkAclEntry")).To(BeEmpty(), "copies were removed in the meantime")
	})

	It("resumes with a new clone where a third party deleted the clone", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj, clone := w.suspendedClone(ctx)
		Expect(w.sim.Region().DeleteNetworkACL(clone)).To(Succeed())
		w.run(ctx, networkacl.AmbiguousFor, obj) // AWS denies calls for what isn't there
		w.edit(ctx, obj, suspended(false))
		w.run(ctx, 30*time.Second, obj)
		w.expectServing(ctx, obj)
		Expect(w.cloneOf(ctx, obj).ID).NotTo(Equal(clone))
		Expect(w.acls()).To(HaveLen(3))
		w.expectGone(ctx, obj)
	})

	It("resumes with no second clone where reads only lack the first", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj, clone := w.suspendedClone(ctx)
		w.run(ctx, networkacl.SettleFor, obj)
		thaw := w.agesAgo()
		w.edit(ctx, obj, suspended(false))
		w.run(ctx, 30*time.Second, obj)
		thaw()
		w.run(ctx, 30*time.Second, obj)
		w.expectServing(ctx, obj)
		_, there := w.sim.Region().NetworkACL(clone)
		Expect(there).To(Equal(w.cloneOf(ctx, obj).ID == clone), "the first clone was forgotten")
		w.expectGone(ctx, obj)
	})

	It("resumes where reads still show the subnet on the clone, as before the suspension", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj := w.blocking(ctx, shared, within(time.Hour))
		thaw := func() {}
		w.at(w.sim.Faults().Before, "ec2:ReplaceNetworkAclAssociation", func() { thaw = w.freeze(0) })
		w.edit(ctx, obj, suspended(true))
		w.run(ctx, time.Second, obj)
		Expect(w.aclOf(sharedSubnet)).To(Equal(sharedACL))

		w.edit(ctx, obj, suspended(false))
		w.run(ctx, 20*time.Second, obj)
		Expect(w.aclOf(sharedSubnet)).To(Equal(sharedACL))
		Expect(w.get(ctx, obj).Status.NetworkACL.State).To(Equal(v1alpha1.CloneReady), "a read that lags was believed")
		thaw()
		w.run(ctx, 30*time.Second, obj)
		w.expectServing(ctx, obj)
		w.expectGone(ctx, obj)
	})

	It("gives the subnet its own network ACL back again where a third party puts it on the clone", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj, clone := w.suspendedClone(ctx)
		w.move(sharedSubnet, clone)
		w.run(ctx, 40*time.Second, obj)
		Expect(w.aclOf(sharedSubnet)).To(Equal(sharedACL))
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateSuspended), describe(w.get(ctx, obj)))
		w.expectGone(ctx, obj)
	})

	It("reverts what a third party did to the clone while it served no subnet", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj, clone := w.suspendedClone(ctx)
		for _, edit := range []func(*region.Region, string) error{
			adding(deny(120, "198.51.100.0/24")), removing(100, false), removing(80, true), replacing(onlyWeb(100, true)),
		} {
			Expect(edit(w.sim.Region(), clone)).To(Succeed())
		}
		w.run(ctx, networkacl.SettleFor, obj)
		w.resume(ctx, obj)
		w.expectServing(ctx, obj)
		Expect(w.cloneOf(ctx, obj).ID).To(Equal(clone))
		Expect(w.denies(clone)).To(HaveLen(6))
		Expect(w.get(ctx, obj).Status.Abort).To(BeNil())
		w.expectGone(ctx, obj)
	})

	It("ends when it is resumed, where the subnet has another network ACL by then", func(ctx context.Context) {
		w := cloneWorld(ctx)
		third := w.anotherACL()
		obj, _ := w.suspendedClone(ctx)
		w.move(sharedSubnet, third)
		w.run(ctx, networkacl.SettleFor, obj)
		w.edit(ctx, obj, suspended(false))
		w.expectAborted(ctx, obj, v1alpha1.AbortSubnetLeft)
		Expect(w.aclOf(sharedSubnet)).To(Equal(third))
		Expect(w.acls()).To(ConsistOf(aclID, sharedACL, third))
	})

	It("ends where a third party edited the clone right before: the edit is not undone", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj := w.settled(ctx, shared)
		e := edit{do: adding(deny(120, "198.51.100.0/24")), words: "rule 120: deny all traffic out to 198.51.100.0/24 was added"}
		Expect(e.do(w.sim.Region(), w.cloneOf(ctx, obj).ID)).To(Succeed())
		w.edit(ctx, obj, suspended(true))
		w.expectAborted(ctx, obj, v1alpha1.AbortCloneEdited)
		w.expectEdited(ctx, obj, e)
	})

	DescribeTable("leaves nothing behind", func(ctx context.Context, end func(*world, *v1alpha1.AgentDisconnect)) {
		w := cloneWorld(ctx)
		obj, _ := w.suspendedClone(ctx)
		end(w, obj)
		w.run(ctx, passes, obj)
		w.expectRestored()
	},
		Entry("when its time is over", func(w *world, obj *v1alpha1.AgentDisconnect) {
			w.clock.SetTime(w.get(context.Background(), obj).Status.ExpirationTime.Time)
		}),
		Entry("when the object is deleted", func(_ *world, obj *v1alpha1.AgentDisconnect) {
			Expect(kube.Delete(context.Background(), obj)).To(Succeed())
		}),
	)
})

var _ = Describe("A third party that puts another subnet on the clone of a suspended run", func() {
	It("ends the run, and its denies: they act on that subnet", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj, clone := w.suspendedClone(ctx)
		w.move(plainSubnet, clone)
		Expect(w.reachable(plainSubnet, first)).To(BeFalse())

		By("saying what is suspected first")
		w.until(ctx, obj, time.Minute, func(seen *v1alpha1.AgentDisconnect) bool {
			return seen.Status.Abort == nil && condition(seen, v1alpha1.ConditionSucceeded).Reason == v1alpha1.StateSuspended &&
				strings.Contains(condition(seen, v1alpha1.ConditionSucceeded).Message, "serves "+plainSubnet+" too")
		})
		seen := w.expectAborted(ctx, obj, v1alpha1.AbortNetworkACLShared)
		Expect(w.denies(clone)).To(BeEmpty(), describe(seen))
		Expect(w.reachable(plainSubnet, first)).To(BeTrue())
		Expect(w.aclOf(plainSubnet)).To(Equal(clone), "it is a third party's to move")
		Expect(condition(seen, v1alpha1.ConditionStalled).Reason).To(Equal(v1alpha1.ReasonCloneInUse), describe(seen))

		w.move(plainSubnet, sharedACL)
		w.run(ctx, 15*time.Second, obj)
		w.expectRestored()
	})

	It("and takes it off again right away does not: one read may lag", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj, clone := w.suspendedClone(ctx)
		w.move(plainSubnet, clone)
		w.until(ctx, obj, time.Minute, func(seen *v1alpha1.AgentDisconnect) bool {
			return strings.Contains(condition(seen, v1alpha1.ConditionSucceeded).Message, "serves "+plainSubnet+" too")
		})
		w.move(plainSubnet, sharedACL)
		w.run(ctx, time.Minute, obj)
		Expect(w.get(ctx, obj).Status.Abort).To(BeNil())
		w.resume(ctx, obj)
		w.expectServing(ctx, obj)
		Expect(w.cloneOf(ctx, obj).ID).To(Equal(clone))
	})

	It("is noticed by a manager that was started anew", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj, clone := w.suspendedClone(ctx)
		w.move(plainSubnet, clone)
		w.restart()
		w.expectAborted(ctx, obj, v1alpha1.AbortNetworkACLShared)
		Expect(w.denies(clone)).To(BeEmpty())
	})
})

var _ = Describe("A run on a clone that is suspended, and can't be given its network ACL back", func() {
	// expectStalled holds that the clone serves on as it is, and why.
	expectStalled := func(ctx context.Context, w *world, obj *v1alpha1.AgentDisconnect, reason, words string) {
		GinkgoHelper()
		seen := w.get(ctx, obj)
		Expect(w.aclOf(sharedSubnet)).To(Equal(seen.Status.NetworkACL.ID), "nothing shows that the clone may be left")
		Expect(w.reachable(sharedSubnet, first)).To(BeFalse())
		Expect(seen.Status.Abort).To(BeNil())
		stalled := condition(seen, v1alpha1.ConditionStalled)
		Expect(stalled.Reason).To(Equal(reason), describe(seen))
		Expect(stalled.Message).To(ContainSubstring(words))
	}
	// expectDetached holds that the subnet has its network ACL back, and that the run goes on.
	expectDetached := func(ctx context.Context, w *world, obj *v1alpha1.AgentDisconnect) {
		GinkgoHelper()
		w.run(ctx, 30*time.Second, obj)
		Expect(w.aclOf(sharedSubnet)).To(Equal(sharedACL))
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateSuspended), describe(w.get(ctx, obj)))
		Expect(w.get(ctx, obj).Status.NetworkACL.State).To(Equal(v1alpha1.CloneReady))
		w.expectGone(ctx, obj)
	}

	DescribeTable("since AWS denies the manager a call, says which", func(ctx context.Context, action string) {
		w := cloneWorld(ctx)
		obj := w.blocking(ctx, shared, within(time.Hour))
		permit := w.sim.Faults().Add(faults.Fault{Action: action, Denied: true})
		w.edit(ctx, obj, suspended(true))
		w.run(ctx, 20*time.Second, obj)
		expectStalled(ctx, w, obj, v1alpha1.ReasonAccessDenied, action)
		permit()
		expectDetached(ctx, w, obj)
	},
		Entry("to read network ACLs", "ec2:DescribeNetworkAcls"),
		Entry("to move the subnet", "ec2:ReplaceNetworkAclAssociation"),
	)

	It("since nothing shows that the clone is the run's, says how to show it", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj := w.blocking(ctx, shared, within(time.Hour))
		clone := w.cloneOf(ctx, obj)
		w.untag(clone.ID, w.tagKeys(clone.ID)...)
		Expect(adding(deny(120, "198.51.100.0/24"))(w.sim.Region(), clone.ID)).To(Succeed())
		writes := len(w.writes())
		w.edit(ctx, obj, suspended(true))
		w.run(ctx, 20*time.Second, obj)
		expectStalled(ctx, w, obj, v1alpha1.ReasonLedgerInvalid, "aws ec2 create-tags --resources "+clone.ID)
		Expect(w.writes()).To(HaveLen(writes))

		Expect(removing(120, true)(w.sim.Region(), clone.ID)).To(Succeed())
		Expect(w.sim.Region().CreateTags([]string{clone.ID}, clone.Tags)).To(Succeed())
		expectDetached(ctx, w, obj)
	})

	It("since what the status says of the clone was edited by hand, names the line", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj := w.blocking(ctx, shared, within(time.Hour))
		baseline := w.get(ctx, obj).Status.NetworkACL.Baseline
		w.editStatus(ctx, obj, func(status *v1alpha1.AgentDisconnectStatus) {
			status.NetworkACL.Baseline = []string{"egress 100 maybe"}
		})
		writes := len(w.writes())
		w.edit(ctx, obj, suspended(true))
		w.run(ctx, 20*time.Second, obj)
		expectStalled(ctx, w, obj, v1alpha1.ReasonLedgerInvalid, "egress 100 maybe")
		Expect(w.writes()).To(HaveLen(writes))

		w.editStatus(ctx, obj, func(status *v1alpha1.AgentDisconnectStatus) { status.NetworkACL.Baseline = baseline })
		expectDetached(ctx, w, obj)
	})
})

var _ = Describe("A third party that acts right before a run on a clone is suspended", func() {
	added := edit{do: adding(deny(120, "198.51.100.0/24")), words: "rule 120: deny all traffic out to 198.51.100.0/24 was added"}

	It("and edits a clone that began to serve a moment ago ends the run: the edit is not undone", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj := w.blocking(ctx, shared, within(time.Hour))
		Expect(added.do(w.sim.Region(), w.cloneOf(ctx, obj).ID)).To(Succeed())
		w.edit(ctx, obj, suspended(true))
		w.expectAborted(ctx, obj, v1alpha1.AbortCloneEdited)
		w.expectEdited(ctx, obj, added)
	})

	It("and edits a clone whose swap got no answer ends the run for that, and for nothing else", func(ctx context.Context) {
		w := cloneWorld(ctx)
		w.sim.Faults().Add(faults.Fault{Action: "ec2:ReplaceNetworkAclAssociation", Lost: true, Times: 1})
		obj := w.create(ctx, shared, within(time.Hour))
		w.until(ctx, obj, time.Minute, func(seen *v1alpha1.AgentDisconnect) bool {
			return seen.Status.NetworkACL != nil && seen.Status.NetworkACL.State == v1alpha1.CloneAssociating
		})
		Expect(w.aclOf(sharedSubnet)).To(Equal(w.cloneOf(ctx, obj).ID))
		Expect(added.do(w.sim.Region(), w.cloneOf(ctx, obj).ID)).To(Succeed())
		w.edit(ctx, obj, suspended(true))
		w.expectAborted(ctx, obj, v1alpha1.AbortCloneEdited)
		w.expectEdited(ctx, obj, added)
	})

	It("and moves the subnet back to the original ends the run, as without the suspension", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj := w.settled(ctx, shared)
		w.move(sharedSubnet, sharedACL)
		w.edit(ctx, obj, suspended(true))
		w.expectAborted(ctx, obj, v1alpha1.AbortSubnetLeft)
		w.expectRestored()
	})

	It("and puts another subnet on a clone whose swap never took effect ends the run: the denies act there", func(ctx context.Context) {
		w := cloneWorld(ctx)
		answer := w.sim.Faults().Add(faults.Fault{Action: "ec2:ReplaceNetworkAclAssociation", Error: "InternalError"})
		obj := w.create(ctx, shared, within(time.Hour))
		w.until(ctx, obj, time.Minute, func(seen *v1alpha1.AgentDisconnect) bool {
			return seen.Status.NetworkACL != nil && seen.Status.NetworkACL.State == v1alpha1.CloneAssociating
		})
		clone := w.cloneOf(ctx, obj).ID
		w.move(plainSubnet, clone)
		w.edit(ctx, obj, suspended(true))
		w.run(ctx, 30*time.Second, obj)
		Expect(w.aclOf(sharedSubnet)).To(Equal(sharedACL))
		Expect(w.get(ctx, obj).Status.Abort.Reason).To(Equal(v1alpha1.AbortNetworkACLShared), describe(w.get(ctx, obj)))
		Expect(w.reachable(plainSubnet, first)).To(BeTrue())

		answer()
		w.move(plainSubnet, sharedACL)
		w.run(ctx, 15*time.Second, obj)
		w.expectRestored()
	})
})
