// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
)

// A rule of a clone that serves goes while the run is on when its address becomes a protected one.
var _ = Describe("The schedule for a rule that goes while the run is on", func() {
	copied := acl.Entry{RuleNumber: 80, Egress: true, Protocol: acl.All, CIDR: deny(80, "192.0.2.0/24").CIDR}
	// at80 is what the clone has at the number of the rule that goes.
	at80 := func(w *world, clone string) string { return w.denies(clone)[80] }

	It("goes with it, alone and once, and the other schedules go at the run's end", func(ctx context.Context) {
		w := switchWorld(ctx)
		obj := w.blocking(ctx, shared, within(time.Hour))
		clone := w.get(ctx, obj).Status.NetworkACL.ID
		w.run(ctx, networkacl.SettleFor, obj)
		deleted := w.sent("scheduler:DeleteSchedule")
		named(ecsAPI, first)(w)
		w.run(ctx, 2*time.Minute, obj)
		seen := w.get(ctx, obj)
		Expect(at80(w, clone)).To(BeEmpty(), describe(seen))
		Expect(seen.Status.Rules).To(HaveLen(5))
		Expect(w.schedules()).To(Equal(armedFor(seen)))
		Expect(seen.Status.NetworkACL.DeadManSwitch.State).To(Equal(v1alpha1.SwitchArmed))
		Expect(seen.Status.NetworkACL.DeadManSwitch.RuleNumbers).To(ConsistOf(numbersOf(seen)))
		Expect(w.sent("scheduler:DeleteSchedule")).To(Equal(deleted+1), "one schedule, once")

		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, time.Minute, obj)
		Expect(w.gone(ctx, obj)).To(BeTrue())
		Expect(w.schedules()).To(BeEmpty())
		w.expectRestored()
	})

	It("goes before the clone gets a copy at its number: the schedule would delete that", func(ctx context.Context) {
		w := switchWorld(ctx)
		obj := w.blocking(ctx, shared, within(time.Hour))
		clone := w.get(ctx, obj).Status.NetworkACL.ID
		w.run(ctx, networkacl.SettleFor, obj)
		answer := w.sim.Faults().Add(faults.Fault{Action: "scheduler:DeleteSchedule", Error: "InternalServerException"})
		named(ecsAPI, first)(w)
		w.run(ctx, time.Minute, obj)
		Expect(at80(w, clone)).To(BeEmpty(), describe(w.get(ctx, obj)))
		w.onOriginal(adding(copied))
		w.run(ctx, carried, obj)
		seen := w.get(ctx, obj)
		Expect(w.schedules()).To(HaveLen(6), "AWS did not delete the one for rule 80")
		Expect(at80(w, clone)).To(BeEmpty(), "a copy that the schedule deletes")
		for range 5 { // also in passes that do not read the network ACL
			Expect(condition(w.get(ctx, obj), v1alpha1.ConditionSucceeded).Message).To(ContainSubstring("scheduler:DeleteSchedule"))
			w.run(ctx, w.options.LookupInterval, obj)
		}
		Expect(seen.Status.NetworkACL.DeadManSwitch.RuleNumbers).To(ContainElement(int32(80)))

		answer()
		w.run(ctx, carried, obj)
		Expect(w.schedules()).To(Equal(armedFor(w.get(ctx, obj))))
		Expect(at80(w, clone)).To(Equal(copied.CIDR.String()))
		Expect(w.get(ctx, obj).Status.Abort).To(BeNil())
		w.expectGone(ctx, obj)
	})
})

// numbersOf are the numbers of the rules in a ledger.
func numbersOf(seen *v1alpha1.AgentDisconnect) []int32 {
	var numbers []int32
	for _, rule := range seen.Status.Rules {
		numbers = append(numbers, rule.RuleNumber)
	}
	return numbers
}
