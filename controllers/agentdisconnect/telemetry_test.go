// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
)

var _ = Describe("A run that denies TCS alone", func() {
	telemetry := only(v1alpha1.SessionTCS)

	It("completes if its rules were read back, and says that ECS can't show more", func(ctx context.Context) {
		w := newWorld(ctx)
		Expect(w.planned(ctx, telemetry).Status.Plan.Notes).To(ContainElement(ContainSubstring("spec.sessions is only TCS")))
		obj := w.blocking(ctx, telemetry)
		Expect(w.told("Warning TargetNote")).To(ContainElement(ContainSubstring("spec.sessions is only TCS")))
		seen := w.get(ctx, obj)
		enforced := seen.Status.EnforcedTime
		Expect(enforced).NotTo(BeNil())
		disconnected := condition(seen, v1alpha1.ConditionAgentsDisconnected)
		Expect(disconnected.Status).To(Equal(metav1.ConditionUnknown))
		Expect(disconnected.Message).To(ContainSubstring("ECS shows only the ACS sessions of agents"))

		By("also where the manager that read them is gone")
		w.restart()
		seen = w.finish(ctx, obj, 15*time.Minute)
		succeeded := condition(seen, v1alpha1.ConditionSucceeded)
		Expect([]string{string(succeeded.Status), succeeded.Reason}).To(Equal([]string{"True", v1alpha1.StateCompleted}), describe(seen))
		Expect(succeeded.Message).To(HavePrefix("the rules were read back in force from " + enforced.UTC().Format(time.RFC3339)))
		Expect(condition(seen, v1alpha1.ConditionAgentsDisconnected).Status).To(Equal(metav1.ConditionUnknown))
		Expect(seen.Status.EnforcedTime).To(Equal(enforced))
		w.expectRestored()
	})

	It("fails if its rules were never read back", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.create(ctx, telemetry, within(2*time.Minute))
		w.run(ctx, time.Second, obj)
		undo := w.sim.Faults().Add(faults.Fault{Action: "ec2:CreateNetworkAclEntry", Error: "RequestLimitExceeded"})
		w.run(ctx, time.Minute, obj)
		Expect(w.get(ctx, obj).Status.StartTime).NotTo(BeNil())
		seen := w.finish(ctx, obj, 15*time.Minute)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateNotEnforced), describe(seen))
		undo()
		w.expectRestored()
	})
})
