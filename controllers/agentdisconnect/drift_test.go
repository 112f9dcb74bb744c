// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"net/netip"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/agents"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// until lets time go by in small steps until the object's status is as wanted.
func (w *world) until(ctx context.Context, obj *v1alpha1.AgentDisconnect, most time.Duration, wanted func(*v1alpha1.AgentDisconnect) bool) *v1alpha1.AgentDisconnect {
	GinkgoHelper()
	for end := w.clock.Now().Add(most); w.clock.Now().Before(end); {
		if seen := w.get(ctx, obj); wanted(seen) {
			return seen
		}
		w.run(ctx, max(most/60, time.Second), obj)
	}
	Fail("the object did not come to what was awaited within " + most.String() + ":\n" + describe(w.get(ctx, obj)))
	return nil
}

func installed(status metav1.ConditionStatus) func(*v1alpha1.AgentDisconnect) bool {
	return func(seen *v1alpha1.AgentDisconnect) bool {
		return condition(seen, v1alpha1.ConditionRulesInstalled).Status == status
	}
}

func aborted(seen *v1alpha1.AgentDisconnect) bool { return seen.Status.Abort != nil }

// settled is a run of 6 hours whose rules have been in place for longer than reads lag.
func (w *world) settled(ctx context.Context, change ...func(*v1alpha1.AgentDisconnect)) *v1alpha1.AgentDisconnect {
	GinkgoHelper()
	obj := w.blocking(ctx, append(change, within(6*time.Hour))...)
	w.run(ctx, networkacl.SettleFor, obj)
	return obj
}

// numbers are those of the entries that a call was made for.
func (w *world) numbers(action string) []string {
	var numbers []string
	for _, c := range w.writes() {
		if c.Name() == action {
			numbers = append(numbers, c.Param("RuleNumber"))
		}
	}
	return numbers
}

var _ = Describe("A third party changes the network ACL during a run", func() {
	It("removes a rule right after it was made: nothing is done until it can't be a read that lags", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.blocking(ctx, within(time.Hour))
		attempted := line(w.get(ctx, obj), 80).LastAttemptTime.Time
		w.strip(80)

		w.run(ctx, attempted.Add(2*time.Minute).Sub(w.clock.Now())-time.Millisecond, obj)
		Expect(w.numbers("ec2:CreateNetworkAclEntry")).To(HaveLen(6))
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionRulesInstalled).Status).To(Equal(metav1.ConditionFalse))

		w.until(ctx, obj, time.Minute, installed(metav1.ConditionTrue))
		Expect(w.denies(aclID)).To(HaveKeyWithValue(80, first+"/32"))
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, time.Minute, obj)
		w.expectRestored()
	})

	It("removes a rule: one read isn't enough, the second has it put back", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.settled(ctx)
		w.strip(80)
		w.until(ctx, obj, 31*time.Second, installed(metav1.ConditionFalse))
		Expect(w.denies(aclID)).NotTo(HaveKey(80), "one read was believed")

		seen := w.until(ctx, obj, 10*time.Second, installed(metav1.ConditionTrue))
		Expect(w.denies(aclID)).To(HaveKeyWithValue(80, first+"/32"))
		Expect(seen.Status.DriftRepairs).To(BeEquivalentTo(1))
		w.expectAllDenied(seen)
	})

	It("removes a rule for a moment only: nothing is repaired", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.settled(ctx)
		w.strip(80)
		w.until(ctx, obj, 31*time.Second, installed(metav1.ConditionFalse))
		w.add(deny(80, first+"/32"))
		seen := w.until(ctx, obj, 10*time.Second, installed(metav1.ConditionTrue))
		Expect(seen.Status.DriftRepairs).To(BeZero())
		Expect(w.numbers("ec2:CreateNetworkAclEntry")).To(HaveLen(6))
	})

	DescribeTable("takes a rule's number: theirs is never touched, and the address is still denied", func(ctx context.Context, theirs acl.Entry) {
		w, _ := audited(ctx)
		obj := w.settled(ctx)
		Expect(w.sim.Region().ReplaceNetworkACLEntry(aclID, theirs)).To(Succeed())
		w.run(ctx, 36*time.Second, obj)
		w.expectAllDenied(w.get(ctx, obj))

		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, 10*time.Minute, obj)
		Expect(w.gone(ctx, obj)).To(BeTrue(), "the object is stuck")
		Expect(w.numbers("ec2:DeleteNetworkAclEntry")).NotTo(ContainElement("80"))
		w.strip(80)
		w.expectRestored()
	},
		Entry("for a deny of something else", deny(80, "198.51.100.0/24")),
		Entry("for an allow of the address", acl.Entry{RuleNumber: 80, Egress: true, Protocol: acl.All, Allow: true, CIDR: netip.MustParsePrefix(first + "/32")}),
		Entry("for a deny of one protocol to the address", acl.Entry{RuleNumber: 80, Egress: true, Protocol: acl.UDP, CIDR: netip.MustParsePrefix(first + "/32"), To: 65535}),
		Entry("for a wider deny", deny(80, "52.119.219.0/24")),
	)

	DescribeTable("right before its end: what is theirs stays, and a second look is all that is waited for", func(ctx context.Context, change func(w *world), left map[int]string) {
		w, _ := audited(ctx)
		obj := w.settled(ctx)
		change(w)
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, 6*time.Second, obj)
		Expect(w.gone(ctx, obj)).To(BeTrue(), "the object is still there")
		Expect(w.denies(aclID)).To(Equal(left))
	},
		Entry("removes all rules", func(w *world) {
			for number := range w.denies(aclID) {
				w.strip(number)
			}
		}, map[int]string{}),
		Entry("replaces a rule", func(w *world) {
			Expect(w.sim.Region().ReplaceNetworkACLEntry(aclID, deny(80, "198.51.100.0/24"))).To(Succeed())
		}, map[int]string{80: "198.51.100.0/24"}),
		Entry("removes all entries and puts others in their place", func(w *world) {
			Expect(w.sim.Region().SetEntries(aclID, deny(80, "198.51.100.0/24"), region.AllowAll(81, true))).To(Succeed())
		}, map[int]string{80: "198.51.100.0/24"}),
	)

	It("puts an allow in front: the rules move in front of it", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.settled(ctx)
		w.add(region.AllowAll(50, true))
		w.until(ctx, obj, 31*time.Second, installed(metav1.ConditionFalse))
		Expect(w.numbers("ec2:CreateNetworkAclEntry")).To(HaveLen(6), "one read was believed")
		w.expectAllDenied(w.until(ctx, obj, 10*time.Second, installed(metav1.ConditionTrue)))
		for number := range w.denies(aclID) {
			Expect(number).To(BeNumerically("<", 50))
		}
		Expect(w.denies(aclID)).To(HaveLen(6))

		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, time.Minute, obj)
		Expect(w.gone(ctx, obj)).To(BeTrue())
		w.strip(50)
		w.expectRestored()
	})

	It("puts an allow in front that leaves no room: the run ends and all of it goes", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.settled(ctx)
		w.add(region.AllowAll(1, true))
		seen := w.until(ctx, obj, 2*time.Minute, aborted)
		Expect(seen.Status.Abort.Reason).To(Equal(v1alpha1.AbortPlanDoesNotFit), describe(seen))
		w.strip(1)
		w.expectRestored()
	})

	It("removes a rule a fourth time: the run ends", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.follow()
		obj := w.settled(ctx)
		for time := range 3 {
			w.strip(81)
			w.until(ctx, obj, 3*networkacl.SettleFor, func(seen *v1alpha1.AgentDisconnect) bool { return int(seen.Status.DriftRepairs) == time+1 })
			Expect(w.denies(aclID)).To(HaveKey(81))
		}
		w.strip(81)
		seen := w.until(ctx, obj, 3*networkacl.SettleFor, aborted)
		Expect(seen.Status.Abort.Reason).To(Equal(v1alpha1.AbortDriftDetected))
		w.expectLifted(obj)
		w.run(ctx, 6*time.Second, obj) // a second look at the rule that is missing
		w.expectRestored()

		seen = w.finish(ctx, obj, time.Hour)
		succeeded := condition(seen, v1alpha1.ConditionSucceeded)
		Expect(succeeded.Status).To(Equal(metav1.ConditionFalse), describe(seen))
		Expect(succeeded.Reason).To(Equal(v1alpha1.AbortDriftDetected))
		Expect(condition(seen, v1alpha1.ConditionStalled).Status).To(Equal(metav1.ConditionTrue))
	})

	DescribeTable("where the spec says Abort: two reads end the run, which says what was changed, and the rest goes",
		func(ctx context.Context, change func(w *world), what string, left map[int]string) {
			w, _ := audited(ctx)
			w.follow()
			obj := w.settled(ctx, func(obj *v1alpha1.AgentDisconnect) { obj.Spec.OnDrift = v1alpha1.OnDriftAbort })
			change(w)
			w.until(ctx, obj, 31*time.Second, installed(metav1.ConditionFalse))
			Expect(w.get(ctx, obj).Status.Abort).To(BeNil(), "one read was believed")
			seen := w.until(ctx, obj, 10*time.Second, aborted)
			Expect(seen.Status.Abort.Reason).To(Equal(v1alpha1.AbortDriftDetected), describe(seen))
			message := "a third party changed network ACL " + aclID + ": " + what + ", and spec.onDrift is Abort"
			Expect(seen.Status.Abort.Message).To(Equal(message))
			Expect(w.numbers("ec2:CreateNetworkAclEntry")).To(HaveLen(6), "something was put back")

			w.run(ctx, networkacl.SettleFor, obj)
			Expect(w.denies(aclID)).To(Equal(left))
			Expect(w.tagsOf(obj)).To(BeEmpty())
			seen = w.finish(ctx, obj, 15*time.Minute)
			succeeded := condition(seen, v1alpha1.ConditionSucceeded)
			Expect(succeeded.Status).To(Equal(metav1.ConditionFalse), describe(seen))
			Expect(succeeded.Reason).To(Equal(v1alpha1.AbortDriftDetected))
			Expect(succeeded.Message).To(HavePrefix(message))
			Expect(condition(seen, v1alpha1.ConditionStalled).Status).To(Equal(metav1.ConditionTrue))
			Expect(seen.Finalizers).To(BeEmpty())
		},
		Entry("a rule is removed", func(w *world) { w.strip(80) }, "rule 80 ("+first+"/32) was removed", map[int]string{}),
		Entry("two rules are removed", func(w *world) {
			w.strip(81)
			w.strip(80)
		}, "rule 80 ("+first+"/32) was removed; rule 81 (52.119.220.39/32) was removed", map[int]string{}),
		Entry("a rule is replaced", func(w *world) {
			Expect(w.sim.Region().ReplaceNetworkACLEntry(aclID, deny(80, "198.51.100.0/24"))).To(Succeed())
		}, "rule 80 ("+first+"/32) was replaced", map[int]string{80: "198.51.100.0/24"}),
		Entry("a rule is overridden", func(w *world) {
			allow := deny(50, first+"/32")
			allow.Allow = true
			w.add(allow)
		}, "rule 80 ("+first+"/32) is overridden by rule 50", map[int]string{}),
	)

	It("adds, edits and removes entries that are not in the way: they stay as they are", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.add(deny(60, "192.0.2.0/24"))
		obj := w.settled(ctx)
		writes := len(w.writes())
		w.add(deny(70, "198.51.100.0/24"))
		w.add(region.AllowAll(95, false)) // inbound, at a number between ours
		w.add(deny(20, first+"/32"))      // what a rule of ours denies too
		Expect(w.sim.Region().ReplaceNetworkACLEntry(aclID, deny(60, "203.0.113.0/24"))).To(Succeed())
		w.run(ctx, 5*time.Minute, obj)
		Expect(w.writes()).To(HaveLen(writes), "something was written")
		Expect(w.get(ctx, obj).Status.DriftRepairs).To(BeZero())

		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, time.Minute, obj)
		Expect(w.denies(aclID)).To(Equal(map[int]string{20: first + "/32", 60: "203.0.113.0/24", 70: "198.51.100.0/24"}))
	})

	It("takes away a deny of theirs that a run relied on: a rule of ours takes its place", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.add(deny(20, first+"/32"))
		obj := w.settled(ctx)
		Expect(w.denies(aclID)).To(HaveLen(6), "the address that is denied already got a rule")
		w.strip(20)
		w.until(ctx, obj, 31*time.Second, func(*v1alpha1.AgentDisconnect) bool { return !w.reachable(subnetID, first) })
		w.expectAllDenied(w.until(ctx, obj, 10*time.Second, installed(metav1.ConditionTrue)))
	})
})

var _ = Describe("A host's addresses", func() {
	It("are denied as soon as they are found, and never given up", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.settled(ctx)
		w.sim.SetHost(agents.ACS, acsHost, netip.MustParseAddr("52.119.220.77"))
		w.run(ctx, w.options.LookupInterval, obj)
		Expect(w.denies(aclID)).To(HaveLen(7))
		w.expectAllDenied(w.get(ctx, obj))
		w.run(ctx, 5*time.Minute, obj)
		Expect(w.denies(aclID)).To(HaveLen(7), "an address was given up that agents may still be connected to")

		w.sim.SetHost(agents.TCS, tcsHost) // the host is unknown now
		w.run(ctx, 5*time.Minute, obj)
		w.expectAllDenied(w.get(ctx, obj))
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, time.Minute, obj)
		w.expectRestored()
	})

	DescribeTable("become too many: the run ends and all of it goes", func(ctx context.Context, prepare func(w *world), reason string) {
		w, _ := audited(ctx)
		prepare(w)
		w.boot()
		obj := w.settled(ctx)
		w.sim.SetHost(agents.ACS, acsHost, addresses(14)...)
		seen := w.until(ctx, obj, 2*time.Minute, aborted)
		Expect(seen.Status.Abort.Reason).To(Equal(v1alpha1.AbortPlanDoesNotFit), describe(seen))
		Expect(strings.ToLower(seen.Status.Abort.Message)).To(ContainSubstring(reason))
		w.expectRestored()
	},
		Entry("for the quota", func(*world) {}, "quota"),
		Entry("for the quota, which is smaller than the manager was told", func(w *world) { w.assumeQuota(40) }, "quota"),
	)

	It("become more than the status holds, in a range that one rule denies: the run ends all the same", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.settled(ctx, withEndpoints(nil, "203.0.113.0/24"))
		w.sim.SetHost(agents.ACS, acsHost, addresses(v1alpha1.MaxAddresses+1)...)
		seen := w.until(ctx, obj, 5*time.Minute, aborted)
		Expect(seen.Status.Abort.Reason).To(Equal(v1alpha1.AbortPlanDoesNotFit), describe(seen))
		Expect(seen.Status.Abort.Message).To(Equal(acsHost + " has more than 40 addresses, which no network ACL has room for"))
		w.expectRestored()
	})
})
