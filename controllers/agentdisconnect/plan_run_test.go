// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
)

var _ = Describe("An object between Plan and Run", func() {
	It("that is set to Plan during its run goes on, and says that this has no effect", func(ctx context.Context) {
		w := newWorld(ctx)
		w.follow()
		obj := w.blocking(ctx)
		w.edit(ctx, obj, planMode)
		w.run(ctx, time.Minute, obj)
		seen := w.get(ctx, obj)
		Expect(w.denies(aclID)).To(HaveLen(6))
		Expect(seen.Status.Plan).To(BeNil())
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateBlocking))
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Message).To(ContainSubstring("changed after the start and without effect on this run: mode"))

		By("planning as soon as the run is over")
		w.run(ctx, 15*time.Minute, obj)
		w.expectRestored()
		seen = w.expectPlanned(ctx, obj)
		Expect(seen.Status.CompletionTime).NotTo(BeNil(), "the run stays on record")
		Expect(seen.Status.Plan.Refusals).To(BeEmpty())
		Expect(w.told("Normal Completed")).To(HaveLen(1))
	})

	It("that planned after its run shows the run again when it is set back", func(ctx context.Context) {
		w := newWorld(ctx)
		w.follow()
		obj := w.blocking(ctx, withRunID("one"))
		over := w.finish(ctx, obj, 15*time.Minute)
		Expect(condition(over, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateCompleted), describe(over))
		written := len(w.writes())

		w.edit(ctx, obj, planMode)
		w.run(ctx, time.Minute, obj)
		seen := w.expectPlanned(ctx, obj)
		Expect(seen.Status.Plan.Rules).To(HaveLen(6))
		Expect(seen.Status.RunID).To(Equal("one"))
		Expect(seen.Status.StartTime).To(Equal(over.Status.StartTime))
		Expect(seen.Status.CompletionTime).To(Equal(over.Status.CompletionTime))
		Expect(seen.Status.Agents).To(Equal(over.Status.Agents))

		w.edit(ctx, obj, runMode)
		w.run(ctx, time.Minute, obj)
		seen = w.get(ctx, obj)
		Expect(seen.Status.Plan).To(BeNil())
		for _, was := range over.Status.Conditions {
			is := condition(seen, was.Type)
			Expect([]string{string(is.Status), is.Reason, is.Message}).To(Equal([]string{string(was.Status), was.Reason, was.Message}), was.Type)
		}
		Expect(w.writes()).To(HaveLen(written), "neither wrote to AWS")

		By("running with the runID that was only planned with")
		w.edit(ctx, obj, func(obj *v1alpha1.AgentDisconnect) { obj.Spec.Mode, obj.Spec.RunID = v1alpha1.ModePlan, "two" })
		w.run(ctx, time.Second, obj)
		Expect(w.expectPlanned(ctx, obj).Status.RunID).To(Equal("one"))
		w.edit(ctx, obj, runMode)
		w.run(ctx, 20*time.Second, obj)
		seen = w.get(ctx, obj)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateBlocking), describe(seen))
		Expect(seen.Status.RunID).To(Equal("two"))
		w.discard(ctx, obj)
	})

	It("that waited and then plans holds nothing that others wait for", func(ctx context.Context) {
		w := newWorld(ctx)
		first := w.blocking(ctx)
		older := w.create(ctx)
		w.run(ctx, 20*time.Second, first, older)
		Expect(w.state(ctx, older)).To(Equal(v1alpha1.StateWaiting))
		w.edit(ctx, older, planMode)
		w.run(ctx, time.Second, first, older)
		w.expectPlanned(ctx, older)
		w.discard(ctx, first)
		younger := w.blocking(ctx)
		w.discard(ctx, younger)
		Expect(w.get(ctx, older).Status.StartTime).To(BeNil())
	})

	It("that starts over before its plan was made counts its start deadline from then on too", func(ctx context.Context) {
		w := newWorld(ctx)
		undo := w.sim.Faults().Add(faults.Fault{Action: "ecs:DescribeContainerInstances", Error: "ThrottlingException"})
		obj := w.create(ctx, planMode)
		w.run(ctx, time.Minute, obj)
		Expect(w.get(ctx, obj).Status.Plan).To(BeNil())
		Expect(w.get(ctx, obj).Status.RequestTime).To(BeNil())
		undo()
		w.clock.Step(3 * time.Hour)
		w.edit(ctx, obj, runMode)
		w.run(ctx, 20*time.Second, obj)
		seen := w.get(ctx, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking), describe(seen))
		Expect(seen.Status.ObservedMode).To(BeEmpty())
		Expect(w.clock.Since(seen.Status.RequestTime.Time)).To(BeNumerically("<=", 20*time.Second))
		w.discard(ctx, obj)
	})

	It("that starts over after its plan counts its start deadline from then on", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.planned(ctx)
		w.clock.Step(3 * time.Hour)
		w.edit(ctx, obj, runMode)
		w.run(ctx, 20*time.Second, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking), describe(w.get(ctx, obj)))
		w.discard(ctx, obj)
	})
})
