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

// throttleAll has every service answer as it does to a caller that asks too much.
func (w *world) throttleAll() {
	for service, code := range map[string]string{"ec2": "RequestLimitExceeded", "ecs": "ThrottlingException", "sts": "Throttling"} {
		w.sim.Faults().Add(faults.Fault{ID: service, Action: service + ":*", Error: code, Message: "Rate exceeded", DryRuns: true})
	}
}

var _ = Describe("An API that throttles", func() {
	It("is waited for, without alerting a person", func(ctx context.Context) {
		w := newWorld(ctx)
		w.boot()
		w.throttleAll()
		obj := w.create(ctx)
		waits := badInput{waits: true, message: "AWS limits the rate of sts:GetCallerIdentity: the manager retries"}
		w.run(ctx, time.Second, obj)
		waits.expect(ctx, w, obj)
		said := w.get(ctx, obj)
		w.run(ctx, 5*time.Minute, obj)
		waits.expect(ctx, w, obj)
		Expect(w.get(ctx, obj).ResourceVersion).To(Equal(said.ResourceVersion))
		Expect(w.told("Warning")).To(BeEmpty())

		w.sim.Faults().Clear()
		w.run(ctx, 45*time.Second, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking))
		w.discard(ctx, obj)
	})

	It("while the run is on leaves its rules in place, and does not end it", func(ctx context.Context) {
		w := newWorld(ctx)
		w.boot()
		obj := w.blocking(ctx)
		w.throttleAll()
		w.run(ctx, 2*time.Minute, obj)
		seen := w.get(ctx, obj)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateBlocking), "%s", describe(seen))
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Message).To(ContainSubstring("AWS limits the rate of "))
		Expect(condition(seen, v1alpha1.ConditionStalled).Status).To(BeEquivalentTo("Absent"))
		Expect(w.denies(aclID)).To(HaveLen(6))
		Expect(w.told("Warning")).To(BeEmpty())

		By("and only delays the end")
		w.run(ctx, 10*time.Minute, obj)
		Expect(w.denies(aclID)).To(HaveLen(6))
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateRestoring))
		w.sim.Faults().Clear()
		w.run(ctx, 3*time.Second, obj)
		w.expectRestored()
	})

	It("is borne by the SDK's own repeats where it lasts for a moment", func(ctx context.Context) {
		w := newWorld(ctx)
		w.sim.Faults().Add(faults.Fault{Action: "ec2:DescribeSubnets", Error: "RequestLimitExceeded", Times: 1})
		w.discard(ctx, w.blocking(ctx))
	})
})

var _ = Describe("An API in trouble of another kind", func() {
	check := func(ctx context.Context, b badInput, f faults.Fault) {
		GinkgoHelper()
		b.cause = func(w *world) {
			w.boot()
			w.sim.Faults().Add(f)
		}
		b.mend = func(w *world) { w.sim.Faults().Clear() }
		b.check(ctx)
	}

	It("is waited for where it doesn't say whether the call took effect", func(ctx context.Context) {
		check(ctx, badInput{
			waits: true, reason: v1alpha1.ReasonAWSUnavailable,
			message: "ec2:DescribeSubnets got no usable answer, and the manager retries: InternalError: An internal error has occurred",
		}, faults.Fault{Action: "ec2:DescribeSubnets", Error: "InternalError", Message: "An internal error has occurred"})
	})

	It("is quoted where it refuses for an unknown reason", func(ctx context.Context) {
		check(ctx, badInput{
			reason: v1alpha1.ReasonAWSRejected, message: "ecs:ListContainerInstances: InvalidParameterException: Invalid filter",
		}, faults.Fault{Action: "ecs:ListContainerInstances", Error: "InvalidParameterException", Message: "Invalid filter"})
	})

	It("is waited for where a read lags behind the subnet's creation", func(ctx context.Context) {
		badInput{
			cause: func(w *world) {
				w.sim.Faults().Add(faults.Fault{Action: "ec2:DescribeNetworkAcls", Frozen: true})
				w.addSubnet()
			},
			object: withSubnet(newSubnet), waits: true, reason: v1alpha1.ReasonAWSUnavailable,
			message: "AWS does not show yet which network ACL is associated with subnet " + newSubnet,
			mend:    func(w *world) { w.sim.Faults().Clear() },
		}.check(ctx)
	})
})
