// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"net/netip"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
)

// first is the address that rule 80 denies in the default world.
const first = "52.119.219.115"

// deny is the entry that denies all outbound traffic to a range.
func deny(number int, cidr string) acl.Entry {
	return acl.Entry{RuleNumber: number, Egress: true, Protocol: acl.All, CIDR: netip.MustParsePrefix(cidr)}
}

// add puts a third party's entry on the network ACL, for good: it is to be there after the run too.
func (w *world) add(entry acl.Entry) {
	GinkgoHelper()
	Expect(w.sim.Region().CreateNetworkACLEntry(aclID, entry)).To(Succeed())
}

// strip takes an entry off the network ACL.
func (w *world) strip(number int) {
	GinkgoHelper()
	Expect(w.sim.Region().DeleteNetworkACLEntry(aclID, number, true)).To(Succeed())
}

// once has fn run at the first call that creates rule 80: before its effect, or between effect and answer.
func (w *world) once(hook func(string, func(call.Call)) func(), fn func()) {
	var once sync.Once
	hook("ec2:CreateNetworkAclEntry", func(c call.Call) {
		if !c.DryRun && c.Param("RuleNumber") == "80" {
			once.Do(fn)
		}
	})
}

// rule80 is a fault of the calls that create rule 80.
func rule80(f faults.Fault) faults.Fault {
	f.Action, f.Params = "ec2:CreateNetworkAclEntry", map[string]string{"RuleNumber": "80"}
	return f
}

// line is the ledger's line of a number.
func line(obj *v1alpha1.AgentDisconnect, number int32) *v1alpha1.Rule {
	for i := range obj.Status.Rules {
		if obj.Status.Rules[i].RuleNumber == number {
			return &obj.Status.Rules[i]
		}
	}
	return nil
}

// expectAllDenied holds the Region against what a run that blocks says.
func (w *world) expectAllDenied(seen *v1alpha1.AgentDisconnect) {
	GinkgoHelper()
	Expect(condition(seen, v1alpha1.ConditionRulesInstalled).Status).To(Equal(metav1.ConditionTrue), describe(seen))
	for _, endpoint := range seen.Status.Endpoints {
		for _, address := range endpoint.Addresses {
			Expect(w.reachable(subnetID, address)).To(BeFalse(), "%s is let through: %s", address, describe(seen))
		}
	}
}

var _ = Describe("The answer to the creation of an entry", func() {
	It("was lost, and a read shows the entry: it is ours", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.sim.Faults().Add(rule80(faults.Fault{Lost: true, Times: 1}))
		obj := w.blocking(ctx)
		w.run(ctx, w.options.ACLPollInterval, obj)
		Expect(line(w.get(ctx, obj), 80).State).To(Equal(v1alpha1.RuleInstalled))
		w.expectAllDenied(w.get(ctx, obj))
		w.finish(ctx, obj, time.Hour)
		w.expectRestored()
	})

	It("was lost, and the repeated call says that there is one already: read back, it is ours", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.sim.Faults().Add(rule80(faults.Fault{Lost: true, Times: 1}))
		// The reads until the repeated call lag.
		thaw := func() {}
		w.once(w.sim.Faults().Before, func() { thaw = w.sim.Faults().Add(faults.Fault{Action: "ec2:DescribeNetworkAcls", Frozen: true}) })
		repeated := false
		w.sim.Faults().After("ec2:CreateNetworkAclEntry", func(c call.Call) {
			if c.Error == "NetworkAclEntryAlreadyExists" {
				repeated = true
				thaw()
			}
		})
		obj := w.blocking(ctx)
		Expect(repeated).To(BeTrue(), "the creation was never repeated: %v", w.writes())
		Expect(line(w.get(ctx, obj), 80).State).To(Equal(v1alpha1.RuleInstalled))
		w.expectAllDenied(w.get(ctx, obj))
		w.finish(ctx, obj, time.Hour)
		w.expectRestored()
	})

	It("failed before the effect: the call is repeated", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.sim.Faults().Add(rule80(faults.Fault{Error: "InternalError", Times: 2}))
		obj := w.blocking(ctx)
		w.expectAllDenied(w.get(ctx, obj))
		w.finish(ctx, obj, time.Hour)
		w.expectRestored()
	})

	It("says that there is one already, of a third party that denied the same just then: no rule of ours, nor ever deleted", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.once(w.sim.Faults().Before, func() { w.add(deny(80, first+"/32")) })
		obj := w.blocking(ctx)
		seen := w.get(ctx, obj)
		Expect(line(seen, 80)).To(BeNil(), describe(seen))
		Expect(seen.Status.Rules).To(HaveLen(5))
		w.expectAllDenied(seen)

		w.finish(ctx, obj, time.Hour)
		Expect(w.denies(aclID)).To(Equal(map[int]string{80: first + "/32"}))
		w.strip(80)
		w.expectRestored()
	})

	It("says that there is one already, of a third party that took the number just then: another number is taken", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.once(w.sim.Faults().Before, func() { w.add(deny(80, "198.51.100.0/24")) })
		obj := w.blocking(ctx)
		w.expectAllDenied(w.get(ctx, obj))
		Expect(w.denies(aclID)).To(HaveKeyWithValue(80, "198.51.100.0/24"))
		Expect(w.denies(aclID)).To(HaveLen(7))

		w.finish(ctx, obj, time.Hour)
		Expect(w.denies(aclID)).To(Equal(map[int]string{80: "198.51.100.0/24"}))
	})

	It("was an error, and a third party took the number before the call could be repeated: another number is taken", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.sim.Faults().Add(rule80(faults.Fault{Error: "InternalError", Times: 1}))
		w.once(w.sim.Faults().After, func() { w.add(deny(80, "198.51.100.0/24")) })
		obj := w.blocking(ctx)
		w.expectAllDenied(w.get(ctx, obj))
		Expect(w.denies(aclID)).To(HaveKeyWithValue(80, "198.51.100.0/24"))

		seen := w.finish(ctx, obj, time.Hour)
		Expect(w.denies(aclID)).To(Equal(map[int]string{80: "198.51.100.0/24"}))
		Expect(seen.Status.Rules).To(BeEmpty())
	})

	It("was an error, and a third party put an allow in front before the call could be repeated: a smaller number is taken", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.sim.Faults().Add(rule80(faults.Fault{Error: "InternalError", Times: 1}))
		allow := deny(70, first+"/32")
		allow.Allow = true
		w.once(w.sim.Faults().After, func() { w.add(allow) })
		obj := w.blocking(ctx)
		w.expectAllDenied(w.get(ctx, obj))
		w.finish(ctx, obj, time.Hour)
		w.strip(70)
		w.expectRestored()
	})

	It("never came, and the entry never shows up: its line and the finalizer stay until reads lacked it for 5 minutes", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.sim.Faults().Add(rule80(faults.Fault{Error: "InternalError"}))
		obj := w.create(ctx, within(2*time.Minute))
		w.run(ctx, 20*time.Second, obj)
		seen := w.get(ctx, obj)
		Expect(condition(seen, v1alpha1.ConditionRulesInstalled).Status).To(Equal(metav1.ConditionFalse), describe(seen))
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateInstalling))

		w.run(ctx, seen.Status.ExpirationTime.Sub(w.clock.Now())+time.Second, obj)
		seen = w.get(ctx, obj)
		w.expectLifted(obj)
		Expect(seen.Status.Rules).To(HaveLen(1), "only the line without an answer is left")
		attempted := line(seen, 80).LastAttemptTime.Time

		w.run(ctx, attempted.Add(5*time.Minute).Sub(w.clock.Now())-time.Millisecond, obj)
		seen = w.get(ctx, obj)
		Expect(line(seen, 80)).NotTo(BeNil(), "the line was given up too soon")
		Expect(seen.Finalizers).To(ConsistOf(v1alpha1.Finalizer))
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateRestoring))

		w.run(ctx, 10*time.Second, obj)
		Expect(w.get(ctx, obj).Status.Rules).To(BeEmpty())
		w.expectRestored()
		Expect(w.finish(ctx, obj, time.Hour).Finalizers).To(BeEmpty())
	})

	It("never came, and the entry shows up 4 minutes after the run's end: it is deleted", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.sim.Faults().Add(rule80(faults.Fault{Lost: true, Times: 1}))
		thaw := func() {}
		w.once(w.sim.Faults().Before, func() { thaw = w.sim.Faults().Add(faults.Fault{Action: "ec2:DescribeNetworkAcls", Frozen: true}) })
		obj := w.create(ctx, within(time.Minute))
		w.run(ctx, 20*time.Second, obj)
		w.run(ctx, w.get(ctx, obj).Status.ExpirationTime.Sub(w.clock.Now())+4*time.Minute, obj)
		Expect(w.denies(aclID)).To(Equal(map[int]string{80: first + "/32"}))
		Expect(w.get(ctx, obj).Finalizers).To(ConsistOf(v1alpha1.Finalizer))

		thaw()
		w.run(ctx, 10*time.Second, obj)
		w.expectRestored()
		Expect(w.get(ctx, obj).Status.Rules).To(BeEmpty())
	})

	DescribeTable("comes when the run is already over: nothing is left", func(ctx context.Context, hook func(w *world) func(string, func(call.Call)) func()) {
		w := newWorld(ctx)
		w.boot()
		obj := w.create(ctx, within(time.Minute))
		w.once(hook(w), func() { w.clock.SetTime(w.get(ctx, obj).Status.ExpirationTime.Add(time.Second)) })
		w.run(ctx, 90*time.Second, obj)
		w.expectRestored()
		Expect(w.state(ctx, obj)).To(BeElementOf(v1alpha1.StateRecovering, v1alpha1.StateAgentsNotObserved))
	},
		Entry("before the effect", func(w *world) func(string, func(call.Call)) func() { return w.sim.Faults().Before }),
		Entry("after the effect", func(w *world) func(string, func(call.Call)) func() { return w.sim.Faults().After }),
	)
})

var _ = Describe("The answer to the deletion of an entry", func() {
	DescribeTable("goes missing: the entry goes, and what stands at its number afterwards stays", func(ctx context.Context, fault faults.Fault) {
		w, _ := audited(ctx)
		w.follow()
		obj := w.blocking(ctx)
		fault.Action = "ec2:DeleteNetworkAclEntry"
		w.sim.Faults().Add(fault)
		// A third party takes a number as soon as it is free.
		var once sync.Once
		w.sim.Faults().After("ec2:DeleteNetworkAclEntry", func(c call.Call) {
			if c.Error == "" && c.Param("RuleNumber") == "80" {
				once.Do(func() { w.add(deny(80, "198.51.100.0/24")) })
			}
		})
		seen := w.finish(ctx, obj, time.Hour)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateCompleted), describe(seen))
		Expect(w.denies(aclID)).To(Equal(map[int]string{80: "198.51.100.0/24"}))
	},
		Entry("lost for each entry once", faults.Fault{Lost: true, Times: 6}),
		Entry("lost three times for each", faults.Fault{Lost: true, Times: 18}),
		Entry("an error after the effect", faults.Fault{ErrorAfter: "InternalError", Times: 6}),
		Entry("an error before the effect", faults.Fault{Error: "InternalError", Times: 8}),
		Entry("throttled for a while", faults.Fault{Error: "RequestLimitExceeded", Times: 20}),
		Entry("denied for a while", faults.Fault{Denied: true, Times: 20}),
	)
})
