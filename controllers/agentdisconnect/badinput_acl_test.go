// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// setOut gives the network ACL these outbound entries, and lets everything in.
func (w *world) setOut(entries ...acl.Entry) {
	GinkgoHelper()
	Expect(w.sim.Region().SetEntries(aclID, append(entries, region.AllowAll(100, false))...)).To(Succeed())
}

// crowded are n outbound entries, the last of which allows everything: 100 and 200, 201, …
func crowded(n int) []acl.Entry {
	entries := []acl.Entry{region.AllowAll(100, true)}
	for i := range n - 1 {
		entries = append(entries, acl.Entry{
			RuleNumber: 200 + i, Egress: true, Allow: true, Protocol: acl.All, CIDR: netip.MustParsePrefix(fmt.Sprintf("10.0.%d.0/24", i)),
		})
	}
	return entries
}

func noRoom(first string, rule int, fix string) string {
	return fmt.Sprintf("network ACL %s has no free number to deny %s before rule %d, which allows all traffic out to 0.0.0.0/0: %s, "+
		"or set spec.networkACLMode to Clone, which gives the copies larger numbers", aclID, first, rule, fix)
}

func quotaExceeded(have, quota, need, excess int) string {
	return fmt.Sprintf("network ACL %s has %d outbound IPv4 rules, the default one included, of the %d that its quota allows, and the run needs %d more: "+
		"delete %d of them, or raise the quota of rules per network ACL (L-2AEEBF1A, 40 at most)",
		aclID, have, quota, need, excess)
}

var _ = DescribeTable("A network ACL without room", func(ctx context.Context, b badInput) { b.check(ctx) },
	Entry("everything is allowed at number 1", badInput{
		cause:  func(w *world) { w.setOut(region.AllowAll(1, true)) },
		reason: v1alpha1.ReasonNoRoom, message: noRoom("52.119.219.115/32 ("+acsHost+")", 1, "give rule 1 a larger number"),
		mend: func(w *world) { w.setOut(region.AllowAll(7, true)) },
	}),
	Entry("everything is allowed at number 6, with room for five of six rules", badInput{
		cause:  func(w *world) { w.setOut(region.AllowAll(6, true)) },
		reason: v1alpha1.ReasonNoRoom, message: noRoom("52.119.223.82/32 ("+tcsHost+")", 6, "free a number below 6, or give rule 6 a larger number"),
		mend: func(w *world) { w.setOut(region.AllowAll(100, true)) },
	}),
	Entry("it is full", badInput{
		cause:  func(w *world) { w.setOut(crowded(19)...) },
		reason: v1alpha1.ReasonQuotaExceeded, message: quotaExceeded(20, 20, 6, 6),
		mend: func(w *world) { w.setOut(crowded(13)...) },
	}),
	Entry("it has room for five of six rules", badInput{
		cause:  func(w *world) { w.setOut(crowded(14)...) },
		reason: v1alpha1.ReasonQuotaExceeded, message: quotaExceeded(15, 20, 6, 1),
		mend: func(w *world) { w.setOut(crowded(13)...) },
	}),
	Entry("the account's quota is small", badInput{
		cause:  func(w *world) { w.setQuota(7) },
		reason: v1alpha1.ReasonQuotaExceeded, message: quotaExceeded(2, 7, 6, 1),
		mend: func(w *world) { w.setQuota(8) },
	}),
)

var _ = Describe("A network ACL that has less room than the manager was told", func() {
	It("ends the run, and what was already made is taken back", func(ctx context.Context) {
		w := newWorld(ctx)
		w.setOut(crowded(15)...)
		w.before = w.entries()
		w.assumeQuota(40) // AWS has 20
		w.restart()
		obj := w.create(ctx)
		w.run(ctx, time.Minute, obj)
		Expect(len(w.writes())).To(BeNumerically(">", 6), "some were made and taken back: %v", w.writes())
		w.expectRestored()
		seen := w.get(ctx, obj)
		succeeded := condition(seen, v1alpha1.ConditionSucceeded)
		Expect(succeeded.Status).To(Equal(metav1.ConditionFalse), "%s", describe(seen))
		Expect(succeeded.Reason).To(Equal(v1alpha1.AbortPlanDoesNotFit))
		Expect(succeeded.Message).To(ContainSubstring("delete entries, or raise the quota of rules per network ACL (L-2AEEBF1A)"))
		Expect(condition(seen, v1alpha1.ConditionStalled).Reason).To(Equal(v1alpha1.AbortPlanDoesNotFit))
		Expect(seen.Finalizers).To(BeEmpty())
	})
})

var _ = DescribeTable("A network ACL that denies all addresses without the run", func(ctx context.Context, b badInput) { b.check(ctx) },
	Entry("by the entry of a third party", badInput{
		cause: func(w *world) {
			w.setOut(acl.Entry{RuleNumber: 50, Egress: true, Protocol: acl.All, CIDR: netip.MustParsePrefix("52.119.0.0/16")}, region.AllowAll(100, true))
		},
		reason: v1alpha1.ReasonAlreadyDenied,
		message: "network ACL " + aclID + " already denies all 6 addresses of 2 hosts (rule 50: deny all traffic out to 52.119.0.0/16): the run would create no rule, " +
			"and the agents would be disconnected without it. Remove the entries that deny them, or choose another subnet",
		mend: func(w *world) { w.setOut(region.AllowAll(100, true)) },
	}),
	Entry("since nothing is allowed out", badInput{
		cause:  func(w *world) { w.setOut() },
		reason: v1alpha1.ReasonAlreadyDenied,
		message: "network ACL " + aclID + " already denies all 6 addresses of 2 hosts (the default entry, since no other entry allows them): the run would create no rule, " +
			"and the agents would be disconnected without it. Remove the entries that deny them, or choose another subnet",
		mend: func(w *world) { w.setOut(region.AllowAll(100, true)) },
	}),
)

var _ = Describe("What a network ACL already does", func() {
	It("is left as it is, and needs no rule where it denies an address", func(ctx context.Context) {
		w := newWorld(ctx)
		deny := acl.Entry{RuleNumber: 50, Egress: true, Protocol: acl.All, CIDR: netip.MustParsePrefix("52.119.223.0/24")}
		w.setOut(deny, region.AllowAll(100, true))
		w.before = w.entries()
		obj := w.blocking(ctx)
		Expect(w.sessionNumbers(aclID)).To(Equal([]int{50, 80, 81, 90, 91}))
		w.discard(ctx, obj)
	})

	It("is not in the way where it is about other traffic than the agents' sessions", func(ctx context.Context) {
		w := newWorld(ctx)
		icmp := acl.Entry{RuleNumber: 1, Egress: true, Allow: true, Protocol: acl.ICMP, CIDR: netip.MustParsePrefix("0.0.0.0/0"), Type: -1, Code: -1}
		https := acl.Entry{RuleNumber: 50, Egress: true, Protocol: acl.TCP, CIDR: netip.MustParsePrefix("52.119.223.69/32"), From: 443, To: 443}
		w.setOut(icmp, https, region.AllowAll(100, true))
		w.before = w.entries()
		Expect(w.planned(ctx).Status.Plan.WouldStart).To(HaveValue(BeTrue()))
		obj := w.blocking(ctx)
		Expect(w.sessionNumbers(aclID)).To(Equal([]int{50, 80, 81, 90, 91, 92}), "an address whose port 443 is denied needs no rule")
		w.run(ctx, 5*time.Minute, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking), describe(w.get(ctx, obj)))
		Expect(w.get(ctx, obj).Status.DriftRepairs).To(BeZero())
		w.discard(ctx, obj)
	})

	It("leaves nothing to do where it denies all addresses: the run would prove nothing of its own", func(ctx context.Context) {
		w := newWorld(ctx)
		w.setOut(acl.Entry{RuleNumber: 50, Egress: true, Protocol: acl.All, CIDR: netip.MustParsePrefix("52.119.0.0/16")}, region.AllowAll(100, true))
		Expect(refusalsOf(w.planned(ctx))).To(Equal([]string{v1alpha1.ReasonAlreadyDenied}))
	})
})
