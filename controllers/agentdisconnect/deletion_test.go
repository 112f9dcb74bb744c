// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
)

var _ = Describe("An object that is deleted", func() {
	It("before its run began goes at once", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.create(ctx)
		w.run(ctx, 10*time.Second, obj)
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		Expect(w.gone(ctx, obj)).To(BeTrue())
		w.run(ctx, time.Minute, obj)
		Expect(w.writes()).To(BeEmpty())
	})

	It("while its rules are in place goes when they are gone, without waiting for agents", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.blocking(ctx)
		w.setAgents(false)
		w.run(ctx, time.Minute, obj)
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		_, err := w.pass(ctx, obj)
		Expect(err).NotTo(HaveOccurred())
		w.expectRestored()
		Expect(w.gone(ctx, obj)).To(BeTrue(), "one pass is enough")
	})

	DescribeTable("while its rules are being written goes when they are gone", func(ctx context.Context, after bool) {
		w, _ := audited(ctx)
		obj := w.create(ctx)
		hook := w.sim.Faults().Before
		if after {
			hook = w.sim.Faults().After
		}
		w.once(hook, func() { Expect(kube.Delete(ctx, obj)).To(Succeed()) })
		w.run(ctx, 30*time.Second, obj)
		w.expectRestored()
		Expect(w.gone(ctx, obj)).To(BeTrue())
	},
		Entry("before the first effect", false),
		Entry("after the first effect", true),
	)

	It("while it waits for its agents goes at once", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.blocking(ctx, within(time.Minute))
		w.setAgents(false)
		w.run(ctx, time.Minute, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateRecovering))
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		_, err := w.pass(ctx, obj)
		Expect(err).NotTo(HaveOccurred())
		Expect(w.gone(ctx, obj)).To(BeTrue())
	})

	DescribeTable("while AWS doesn't let its rules go stays, says why, and goes when it can",
		func(ctx context.Context, reason, words string, trouble ...faults.Fault) {
			w, _ := audited(ctx)
			obj := w.blocking(ctx)
			for _, fault := range trouble {
				w.sim.Faults().Add(fault)
			}
			Expect(kube.Delete(ctx, obj)).To(Succeed())
			w.run(ctx, 3*time.Minute, obj)
			seen := w.get(ctx, obj)
			Expect(seen.Finalizers).To(ConsistOf(v1alpha1.Finalizer))
			Expect(seen.Status.Rules).To(HaveLen(6))
			succeeded := condition(seen, v1alpha1.ConditionSucceeded)
			Expect(succeeded.Reason).To(Equal(v1alpha1.StateRestoring), describe(seen))
			Expect(succeeded.Message).To(ContainSubstring(words))
			stalled := condition(seen, v1alpha1.ConditionStalled)
			if reason != "" {
				Expect(stalled.Reason).To(Equal(reason), describe(seen))
				Expect(stalled.Message).To(ContainSubstring(words))
			} else {
				Expect(stalled.Status).To(BeEquivalentTo("Absent"), "AWS being down is nothing that a person must act on")
			}

			w.sim.Faults().Clear()
			w.run(ctx, 15*time.Second, obj)
			w.expectRestored()
			Expect(w.gone(ctx, obj)).To(BeTrue(), "the object is stuck")
		},
		Entry("since deleting is denied", v1alpha1.ReasonAccessDenied, "ec2:DeleteNetworkAclEntry", faults.Fault{Action: "ec2:DeleteNetworkAclEntry", Denied: true}),
		Entry("since reading is denied", v1alpha1.ReasonAccessDenied, "ec2:DescribeNetworkAcls", faults.Fault{Action: "ec2:DescribeNetworkAcls", Denied: true}),
		Entry("since the credentials expired", v1alpha1.ReasonNoCredentials, "credentials", faults.Fault{Action: "*", Error: "RequestExpired"}),
		Entry("since AWS is down", "", "got no usable answer", faults.Fault{Action: "*", Error: "ServiceUnavailable"}),
		Entry("since connections break", "", "got no usable answer", faults.Fault{Action: "ec2:*", Lost: true}),
		Entry("since the rate is limited", "", "limits the rate", faults.Fault{Action: "ec2:*", Error: "RequestLimitExceeded"}),
	)

	It("by force is replaced by another of its name, which works on its own", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.create(ctx)
		// A user takes the finalizer away and makes the object anew, while rules are being written.
		again := &v1alpha1.AgentDisconnect{ObjectMeta: metav1.ObjectMeta{Namespace: obj.Namespace, Name: obj.Name}, Spec: obj.Spec}
		w.once(w.sim.Faults().After, func() {
			fresh := w.get(ctx, obj)
			fresh.Finalizers = nil
			Expect(kube.Update(ctx, fresh)).To(Succeed())
			Expect(kube.Delete(ctx, fresh)).To(Succeed())
			Expect(kube.Create(ctx, again)).To(Succeed())
		})
		_, err := w.pass(ctx, obj)
		Expect(err).NotTo(HaveOccurred())
		w.clock.Step(w.options.AgentPollInterval)
		_, err = w.pass(ctx, obj)
		Expect(err).NotTo(HaveOccurred())
		seen := w.get(ctx, again)
		Expect(seen.UID).To(Equal(again.UID))
		Expect(seen.Status.Rules).To(BeEmpty(), "what was known of the old object went into the new one")
		Expect(seen.Status.StartTime).To(BeNil())
	})
})

var _ = Describe("An object whose run is over", func() {
	It("stays inert when it is applied again, and only follows the generation", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.follow()
		obj := w.blocking(ctx, within(time.Minute))
		seen := w.finish(ctx, obj, 15*time.Minute)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateCompleted), describe(seen))
		calls, before := len(w.sim.Calls()), seen.Status

		seen.Spec.Duration = metav1.Duration{Duration: 2 * time.Hour}
		Expect(kube.Update(ctx, seen)).To(Succeed())
		w.boot()
		w.run(ctx, time.Hour, obj)
		seen = w.get(ctx, obj)
		Expect(w.sim.Calls()).To(HaveLen(calls), "AWS was called")
		Expect(seen.Finalizers).To(BeEmpty())
		Expect(seen.Status.ObservedGeneration).To(Equal(seen.Generation))
		Expect(seen.Status.ExpirationTime).To(Equal(before.ExpirationTime))
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateCompleted))

		resourceVersion := seen.ResourceVersion
		w.run(ctx, time.Hour, obj)
		Expect(w.get(ctx, obj).ResourceVersion).To(Equal(resourceVersion), "it is written again and again")
		Expect(kube.Delete(ctx, obj, client.PropagationPolicy(metav1.DeletePropagationBackground))).To(Succeed())
		Expect(w.gone(ctx, obj)).To(BeTrue())
	})
})
