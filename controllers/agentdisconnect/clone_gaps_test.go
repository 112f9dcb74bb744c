// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// flows reports whether the subnet's other traffic gets out and in.
func (w *world) flows() bool {
	for _, egress := range []bool{true, false} {
		if !w.sim.Region().Allows(sharedSubnet, acl.Packet{Egress: egress, Protocol: acl.TCP, Remote: netip.MustParseAddr("192.0.2.9"), Port: 443}) {
			return false
		}
	}
	return true
}

// runApart is run, a second at a time, and counts the seconds for which the subnet's other traffic did not flow.
func (w *world) runApart(ctx context.Context, d time.Duration, obj *v1alpha1.AgentDisconnect) (cut time.Duration) {
	for range int(d / time.Second) {
		w.run(ctx, time.Second, obj)
		if !w.flows() {
			cut += time.Second
		}
	}
	return cut
}

// notes are the events of a reason so far, without what kind they are.
func (w *world) notes(reason string) []string {
	var notes []string
	for {
		select {
		case event := <-w.events.Events:
			if _, note, ok := strings.Cut(event, " "+reason+" "); ok {
				notes = append(notes, note)
			}
		default:
			return notes
		}
	}
}

var _ = Describe("A rule of the original that is removed and added again", func() {
	all := region.AllowAll(100, true)

	DescribeTable("while its clone serves, is never missing there", func(ctx context.Context, gap, after time.Duration) {
		w := cloneWorld(ctx)
		obj := w.blocking(ctx, shared)
		w.run(ctx, after, obj)
		writes := len(w.writes())
		w.onOriginal(removing(100, true))
		Expect(w.runApart(ctx, gap, obj)).To(BeZero())
		w.onOriginal(adding(all))
		Expect(w.runApart(ctx, 2*time.Minute, obj)).To(BeZero())
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionSucceeded).Message).NotTo(ContainSubstring("was changed to allow less"))
		Expect(w.writes()).To(HaveLen(writes), "the gap was carried over")
		w.expectServing(ctx, obj)
		w.expectGone(ctx, obj)
	},
		Entry("15 seconds later", 15*time.Second, time.Second),
		Entry("15 seconds later, seen at once", 15*time.Second, 28*time.Second),
		Entry("40 seconds later", 40*time.Second, time.Second),
	)

	It("under another number is opened on the clone before the old one goes, by the quota that AWS has", func(ctx context.Context) {
		w := cloneWorld(ctx)
		w.setQuota(40)
		var crowd []acl.Entry
		for i := range 15 { // with the allow, the rules of the run and the default entry more than the 20 that the flag says
			crowd = append(crowd, acl.Entry{RuleNumber: 200 + i, Egress: true, Protocol: acl.All, CIDR: netip.MustParsePrefix(fmt.Sprintf("198.51.%d.0/24", i))})
		}
		w.onOriginal(adding(crowd...))
		obj := w.blocking(ctx, shared)

		cut := 0
		stop := w.sim.Faults().After("ec2:*", func(c call.Call) {
			if !c.ReadOnly && !w.flows() {
				cut++
			}
		})
		defer stop()
		w.onOriginal(func(r *region.Region, id string) error {
			return cmp.Or(adding(region.AllowAll(110, true))(r, id), removing(100, true)(r, id))
		})
		Expect(w.runApart(ctx, 2*time.Minute, obj)).To(BeZero())
		Expect(cut).To(BeZero(), "after a call of the manager the subnet's traffic did not flow")
		w.expectServing(ctx, obj)
		w.expectGone(ctx, obj)
	})

	It("long after, is missing on the clone as long, and a few seconds at most longer", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj := w.blocking(ctx, shared)
		w.onOriginal(removing(100, true))
		w.run(ctx, 40*time.Second, obj)
		Expect(w.flows()).To(BeTrue())
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionSucceeded).Message).To(MatchRegexp(
			`network ACL ` + sharedACL + ` was changed to allow less, as read since .*Z: the clone is changed in the same way at .*Z unless that changes`))
		w.run(ctx, 50*time.Second, obj)
		Expect(w.flows()).To(BeFalse(), "what is closed for good is closed on the clone")
		w.onOriginal(adding(all))
		cut := w.runApart(ctx, time.Minute, obj)
		Expect(cut).To(BeNumerically("<=", 30*time.Second), "no more than the interval between reads")
		Expect(w.notes("OriginalCarriedOver")).To(HaveExactElements(
			ContainSubstring("rule 100: allow all traffic out to 0.0.0.0/0 was removed"),
			ContainSubstring("rule 100: allow all traffic out to 0.0.0.0/0 was added"),
		))
		w.expectGone(ctx, obj)
	})

	It("soon after the clone followed, is there a few seconds after", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj := w.blocking(ctx, shared)
		w.onOriginal(removing(100, true))
		for w.flows() {
			w.run(ctx, time.Second, obj)
		}
		w.run(ctx, 20*time.Second, obj)
		w.onOriginal(adding(all))
		Expect(w.runApart(ctx, 30*time.Second, obj)).To(BeNumerically("<=", 5*time.Second))
		w.expectGone(ctx, obj)
	})

	It("is opened on the clone by one read, and a read that lags takes nothing back", func(ctx context.Context) {
		w := cloneWorld(ctx)
		w.onOriginal(removing(100, true))
		w.onOriginal(adding(onlyWeb(100, true)))
		obj := w.blocking(ctx, shared)
		w.onOriginal(replacing(all))
		probe := acl.Packet{Egress: true, Protocol: acl.TCP, Remote: netip.MustParseAddr("192.0.2.9"), Port: 8443}
		thaw := func() {}
		w.at(w.sim.Faults().After, "ec2:ReplaceNetworkAclEntry", func() { thaw = w.agesAgo() })
		w.run(ctx, 31*time.Second, obj)
		Expect(w.sim.Region().Allows(sharedSubnet, probe)).To(BeTrue(), "not opened after a read")
		w.run(ctx, 20*time.Second, obj)
		Expect(w.sim.Region().Allows(sharedSubnet, probe)).To(BeTrue(), "taken back by reads that lag")
		thaw()
		w.run(ctx, 2*time.Minute, obj)
		w.expectServing(ctx, obj)
		w.expectGone(ctx, obj)
	})

	DescribeTable("while the clone is made, is never missing on the subnet", func(ctx context.Context, hook string, gap time.Duration) {
		w := cloneWorld(ctx)
		removed := time.Time{}
		w.at(w.sim.Faults().Before, hook, func() {
			removed = w.clock.Now()
			w.onOriginal(removing(100, true))
		})
		inGap := false
		w.sim.Faults().Before("ec2:ReplaceNetworkAclAssociation", func(c call.Call) {
			inGap = inGap || !c.DryRun && !w.flows()
		})
		obj := w.create(ctx, shared)
		restored := false
		for range 150 {
			w.run(ctx, time.Second, obj)
			if !removed.IsZero() && !restored && w.clock.Since(removed) >= gap {
				w.onOriginal(adding(all))
				restored = true
			}
			if restored {
				Expect(w.flows()).To(BeTrue(), "the subnet is cut off longer than its neighbours")
			}
		}
		Expect(restored).To(BeTrue())
		Expect(inGap).To(BeFalse(), "the clone is put into service in the gap")
		w.expectServing(ctx, obj)
		w.expectGone(ctx, obj)
	},
		Entry("before it is created", "ec2:CreateNetworkAcl", 6*time.Second),
		Entry("before it is filled", "ec2:CreateNetworkAclEntry", 20*time.Second),
	)

	It("while the run gets ready, is waited for, and costs none of its duration", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj := w.create(ctx, shared)
		w.run(ctx, time.Second, obj)
		w.onOriginal(removing(100, true))
		w.run(ctx, 20*time.Second, obj)
		seen := w.get(ctx, obj)
		Expect(seen.Status.StartTime).To(BeNil())
		waiting := condition(seen, v1alpha1.ConditionSucceeded)
		Expect(waiting.Reason).To(Equal(v1alpha1.StateWaiting))
		Expect(waiting.Message).To(ContainSubstring("which may be the first half of a change"))
		w.onOriginal(adding(all))
		w.run(ctx, time.Minute, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking))
		w.expectServing(ctx, obj)
		w.expectGone(ctx, obj)
	})
})

var _ = Describe("A clone that would let nothing out to the agents' hosts", func() {
	onlyUDP := acl.Entry{RuleNumber: 100, Egress: true, Allow: true, Protocol: acl.UDP, CIDR: netip.MustParsePrefix("0.0.0.0/0"), From: 0, To: 65535}

	It("is not made while agents are connected", func(ctx context.Context) {
		w := newWorld(ctx) // whose agents stay connected
		w.onOriginal(replacing(onlyUDP))
		obj := w.create(ctx, shared)
		w.run(ctx, 2*time.Minute, obj)
		seen := w.get(ctx, obj)
		Expect(seen.Status.StartTime).To(BeNil())
		stalled := condition(seen, v1alpha1.ConditionStalled)
		Expect(stalled.Status).To(Equal(metav1.ConditionTrue), describe(seen))
		Expect(stalled.Reason).To(Equal(v1alpha1.ReasonNetworkACLDeniesAgents))
		Expect(stalled.Message).To(ContainSubstring(sharedACL))
		Expect(w.writes()).To(BeEmpty())
	})

	It("is not put into service: the run ends", func(ctx context.Context) {
		w := newWorld(ctx) // whose agents stay connected
		w.at(w.sim.Faults().Before, "ec2:CreateNetworkAcl", func() { w.onOriginal(replacing(onlyUDP)) })
		obj := w.create(ctx, shared)
		seen := w.until(ctx, obj, 2*time.Minute, aborted)
		Expect(seen.Status.Abort.Reason).To(Equal(v1alpha1.AbortOriginalChanged), describe(seen))
		Expect(seen.Status.Abort.Message).To(ContainSubstring("is not put into service"))
		Expect(w.position("ec2:ReplaceNetworkAclAssociation")).To(Equal(-1))
		w.run(ctx, passes, obj)
		w.expectRestored()
	})
})
