// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	simworld "agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

// byStrategy gives the cluster a default capacity provider strategy.
func byStrategy(o *sim.Options) {
	o.World = simworld.Default()
	o.World.CapacityProviders = []simworld.CapacityProvider{{Name: "asg", AutoScalingGroup: "demo"}}
	o.World.Clusters[0].CapacityProviders = []string{"asg", "FARGATE"}
	o.World.Clusters[0].DefaultCapacityProviderStrategy = []simworld.StrategyItem{{CapacityProvider: "asg", Weight: 1}, {CapacityProvider: "FARGATE"}}
}

var _ = Describe("A cluster with a default capacity provider strategy", func() {
	const note = "the cluster has a default capacity provider strategy (asg, FARGATE): RunTask without a launch type uses it, and the failure appears as the stopped task's reason instead of AGENT. To have RunTask fail with AGENT, call it with launch type EC2"

	It("is a note of the plan and an event", func(ctx context.Context) {
		w := newWorld(ctx, byStrategy)
		plan := w.planned(ctx).Status.Plan
		Expect(plan.Notes).To(ContainElement(note))
		Expect(plan.Refusals).To(BeEmpty())

		obj := w.blocking(ctx)
		Expect(w.told("Warning TargetNote")).To(ContainElement(ContainSubstring(note)))
		w.discard(ctx, obj)
	})

	It("is none where there is no strategy, or TCS alone is denied", func(ctx context.Context) {
		without := newWorld(ctx)
		Expect(without.planned(ctx).Status.Plan.Notes).NotTo(ContainElement(ContainSubstring("strategy")))
		with := newWorld(ctx, byStrategy)
		Expect(with.planned(ctx, only(v1alpha1.SessionTCS)).Status.Plan.Notes).NotTo(ContainElement(ContainSubstring("strategy")))
	})
})
