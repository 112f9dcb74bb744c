// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"errors"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
)

// expectOnly holds the denies of the network ACL against the one that a third party made.
func (w *world) expectOnly(number int, cidr string) {
	GinkgoHelper()
	Expect(w.denies(aclID)).To(Equal(map[int]string{number: cidr}), "writes: %v", w.writes())
}

// overtake has a third party do something right before the manager's first creation of an entry at a number.
func (w *world) overtake(number string, do func(c call.Call)) {
	var once sync.Once
	w.sim.Faults().Before("ec2:CreateNetworkAclEntry", func(c call.Call) {
		if !c.DryRun && c.Param("RuleNumber") == number {
			once.Do(func() { do(c) })
		}
	})
}

var _ = Describe("An entry that the run gave up", func() {
	DescribeTable("is a third party's when it stands there again, after the run was suspended", func(ctx context.Context, end func(*world, *v1alpha1.AgentDisconnect)) {
		w, _ := audited(ctx)
		obj := w.blocking(ctx)
		w.run(ctx, networkacl.SettleFor, obj)
		gone := w.get(ctx, obj).Status.Rules[0]
		w.edit(ctx, obj, suspending(true))
		w.run(ctx, 10*time.Second, obj)
		Expect(w.denies(aclID)).To(BeEmpty())
		w.add(deny(int(gone.RuleNumber), gone.CIDR)) // the very same
		end(w, obj)
		w.expectOnly(int(gone.RuleNumber), gone.CIDR)
		Expect(w.tagsOf(obj)).To(BeEmpty())
	},
		Entry("and deleted", func(w *world, obj *v1alpha1.AgentDisconnect) {
			Expect(kube.Delete(context.Background(), obj)).To(Succeed())
			w.run(context.Background(), time.Minute, obj)
		}),
		Entry("and over, under a new manager", func(w *world, obj *v1alpha1.AgentDisconnect) {
			w.boot()
			w.run(context.Background(), w.get(context.Background(), obj).Status.ExpirationTime.Sub(w.clock.Now())+time.Minute, obj)
		}),
		Entry("and resumed, and deleted", func(w *world, obj *v1alpha1.AgentDisconnect) {
			w.edit(context.Background(), obj, suspending(false))
			w.run(context.Background(), time.Minute, obj)
			Expect(w.state(context.Background(), obj)).To(Equal(v1alpha1.StateBlocking))
			Expect(kube.Delete(context.Background(), obj)).To(Succeed())
			w.run(context.Background(), time.Minute, obj)
		}),
	)

	DescribeTable("since AWS said at the first attempt that it exists is a third party's, though the tags could not be written", func(ctx context.Context, restart bool) {
		w, _ := audited(ctx)
		cidr := ""
		w.overtake("80", func(c call.Call) {
			cidr = c.Param("CidrBlock")
			w.add(deny(80, cidr))
			w.sim.Faults().Add(faults.Fault{Action: "ec2:CreateTags", Error: "InternalError"})
		})
		obj := w.create(ctx)
		w.run(ctx, 30*time.Second, obj)
		Expect(w.denies(aclID)).To(HaveLen(6))
		Expect(line(w.get(ctx, obj), 80).State).To(Equal(v1alpha1.RuleReleased), "the tags still name it")
		if restart {
			w.boot()
		}
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, time.Minute, obj)
		Expect(w.gone(ctx, obj)).To(BeTrue())
		w.expectOnly(80, cidr)
		Expect(w.tagsOf(obj)).To(BeEmpty())
	},
		Entry("by this manager", false),
		Entry("by the one before", true),
	)

	It("since AWS said at the first attempt that it exists leaves the ledger once the tags no longer name it", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.overtake("80", func(c call.Call) { w.add(deny(80, c.Param("CidrBlock"))) })
		obj := w.blocking(ctx)
		Expect(line(w.get(ctx, obj), 80)).To(BeNil())
		w.expectClaimed(w.get(ctx, obj))
		Expect(w.claim(obj).Rules).To(HaveLen(5))
	})

	DescribeTable("since AWS said at the first attempt that it exists is not taken up again by a read that lags behind the tags", func(ctx context.Context, restart bool) {
		w := newWorld(ctx)
		cidr, thaw := "", func() {}
		w.overtake("80", func(c call.Call) {
			cidr = c.Param("CidrBlock")
			w.add(deny(80, cidr))
			thaw = w.freeze(0) // reads show the tags that name rule 80 from now on
		})
		obj := w.create(ctx)
		w.until(ctx, obj, time.Minute, func(seen *v1alpha1.AgentDisconnect) bool {
			return cidr != "" && seen.Status.StartTime != nil && line(seen, 80) == nil
		})
		Expect(w.claim(obj).Rules).To(HaveLen(5))
		if restart {
			w.boot()
		}
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, networkacl.SettleFor-time.Second, obj)
		if restart {
			Expect(w.gone(ctx, obj)).To(BeFalse())
			Expect(condition(w.get(ctx, obj), v1alpha1.ConditionSucceeded).Message).To(ContainSubstring("claim 1 rule of this run that status.rules does not have"))
		}
		thaw()
		w.run(ctx, 10*time.Second, obj)
		Expect(w.gone(ctx, obj)).To(BeTrue())
		w.expectOnly(80, cidr)
		Expect(w.tagsOf(obj)).To(BeEmpty())
	},
		Entry("by the manager that wrote them", false),
		Entry("by one that did not", true),
	)

	It("and deleted is not taken up again by a read that lags, after the tags were removed", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.settled(ctx)
		gone := w.get(ctx, obj).Status.Rules[0]
		store := errors.New("the API server is away")
		w.boot(func(p *process) {
			p.meddle = func(obj client.Object, _ bool) error {
				if seen := obj.(*v1alpha1.AgentDisconnect); seen.Status.RestoredTime != nil {
					return store
				}
				return nil
			}
		})
		var once sync.Once
		thaw := func() {}
		w.sim.Faults().Before("ec2:DeleteTags", func(c call.Call) {
			if c.DryRun {
				return
			}
			once.Do(func() {
				w.add(deny(int(gone.RuleNumber), gone.CIDR)) // the very same
				thaw = w.freeze(0)
			})
		})
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, 10*time.Second, obj)
		Expect(w.tagsOf(obj)).To(BeEmpty())
		store = nil
		w.run(ctx, 10*time.Second, obj)
		thaw()
		w.run(ctx, 10*time.Second, obj)
		Expect(w.gone(ctx, obj)).To(BeTrue())
		w.expectOnly(int(gone.RuleNumber), gone.CIDR)
	})

	It("and deleted is a third party's when it stands there again, while the tags can't be removed", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.settled(ctx)
		gone := w.get(ctx, obj).Status.Rules[0]
		remove := w.sim.Faults().Add(faults.Fault{Action: "ec2:DeleteTags", Error: "InternalError"})
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, 5*time.Second, obj)
		Expect(w.denies(aclID)).To(BeEmpty())
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionSucceeded).Message).To(ContainSubstring("the tags that name them are still to be removed"))
		w.add(deny(int(gone.RuleNumber), gone.CIDR)) // the very same
		w.run(ctx, 10*time.Minute, obj)
		w.boot()
		w.run(ctx, time.Minute, obj)
		remove()
		w.run(ctx, time.Minute, obj)
		Expect(w.gone(ctx, obj)).To(BeTrue())
		w.expectOnly(int(gone.RuleNumber), gone.CIDR)
		Expect(w.tagsOf(obj)).To(BeEmpty())
	})

	It("leaves tags that say who holds the network ACL while the run is suspended, and until when", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.settled(ctx)
		w.edit(ctx, obj, suspending(true))
		w.run(ctx, 10*time.Second, obj)
		Expect(w.claim(obj).Owner).To(Equal(obj.Namespace + "/" + obj.Name))
		Expect(w.claim(obj).Rules).To(BeEmpty())

		remove := w.sim.Faults().Add(faults.Fault{Action: "ec2:CreateTags", Error: "RequestLimitExceeded", Times: 3})
		defer remove()
		w.edit(ctx, obj, within(5*time.Minute))
		w.run(ctx, time.Minute, obj)
		Expect(w.claim(obj).Expires).To(BeTemporally("==", w.get(ctx, obj).Status.ExpirationTime.Time))
		Expect(w.claim(obj).Rules).To(BeEmpty())
		w.discard(ctx, obj)
	})
})

var _ = Describe("AWS's word that something is not there, which reads show", func() {
	DescribeTable("is no proof that it is gone", func(ctx context.Context, fault faults.Fault, change func(*v1alpha1.AgentDisconnect)) {
		for _, ends := range []string{"it is deleted", "its time is over"} {
			By("when " + ends)
			w, _ := audited(ctx)
			w.follow()
			obj := w.blocking(ctx, change)
			fault.Times = 1
			w.sim.Faults().Add(fault)
			if ends == "it is deleted" {
				Expect(kube.Delete(ctx, obj)).To(Succeed())
				w.run(ctx, 30*time.Second, obj)
				Expect(w.gone(ctx, obj)).To(BeTrue())
			} else {
				w.finish(ctx, obj, 30*time.Minute)
			}
			w.expectRestored()
		}
	},
		Entry("an entry", faults.Fault{Action: "ec2:DeleteNetworkAclEntry", Error: aws.CodeEntryNotFound}, suspending(false)),
		Entry("the network ACL of an entry", faults.Fault{Action: "ec2:DeleteNetworkAclEntry", Error: aws.CodeACLNotFound}, suspending(false)),
		Entry("the network ACL of a tag", faults.Fault{Action: "ec2:DeleteTags", Error: aws.CodeACLNotFound}, suspending(false)),
		Entry("a clone", faults.Fault{Action: "ec2:DeleteNetworkAcl", Error: aws.CodeACLNotFound}, cloning),
	)

	It("leaves everything as long as both go on", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.blocking(ctx)
		agree := w.sim.Faults().Add(faults.Fault{Action: "ec2:DeleteNetworkAclEntry", Error: aws.CodeEntryNotFound, Params: map[string]string{"RuleNumber": "80"}})
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, 2*networkacl.AmbiguousFor, obj)
		Expect(w.denies(aclID)).To(HaveLen(1))
		Expect(w.claim(obj).Rules).To(HaveLen(1), "the tags name what stands, and no more")
		Expect(w.gone(ctx, obj)).To(BeFalse())
		agree()
		w.run(ctx, 10*time.Second, obj)
		Expect(w.gone(ctx, obj)).To(BeTrue())
		w.expectRestored()
	})
})

var _ = Describe("A network ACL that was deleted, where AWS denies what is asked of it", func() {
	It("is gone once reads have lacked it for as long as they may lag", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.blocking(ctx)
		for _, action := range []string{"ec2:DeleteNetworkAclEntry", "ec2:DeleteTags"} {
			// The policy names the VPC, which a network ACL that isn't there has none of.
			w.sim.Faults().Add(faults.Fault{Action: action, MissingTag: "Name", Denied: true})
		}
		Expect(w.sim.Region().MoveSubnet(subnetID, sharedACL)).To(Succeed())
		Expect(w.sim.Region().DeleteNetworkACL(aclID)).To(Succeed())
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, networkacl.AmbiguousFor-time.Minute, obj)
		Expect(w.gone(ctx, obj)).To(BeFalse())
		stalled := condition(w.get(ctx, obj), v1alpha1.ConditionStalled)
		Expect(stalled.Reason).To(Equal(v1alpha1.ReasonAccessDenied))
		Expect(stalled.Message).To(HavePrefix("AWS denies the manager's role ec2:DeleteNetworkAclEntry on network ACL " + aclID + " in account "))
		Expect(stalled.Message).To(ContainSubstring("which reads do not show: it was deleted, or the role lacks the permission. After 5 minutes"))
		w.run(ctx, 2*time.Minute, obj)
		Expect(w.gone(ctx, obj)).To(BeTrue())
	})
})

var _ = Describe("A clone whose tags a third party removed", func() {
	stripped := func(ctx context.Context, change ...func(*sim.Options)) (*world, *v1alpha1.AgentDisconnect, region.ACL) {
		w, _ := audited(ctx, change...)
		obj := w.blocking(ctx, cloning)
		clone := w.cloneOf(ctx, obj)
		w.sim.Faults().Add(faults.Fault{Action: "ec2:DeleteNetworkAcl", MissingTag: ownership.TagClone, Denied: true})
		Expect(w.sim.Region().SetTags(clone.ID, nil)).To(Succeed())
		return w, obj, clone
	}

	It("gets its tag back before it is deleted, where the policy allows that", func(ctx context.Context) {
		w, obj, _ := stripped(ctx, mayEverything)
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, 30*time.Second, obj)
		Expect(w.gone(ctx, obj)).To(BeTrue())
		w.expectRestored()
	})

	It("stays where the policy does not, and the message says which tag is missing and how to put it back", func(ctx context.Context) {
		w, obj, clone := stripped(ctx)
		w.sim.Faults().Add(faults.Fault{Action: "ec2:CreateTags", MissingTag: ownership.TagClone, Denied: true})
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.run(ctx, 30*time.Second, obj)
		stalled := condition(w.get(ctx, obj), v1alpha1.ConditionStalled)
		Expect(stalled.Reason).To(Equal(v1alpha1.ReasonAccessDenied))
		Expect(stalled.Message).To(ContainSubstring("no longer has its tag " + ownership.TagClone))
		Expect(stalled.Message).To(ContainSubstring("aws ec2 create-tags --region ap-northeast-1 --resources " + clone.ID + " --tags Key=" + ownership.TagClone + ",Value=" + string(obj.UID)))
		Expect(stalled.Message).NotTo(ContainSubstring("grant the actions"))
		Expect(w.aclOf(subnetID)).To(Equal(aclID), "the subnet has its own network ACL all the same")

		Expect(w.sim.Region().CreateTags([]string{clone.ID}, map[string]string{ownership.TagClone: string(obj.UID)})).To(Succeed())
		w.run(ctx, 30*time.Second, obj)
		Expect(w.gone(ctx, obj)).To(BeTrue())
		w.expectRestored()
	})
})
