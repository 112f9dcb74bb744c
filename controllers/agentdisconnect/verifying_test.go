// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
)

// aborting has a run end when somebody removes its rules.
func aborting(obj *v1alpha1.AgentDisconnect) { obj.Spec.OnDrift = v1alpha1.OnDriftAbort }

// removeRules is a third party that removes all denies.
func (w *world) removeRules() {
	GinkgoHelper()
	for number := range w.denies(aclID) {
		Expect(w.sim.Region().DeleteNetworkACLEntry(aclID, number, true)).To(Succeed())
	}
}

var _ = Describe("A run that looks at its callers", func() {
	It("leaves its place among the runs that may be on", func(ctx context.Context) {
		w := newCallerWorld(ctx)
		w.limited(withMost(1))
		second := w.apart(ctx, 1)[0]
		obj := w.withoutAgents(ctx, verifying)
		w.run(ctx, 30*time.Second, obj, second)
		Expect(w.state(ctx, second)).To(Equal(v1alpha1.StateWaiting), describe(w.get(ctx, second)))
		w.expired(ctx, obj)
		w.setAgents(true)
		w.run(ctx, 2*time.Minute, obj, second)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateVerifying), describe(w.get(ctx, obj)))
		Expect(w.state(ctx, second)).To(Equal(v1alpha1.StateBlocking), describe(w.get(ctx, second)))
	})

	DescribeTable("goes on with it when the clock is set back", func(ctx context.Context, end func(context.Context, *world, *v1alpha1.AgentDisconnect)) {
		w := newCallerWorld(ctx)
		obj := w.withoutAgents(ctx, verifying, aborting)
		Expect(w.calls(ctx, batch)).To(BeZero())
		end(ctx, w, obj)
		w.setAgents(true)
		w.run(ctx, 2*time.Minute, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateVerifying), describe(w.get(ctx, obj)))

		restored := w.get(ctx, obj).Status.RestoredTime.Time
		w.clock.SetTime(restored.Add(-5 * time.Minute))
		w.run(ctx, time.Minute, obj)
		seen := w.get(ctx, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateVerifying), describe(seen))
		Expect(seen.Status.RecoveredTime).To(Equal(seen.Status.Agents.ReconnectedTime), "its time begins anew, and never before the agents were back")
		w.expectRestored()

		w.run(ctx, run.VerifyDeadline(&seen.Status).Sub(w.clock.Now())+time.Minute, obj)
		seen = w.get(ctx, obj)
		Expect(seen.Status.CompletionTime).NotTo(BeNil(), describe(seen))
		Expect(seen.Status.CompletionTime.Sub(restored)).To(BeNumerically(">=", 25*time.Minute))
		Expect(condition(seen, v1alpha1.ConditionCallersRecovered).Reason).To(Equal(v1alpha1.StateCallersDidNotRecover))
		w.expectRestored()
	},
		Entry("after its time was over", func(ctx context.Context, w *world, obj *v1alpha1.AgentDisconnect) { w.expired(ctx, obj) }),
		Entry("after it was aborted", func(ctx context.Context, w *world, obj *v1alpha1.AgentDisconnect) {
			w.removeRules()
			w.run(ctx, time.Minute, obj)
		}),
	)

	It("counts AGENT from when its rules were read back in force, not from its start", func(ctx context.Context) {
		w := newCallerWorld(ctx)
		heldUp := w.sim.Faults().Add(faults.Fault{Action: "ec2:CreateNetworkAclEntry", Error: "RequestLimitExceeded"})
		obj := w.create(ctx, requiring)
		w.run(ctx, time.Minute, obj)
		Expect(w.get(ctx, obj).Status.StartTime).NotTo(BeNil())
		Expect(w.get(ctx, obj).Status.EnforcedTime).To(BeNil())
		w.setAgents(false) // as agents do several times an hour
		Expect(w.calls(ctx, nightly)).To(BeZero())
		w.clock.Step(time.Second)

		heldUp()
		w.run(ctx, 2*time.Minute, obj)
		Expect(w.get(ctx, obj).Status.EnforcedTime).NotTo(BeNil())
		Expect(w.calls(ctx, batch)).To(BeZero())
		w.verified(ctx, obj)
		Expect(w.calls(ctx, batch)).To(Equal(1))
		w.run(ctx, 40*time.Minute, obj)
		callers := w.get(ctx, obj).Status.Callers
		Expect([]int32{callers.Calls, callers.Met, callers.Recovered}).To(Equal([]int32{1, 1, 1}), "nightly met what the run did not do")
		Expect(callers.Callers).To(ConsistOf(HaveField("Principal", batchRole)))
	})

	It("is over by what CloudTrail shows it, not by what the status said before", func(ctx context.Context) {
		w := newCallerWorld(ctx)
		obj := w.withoutAgents(ctx, requiring)
		Expect(w.calls(ctx, batch)).To(BeZero())
		seen := w.verified(ctx, obj)
		w.sim.Faults().Add(faults.Fault{Action: "cloudtrail:LookupEvents", Error: "ThrottlingException"})
		w.editStatus(ctx, obj, func(status *v1alpha1.AgentDisconnectStatus) {
			status.Callers = &v1alpha1.CallersStatus{
				ObservedTime: run.Stamp(w.clock.Now()), CompleteSince: status.StartTime, CompleteUntil: run.Stamp(w.clock.Now().Add(time.Hour)),
			}
			Expect(run.KnowsCallers(status)).To(BeTrue())
		})
		w.run(ctx, 10*time.Minute, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateVerifying), describe(w.get(ctx, obj)))

		w.sim.Faults().Clear()
		w.run(ctx, run.VerifyDeadline(&seen.Status).Sub(w.clock.Now()), obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateCallersDidNotRecover), describe(w.get(ctx, obj)))
	})

	It("knows all of them in time where the cluster is gone", func(ctx context.Context) {
		w := newCallerWorld(ctx)
		obj := w.withoutAgents(ctx, verifying)
		Expect(w.sim.Region().DeleteCluster(clusterName)).To(Succeed())
		w.run(ctx, 5*time.Minute, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateVerifying), describe(w.get(ctx, obj)))
		w.expectRestored()

		w.run(ctx, 40*time.Minute, obj)
		seen := w.get(ctx, obj)
		Expect(seen.Status.State).To(Equal(v1alpha1.AbortClusterGone), describe(seen))
		Expect(condition(seen, v1alpha1.ConditionCallersRecovered).Reason).To(Equal("NoCallerMet"), "not NotKnown: %s", describe(seen))
		Expect(seen.Status.CompletionTime.Sub(seen.Status.RecoveredTime.Time)).To(BeNumerically("<=", 27*time.Minute))
	})
})
