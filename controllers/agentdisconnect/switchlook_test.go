// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

var _ = Describe("A dead man's switch that a third party touched", func() {
	// touch does something to the first two schedules.
	touch := func(w *world, change func(region.Schedule) error) {
		GinkgoHelper()
		for _, s := range w.sim.Region().Schedules()[:2] {
			Expect(change(s)).To(Succeed())
		}
	}

	DescribeTable("is armed again within minutes, and an event says so", func(ctx context.Context, change func(*world, region.Schedule) error) {
		w := switchWorld(ctx)
		obj := w.blocking(ctx, cloning, within(30*time.Minute))
		touch(w, func(s region.Schedule) error { return change(w, s) })
		w.run(ctx, 6*time.Minute, obj)
		seen := w.get(ctx, obj)
		Expect(w.schedules()).To(Equal(armedFor(seen)))
		Expect(slices.ContainsFunc(w.sim.Region().Schedules(), func(s region.Schedule) bool { return s.State != region.ScheduleEnabled })).To(BeFalse())
		Expect(seen.Status.NetworkACL.DeadManSwitch.State).To(Equal(v1alpha1.SwitchArmed))
		Expect(w.notes("DeadManSwitchChanged")).To(ConsistOf(And(ContainSubstring("rules 80, 81 of clone"), ContainSubstring("they are armed again"))))
		w.run(ctx, 11*time.Minute, obj)
		Expect(w.notes("DeadManSwitchChanged")).To(BeEmpty(), "said again")
		w.finish(ctx, obj, time.Hour)
		Expect(w.schedules()).To(BeEmpty())
		w.expectRestored()
	},
		Entry("deleted", func(w *world, s region.Schedule) error { return w.sim.Region().DeleteSchedule("", s.Group, s.Name) }),
		Entry("disabled", func(w *world, s region.Schedule) error {
			s.State = region.ScheduleDisabled
			return w.sim.Region().UpdateSchedule("", "", s)
		}),
		Entry("moved to another time", func(w *world, s region.Schedule) error {
			s.At = s.At.Add(time.Hour)
			s.Expression = "at(" + s.At.UTC().Format("2006-01-02T15:04:05") + ")"
			return w.sim.Region().UpdateSchedule("", "", s)
		}),
	)

	It("is not said to be armed as long as it can't be armed", func(ctx context.Context) {
		w := switchWorld(ctx)
		obj := w.blocking(ctx, cloning, within(30*time.Minute))
		remove := w.sim.Faults().Add(faults.Fault{Action: "scheduler:CreateSchedule", Denied: true})
		touch(w, func(s region.Schedule) error { return w.sim.Region().DeleteSchedule("", s.Group, s.Name) })
		w.run(ctx, 6*time.Minute, obj)
		Expect(w.get(ctx, obj).Status.NetworkACL.DeadManSwitch.State).To(Equal(v1alpha1.SwitchArming))
		Expect(w.notes("DeadManSwitchChanged")).To(ConsistOf(ContainSubstring("did not succeed yet")))
		remove()
		w.run(ctx, time.Minute, obj)
		Expect(w.get(ctx, obj).Status.NetworkACL.DeadManSwitch.State).To(Equal(v1alpha1.SwitchArmed))
		Expect(w.schedules()).To(Equal(armedFor(w.get(ctx, obj))))
	})

	It("is not said to be armed when no look succeeded for a while", func(ctx context.Context) {
		w := switchWorld(ctx)
		obj := w.blocking(ctx, cloning, within(30*time.Minute))
		for _, action := range []string{"scheduler:ListSchedules", "scheduler:CreateSchedule"} {
			w.sim.Faults().Add(faults.Fault{Action: action, Denied: true})
		}
		w.run(ctx, 6*time.Minute, obj)
		Expect(w.get(ctx, obj).Status.NetworkACL.DeadManSwitch.State).To(Equal(v1alpha1.SwitchArmed))
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionSucceeded).Message).To(ContainSubstring("scheduler:ListSchedules"))
		w.run(ctx, 5*time.Minute, obj)
		Expect(w.get(ctx, obj).Status.NetworkACL.DeadManSwitch.State).To(Equal(v1alpha1.SwitchArming))
	})

	It("costs a few calls an hour", func(ctx context.Context) {
		w := switchWorld(ctx)
		obj := w.blocking(ctx, cloning, within(time.Hour))
		w.run(ctx, 30*time.Minute, obj)
		Expect(w.count("scheduler:ListSchedules")).To(BeNumerically("<=", 8))
	})
})
