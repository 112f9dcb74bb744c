// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

const (
	allDrain = "all container instances of cluster " + clusterName + " in subnet " + subnetID + " with a connected agent drain (status DRAINING; 2 of 2): RunTask does not place on them, so it would not fail with AGENT because of the run. " +
		"Set one to ACTIVE (aws ecs update-container-instances-state --status ACTIVE), or choose another subnet"
	oneDrains = "1 of 2 container instances drains (status DRAINING): RunTask does not place on them, so it does not fail with AGENT for them"
)

// drain has the first container instances drain, as many as are given.
func (w *world) drain(n int) {
	for _, arn := range w.agents()[:n] {
		w.sim.Region().SetContainerInstanceStatus(arn, "DRAINING")
	}
}

var _ = Describe("Container instances that drain", func() {
	It("are a note of the plan and an event where not all do", func(ctx context.Context) {
		w := newWorld(ctx)
		w.drain(1)
		plan := w.planned(ctx).Status.Plan
		Expect(plan.Notes).To(ContainElement(oneDrains))
		Expect(plan.Refusals).To(BeEmpty())

		obj := w.blocking(ctx)
		Expect(w.told("Warning TargetNote")).To(ContainElement(ContainSubstring(oneDrains)))
		Expect(w.get(ctx, obj).Status.Agents.ContainerInstances).To(HaveLen(2), "its agent is disconnected like the others")
		w.discard(ctx, obj)
	})

	DescribeTable("refuse a run where all do", func(ctx context.Context, b badInput) { b.check(ctx) },
		Entry("until one is ACTIVE", badInput{
			cause:  func(w *world) { w.drain(2) },
			reason: v1alpha1.ReasonAgentsDraining, message: allDrain,
			mend: func(w *world) { w.sim.Region().SetContainerInstanceStatus(w.agents()[0], "ACTIVE") },
		}),
	)

	It("refuse a plan where the others are not connected", func(ctx context.Context) {
		w := newWorld(ctx)
		w.drain(1)
		w.sim.Region().SetAgentConnected(w.agents()[1], false)
		Expect(w.planned(ctx).Status.Plan.Refusals).To(ContainElement(HaveField("Reason", v1alpha1.ReasonAgentsDraining)))
	})

	It("don't matter to a run that denies TCS alone", func(ctx context.Context) {
		w := newWorld(ctx)
		w.drain(2)
		w.discard(ctx, w.blocking(ctx, only(v1alpha1.SessionTCS)))
	})
})
