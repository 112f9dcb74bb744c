// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/policies"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
)

// Alarms of the specs.
const (
	metricAlarm    = "checkout-errors"
	compositeAlarm = "checkout: anything at all"
)

// stoppedBy gives a run stop conditions.
func stoppedBy(alarms ...string) func(*v1alpha1.AgentDisconnect) {
	return func(obj *v1alpha1.AgentDisconnect) {
		for _, name := range alarms {
			obj.Spec.StopConditions = append(obj.Spec.StopConditions, v1alpha1.StopCondition{CloudWatchAlarm: name})
		}
	}
}

// mayReadBrakes grants the manager what config/iam has for that, beside the rest.
func mayReadBrakes(o *sim.Options) {
	bindPolicies(o)
	documents, err := policies.For(o.World, policies.Values{}, policies.Brakes)
	Expect(err).NotTo(HaveOccurred())
	o.World.AccessKeys[0].Policies = append(o.World.AccessKeys[0].Policies, documents...)
}

// alarmed is an audited world that has both alarms, in the state OK.
func alarmed(ctx context.Context) *world {
	w, _ := audited(ctx, mayReadBrakes)
	w.sim.Region().PutAlarm(region.Alarm{Name: metricAlarm})
	w.sim.Region().PutAlarm(region.Alarm{Name: compositeAlarm, Composite: true})
	return w
}

// setAlarm sets the state of an alarm.
func (w *world) setAlarm(name, state string) {
	GinkgoHelper()
	Expect(w.sim.Region().SetAlarmState(name, state, "Threshold Crossed: 12 errors in a minute")).To(Succeed())
}

// inPlace is how messages name the account and the Region.
func (w *world) inPlace() string {
	return fmt.Sprintf("account %s, Region %s", w.sim.Region().Account(), w.sim.Region().Name())
}

// expectBraked has a run ended for a reason, with all that it made gone.
func (w *world) expectBraked(ctx context.Context, obj *v1alpha1.AgentDisconnect, reason, message string) {
	GinkgoHelper()
	seen := w.get(ctx, obj)
	Expect(seen.Status.Abort).NotTo(BeNil(), describe(seen))
	Expect(seen.Status.Abort).To(And(HaveField("Reason", reason), HaveField("Message", ContainSubstring(message))))
	Expect(seen.Status.RestoredTime).NotTo(BeNil(), describe(seen))
	w.expectRestored()
}

// expectRefused has a run held back for a reason, with nothing written to AWS.
func (w *world) expectRefused(ctx context.Context, obj *v1alpha1.AgentDisconnect, reason, message string) {
	GinkgoHelper()
	seen := w.get(ctx, obj)
	Expect(condition(seen, v1alpha1.ConditionStalled)).To(And(HaveField("Reason", reason), HaveField("Message", ContainSubstring(message))), describe(seen))
	Expect(seen.Status.StartTime).To(BeNil())
	Expect(w.writes()).To(BeEmpty())
}

var _ = Describe("An alarm of the stop conditions", func() {
	for _, name := range []string{metricAlarm, compositeAlarm} {
		It("refuses a start while it is in ALARM, and ends a run by one read: "+name, func(ctx context.Context) {
			w := alarmed(ctx)
			w.setAlarm(name, region.AlarmInAlarm)
			obj := w.create(ctx, stoppedBy(metricAlarm, w.sim.Region().ARN("cloudwatch", "alarm:"+compositeAlarm)))
			w.run(ctx, 30*time.Second, obj)
			w.expectRefused(ctx, obj, v1alpha1.ReasonStopConditionMet, "alarm "+name+" ("+w.inPlace()+") is in state ALARM: Threshold Crossed: 12 errors in a minute")

			w.setAlarm(name, region.AlarmInsufficientData)
			w.run(ctx, 3*time.Minute, obj)
			Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking), describe(w.get(ctx, obj)))

			w.setAlarm(name, region.AlarmInAlarm)
			w.run(ctx, 15*time.Second, obj)
			w.expectBraked(ctx, obj, v1alpha1.AbortStopConditionMet, "alarm "+name+" ("+w.inPlace()+") is in state ALARM: Threshold Crossed: 12 errors in a minute")
		})
	}

	It("that goes off after it was read for the start keeps the run from beginning", func(ctx context.Context) {
		w := alarmed(ctx)
		obj := w.create(ctx, stoppedBy(metricAlarm))
		_, err := w.pass(ctx, obj) // a second poll is due
		Expect(err).NotTo(HaveOccurred())
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateDiscovering))
		w.at(w.sim.Faults().After, "cloudwatch:DescribeAlarms", func() { w.setAlarm(metricAlarm, region.AlarmInAlarm) })
		w.run(ctx, 20*time.Second, obj)
		w.expectRefused(ctx, obj, v1alpha1.ReasonStopConditionMet, "alarm "+metricAlarm+" ("+w.inPlace()+") is in state ALARM")
	})

	It("ends a run on a clone, and one that is suspended", func(ctx context.Context) {
		w := cloneWorld(ctx, mayReadBrakes)
		w.sim.Region().PutAlarm(region.Alarm{Name: metricAlarm})
		obj := w.blocking(ctx, cloning, stoppedBy(metricAlarm))
		w.edit(ctx, obj, suspending(true))
		w.run(ctx, 30*time.Second, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateSuspended))
		w.setAlarm(metricAlarm, region.AlarmInAlarm)
		w.run(ctx, 20*time.Second, obj)
		w.expectBraked(ctx, obj, v1alpha1.AbortStopConditionMet, metricAlarm)
	})

	It("that does not exist refuses a start, and names account and Region; one that goes ends a run after a minute", func(ctx context.Context) {
		w := alarmed(ctx)
		obj := w.create(ctx, stoppedBy(metricAlarm))
		w.sim.Region().DeleteAlarm(metricAlarm)
		w.run(ctx, 30*time.Second, obj)
		w.expectRefused(ctx, obj, v1alpha1.ReasonAlarmNotFound, "alarm "+metricAlarm+" does not exist in "+w.inPlace()+": create it")
		w.sim.Region().PutAlarm(region.Alarm{Name: metricAlarm})
		w.run(ctx, 3*time.Minute, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking), describe(w.get(ctx, obj)))
		w.sim.Region().DeleteAlarm(metricAlarm)
		w.run(ctx, 50*time.Second, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking))
		w.run(ctx, 30*time.Second, obj)
		w.expectBraked(ctx, obj, v1alpha1.AbortBrakeNotRead, "alarm "+metricAlarm+" does not exist in "+w.inPlace()+" any more")
	})

	It("that can't be read keeps a run from starting, and ends one after a minute, also of a manager that was restarted", func(ctx context.Context) {
		w := alarmed(ctx)
		obj := w.blocking(ctx, stoppedBy(metricAlarm))
		w.sim.Faults().Put(faults.Fault{Action: "cloudwatch:DescribeAlarms", Denied: true})
		w.run(ctx, 30*time.Second, obj)
		w.restart()
		w.run(ctx, 55*time.Second, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking))
		w.run(ctx, 20*time.Second, obj)
		w.expectBraked(ctx, obj, v1alpha1.AbortBrakeNotRead, "cloudwatch:DescribeAlarms")

		written := len(w.writes())
		other := w.create(ctx, stoppedBy(metricAlarm))
		w.run(ctx, 30*time.Second, obj, other)
		Expect(condition(w.get(ctx, other), v1alpha1.ConditionStalled)).To(And(
			HaveField("Reason", v1alpha1.ReasonAccessDenied), HaveField("Message", ContainSubstring("policy-brakes.json"))))
		Expect(w.writes()).To(HaveLen(written))
	})

	It("that can't be read for less than a minute ends nothing", func(ctx context.Context) {
		w := alarmed(ctx)
		obj := w.blocking(ctx, stoppedBy(metricAlarm))
		for range 3 {
			id := w.sim.Faults().Put(faults.Fault{Action: "cloudwatch:DescribeAlarms", Error: "ThrottlingException"})
			w.run(ctx, 45*time.Second, obj)
			w.sim.Faults().Remove(id)
			w.run(ctx, 30*time.Second, obj)
		}
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking), describe(w.get(ctx, obj)))
	})

	It("that is not read delays no end", func(ctx context.Context) {
		w := alarmed(ctx)
		obj := w.blocking(ctx, stoppedBy(metricAlarm), within(time.Minute))
		w.clock.SetTime(w.get(ctx, obj).Status.ExpirationTime.Time)
		reads := w.countCalls("DescribeAlarms")
		_, err := w.pass(ctx, obj)
		Expect(err).NotTo(HaveOccurred())
		w.expectRestored()
		Expect(w.countCalls("DescribeAlarms")).To(Equal(reads), "a clean-up reads no alarm")
	})

	It("of another Region or account is refused with that reason", func(ctx context.Context) {
		w := alarmed(ctx)
		elsewhere := w.create(ctx, stoppedBy("arn:aws:cloudwatch:eu-west-1:"+w.sim.Region().Account()+":alarm:x"))
		w.run(ctx, 30*time.Second, elsewhere)
		w.expectRefused(ctx, elsewhere, v1alpha1.ReasonAlarmNotFound, "is in Region eu-west-1, and the run works in Region "+w.sim.Region().Name())
		foreign := w.create(ctx, stoppedBy("arn:aws:cloudwatch:"+w.sim.Region().Name()+":999999999999:alarm:x"))
		w.run(ctx, 30*time.Second, foreign)
		w.expectRefused(ctx, foreign, v1alpha1.ReasonAlarmNotFound, "is in account 999999999999")
	})

	It("is told by a plan", func(ctx context.Context) {
		w := alarmed(ctx)
		w.setAlarm(metricAlarm, region.AlarmInAlarm)
		obj := w.create(ctx, stoppedBy(metricAlarm), func(obj *v1alpha1.AgentDisconnect) { obj.Spec.Mode = v1alpha1.ModePlan })
		w.run(ctx, 30*time.Second, obj)
		Expect(w.get(ctx, obj).Status.Plan.Refusals).To(ContainElement(HaveField("Reason", v1alpha1.ReasonStopConditionMet)))
	})

	It("is the one that the run began with", func(ctx context.Context) {
		w := alarmed(ctx)
		obj := w.blocking(ctx, stoppedBy(metricAlarm))
		w.edit(ctx, obj, func(obj *v1alpha1.AgentDisconnect) { obj.Spec.StopConditions = nil })
		w.run(ctx, 30*time.Second, obj)
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionSucceeded).Message).To(ContainSubstring("without effect on this run: stopConditions"))
		w.setAlarm(metricAlarm, region.AlarmInAlarm)
		w.run(ctx, 15*time.Second, obj)
		w.expectBraked(ctx, obj, v1alpha1.AbortStopConditionMet, metricAlarm)
	})

	It("is read once in 15 seconds for all runs together", func(ctx context.Context) {
		w := alarmed(ctx)
		first, second := w.blocking(ctx, stoppedBy(metricAlarm)), w.create(ctx, stoppedBy(metricAlarm, compositeAlarm), func(obj *v1alpha1.AgentDisconnect) {
			obj.Spec.SubnetID, obj.Spec.NetworkACLMode, obj.Spec.OtherClusters = sharedSubnet, v1alpha1.NetworkACLModeClone, v1alpha1.OtherClustersAllow
		})
		w.run(ctx, time.Minute, first, second)
		Expect(w.state(ctx, second)).To(Equal(v1alpha1.StateBlocking), describe(w.get(ctx, second)))
		before := w.countCalls("DescribeAlarms")
		w.run(ctx, 2*time.Minute, first, second)
		Expect(w.countCalls("DescribeAlarms") - before).To(BeNumerically("~", 8, 1))
	})
})

// countCalls counts the calls of an action so far.
func (w *world) countCalls(action string) int {
	n := 0
	for _, c := range w.sim.Calls() {
		if c.Action == action {
			n++
		}
	}
	return n
}

var _ = Describe("The safety lever of AWS FIS", func() {
	It("refuses starts and ends runs while it is engaged, if the manager is told to go by it", func(ctx context.Context) {
		w, _ := audited(ctx, mayReadBrakes)
		w.options.FISSafetyLever = true
		w.restart()
		Expect(w.sim.Region().SetSafetyLever(region.LeverEngaged, "change freeze")).To(Succeed())
		obj := w.create(ctx)
		w.run(ctx, 30*time.Second, obj)
		w.expectRefused(ctx, obj, v1alpha1.ReasonSafetyLeverEngaged, "the safety lever of AWS FIS in "+w.inPlace()+" is engaged: change freeze")

		Expect(w.sim.Region().SetSafetyLever(region.LeverDisengaged, "over")).To(Succeed())
		w.run(ctx, 3*time.Minute, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking), describe(w.get(ctx, obj)))
		Expect(w.sim.Region().SetSafetyLever(region.LeverEngaging, "incident 12")).To(Succeed())
		w.run(ctx, 30*time.Second, obj)
		w.expectBraked(ctx, obj, v1alpha1.AbortSafetyLeverEngaged, "is engaging: incident 12")
	})

	It("is not read unless the manager is told to", func(ctx context.Context) {
		w, _ := audited(ctx)
		Expect(w.sim.Region().SetSafetyLever(region.LeverEngaged, "change freeze")).To(Succeed())
		w.blocking(ctx)
		Expect(w.countCalls("GetSafetyLever")).To(BeZero())
	})
})
