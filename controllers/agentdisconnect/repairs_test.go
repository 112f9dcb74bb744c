// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

var _ = Describe("What a read shows and is not acted on yet", func() {
	It("is said at once, with the time that decides, and in the same words until then", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.blocking(ctx, within(time.Hour))
		decides := line(w.get(ctx, obj), 80).LastAttemptTime.Add(networkacl.SettleFor).UTC().Format(time.RFC3339)
		w.strip(80)
		seen := w.until(ctx, obj, 31*time.Second, installed(metav1.ConditionFalse))
		message := condition(seen, v1alpha1.ConditionSucceeded).Message
		Expect(message).To(ContainSubstring("suspected: rule 80 (" + first + "/32) was removed (a read after " + decides + " confirms or clears this)"))
		w.run(ctx, 20*time.Second, obj)
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionSucceeded).Message).To(Equal(message))
	})

	It("is said of a subnet that was taken off its clone, and the clone is not said to deny nothing", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj := w.blocking(ctx, cloning, within(time.Hour))
		clone := w.cloneOf(ctx, obj).ID
		w.run(ctx, 5*time.Second, obj)
		w.move(subnetID, aclID)
		seen := w.until(ctx, obj, 31*time.Second, installed(metav1.ConditionFalse))
		Expect(condition(seen, v1alpha1.ConditionRulesInstalled).Message).To(Equal("subnet " + subnetID + " is not on network ACL " + clone + ", as last read"))
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Message).To(ContainSubstring("suspected: subnet " + subnetID + " was moved from clone " + clone + " to another network ACL (a read after "))
		seen = w.until(ctx, obj, 3*networkacl.SettleFor, aborted)
		Expect(seen.Status.Abort.Reason).To(Equal(v1alpha1.AbortSubnetLeft), describe(seen))
	})
})

var _ = Describe("A repair", func() {
	It("is an event and part of the verdict", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.follow()
		obj := w.blocking(ctx)
		w.run(ctx, networkacl.SettleFor, obj)
		w.told("")
		w.strip(80)
		seen := w.until(ctx, obj, time.Minute, func(seen *v1alpha1.AgentDisconnect) bool { return seen.Status.DriftRepairs == 1 })
		Expect(w.told("Warning RulesRepaired")).To(Equal([]string{
			"Warning RulesRepaired a third party changed network ACL " + aclID + ": rule 80 (" + first + "/32) was removed. The manager created rule 80 (" + first + "/32)",
		}), describe(seen))
		seen = w.finish(ctx, obj, 15*time.Minute)
		succeeded := condition(seen, v1alpha1.ConditionSucceeded)
		Expect(succeeded.Reason).To(Equal(v1alpha1.StateCompleted), describe(seen))
		Expect(succeeded.Message).To(ContainSubstring("1 repair of rules that a third party removed or overrode"))
	})

	DescribeTable("that AWS throttles is repeated at once, and counts once", func(ctx context.Context, change func(*world)) {
		w, _ := audited(ctx)
		w.follow()
		w.boot()
		obj := w.settled(ctx)
		mend := w.sim.Faults().Add(faults.Fault{Action: "ec2:CreateNetworkAclEntry", Error: "RequestLimitExceeded"})
		change(w)
		w.run(ctx, networkacl.SettleFor+time.Minute, obj) // as long as a change takes to be believed, and many tries
		seen := w.get(ctx, obj)
		Expect(seen.Status.DriftRepairs).To(BeZero(), "nothing was put back")
		Expect(seen.Status.Abort).To(BeNil(), describe(seen))
		mend()
		w.run(ctx, 5*time.Second, obj)
		seen = w.get(ctx, obj)
		w.expectAllDenied(seen)
		Expect(seen.Status.DriftRepairs).To(BeEquivalentTo(1), describe(seen))
		w.run(ctx, 2*networkacl.SettleFor, obj)
		Expect(w.get(ctx, obj).Status.DriftRepairs).To(BeEquivalentTo(1), "it was counted again")
	},
		Entry("after a rule was removed", func(w *world) { w.strip(80) }),
		Entry("after the rules were overridden", func(w *world) { w.add(region.AllowAll(50, true)) }),
	)
})
