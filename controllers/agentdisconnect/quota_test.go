// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/agents"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// setQuota has AWS grant so many entries a network ACL.
func (w *world) setQuota(entries int) {
	GinkgoHelper()
	Expect(w.sim.Region().SetQuota(region.QuotaEntries, entries)).To(Succeed())
}

// assumeQuota has the manager go by its flag, since its role may not ask for the quota.
func (w *world) assumeQuota(entries int) {
	w.sim.Faults().Add(faults.Fault{Action: "servicequotas:*", Denied: true})
	w.options.EntryQuota = entries
}

const quotaCall = "servicequotas:GetServiceQuota"

var _ = Describe("The quota of entries", func() {
	It("is AWS's for the plan, for the start and for what is found during the run", func(ctx context.Context) {
		w := newWorld(ctx)
		w.setQuota(40)
		w.setOut(crowded(19)...) // the flag says 20
		w.before = w.entries()
		Expect(w.planned(ctx).Status.Plan.WouldStart).To(HaveValue(BeTrue()))
		obj := w.blocking(ctx)
		w.sim.SetHost(agents.ACS, acsHost, netip.MustParseAddr("52.119.220.77"))
		w.run(ctx, time.Minute, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking), describe(w.get(ctx, obj)))
		w.expectAllDenied(w.get(ctx, obj))

		By("also where another manager takes over")
		w.restart()
		w.sim.SetHost(agents.ACS, acsHost, netip.MustParseAddr("52.119.220.78"))
		w.run(ctx, time.Minute, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking), describe(w.get(ctx, obj)))
		w.expectAllDenied(w.get(ctx, obj))
		w.discard(ctx, obj)
	})

	It("lets no plan pass that the start is refused for", func(ctx context.Context) {
		w := newWorld(ctx)
		w.setQuota(7)
		plan := w.planned(ctx).Status.Plan
		Expect(plan.WouldStart).To(HaveValue(BeFalse()))
		Expect(plan.Refusals).To(ConsistOf(HaveField("Reason", v1alpha1.ReasonQuotaExceeded)))
	})

	It("is at least what stands already", func(ctx context.Context) {
		w := newWorld(ctx)
		w.setQuota(40)
		entries := []acl.Entry{region.AllowAll(100, true)}
		for i := range 25 {
			entries = append(entries, acl.Entry{RuleNumber: 200 + i, Egress: true, Protocol: acl.All, CIDR: netip.MustParsePrefix(fmt.Sprintf("2001:db8:%x::/48", i))})
		}
		w.setOut(entries...)
		w.assumeQuota(20)
		w.restart()
		plan := w.planned(ctx).Status.Plan
		Expect(plan.WouldStart).To(HaveValue(BeTrue()))
		Expect(*plan.Headroom.IPv6Entries).To(BeZero(), "no room below zero where a run would start")
		w.before = w.entries()
		w.discard(ctx, w.blocking(ctx))
	})

	It("is asked for by one of many objects, and by no end", func(ctx context.Context) {
		w := newWorld(ctx)
		w.tagSubnet(consentTag)
		var objects []*v1alpha1.AgentDisconnect
		for range 5 {
			objects = append(objects, w.create(ctx))
		}
		w.run(ctx, 5*time.Minute, objects...)
		Expect(w.count(quotaCall)).To(BeNumerically("<=", 5), "once a minute for all of them")
		w.forget(ctx)

		w.tagSubnet(consentTag, "true")
		obj := w.blocking(ctx)
		w.restart()
		asked := w.count(quotaCall)
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, time.Minute, obj)
		w.expectRestored()
		Expect(w.count(quotaCall)).To(Equal(asked))
	})

	It("is the flag's where it can't be read, and the refusal says so", func(ctx context.Context) {
		w := newWorld(ctx)
		w.assumeQuota(7)
		w.restart()
		plan := w.planned(ctx).Status.Plan
		Expect(plan.Refusals).To(ConsistOf(HaveField("Message", ContainSubstring("--network-acl-entry-quota"))))
	})
})
