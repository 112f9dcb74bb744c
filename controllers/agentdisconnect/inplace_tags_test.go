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
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/agents"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// label puts a third party's tags on the network ACL, for good.
func (w *world) label(tags map[string]string) {
	GinkgoHelper()
	Expect(w.sim.Region().CreateTags([]string{aclID}, tags)).To(Succeed())
}

// unlabel takes tags off the network ACL.
func (w *world) unlabel(tags map[string]string) {
	GinkgoHelper()
	var keys []region.Deletion
	for key := range tags {
		keys = append(keys, region.Deletion{Key: key})
	}
	Expect(w.sim.Region().DeleteTags([]string{aclID}, keys)).To(Succeed())
}

// fill are n tags of a third party.
func fill(n int) map[string]string {
	tags := map[string]string{}
	for i := range n {
		tags[fmt.Sprintf("team/%02d", i)] = "x"
	}
	return tags
}

// claim is what the tags on the network ACL say of a run.
func (w *world) claim(obj *v1alpha1.AgentDisconnect) ownership.Claim {
	GinkgoHelper()
	found, _ := w.sim.Region().NetworkACL(aclID)
	claims, _ := ownership.ParseClaims(found.Tags)
	for _, claim := range claims {
		if claim.UID == string(obj.UID) {
			return claim
		}
	}
	return ownership.Claim{}
}

// expectClaimed holds the tags on the network ACL against the status of a run.
func (w *world) expectClaimed(seen *v1alpha1.AgentDisconnect) {
	GinkgoHelper()
	claim := w.claim(seen)
	Expect(claim.Owner).To(Equal(seen.Namespace+"/"+seen.Name), "tags: %v", w.tagsOf(seen))
	Expect(claim.ClusterID).To(Equal(w.options.ClusterID))
	Expect(claim.Expires).To(BeTemporally("==", seen.Status.ExpirationTime.Time))
	Expect(seen.Status.Rules).NotTo(BeEmpty())
	for _, rule := range seen.Status.Rules {
		Expect(claim.Covers(rule)).To(BeTrue(), "the tags lack rule %d: %v", rule.RuleNumber, w.tagsOf(seen))
	}
}

var _ = Describe("The tags on the network ACL of a run in place", func() {
	It("name the run and all its rules, are written before the first of them, and go after the last", func(ctx context.Context) {
		w, _ := audited(ctx) // holds each creation and the removal against the tags
		Expect(w.sim.Region().SetTags(aclID, map[string]string{"Name": "dedicated", "aws:cloudformation:stack-name": "network", "team": "a"})).To(Succeed())
		w.before = w.entries()
		obj := w.blocking(ctx)
		w.expectClaimed(w.get(ctx, obj))
		var order []string
		for _, c := range w.writes() {
			if len(order) == 0 || order[len(order)-1] != c.Action {
				order = append(order, c.Action)
			}
		}
		Expect(order).To(Equal([]string{"CreateTags", "CreateNetworkAclEntry"}))

		w.finish(ctx, obj, time.Hour)
		w.expectRestored()
		Expect(w.writes()).To(HaveLen(14), "one for the tags, six for the rules, and as many to undo them")
	})

	It("follow a change of the duration, and an address that is found", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.blocking(ctx)
		w.edit(ctx, obj, lasting(20*time.Minute))
		w.run(ctx, w.options.ACLPollInterval+time.Second, obj)
		Expect(w.get(ctx, obj).Status.ExpirationTime.Sub(w.get(ctx, obj).Status.StartTime.Time)).To(Equal(20 * time.Minute))
		w.expectClaimed(w.get(ctx, obj))

		w.sim.SetHost(agents.ACS, acsHost, netip.MustParseAddr("192.0.2.77"))
		w.run(ctx, time.Minute, obj)
		Expect(w.get(ctx, obj).Status.Rules).To(HaveLen(7))
		w.expectClaimed(w.get(ctx, obj))
	})

	It("are rewritten when a third party strips them, and its own are left", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.settled(ctx)
		w.unlabel(w.tagsOf(obj))
		w.label(map[string]string{"cleaned-by": "a tag policy"})
		w.before = w.entries()
		w.before[aclID] = nil // compared further below
		w.run(ctx, w.options.ACLPollInterval+10*time.Second, obj)
		w.expectClaimed(w.get(ctx, obj))
		Expect(w.get(ctx, obj).Status.DriftRepairs).To(BeZero(), "tags deny nothing")
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking))

		By("also when only one of them went")
		w.unlabel(map[string]string{ownership.TagDomain + string(obj.UID) + "/owner": ""})
		w.run(ctx, w.options.ACLPollInterval+10*time.Second, obj)
		w.expectClaimed(w.get(ctx, obj))

		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, time.Second, obj)
		found, _ := w.sim.Region().NetworkACL(aclID)
		Expect(found.Tags).To(Equal(map[string]string{"Name": "dedicated", "cleaned-by": "a tag policy"}))
		Expect(w.denies(aclID)).To(BeEmpty())
	})

	It("are back before a rule is added to a network ACL that a third party stripped", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.settled(ctx)
		stripped := w.tagsOf(obj)
		w.sim.Faults().Before("ec2:CreateNetworkAclEntry", func(c call.Call) {
			if !c.DryRun {
				w.expectClaimed(w.get(ctx, obj))
			}
		})
		w.unlabel(stripped)
		w.strip(80)
		w.run(ctx, w.options.ACLPollInterval+10*time.Second, obj)
		Expect(w.denies(aclID)).To(HaveKey(80))
		w.expectClaimed(w.get(ctx, obj))
	})

	DescribeTable("whose writing goes wrong: no rule is made before they are there, and nothing is left", func(ctx context.Context, fault faults.Fault) {
		w, _ := audited(ctx)
		fault.Action = "ec2:CreateTags"
		w.sim.Faults().Add(fault)
		obj := w.blocking(ctx)
		w.expectClaimed(w.get(ctx, obj))
		w.finish(ctx, obj, time.Hour)
		w.expectRestored()
	},
		Entry("the answer is lost", faults.Fault{Lost: true, Times: 1}),
		Entry("an error before the effect", faults.Fault{Error: "InternalError", Times: 1}),
		Entry("an error after the effect", faults.Fault{ErrorAfter: "InternalError", Times: 1}),
		Entry("the rate is limited", faults.Fault{Error: "RequestLimitExceeded", Times: 1}),
	)

	DescribeTable("whose removal goes wrong: the run isn't over before they are gone", func(ctx context.Context, fault faults.Fault) {
		w, _ := audited(ctx)
		obj := w.blocking(ctx)
		fault.Action = "ec2:DeleteTags"
		remove := w.sim.Faults().Add(fault)
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, 30*time.Second, obj)
		Expect(w.denies(aclID)).To(BeEmpty())
		Expect(w.gone(ctx, obj)).To(BeFalse(), "the object went before the tags")
		remove()
		w.run(ctx, time.Minute, obj)
		Expect(w.gone(ctx, obj)).To(BeTrue())
		w.expectRestored()
	},
		Entry("an error", faults.Fault{Error: "InternalError"}),
		Entry("the rate is limited", faults.Fault{Error: "RequestLimitExceeded"}),
		Entry("the permission is withdrawn", faults.Fault{Denied: true}),
	)

	It("never have a line of the ledger that was written by hand", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.blocking(ctx)
		forged := v1alpha1.Rule{NetworkACLID: aclID, RuleNumber: 70, CIDR: "198.51.100.0/24", State: v1alpha1.RuleCreating, LastAttemptTime: w.anHourAgo()}
		w.sim.Faults().After("ec2:CreateTags", func(call.Call) {
			Expect(w.claim(obj).Covers(forged)).To(BeFalse())
		})
		w.editStatus(ctx, obj, func(status *v1alpha1.AgentDisconnectStatus) { status.Rules = append(status.Rules, forged) })
		w.unlabel(w.tagsOf(obj))
		w.edit(ctx, obj, lasting(20*time.Minute))
		w.run(ctx, 2*time.Minute, obj)
		w.restart()
		w.run(ctx, 2*time.Minute, obj)
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionStalled).Reason).To(Equal(v1alpha1.ReasonLedgerInvalid))
		Expect(w.claim(obj).Covers(forged)).To(BeFalse())

		By("being rewritten once the line is gone")
		w.editStatus(ctx, obj, func(status *v1alpha1.AgentDisconnectStatus) { status.Rules = status.Rules[:6] })
		w.run(ctx, time.Minute, obj)
		w.expectClaimed(w.get(ctx, obj))
	})

	It("end the run where a third party took their room, and its tags stay", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.follow()
		obj := w.settled(ctx)
		w.unlabel(w.tagsOf(obj))
		w.label(fill(49)) // and a Name
		w.before = w.entries()
		seen := w.until(ctx, obj, time.Minute, aborted)
		Expect(seen.Status.Abort.Reason).To(Equal(v1alpha1.AbortQuotaExceeded), describe(seen))
		Expect(seen.Status.Abort.Message).To(ContainSubstring("delete tags of the network ACL (it can have 50)"))
		w.run(ctx, time.Second, obj)
		Expect(w.denies(aclID)).To(BeEmpty())
		found, _ := w.sim.Region().NetworkACL(aclID)
		Expect(found.Tags).To(HaveLen(50))

		seen = w.finish(ctx, obj, 15*time.Minute)
		succeeded := condition(seen, v1alpha1.ConditionSucceeded)
		Expect(succeeded.Status).To(Equal(metav1.ConditionFalse), describe(seen))
		Expect(succeeded.Reason).To(Equal(v1alpha1.AbortQuotaExceeded))
		Expect(seen.Finalizers).To(BeEmpty())
	})

	It("end the run that has just begun where a third party takes their room between the look and the write", func(ctx context.Context) {
		w, _ := audited(ctx)
		taken := false
		w.sim.Faults().Before("ec2:CreateTags", func(c call.Call) {
			if !c.DryRun && !taken {
				taken = true
				w.label(fill(49))
			}
		})
		obj := w.create(ctx)
		w.run(ctx, time.Minute, obj)
		seen := w.get(ctx, obj)
		Expect(seen.Status.Abort.Reason).To(Equal(v1alpha1.AbortQuotaExceeded), describe(seen))
		Expect(w.denies(aclID)).To(BeEmpty())
		Expect(w.numbers("ec2:CreateNetworkAclEntry")).To(BeEmpty())
		Expect(seen.Finalizers).To(BeEmpty())
	})
})
