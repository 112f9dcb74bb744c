// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// expectAborted waits for the end of a run, and holds its reason.
func (w *world) expectAborted(ctx context.Context, obj *v1alpha1.AgentDisconnect, reason string) *v1alpha1.AgentDisconnect {
	GinkgoHelper()
	seen := w.until(ctx, obj, time.Minute, aborted)
	Expect(seen.Status.Abort.Reason).To(Equal(reason), describe(seen))
	w.run(ctx, passes, obj)
	return w.get(ctx, obj)
}

// untag takes tags off a network ACL.
func (w *world) untag(id string, keys ...string) {
	GinkgoHelper()
	var tags []region.Deletion
	for _, key := range keys {
		tags = append(tags, region.Deletion{Key: key})
	}
	Expect(w.sim.Region().DeleteTags([]string{id}, tags)).To(Succeed())
}

// tagKeys are the keys of a network ACL's tags.
func (w *world) tagKeys(id string) []string {
	var keys []string
	for key := range mustACL(w, id).Tags {
		keys = append(keys, key)
	}
	return keys
}

var _ = Describe("A third party, while a clone serves,", func() {
	It("moves the subnet to a third network ACL: it stays there, and the clone goes", func(ctx context.Context) {
		w := cloneWorld(ctx)
		third := w.anotherACL()
		obj := w.settled(ctx, shared)
		w.move(sharedSubnet, third)
		seen := w.expectAborted(ctx, obj, v1alpha1.AbortSubnetLeft)
		Expect(w.aclOf(sharedSubnet)).To(Equal(third))
		Expect(w.acls()).To(ConsistOf(aclID, sharedACL, third))
		Expect(seen.Status.Rules).To(BeEmpty())
		seen = w.finish(ctx, obj, 15*time.Minute)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.AbortSubnetLeft), describe(seen))
		Expect(seen.Finalizers).To(BeEmpty())
	})

	It("moves the subnet back to the original: the clone goes", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj := w.settled(ctx, shared)
		w.move(sharedSubnet, sharedACL)
		w.expectAborted(ctx, obj, v1alpha1.AbortSubnetLeft)
		w.expectRestored()
	})

	It("moves the subnet away and deletes the clone: nothing is left, and the object is not stuck", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj := w.settled(ctx, shared)
		clone := w.cloneOf(ctx, obj).ID
		w.move(sharedSubnet, sharedACL)
		Expect(w.sim.Region().DeleteNetworkACL(clone)).To(Succeed())
		w.expectAborted(ctx, obj, v1alpha1.AbortNetworkACLDeleted)
		w.expectRestored()
		seen := w.finish(ctx, obj, 15*time.Minute)
		Expect(seen.Status.CompletionTime).NotTo(BeNil(), describe(seen))
	})

	It("removes a rule: it is put back, as on any network ACL", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj := w.settled(ctx, shared)
		clone := w.cloneOf(ctx, obj).ID
		Expect(removing(80, true)(w.sim.Region(), clone)).To(Succeed())
		seen := w.until(ctx, obj, time.Minute, func(seen *v1alpha1.AgentDisconnect) bool { return seen.Status.DriftRepairs == 1 })
		Expect(seen.Status.Abort).To(BeNil())
		w.run(ctx, passes, obj)
		w.expectServing(ctx, obj)
		Expect(w.denies(clone)).To(HaveLen(6))
		w.expectGone(ctx, obj)
	})

	It("removes a rule, and spec.onDrift is Abort: the run ends", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj := w.settled(ctx, shared, func(obj *v1alpha1.AgentDisconnect) { obj.Spec.OnDrift = v1alpha1.OnDriftAbort })
		Expect(removing(80, true)(w.sim.Region(), w.cloneOf(ctx, obj).ID)).To(Succeed())
		w.expectAborted(ctx, obj, v1alpha1.AbortDriftDetected)
		w.expectRestored()
	})

	for _, how := range []struct {
		name string
		end  func(*world, *v1alpha1.AgentDisconnect)
	}{
		{"", func(w *world, obj *v1alpha1.AgentDisconnect) {
			w.expectAborted(context.Background(), obj, v1alpha1.AbortOriginalDeleted)
		}},
		{" right before the object is deleted", func(w *world, obj *v1alpha1.AgentDisconnect) {
			Expect(kube.Delete(context.Background(), obj)).To(Succeed())
			w.run(context.Background(), 2*passes, obj)
			Expect(w.gone(context.Background(), obj)).To(BeTrue(), "the object is stuck")
		}},
	} {
		It("deletes the original"+how.name+": the rules go and the clone stays, as the subnet's network ACL", func(ctx context.Context) {
			w := cloneWorld(ctx)
			own := w.anotherACL()
			w.move(sharedSubnet, own)
			obj := w.blocking(ctx, shared, cloning)
			clone := w.cloneOf(ctx, obj).ID
			Expect(w.sim.Region().DeleteNetworkACL(own)).To(Succeed())
			how.end(w, obj)

			Expect(w.aclOf(sharedSubnet)).To(Equal(clone))
			Expect(lines(mustACL(w, clone).Entries)).To(Equal([]string{
				"egress 100 allow -1 0.0.0.0/0", "egress 32767 deny -1 0.0.0.0/0", "ingress 100 allow -1 0.0.0.0/0", "ingress 32767 deny -1 0.0.0.0/0",
			}))
			Expect(w.tagKeys(clone)).To(ConsistOf(ownership.TagAdopted))
			if how.name != "" {
				return
			}
			seen := w.finish(ctx, obj, 15*time.Minute)
			succeeded := condition(seen, v1alpha1.ConditionSucceeded)
			Expect(succeeded.Reason).To(Equal(v1alpha1.AbortOriginalDeleted), describe(seen))
			Expect(succeeded.Message).To(ContainSubstring("clone " + clone + " stays as the subnet's network ACL"))
			Expect(seen.Status.NetworkACL.State).To(Equal(v1alpha1.CloneAdopted))
			Expect(seen.Finalizers).To(BeEmpty())
			Expect(kube.Delete(ctx, obj)).To(Succeed())
			Expect(w.gone(ctx, obj)).To(BeTrue())

			By("a later run can use it")
			again := w.blocking(ctx, shared)
			Expect(w.get(ctx, again).Status.NetworkACL.ID).To(Equal(clone))
		})
	}

	It("deletes the original, and the manager dies anywhere in what follows: the same comes of it", func(ctx context.Context) {
		adopting := func(n int) (run func() string, points func() []string) {
			w := cloneWorld(ctx)
			own := w.anotherACL()
			w.move(sharedSubnet, own)
			obj := w.blocking(ctx, shared, cloning)
			clone := w.cloneOf(ctx, obj).ID
			points = w.mortal(n)
			return func() string {
				Expect(w.sim.Region().DeleteNetworkACL(own)).To(Succeed())
				w.clock.Step(w.options.ACLPollInterval)
				w.run(ctx, 30*time.Second, obj)
				seen := w.get(ctx, obj)
				if len(w.denies(clone)) > 0 || len(w.tagKeys(clone)) != 1 || seen.Status.NetworkACL.State != v1alpha1.CloneAdopted {
					return fmt.Sprint(w.denies(clone), w.tagKeys(clone), describe(seen))
				}
				return ""
			}, points
		}
		run, points := adopting(-1)
		Expect(run()).To(BeEmpty(), "the manager that lives")
		var scenarios []scenario
		for n, point := range points() {
			run, _ := adopting(n)
			scenarios = append(scenarios, scenario{fmt.Sprintf("died at point %d %s", n, point), run})
		}
		all(scenarios)
	})

	It("puts another subnet on the clone: ours gets its own network ACL back, and the clone goes when the other has left", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj := w.blocking(ctx, shared)
		clone := w.cloneOf(ctx, obj).ID
		w.move(plainSubnet, clone)
		seen := w.expectAborted(ctx, obj, v1alpha1.AbortNetworkACLShared)
		Expect(w.aclOf(sharedSubnet)).To(Equal(sharedACL))
		Expect(w.aclOf(plainSubnet)).To(Equal(clone))
		Expect(w.denies(clone)).To(BeEmpty(), "the other subnet's traffic is still denied")
		Expect(w.reachable(plainSubnet, first)).To(BeTrue())
		stalled := condition(seen, v1alpha1.ConditionStalled)
		Expect(stalled.Reason).To(Equal(v1alpha1.ReasonCloneInUse), describe(seen))
		Expect(stalled.Message).To(ContainSubstring("subnet " + plainSubnet + " is on clone " + clone))
		Expect(seen.Finalizers).To(ConsistOf(v1alpha1.Finalizer))

		w.run(ctx, 2*time.Minute, obj)
		Expect(w.get(ctx, obj).Status.CompletionTime).To(BeNil())
		Expect(w.acls()).To(ContainElement(clone))

		w.move(plainSubnet, sharedACL)
		w.run(ctx, 15*time.Second, obj)
		w.expectRestored()
		seen = w.finish(ctx, obj, time.Minute)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.AbortNetworkACLShared), describe(seen))
	})

	It("strips the tags off the clone: they are written again, where the role may", func(ctx context.Context) {
		w := cloneWorld(ctx, mayEverything)
		obj := w.blocking(ctx, shared)
		clone := w.cloneOf(ctx, obj)
		before := clone.Tags
		w.untag(clone.ID, w.tagKeys(clone.ID)...)
		w.run(ctx, carried, obj)
		Expect(w.cloneOf(ctx, obj).Tags).To(Equal(before))
		w.expectServing(ctx, obj)
		w.expectGone(ctx, obj)
	})

	It("strips the tags off the clone right before the end: its entries show whose it is, where the role may delete it", func(ctx context.Context) {
		w := cloneWorld(ctx, mayEverything)
		obj := w.blocking(ctx, shared)
		clone := w.cloneOf(ctx, obj)
		w.untag(clone.ID, w.tagKeys(clone.ID)...)
		w.expectGone(ctx, obj)
	})

	It("strips the tags off the clone right before the end: the subnet is restored, and the clone goes when its tag is back", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj := w.blocking(ctx, shared)
		clone := w.cloneOf(ctx, obj)
		w.untag(clone.ID, w.tagKeys(clone.ID)...)
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, passes, obj)
		Expect(w.aclOf(sharedSubnet)).To(Equal(sharedACL))
		Expect(w.gone(ctx, obj)).To(BeFalse(), "the clone is left")
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionStalled).Reason).To(Equal(v1alpha1.ReasonAccessDenied), describe(w.get(ctx, obj)))

		Expect(w.sim.Region().CreateTags([]string{clone.ID}, map[string]string{ownership.TagClone: string(obj.UID)})).To(Succeed())
		w.expectGone(ctx, obj)
	})

	It("strips the tags and edits the clone right before the end: nothing is done until a tag is back", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj := w.blocking(ctx, shared)
		clone := w.cloneOf(ctx, obj)
		w.untag(clone.ID, w.tagKeys(clone.ID)...)
		Expect(adding(deny(120, "198.51.100.0/24"))(w.sim.Region(), clone.ID)).To(Succeed())
		entries, writes := w.entries(), len(w.writes())
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, time.Minute, obj)
		Expect(w.entries()).To(Equal(entries))
		Expect(w.writes()).To(HaveLen(writes))
		stalled := condition(w.get(ctx, obj), v1alpha1.ConditionStalled)
		Expect(stalled.Reason).To(Equal(v1alpha1.ReasonLedgerInvalid), describe(w.get(ctx, obj)))
		Expect(stalled.Message).To(ContainSubstring("aws ec2 create-tags --resources %s --tags Key=%s,Value=%s", clone.ID, ownership.TagClone, obj.UID))

		Expect(w.sim.Region().CreateTags([]string{clone.ID}, map[string]string{ownership.TagClone: string(obj.UID)})).To(Succeed())
		Expect(removing(120, true)(w.sim.Region(), clone.ID)).To(Succeed())
		w.run(ctx, 15*time.Second, obj)
		Expect(w.gone(ctx, obj)).To(BeTrue(), "the object is stuck")
		w.expectRestored()
	})
})

var _ = Describe("A third party, before a clone serves,", func() {
	It("moves the subnet: the run ends, and the subnet stays where it is", func(ctx context.Context) {
		w := cloneWorld(ctx)
		third := w.anotherACL()
		w.at(w.sim.Faults().After, "ec2:CreateNetworkAcl", func() { w.move(sharedSubnet, third) })
		obj := w.create(ctx, shared)
		seen := w.until(ctx, obj, 4*time.Minute, aborted)
		Expect(seen.Status.Abort.Reason).To(Equal(v1alpha1.AbortSubnetLeft), describe(seen))
		w.run(ctx, passes, obj)
		Expect(w.aclOf(sharedSubnet)).To(Equal(third))
		Expect(w.acls()).To(ConsistOf(aclID, sharedACL, third))
	})

	It("moves the subnet right before the swap: AWS knows its association no more, and the subnet stays where it is", func(ctx context.Context) {
		w := cloneWorld(ctx)
		third := w.anotherACL()
		w.at(w.sim.Faults().Before, "ec2:ReplaceNetworkAclAssociation", func() { w.move(sharedSubnet, third) })
		obj := w.create(ctx, shared)
		seen := w.until(ctx, obj, 4*time.Minute, aborted)
		Expect(seen.Status.Abort.Reason).To(Equal(v1alpha1.AbortSubnetLeft), describe(seen))
		w.run(ctx, passes, obj)
		Expect(w.aclOf(sharedSubnet)).To(Equal(third))
		Expect(w.acls()).To(ConsistOf(aclID, sharedACL, third))
	})

	It("gives the subnet another association with the same network ACL right before the swap: it is found afresh", func(ctx context.Context) {
		w := cloneWorld(ctx)
		third := w.anotherACL()
		w.at(w.sim.Faults().Before, "ec2:ReplaceNetworkAclAssociation", func() { w.move(sharedSubnet, third); w.move(sharedSubnet, sharedACL) })
		obj := w.create(ctx, shared)
		w.run(ctx, 40*time.Second, obj)
		w.expectServing(ctx, obj)
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionRulesInstalled).Status).To(Equal(metav1.ConditionTrue))
	})

	It("puts another subnet on the clone: ours never comes onto it", func(ctx context.Context) {
		w := cloneWorld(ctx)
		w.at(w.sim.Faults().After, "ec2:CreateNetworkAclEntry", func() { w.move(plainSubnet, w.newest()) })
		obj := w.create(ctx, shared)
		w.expectAborted(ctx, obj, v1alpha1.AbortNetworkACLShared)
		Expect(w.aclOf(sharedSubnet)).To(Equal(sharedACL))
		w.move(plainSubnet, sharedACL)
		w.run(ctx, 15*time.Second, obj)
		w.expectRestored()
	})
})
