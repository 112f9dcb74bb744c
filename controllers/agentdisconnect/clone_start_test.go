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
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/agents"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// passes is time enough for a few passes over an object.
const passes = 8 * time.Second

var zero time.Time

var _ = DescribeTable("The network ACL mode", func(ctx context.Context, change func(*v1alpha1.AgentDisconnect), mode v1alpha1.NetworkACLMode, why v1alpha1.NetworkACLModeReason, words string) {
	w := newWorld(ctx)
	w.consenting()
	obj := w.blocking(ctx, change)
	seen := w.get(ctx, obj)
	Expect(seen.Status.NetworkACL.Mode).To(Equal(mode))
	Expect(seen.Status.NetworkACL.ModeReason).To(Equal(why))
	_, existed := w.before[w.aclOf(obj.Spec.SubnetID)]
	Expect(existed).To(Equal(mode == v1alpha1.NetworkACLModeInPlace))
	Expect(condition(seen, v1alpha1.ConditionRulesInstalled).Message).To(ContainSubstring(words))
	w.expectGone(ctx, obj)
},
	Entry("unset, alone on the network ACL", func(*v1alpha1.AgentDisconnect) {}, v1alpha1.NetworkACLModeInPlace, v1alpha1.NetworkACLModeOnlySubnet, "network ACL "+aclID+" denies"),
	Entry("unset, with another subnet on the network ACL", shared, v1alpha1.NetworkACLModeClone, v1alpha1.NetworkACLModeShared, "(a clone of "+sharedACL+", which other subnets share)"),
	Entry("Clone, alone on the network ACL", cloning, v1alpha1.NetworkACLModeClone, v1alpha1.NetworkACLModeRequested, "(a clone of "+aclID+", as requested)"),
	Entry("InPlace, with another subnet on the network ACL", func(obj *v1alpha1.AgentDisconnect) { shared(obj); sharing(obj) }, v1alpha1.NetworkACLModeInPlace, v1alpha1.NetworkACLModeRequested, "network ACL "+sharedACL+" (in place: the rules act on all its 2 subnets, "+sharedSubnet+", "+plainSubnet+") denies"),
)

var _ = Describe("A run on a clone", func() {
	DescribeTable("ends with the subnet on its own network ACL, and no clone", func(ctx context.Context, end func(*world, *v1alpha1.AgentDisconnect), state string) {
		w := cloneWorld(ctx)
		obj := w.blocking(ctx, shared)
		w.expectServing(ctx, obj)
		Expect(w.aclOf(plainSubnet)).To(Equal(sharedACL))
		end(w, obj)
		w.run(ctx, passes, obj)
		w.expectRestored()
		if state == "" {
			Expect(w.gone(ctx, obj)).To(BeTrue(), "the object is stuck")
			return
		}
		seen := w.finish(ctx, obj, 15*time.Minute)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(state), describe(seen))
		Expect(seen.Status.NetworkACL.State).To(BeEmpty())
		Expect(seen.Status.Rules).To(BeEmpty())
		Expect(seen.Finalizers).To(BeEmpty())
		w.expectRestored()
	},
		Entry("when its time is over", func(w *world, obj *v1alpha1.AgentDisconnect) {
			w.run(context.Background(), w.get(context.Background(), obj).Status.ExpirationTime.Sub(w.clock.Now()), obj)
		}, v1alpha1.StateCompleted),
		Entry("when the object is deleted", func(_ *world, obj *v1alpha1.AgentDisconnect) {
			Expect(kube.Delete(context.Background(), obj)).To(Succeed())
		}, ""),
		Entry("when it is aborted", func(w *world, obj *v1alpha1.AgentDisconnect) {
			Expect(w.sim.Region().CreateTags([]string{sharedSubnet}, map[string]string{w.options.ConsentTagKey: ""})).To(Succeed())
			w.run(context.Background(), 40*time.Second, obj)
		}, v1alpha1.AbortConsentWithdrawn),
	)

	It("moves copies back where everything is allowed at number 1, in the same order", func(ctx context.Context) {
		w := cloneWorld(ctx)
		w.onOriginal(func(r *region.Region, id string) error {
			return r.SetEntries(id, deny(1, "198.51.100.0/24"), region.AllowAll(2, true), deny(40, "203.0.113.0/24"), region.AllowAll(1, false))
		})
		obj := w.blocking(ctx, shared)
		seen := w.get(ctx, obj)
		Expect(withoutRules(seen, w.cloneOf(ctx, obj).Entries)).To(Equal([]string{
			"egress 101 deny -1 198.51.100.0/24", "egress 102 allow -1 0.0.0.0/0", "egress 140 deny -1 203.0.113.0/24", "egress 32767 deny -1 0.0.0.0/0",
			"ingress 1 allow -1 0.0.0.0/0", "ingress 32767 deny -1 0.0.0.0/0",
		}))
		Expect(seen.Status.NetworkACL.Baseline).To(ContainElement("egress 2>102 allow -1 0.0.0.0/0"))
		w.expectAllDeniedOn(seen)
		w.expectGone(ctx, obj)
	})

	It("is refused before its start where the copies leave no room for the rules, and told what to do", func(ctx context.Context) {
		w := cloneWorld(ctx)
		w.onOriginal(func(r *region.Region, id string) error {
			return r.SetEntries(id, append(crowded(15), region.AllowAll(100, false))...)
		})
		obj := w.create(ctx, shared)
		w.run(ctx, time.Minute, obj)
		seen := w.get(ctx, obj)
		stalled := condition(seen, v1alpha1.ConditionStalled)
		Expect(stalled.Reason).To(Equal(v1alpha1.ReasonQuotaExceeded), describe(seen))
		Expect(stalled.Message).To(ContainSubstring("the clone of the network ACL has 16 outbound IPv4 rules"))
		Expect(stalled.Message).To(ContainSubstring("delete 2 of them, or raise the quota of rules per network ACL (L-2AEEBF1A"))
		Expect(seen.Status.StartTime).To(BeNil())
		Expect(w.writes()).To(BeEmpty())

		w.onOriginal(func(r *region.Region, id string) error {
			return r.SetEntries(id, append(crowded(13), region.AllowAll(100, false))...)
		})
		w.run(ctx, 30*time.Second, obj)
		w.expectServing(ctx, obj)
		w.expectGone(ctx, obj)
	})

	DescribeTable("is refused before its start where the VPC has no room for another network ACL", func(ctx context.Context, fill func(*world)) {
		w := cloneWorld(ctx)
		fill(w)
		obj := w.create(ctx, shared)
		w.run(ctx, 30*time.Second, obj)
		seen := w.get(ctx, obj)
		stalled := condition(seen, v1alpha1.ConditionStalled)
		Expect(stalled.Reason).To(Equal(v1alpha1.ReasonQuotaExceeded), describe(seen))
		Expect(stalled.Message).To(ContainSubstring("no room for another network ACL (L-B4A6D682"))
		Expect(stalled.Message).To(ContainSubstring("delete one that is not used, or raise the quota"))
		Expect(seen.Status.StartTime).To(BeNil())
		Expect(w.writes()).To(BeEmpty())
	},
		Entry("with the quota that AWS names", func(w *world) {
			Expect(w.sim.Region().SetQuota(region.QuotaACLs, len(w.before))).To(Succeed())
		}),
		Entry("with the default quota, where AWS names none", func(w *world) {
			w.sim.Faults().Add(faults.Fault{Action: "servicequotas:*", Denied: true})
			const most = 200
			for i := len(w.before); i < most; i++ {
				Expect(w.sim.Region().AddNetworkACL(region.ACL{ID: fmt.Sprintf("acl-%017x", i), VPCID: defaultVPC})).To(Succeed())
			}
		}),
	)

	It("ends cleanly where the room for another network ACL was taken between the check and the creation", func(ctx context.Context) {
		w := cloneWorld(ctx)
		w.at(w.sim.Faults().Before, "ec2:CreateNetworkAcl", func() {
			Expect(w.sim.Region().SetQuota(region.QuotaACLs, len(w.before))).To(Succeed())
		})
		obj := w.create(ctx, shared)
		seen := w.finish(ctx, obj, 5*time.Minute)
		succeeded := condition(seen, v1alpha1.ConditionSucceeded)
		Expect(succeeded.Status).To(Equal(metav1.ConditionFalse), describe(seen))
		Expect(succeeded.Reason).To(Equal(v1alpha1.AbortQuotaExceeded))
		Expect(succeeded.Message).To(ContainSubstring("L-B4A6D682"))
		Expect(seen.Finalizers).To(BeEmpty())
		w.expectRestored()
	})

	It("gives AWS time for a swap of which it said nothing, before it asks again", func(ctx context.Context) {
		w := cloneWorld(ctx)
		w.sim.Faults().Add(faults.Fault{Action: "ec2:ReplaceNetworkAclAssociation", Error: "InternalError", Times: 1})
		obj := w.create(ctx, shared)
		w.until(ctx, obj, time.Minute, func(*v1alpha1.AgentDisconnect) bool { return w.sent("ec2:ReplaceNetworkAclAssociation") > 0 })
		w.run(ctx, networkacl.ConfirmInterval-2*time.Second, obj)
		Expect(w.sent("ec2:ReplaceNetworkAclAssociation")).To(Equal(1), "it may take effect yet")
		w.run(ctx, 10*time.Second, obj)
		Expect(w.sent("ec2:ReplaceNetworkAclAssociation")).To(Equal(2))
		w.expectServing(ctx, obj)
		w.expectGone(ctx, obj)
	})

	It("adds the addresses that are found while it serves", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj := w.blocking(ctx, shared)
		w.sim.SetHost(agents.ACS, acsHost, netip.MustParseAddr("52.119.220.77"))
		w.run(ctx, w.options.LookupInterval, obj)
		Expect(w.denies(w.cloneOf(ctx, obj).ID)).To(HaveLen(7))
		Expect(w.reachable(plainSubnet, "52.119.220.77")).To(BeTrue())
		w.expectServing(ctx, obj)
		w.expectGone(ctx, obj)
	})

	DescribeTable("ends where it can't hold the addresses that are found", func(ctx context.Context, serving bool) {
		w := cloneWorld(ctx)
		obj := w.create(ctx, shared)
		found := func() { w.sim.SetHost(agents.ACS, acsHost, addresses(16)...) }
		if serving {
			w.run(ctx, 20*time.Second, obj)
			w.expectServing(ctx, obj)
			found()
		} else {
			ended := false
			w.boot(func(p *process) {
				p.point = func(string) bool {
					ended = ended || w.get(ctx, obj).Status.StartTime != nil
					return ended
				}
			})
			w.run(ctx, 20*time.Second, obj)
			Expect(ended).To(BeTrue())
			found()
			w.boot()
		}
		seen := w.until(ctx, obj, 2*time.Minute, aborted)
		Expect(seen.Status.Abort.Reason).To(Equal(v1alpha1.AbortPlanDoesNotFit), describe(seen))
		w.run(ctx, passes, obj)
		w.expectRestored()
	},
		Entry("while it serves", true),
		Entry("before there is one", false),
	)
})

// addresses are n addresses.
func addresses(n int) []netip.Addr {
	var many []netip.Addr
	for address := netip.MustParseAddr("203.0.113.1"); len(many) < n; address = address.Next() {
		many = append(many, address)
	}
	return many
}

// expectAllDeniedOn says that the subnet of a run reaches none of its addresses, and others all the same.
func (w *world) expectAllDeniedOn(seen *v1alpha1.AgentDisconnect) {
	GinkgoHelper()
	Expect(seen.Status.Endpoints).NotTo(BeEmpty())
	for _, endpoint := range seen.Status.Endpoints {
		for _, address := range endpoint.Addresses {
			Expect(w.reachable(seen.Spec.SubnetID, address)).To(BeFalse(), address)
		}
	}
	Expect(w.sim.Region().Allows(seen.Spec.SubnetID, acl.Packet{Egress: true, Protocol: acl.TCP, Remote: netip.MustParseAddr("192.0.2.200"), Port: 443})).To(BeTrue())
}
