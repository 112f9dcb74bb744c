// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
)

// freeze has reads of network ACLs answer from the state of now until thaw is called, or for a number of reads.
func (w *world) freeze(reads int) (thaw func()) {
	return w.sim.Faults().Add(faults.Fault{Action: "ec2:DescribeNetworkAcls", Frozen: true, Times: reads})
}

var _ = Describe("Reads that lag behind writes", func() {
	DescribeTable("during the installation", func(ctx context.Context, reads int) {
		w, a := audited(ctx)
		w.honest(a)
		w.follow()
		w.once(w.sim.Faults().Before, func() { w.freeze(reads) })
		obj := w.create(ctx)

		By("never calling a rule installed that wasn't read back")
		w.run(ctx, 16*time.Second, obj)
		Expect(w.denies(aclID)).To(HaveLen(6))
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionRulesInstalled).Status).To(Equal(metav1.ConditionFalse))

		By("neither losing an entry nor making one twice")
		seen := w.finish(ctx, obj, time.Hour)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Status).NotTo(Equal(metav1.ConditionUnknown), describe(seen))
		w.expectRestored()
	},
		Entry("for one read", 1),
		Entry("for three reads", 3),
		Entry("for 20 reads", 20),
		Entry("for 90 reads, longer than drift takes to be believed", 90),
	)

	DescribeTable("during the restoration", func(ctx context.Context, freeze func(w *world)) {
		w, _ := audited(ctx)
		w.follow()
		freeze(w)
		obj := w.blocking(ctx)
		expires := w.get(ctx, obj).Status.ExpirationTime.Time
		w.run(ctx, expires.Sub(w.clock.Now())+5*time.Second, obj)
		w.expectLifted(obj) // the tags stay until a read lacks what they claim
		w.sim.Faults().Clear()
		seen := w.finish(ctx, obj, 20*time.Minute)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateCompleted), describe(seen))
		w.expectRestored()
	},
		Entry("that still show the entries", func(w *world) {
			var once sync.Once
			w.sim.Faults().Before("ec2:DeleteNetworkAclEntry", func(c call.Call) {
				if !c.DryRun {
					once.Do(func() { w.freeze(0) })
				}
			})
		}),
		Entry("that still show the entries, with each answer to a deletion lost", func(w *world) {
			w.sim.Faults().Add(faults.Fault{Action: "ec2:DeleteNetworkAclEntry", Lost: true, Times: 6})
			var once sync.Once
			w.sim.Faults().Before("ec2:DeleteNetworkAclEntry", func(c call.Call) {
				if !c.DryRun {
					once.Do(func() { w.freeze(0) })
				}
			})
		}),
	)

	It("don't show entries that AWS acknowledged: at the run's end these are deleted all the same", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.once(w.sim.Faults().Before, func() { w.freeze(0) })
		obj := w.create(ctx, within(time.Minute))
		w.run(ctx, 20*time.Second, obj)
		Expect(w.denies(aclID)).To(HaveLen(6))
		w.run(ctx, w.get(ctx, obj).Status.ExpirationTime.Sub(w.clock.Now())+6*time.Second, obj)
		Expect(untagged(w.entries())).To(Equal(untagged(w.before)))
		w.sim.Faults().Clear() // one of the entries may be in the frozen reads, and then the tags are still there
		w.run(ctx, 10*time.Second, obj)
		w.expectRestored()
	})

	It("show the network ACL of before the run for all of it: nothing is forgotten", func(ctx context.Context) {
		w, _ := audited(ctx)
		thaw := func() {}
		w.once(w.sim.Faults().Before, func() { thaw = w.freeze(0) })
		obj := w.create(ctx, within(time.Hour))
		w.run(ctx, 150*time.Second, obj)
		seen := w.get(ctx, obj)
		Expect(condition(seen, v1alpha1.ConditionRulesInstalled).Status).NotTo(Equal(metav1.ConditionTrue))
		for number, cidr := range w.denies(aclID) {
			known := line(seen, int32(number))
			Expect(known).NotTo(BeNil(), "entry %d is in no line of the ledger: %s", number, describe(seen))
			Expect(known.CIDR).To(Equal(cidr))
		}
		thaw()
		w.finish(ctx, obj, time.Hour)
		w.expectRestored()
	})
})
