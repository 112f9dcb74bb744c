// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

var _ = Describe("A status.networkACL that was edited by hand while a clone serves", func() {
	DescribeTable("keeps everything as it is until it is put back", func(ctx context.Context, edit func(w *world, acl *v1alpha1.NetworkACL), words string) {
		w := cloneWorld(ctx)
		w.anotherACL()
		w.before = w.entries()
		obj := w.blocking(ctx, shared, within(2*time.Minute))
		was := w.get(ctx, obj).Status.NetworkACL
		w.editStatus(ctx, obj, func(status *v1alpha1.AgentDisconnectStatus) { edit(w, status.NetworkACL) })
		entries, writes := w.entries(), len(w.writes())
		w.run(ctx, 3*time.Minute, obj)
		seen := w.get(ctx, obj)
		Expect(w.entries()).To(Equal(entries))
		Expect(w.writes()).To(HaveLen(writes), "something was written")
		stalled := condition(seen, v1alpha1.ConditionStalled)
		Expect(stalled.Reason).To(Equal(v1alpha1.ReasonLedgerInvalid), describe(seen))
		Expect(stalled.Message).To(ContainSubstring(words))
		Expect(seen.Finalizers).To(ConsistOf(v1alpha1.Finalizer))

		w.editStatus(ctx, obj, func(status *v1alpha1.AgentDisconnectStatus) { status.NetworkACL = was })
		w.run(ctx, 15*time.Second, obj)
		w.expectRestored()
	},
		Entry("id: a third party's network ACL", func(w *world, acl *v1alpha1.NetworkACL) { acl.ID = w.idle() }, "nothing shows that network ACL"),
		Entry("id: the network ACL of other subnets", func(_ *world, acl *v1alpha1.NetworkACL) { acl.ID = aclID }, "nothing shows that network ACL "+aclID+" is this run's clone"),
		Entry("id: the original's", func(_ *world, acl *v1alpha1.NetworkACL) { acl.ID = sharedACL }, "id and originalID are the same"),
		Entry("originalID: the clone's", func(_ *world, acl *v1alpha1.NetworkACL) { acl.OriginalID = acl.ID }, "id and originalID are the same"),
		Entry("originalID: a third party's network ACL", func(w *world, acl *v1alpha1.NetworkACL) { acl.OriginalID = w.idle() }, "the tag agentdisconnect.dev/original says "+sharedACL),
		Entry("originalID: one that isn't there", func(_ *world, acl *v1alpha1.NetworkACL) { acl.OriginalID = "acl-00000000000000000" }, "the tag agentdisconnect.dev/original says "+sharedACL),
	)

	It("id: one that isn't there: the clone is found by its tags at the run's end", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj := w.blocking(ctx, shared, within(2*time.Minute))
		w.editStatus(ctx, obj, func(status *v1alpha1.AgentDisconnectStatus) { status.NetworkACL.ID = "acl-00000000000000000" })
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, time.Minute, obj)
		Expect(w.gone(ctx, obj)).To(BeTrue(), "%v", w.writes())
		w.expectRestored()
	})

	It("baseline: something that can't be read: the rules go at the run's end, and the clone serves until it is put back", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj := w.blocking(ctx, shared, within(2*time.Minute))
		was := w.get(ctx, obj).Status.NetworkACL
		w.editStatus(ctx, obj, func(status *v1alpha1.AgentDisconnectStatus) { status.NetworkACL.Baseline = []string{"everything"} })
		w.until(ctx, obj, time.Minute, func(seen *v1alpha1.AgentDisconnect) bool {
			return condition(seen, v1alpha1.ConditionStalled).Reason == v1alpha1.ReasonLedgerInvalid
		})
		Expect(w.denies(was.ID)).To(HaveLen(6))

		w.run(ctx, 2*time.Minute, obj)
		Expect(w.aclOf(sharedSubnet)).To(Equal(was.ID))
		Expect(w.denies(was.ID)).To(BeEmpty())
		stalled := condition(w.get(ctx, obj), v1alpha1.ConditionStalled)
		Expect(stalled.Reason).To(Equal(v1alpha1.ReasonLedgerInvalid), describe(w.get(ctx, obj)))
		Expect(stalled.Message).To(ContainSubstring(`"everything" is not a copied entry`))

		w.editStatus(ctx, obj, func(status *v1alpha1.AgentDisconnectStatus) { status.NetworkACL.Baseline = was.Baseline })
		w.run(ctx, 15*time.Second, obj)
		w.expectRestored()
	})

	DescribeTable("is found out about by what AWS has", func(ctx context.Context, edit func(acl *v1alpha1.NetworkACL), after time.Duration) {
		w := cloneWorld(ctx)
		obj := w.blocking(ctx, shared, within(2*time.Minute))
		expires := w.get(ctx, obj).Status.ExpirationTime.Time
		if after > 0 {
			w.clock.SetTime(expires.Add(after)) // the manager was off meanwhile
		}
		w.editStatus(ctx, obj, func(status *v1alpha1.AgentDisconnectStatus) { edit(status.NetworkACL) })
		w.run(ctx, max(expires.Sub(w.clock.Now()), 0)+passes, obj)
		w.expectRestored()
		Expect(w.finish(ctx, obj, 15*time.Minute).Status.CompletionTime).NotTo(BeNil())
	},
		Entry("state: removed, during the run", func(acl *v1alpha1.NetworkACL) { acl.State = "" }, 0*time.Second),
		Entry("state: removed, after its end", func(acl *v1alpha1.NetworkACL) { acl.State = "" }, time.Second),
		Entry("state and id: removed, after its end", func(acl *v1alpha1.NetworkACL) { acl.State, acl.ID = "", "" }, time.Second),
		Entry("state: Ready, after its end", func(acl *v1alpha1.NetworkACL) { acl.State = v1alpha1.CloneReady }, time.Second),
		Entry("state: Creating, without an id, after its end", func(acl *v1alpha1.NetworkACL) { acl.State, acl.ID = v1alpha1.CloneCreating, "" }, time.Second),
	)
})

// idle is a network ACL that no subnet has.
func (w *world) idle() string {
	for _, found := range w.sim.Region().View(zero).NetworkACLs() {
		if len(found.Associations) == 0 && found.ID != aclID && found.ID != sharedACL {
			return found.ID
		}
	}
	return ""
}
