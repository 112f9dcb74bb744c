// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"net/netip"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// edit is a change that a third party makes to a clone, its counterpart, and how the status names it.
type edit struct {
	do, undo func(*region.Region, string) error
	words    string
}

var edits = []TableEntry{
	Entry("adds an entry, outbound", edit{do: adding(deny(120, "198.51.100.0/24")), undo: removing(120, true), words: "rule 120: deny all traffic out to 198.51.100.0/24 was added"}),
	Entry("adds an entry, inbound", edit{do: adding(onlyWeb(80, false)), undo: removing(80, false), words: "rule 80: allow TCP ports 80 to 443 in from 0.0.0.0/0 was added"}),
	Entry("replaces an entry", edit{do: replacing(onlyWeb(100, true)), undo: replacing(region.AllowAll(100, true)), words: "rule 100: allow TCP ports 80 to 443 out to 0.0.0.0/0 replaced another entry"}),
	Entry("removes an entry", edit{do: removing(100, false), undo: adding(region.AllowAll(100, false)), words: "rule 100: allow all traffic in from 0.0.0.0/0 was removed"}),
}

// expectEdited says that a clone serves with a third party's edit, without anything of the run but its tags.
func (w *world) expectEdited(ctx context.Context, obj *v1alpha1.AgentDisconnect, e edit) {
	GinkgoHelper()
	seen := w.get(ctx, obj)
	clone := w.cloneOf(ctx, obj)
	Expect(w.aclOf(sharedSubnet)).To(Equal(clone.ID))
	Expect(w.reachable(sharedSubnet, first)).To(BeTrue(), "the run's denies are still there: %v", lines(clone.Entries))
	Expect(seen.Status.Rules).To(BeEmpty())
	stalled := condition(seen, v1alpha1.ConditionStalled)
	Expect(stalled.Reason).To(Equal(v1alpha1.ReasonCloneEdited), describe(seen))
	Expect(stalled.Message).To(ContainSubstring(e.words))
	Expect(stalled.Message).To(ContainSubstring("make the same change to " + sharedACL + ", or revert it"))
	Expect(seen.Finalizers).To(ConsistOf(v1alpha1.Finalizer))
}

var _ = Describe("A third party that edits a clone that serves", func() {
	DescribeTable("ends the run; the clone serves on as edited, until the edit is taken back", func(ctx context.Context, e edit) {
		w := cloneWorld(ctx)
		obj := w.settled(ctx, shared)
		Expect(e.do(w.sim.Region(), w.cloneOf(ctx, obj).ID)).To(Succeed())
		seen := w.expectAborted(ctx, obj, v1alpha1.AbortCloneEdited)
		Expect(seen.Status.Abort.Message).To(ContainSubstring(e.words))
		w.expectEdited(ctx, obj, e)
		w.run(ctx, time.Minute, obj)
		w.expectEdited(ctx, obj, e)

		Expect(e.undo(w.sim.Region(), w.cloneOf(ctx, obj).ID)).To(Succeed())
		w.run(ctx, 15*time.Second, obj)
		w.expectRestored()
		seen = w.finish(ctx, obj, time.Minute)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.AbortCloneEdited), describe(seen))
		Expect(seen.Finalizers).To(BeEmpty())
	}, edits)

	DescribeTable("keeps the clone serving also when the object is being deleted, until the edit stands in the original too", func(ctx context.Context, e edit) {
		w := cloneWorld(ctx)
		obj := w.settled(ctx, shared)
		Expect(e.do(w.sim.Region(), w.cloneOf(ctx, obj).ID)).To(Succeed())
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, 30*time.Second, obj)
		w.expectEdited(ctx, obj, e)

		w.onOriginal(e.do)
		w.run(ctx, 15*time.Second, obj)
		Expect(w.gone(ctx, obj)).To(BeTrue(), "the object is stuck")
		w.expectRestored()
	}, edits)

	It("right before the run's time is over is noticed then", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj := w.blocking(ctx, shared, within(5*time.Minute))
		w.run(ctx, w.get(ctx, obj).Status.ExpirationTime.Sub(w.clock.Now())-100*time.Millisecond, obj)
		e := edit{do: adding(deny(120, "198.51.100.0/24")), words: "rule 120: deny all traffic out to 198.51.100.0/24 was added"}
		Expect(e.do(w.sim.Region(), w.cloneOf(ctx, obj).ID)).To(Succeed())
		w.run(ctx, passes, obj)
		Expect(w.get(ctx, obj).Status.Abort).To(BeNil())
		w.expectEdited(ctx, obj, e)
	})

	It("and makes the same edit in the original at once is left alone", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj := w.settled(ctx, shared)
		change := adding(deny(120, "198.51.100.0/24"))
		Expect(change(w.sim.Region(), w.cloneOf(ctx, obj).ID)).To(Succeed())
		w.onOriginal(change)
		w.carryOver(ctx, obj)
		w.expectGone(ctx, obj)
	})

	It("for a moment only is left alone", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj := w.settled(ctx, shared)
		clone := w.cloneOf(ctx, obj).ID
		reads := w.count("ec2:DescribeNetworkAcls")
		Expect(adding(deny(120, "198.51.100.0/24"))(w.sim.Region(), clone)).To(Succeed())
		for w.count("ec2:DescribeNetworkAcls") == reads {
			w.run(ctx, time.Second, obj)
		}
		Expect(removing(120, true)(w.sim.Region(), clone)).To(Succeed())
		w.run(ctx, time.Minute, obj)
		Expect(w.get(ctx, obj).Status.Abort).To(BeNil())
		w.expectServing(ctx, obj)
	})

	It("by putting an entry in a rule's place ends the run; it stays, and the other rules go", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj := w.settled(ctx, shared)
		clone := w.cloneOf(ctx, obj).ID
		theirs := acl.Entry{RuleNumber: 80, Egress: true, Allow: true, Protocol: acl.TCP, CIDR: netip.MustParsePrefix(first + "/32"), From: 443, To: 443}
		Expect(replacing(theirs)(w.sim.Region(), clone)).To(Succeed())
		w.expectAborted(ctx, obj, v1alpha1.AbortCloneEdited)
		w.run(ctx, networkacl.SettleFor, obj)
		w.expectEdited(ctx, obj, edit{words: "rule 80: allow TCP port 443 out to " + first + "/32"})
		Expect(lines(mustACL(w, clone).Entries)).To(ContainElement(region.DescribeEntry(theirs)))
		Expect(removing(80, true)(w.sim.Region(), clone)).To(Succeed())
		w.run(ctx, 15*time.Second, obj)
		w.expectRestored()
	})

	It("and then puts another subnet on it is told of both in turn", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj := w.settled(ctx, shared)
		clone := w.cloneOf(ctx, obj).ID
		Expect(adding(deny(120, "198.51.100.0/24"))(w.sim.Region(), clone)).To(Succeed())
		w.move(plainSubnet, clone)
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, passes, obj)
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionStalled).Reason).To(Equal(v1alpha1.ReasonCloneEdited))
		Expect(removing(120, true)(w.sim.Region(), clone)).To(Succeed())
		w.run(ctx, 15*time.Second, obj)
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionStalled).Reason).To(Equal(v1alpha1.ReasonCloneInUse), describe(w.get(ctx, obj)))
		Expect(w.aclOf(sharedSubnet)).To(Equal(sharedACL))
		w.move(plainSubnet, sharedACL)
		w.run(ctx, 15*time.Second, obj)
		Expect(w.gone(ctx, obj)).To(BeTrue())
		w.expectRestored()
	})
})
