// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
)

// editStatus changes the status of an object by hand.
func (w *world) editStatus(ctx context.Context, obj *v1alpha1.AgentDisconnect, edit func(*v1alpha1.AgentDisconnectStatus)) {
	GinkgoHelper()
	w.edited = true
	fresh := w.get(ctx, obj)
	patch := client.MergeFrom(fresh.DeepCopy())
	edit(&fresh.Status)
	Expect(kube.Status().Patch(ctx, fresh, patch)).To(Succeed())
}

// anHourAgo is a time that no read can lag behind.
func (w *world) anHourAgo() *metav1.Time { return &metav1.Time{Time: w.clock.Now().Add(-time.Hour)} }

var _ = Describe("A ledger that was edited by hand", func() {
	DescribeTable("to name what the controller never makes: the line is never acted on, all others are",
		func(ctx context.Context, edit func(*v1alpha1.Rule)) {
			w, _ := audited(ctx)
			w.follow()
			w.add(deny(70, "198.51.100.0/24"))
			w.before = w.entries()
			obj := w.blocking(ctx, within(2*time.Minute))
			forged := v1alpha1.Rule{NetworkACLID: aclID, RuleNumber: 70, CIDR: "198.51.100.0/24", State: v1alpha1.RuleInstalled, LastAttemptTime: w.anHourAgo()}
			edit(&forged)
			w.editStatus(ctx, obj, func(status *v1alpha1.AgentDisconnectStatus) { status.Rules = append(status.Rules, forged) })

			w.run(ctx, 30*time.Second, obj)
			seen := w.get(ctx, obj)
			Expect(condition(seen, v1alpha1.ConditionStalled).Reason).To(Equal(v1alpha1.ReasonLedgerInvalid), describe(seen))
			Expect(condition(seen, v1alpha1.ConditionStalled).Message).To(ContainSubstring("remove the line"))

			w.run(ctx, 6*time.Minute, obj)
			w.expectLifted(obj)
			seen = w.get(ctx, obj)
			Expect(seen.Status.Rules).To(ConsistOf(HaveField("RuleNumber", forged.RuleNumber)), "the rest was not cleaned up")
			Expect(seen.Finalizers).To(ConsistOf(v1alpha1.Finalizer))
			Expect(condition(seen, v1alpha1.ConditionStalled).Reason).To(Equal(v1alpha1.ReasonLedgerInvalid))

			By("going on once the line is gone")
			w.editStatus(ctx, obj, func(status *v1alpha1.AgentDisconnectStatus) { status.Rules = nil })
			seen = w.finish(ctx, obj, 15*time.Minute)
			Expect(seen.Status.CompletionTime).NotTo(BeNil(), describe(seen))
			Expect(seen.Finalizers).To(BeEmpty())
			w.expectRestored()
		},
		Entry("a range that is none of the run's", func(*v1alpha1.Rule) {}),
		Entry("something that isn't a range", func(r *v1alpha1.Rule) { r.CIDR = "everything" }),
		Entry("a range with host bits", func(r *v1alpha1.Rule) { r.CIDR = "198.51.100.7/24" }),
		Entry("all addresses, at the number of the allow", func(r *v1alpha1.Rule) { r.RuleNumber, r.CIDR = 100, "0.0.0.0/0" }),
		Entry("an entry of another network ACL", func(r *v1alpha1.Rule) { r.NetworkACLID, r.CIDR = sharedACL, first+"/32" }),
		Entry("a range that waits for its creation", func(r *v1alpha1.Rule) { r.State = v1alpha1.RuleCreating }),
		Entry("a range whose deletion is under way", func(r *v1alpha1.Rule) { r.State = v1alpha1.RuleDeleting }),
	)

	DescribeTable("to name a third party's number: what stands there stays", func(ctx context.Context, state v1alpha1.RuleState) {
		w, _ := audited(ctx)
		w.follow()
		obj := w.blocking(ctx, within(2*time.Minute))
		forged := v1alpha1.Rule{NetworkACLID: aclID, RuleNumber: 100, CIDR: "192.0.2.1/32", State: state, LastAttemptTime: w.anHourAgo()}
		w.editStatus(ctx, obj, func(status *v1alpha1.AgentDisconnectStatus) { status.Rules = append(status.Rules, forged) })
		seen := w.finish(ctx, obj, 30*time.Minute)
		Expect(seen.Status.CompletionTime).NotTo(BeNil(), describe(seen))
		w.expectRestored()
	},
		Entry("as made", v1alpha1.RuleInstalled),
		Entry("as asked for", v1alpha1.RuleCreating),
		Entry("as to be deleted", v1alpha1.RuleDeleting),
	)

	DescribeTable("so that a run can't tell where it works: nothing is done until it is put back", func(ctx context.Context, edit func(*v1alpha1.AgentDisconnectStatus)) {
		w, _ := audited(ctx)
		w.follow()
		obj := w.blocking(ctx, within(2*time.Minute))
		was := w.get(ctx, obj).Status
		w.editStatus(ctx, obj, edit)
		w.run(ctx, 5*time.Minute, obj)
		seen := w.get(ctx, obj)
		Expect(w.denies(aclID)).To(HaveLen(6))
		Expect(condition(seen, v1alpha1.ConditionStalled).Reason).To(BeElementOf(v1alpha1.ReasonLedgerInvalid, v1alpha1.ReasonWrongAccount), describe(seen))
		Expect(seen.Finalizers).To(ConsistOf(v1alpha1.Finalizer))

		w.editStatus(ctx, obj, func(status *v1alpha1.AgentDisconnectStatus) {
			status.Target, status.NetworkACL = was.Target, was.NetworkACL
		})
		w.run(ctx, 15*time.Second, obj)
		w.expectRestored()
	},
		Entry("without its target", func(status *v1alpha1.AgentDisconnectStatus) { status.Target = nil }),
		Entry("without its network ACL", func(status *v1alpha1.AgentDisconnectStatus) { status.NetworkACL = nil }),
		Entry("with another account", func(status *v1alpha1.AgentDisconnectStatus) { status.Target.AccountID = "210987654321" }),
		Entry("with another network ACL", func(status *v1alpha1.AgentDisconnectStatus) { status.NetworkACL.ID = sharedACL }),
	)

	DescribeTable("so that its times or agents are others: it ends no later than it would have", func(ctx context.Context, edit func(*v1alpha1.AgentDisconnectStatus)) {
		w, _ := audited(ctx)
		w.follow()
		obj := w.blocking(ctx)
		expires := w.get(ctx, obj).Status.ExpirationTime.Time
		w.editStatus(ctx, obj, edit)
		w.run(ctx, expires.Sub(w.clock.Now()), obj)
		w.expectRestored()
		seen := w.finish(ctx, obj, 15*time.Minute)
		Expect(seen.Status.CompletionTime).NotTo(BeNil(), describe(seen))
		Expect(seen.Finalizers).To(BeEmpty())
	},
		Entry("an expiration in the far future", func(status *v1alpha1.AgentDisconnectStatus) {
			status.ExpirationTime = &metav1.Time{Time: status.ExpirationTime.Add(1000 * time.Hour)}
		}),
		Entry("no start", func(status *v1alpha1.AgentDisconnectStatus) { status.StartTime = nil }),
		Entry("no expiration", func(status *v1alpha1.AgentDisconnectStatus) { status.ExpirationTime = nil }),
		Entry("no agents", func(status *v1alpha1.AgentDisconnectStatus) { status.Agents = nil }),
		Entry("rules said to be gone", func(status *v1alpha1.AgentDisconnectStatus) {
			status.RestoredTime = &metav1.Time{Time: status.StartTime.Add(time.Second)}
		}),
	)
})

var _ = Describe("An abort that a person wrote into the status of a run that never began", func() {
	It("ends the object, and it can be deleted", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.create(ctx, suspending(true))
		w.run(ctx, 10*time.Second, obj)
		w.editStatus(ctx, obj, func(status *v1alpha1.AgentDisconnectStatus) {
			status.Abort = &v1alpha1.Abort{Reason: v1alpha1.AbortDriftDetected, Message: "by hand", Time: *w.anHourAgo()}
		})
		seen := w.finish(ctx, obj, 15*time.Minute)
		Expect(seen.Status.CompletionTime).NotTo(BeNil(), describe(seen))
		Expect(w.attempts()).To(BeEmpty())
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, 10*time.Second, obj)
		Expect(w.gone(ctx, obj)).To(BeTrue())
	})
})

var _ = Describe("A status that lost what the tags on the network ACL still have", func() {
	DescribeTable("has the entries taken up again by the run's end, where lines of the ledger are missing", func(ctx context.Context, restart bool) {
		w := newWorld(ctx)
		obj := w.blocking(ctx)
		w.editStatus(ctx, obj, func(status *v1alpha1.AgentDisconnectStatus) { status.Rules = status.Rules[:2] })
		if restart {
			w.restart()
		}
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, 10*time.Second, obj)
		Expect(w.denies(aclID)).To(HaveLen(4), "what the ledger has goes at once")
		Expect(w.claim(obj).Rules).To(HaveLen(6), "the tags are the only trace of the others")
		Expect(w.gone(ctx, obj)).To(BeFalse())

		w.run(ctx, networkacl.SettleFor, obj)
		Expect(w.gone(ctx, obj)).To(BeTrue())
		w.expectRestored()
	},
		Entry("under the same manager", false),
		Entry("under a new one", true),
	)

	It("keeps the run from beginning again, where all of it is, until the sweeper took them away", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.blocking(ctx)
		w.editStatus(ctx, obj, func(status *v1alpha1.AgentDisconnectStatus) {
			*status = v1alpha1.AgentDisconnectStatus{ObservedGeneration: status.ObservedGeneration}
		})
		w.restart()
		w.run(ctx, time.Minute, obj)
		Expect(w.get(ctx, obj).Status.StartTime).To(BeNil())
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionSucceeded).Message).To(ContainSubstring("still has entries or tags of an earlier run of this object"))
		Expect(w.denies(aclID)).To(HaveLen(6))

		w.clock.Step(15 * time.Minute)
		w.swept(ctx, w.newSweeper())
		w.expectRestored()
		w.run(ctx, time.Minute, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking))
	})
})

var _ = Describe("A line of the ledger that was edited by hand while its entry is there", func() {
	// edits make a line that no longer stands for its entry. damaged are those that leave an invalid
	// line at the entry's number, which a manager that starts later sees too, forged those whose
	// line the controller never acts on.
	type edit struct {
		do              func(*v1alpha1.AgentDisconnectStatus)
		damaged, forged bool
	}
	edits := map[string]edit{
		"a range that is none of the run's": {do: func(status *v1alpha1.AgentDisconnectStatus) { status.Rules[0].CIDR = "10.0.0.0/8" }, damaged: true},
		"no range":                          {do: func(status *v1alpha1.AgentDisconnectStatus) { status.Rules[0].CIDR = "none" }, damaged: true},
		"the address of another line": {do: func(status *v1alpha1.AgentDisconnectStatus) {
			status.Rules[0].CIDR, status.Rules[1].CIDR = status.Rules[1].CIDR, status.Rules[0].CIDR
		}},
		"an address that is none of the run's": {do: func(status *v1alpha1.AgentDisconnectStatus) { status.Rules[0].CIDR = "203.0.113.9/32" }},
		"another number":                       {do: func(status *v1alpha1.AgentDisconnectStatus) { status.Rules[0].RuleNumber = 60 }},
		"another network ACL":                  {do: func(status *v1alpha1.AgentDisconnectStatus) { status.Rules[0].NetworkACLID = sharedACL }, damaged: true, forged: true},
		"nothing at all":                       {do: func(status *v1alpha1.AgentDisconnectStatus) { status.Rules = status.Rules[1:] }},
	}
	entriesOf := func(body any) []any {
		args := []any{body}
		for name, e := range edits {
			args = append(args, Entry(name, e))
		}
		return args
	}
	// expectUndone holds that the entries went, and that the object is only held up by a line that
	// the controller never acts on.
	expectUndone := func(ctx context.Context, w *world, obj *v1alpha1.AgentDisconnect, e edit) {
		GinkgoHelper()
		Expect(w.denies(aclID)).To(BeEmpty(), describe(w.get(ctx, obj)))
		if e.forged {
			Expect(condition(w.get(ctx, obj), v1alpha1.ConditionStalled).Reason).To(Equal(v1alpha1.ReasonLedgerInvalid))
			w.editStatus(ctx, obj, func(status *v1alpha1.AgentDisconnectStatus) { status.Rules = nil })
		}
		seen := w.finish(ctx, obj, 15*time.Minute)
		Expect(seen.Status.CompletionTime).NotTo(BeNil(), describe(seen))
		w.expectRestored()
	}

	DescribeTable("to name something else: the tags show whose the entry is, and the end takes it away", entriesOf(func(ctx context.Context, e edit) {
		w, _ := audited(ctx)
		w.follow()
		obj := w.blocking(ctx, within(2*time.Minute))
		w.editStatus(ctx, obj, e.do)
		w.run(ctx, 2*time.Minute+networkacl.SettleFor+time.Minute, obj)
		expectUndone(ctx, w, obj, e)
	})...)

	DescribeTable("to name something else, in a run that is given another end: the tags go on to claim the entry", entriesOf(func(ctx context.Context, e edit) {
		w, _ := audited(ctx)
		w.follow()
		obj := w.blocking(ctx, within(4*time.Minute))
		before := w.claim(obj).Rules
		w.editStatus(ctx, obj, e.do)
		if e.damaged {
			w.restart()
		}
		w.edit(ctx, obj, within(6*time.Minute))
		w.run(ctx, 30*time.Second, obj)
		Expect(w.claim(obj).Rules).To(ContainElements(before))
		w.edit(ctx, obj, within(3*time.Minute))
		w.run(ctx, 30*time.Second, obj)
		Expect(w.claim(obj).Rules).To(ContainElements(before))
		w.run(ctx, 6*time.Minute, obj)
		expectUndone(ctx, w, obj, e)
	})...)

	DescribeTable("to name something else, in a run that is suspended: the entry goes too", entriesOf(func(ctx context.Context, e edit) {
		w, _ := audited(ctx)
		w.follow()
		obj := w.blocking(ctx, within(20*time.Minute))
		w.editStatus(ctx, obj, e.do)
		w.edit(ctx, obj, suspended(true))
		w.run(ctx, networkacl.SettleFor+time.Minute, obj)
		Expect(w.denies(aclID)).To(BeEmpty(), describe(w.get(ctx, obj)))
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, time.Minute, obj)
		if e.forged {
			w.editStatus(ctx, obj, func(status *v1alpha1.AgentDisconnectStatus) { status.Rules = nil })
			w.run(ctx, time.Minute, obj)
		}
		Expect(w.gone(ctx, obj)).To(BeTrue())
		w.expectRestored()
	})...)

	DescribeTable("to name something else, in a run that goes on: the tags claim the entry until the end", entriesOf(func(ctx context.Context, e edit) {
		w, _ := audited(ctx)
		w.follow()
		obj := w.blocking(ctx, within(10*time.Minute))
		before := w.claim(obj).Rules
		w.editStatus(ctx, obj, e.do)
		w.run(ctx, 3*time.Minute, obj)
		Expect(w.claim(obj).Rules).To(ContainElements(before), describe(w.get(ctx, obj)))
		if e.damaged {
			w.restart()
			w.run(ctx, 3*time.Minute, obj)
			Expect(w.claim(obj).Rules).To(ContainElements(before), describe(w.get(ctx, obj)))
		}
		w.run(ctx, w.get(ctx, obj).Status.ExpirationTime.Sub(w.clock.Now())+networkacl.SettleFor+time.Minute, obj)
		expectUndone(ctx, w, obj, e)
	})...)

	It("to name nothing at all, of any line, is noticed in a run that is suspended: nothing acts on", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.follow()
		obj := w.blocking(ctx, within(20*time.Minute))
		w.editStatus(ctx, obj, func(status *v1alpha1.AgentDisconnectStatus) { status.Rules = nil })
		w.edit(ctx, obj, suspended(true))
		w.restart()
		w.run(ctx, networkacl.SettleFor+time.Minute, obj)
		Expect(w.denies(aclID)).To(BeEmpty(), describe(w.get(ctx, obj)))
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateSuspended))
		w.edit(ctx, obj, suspended(false))
		w.run(ctx, 30*time.Second, obj)
		Expect(w.denies(aclID)).To(HaveLen(6))
	})

	It("is taken up on a clone that another subnet uses, whose denies go", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj := w.blocking(ctx, shared)
		clone := w.cloneOf(ctx, obj).ID
		w.editStatus(ctx, obj, func(status *v1alpha1.AgentDisconnectStatus) { status.Rules[0].CIDR = "10.0.0.0/8" })
		w.move(plainSubnet, clone)
		w.expectAborted(ctx, obj, v1alpha1.AbortNetworkACLShared)
		w.run(ctx, networkacl.SettleFor+30*time.Second, obj)
		Expect(w.denies(clone)).To(BeEmpty(), describe(w.get(ctx, obj)))
		Expect(w.reachable(plainSubnet, first)).To(BeTrue())
		w.move(plainSubnet, sharedACL)
		w.run(ctx, 15*time.Second, obj)
		w.expectRestored()
	})
})
