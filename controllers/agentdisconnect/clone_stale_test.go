// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// agesAgo has reads of network ACLs answer from the state in which the world began until thaw is called.
func (w *world) agesAgo() (thaw func()) {
	return w.sim.Faults().Add(faults.Fault{Action: "ec2:DescribeNetworkAcls", Stale: faults.Duration(time.Hour)})
}

var _ = Describe("Reads that lag behind", func() {
	for _, lag := range []time.Duration{5 * time.Second, time.Minute} {
		DescribeTable("for "+lag.String()+", neither end the run nor leave anything behind", func(ctx context.Context, action string, change func(*world)) {
			w := cloneWorld(ctx)
			var until atomic.Pointer[time.Time]
			thaw := func() {}
			w.beforePass = func() {
				if t := until.Load(); t != nil && !w.clock.Now().Before(*t) {
					thaw()
				}
			}
			freeze := func() {
				thaw = w.freeze(0)
				until.Store(new(w.clock.Now().Add(lag)))
			}
			obj := w.create(ctx, shared, within(4*time.Minute))
			if change == nil {
				w.at(w.sim.Faults().Before, action, freeze)
			}
			w.run(ctx, 20*time.Second+lag, obj)
			if change != nil {
				change(w)
				w.at(w.sim.Faults().Before, action, freeze)
			}
			w.run(ctx, 30*time.Second+lag, obj)
			seen := w.get(ctx, obj)
			Expect(seen.Status.Abort).To(BeNil(), describe(seen))
			w.run(ctx, 30*time.Second, obj)
			if w.clock.Now().Before(seen.Status.ExpirationTime.Time) {
				w.expectServing(ctx, obj)
			}
			w.run(ctx, max(seen.Status.ExpirationTime.Sub(w.clock.Now()), 0)+lag+passes, obj)
			w.expectRestored()
			Expect(until.Load()).NotTo(BeNil(), "nothing lagged")
			seen = w.finish(ctx, obj, 15*time.Minute)
			Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateCompleted), describe(seen))
		},
			Entry("the creation of the clone", "ec2:CreateNetworkAcl", nil),
			Entry("the filling of the clone", "ec2:CreateNetworkAclEntry", nil),
			Entry("the swap", "ec2:ReplaceNetworkAclAssociation", nil),
			Entry("a new entry of the original", "ec2:CreateNetworkAclEntry", func(w *world) { w.onOriginal(adding(deny(70, "192.0.2.0/24"))) }),
			Entry("all kinds of changes of the original", "ec2:CreateNetworkAclEntry", func(w *world) {
				w.onOriginal(func(r *region.Region, id string) error {
					return r.SetEntries(id, onlyWeb(130, true), deny(140, "192.0.2.0/24"), onlyWeb(100, false))
				})
			}),
			Entry("the swap back", "ec2:ReplaceNetworkAclAssociation", func(*world) {}),
			Entry("the deletion of the clone", "ec2:DeleteNetworkAcl", func(*world) {}),
		)
	}

	It("show the time before the clone at its end: AWS itself is asked whether it is there", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj := w.blocking(ctx, shared)
		thaw := w.agesAgo()
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, time.Minute, obj)
		Expect(w.gone(ctx, obj)).To(BeFalse(), "the clone was given up while it serves")
		Expect(w.aclOf(sharedSubnet)).To(Equal(w.cloneOf(ctx, obj).ID))
		thaw()
		w.run(ctx, passes, obj)
		w.expectRestored()
	})

	It("show the time before the clone for a while after it began to serve: nothing is concluded from that", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj := w.blocking(ctx, shared)
		thaw := w.agesAgo()
		w.run(ctx, 90*time.Second, obj)
		seen := w.get(ctx, obj)
		Expect(seen.Status.Abort).To(BeNil(), describe(seen))
		Expect(condition(seen, v1alpha1.ConditionRulesInstalled).Status).NotTo(Equal(metav1.ConditionTrue))
		thaw()
		w.run(ctx, 40*time.Second, obj)
		w.expectServing(ctx, obj)
		w.expectGone(ctx, obj)
	})

	It("hide a clone of which AWS never told the id: it is waited for", func(ctx context.Context) {
		w := cloneWorld(ctx)
		w.sim.Faults().Add(faults.Fault{Action: "ec2:CreateNetworkAcl", Lost: true, Times: 1})
		thaw := func() {}
		w.at(w.sim.Faults().Before, "ec2:CreateNetworkAcl", func() { thaw = w.freeze(0) })
		obj := w.create(ctx, shared)
		w.run(ctx, 15*time.Second, obj)
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, 4*time.Minute, obj)
		Expect(w.gone(ctx, obj)).To(BeFalse(), "a clone that was perhaps made was given up")
		thaw()
		w.run(ctx, passes, obj)
		Expect(w.gone(ctx, obj)).To(BeTrue())
		w.expectRestored()
	})
})
