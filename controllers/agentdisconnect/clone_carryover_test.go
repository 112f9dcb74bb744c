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
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// onlyWeb allows TCP from port 80 to 443 at a number.
func onlyWeb(number int, egress bool) acl.Entry {
	return acl.Entry{RuleNumber: number, Egress: egress, Allow: true, Protocol: acl.TCP, CIDR: netip.MustParsePrefix("0.0.0.0/0"), From: 80, To: 443}
}

// inFront allows everything in front of the run's denies.
func inFront(r *region.Region, id string) error { return adding(region.AllowAll(10, true))(r, id) }

// carried is long enough for reads to see a change, for what it closes to stand, and for another read after the writes.
const carried = 90 * time.Second

// carryOver waits until a clone is what its original is.
func (w *world) carryOver(ctx context.Context, obj *v1alpha1.AgentDisconnect) {
	GinkgoHelper()
	w.run(ctx, carried, obj)
	w.expectServing(ctx, obj)
	seen := w.get(ctx, obj)
	Expect(seen.Status.Abort).To(BeNil())
	Expect(seen.Status.NetworkACL.CarryOver).To(BeEmpty())
}

var _ = Describe("A change of the original while its clone serves", func() {
	DescribeTable("is made to the clone", func(ctx context.Context, change func(*region.Region, string) error) {
		w := cloneWorld(ctx)
		w.onOriginal(adding(deny(110, "198.51.100.0/24"), deny(120, "203.0.113.0/24")))
		obj := w.blocking(ctx, shared)
		w.onOriginal(change)
		w.carryOver(ctx, obj)
		writes := len(w.writes())
		w.run(ctx, 3*time.Minute, obj)
		Expect(w.writes()).To(HaveLen(writes), "something is written again and again")
		w.expectGone(ctx, obj)
	},
		Entry("an entry added, outbound", adding(deny(70, "192.0.2.0/24"))),
		Entry("an entry added, inbound, at the number of a rule", adding(acl.Entry{RuleNumber: 80, Protocol: acl.UDP, CIDR: netip.MustParsePrefix("192.0.2.0/24"), From: 1, To: 65535})),
		Entry("an entry removed, outbound", removing(110, true)),
		Entry("an entry removed, inbound", removing(100, false)),
		Entry("an entry replaced, outbound", replacing(onlyWeb(100, true))),
		Entry("an entry replaced, inbound", replacing(onlyWeb(100, false))),
		Entry("all entries replaced by others", func(r *region.Region, id string) error {
			return r.SetEntries(id, onlyWeb(130, true), deny(140, "192.0.2.0/24"), onlyWeb(5, false), onlyWeb(6, false))
		}),
		Entry("all entries removed", func(r *region.Region, id string) error { return r.SetEntries(id) }),
		Entry("as many entries as fit", func(r *region.Region, id string) error {
			return r.SetEntries(id, append(crowded(13), region.AllowAll(100, false))...)
		}),
	)

	It("that moves an entry lets through all the time what it lets through before and after", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj := w.blocking(ctx, shared)
		w.onOriginal(func(r *region.Region, id string) error {
			return r.SetEntries(id, deny(105, "198.51.100.0/24"), region.AllowAll(110, true), region.AllowAll(90, false))
		})
		cut := 0
		w.sim.Faults().After("ec2:*NetworkAclEntry", func(call.Call) {
			for _, egress := range []bool{true, false} {
				if !w.sim.Region().Allows(sharedSubnet, acl.Packet{Egress: egress, Protocol: acl.TCP, Remote: netip.MustParseAddr("192.0.2.9"), Port: 443}) {
					cut++
				}
			}
		})
		w.carryOver(ctx, obj)
		Expect(cut).To(BeZero(), "the subnet was cut off between two calls")
	})

	It("that moves an entry is made where there is no room for both", func(ctx context.Context) {
		w := cloneWorld(ctx)
		w.onOriginal(func(r *region.Region, id string) error {
			return r.SetEntries(id, append(crowded(13), region.AllowAll(100, false))...)
		})
		obj := w.blocking(ctx, shared)
		w.onOriginal(func(r *region.Region, id string) error {
			return r.SetEntries(id, append(crowded(13)[:12], region.AllowAll(300, true), region.AllowAll(100, false))...)
		})
		w.carryOver(ctx, obj)
		w.expectGone(ctx, obj)
	})

	It("is made at the number that follows from the other copies' where those were moved back", func(ctx context.Context) {
		w := cloneWorld(ctx)
		w.onOriginal(func(r *region.Region, id string) error {
			return r.SetEntries(id, region.AllowAll(1, true), region.AllowAll(1, false))
		})
		obj := w.blocking(ctx, shared)
		w.onOriginal(adding(deny(30, "198.51.100.0/24")))
		w.run(ctx, carried, obj)
		Expect(withoutRules(w.get(ctx, obj), w.cloneOf(ctx, obj).Entries)).To(ContainElement("egress 130 deny -1 198.51.100.0/24"))
		w.expectAllDeniedOn(w.get(ctx, obj))
		w.expectGone(ctx, obj)
	})

	It("is not believed after one read", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj := w.blocking(ctx, shared)
		writes := len(w.writes())
		reads := w.count("ec2:DescribeNetworkAcls")
		w.onOriginal(adding(deny(70, "192.0.2.0/24")))
		for w.count("ec2:DescribeNetworkAcls") == reads {
			w.run(ctx, time.Second, obj)
		}
		w.onOriginal(removing(70, true))
		w.run(ctx, 2*time.Minute, obj)
		Expect(w.writes()).To(HaveLen(writes))
	})

	It("goes on to be watched: the next one is made too", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj := w.blocking(ctx, shared)
		w.onOriginal(adding(deny(70, "192.0.2.0/24")))
		w.carryOver(ctx, obj)
		w.onOriginal(removing(70, true))
		w.onOriginal(replacing(onlyWeb(100, true)))
		w.carryOver(ctx, obj)
	})

	DescribeTable("that its clone can't follow ends the run", func(ctx context.Context, change func(*region.Region, string) error, words string) {
		w := cloneWorld(ctx)
		obj := w.blocking(ctx, shared)
		w.onOriginal(change)
		seen := w.until(ctx, obj, time.Minute, aborted)
		Expect(seen.Status.Abort.Reason).To(Equal(v1alpha1.AbortOriginalChanged), describe(seen))
		Expect(seen.Status.Abort.Message).To(ContainSubstring(words))
		Expect(seen.Status.Abort.Message).To(ContainSubstring(sharedACL))
		w.run(ctx, passes, obj)
		w.expectRestored()
		seen = w.finish(ctx, obj, 15*time.Minute)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.AbortOriginalChanged), describe(seen))
	},
		Entry("an allow in front of the run's denies", inFront, "it would allow 52.119."),
		Entry("an entry at the number of one of them", adding(deny(81, "192.0.2.0/24")), "rule 81 of the clone is the run's own"),
		Entry("more entries than fit", func(r *region.Region, id string) error {
			return r.SetEntries(id, append(crowded(16), region.AllowAll(100, false))...)
		}, "quota"),
	)

	It("that AWS has no room for ends the run", func(ctx context.Context) {
		w := cloneWorld(ctx)
		w.assumeQuota(40) // more than there is
		w.boot()
		obj := w.blocking(ctx, shared)
		w.onOriginal(func(r *region.Region, id string) error {
			return r.SetEntries(id, append(crowded(16), region.AllowAll(100, false))...)
		})
		seen := w.until(ctx, obj, 2*time.Minute, aborted)
		Expect(seen.Status.Abort.Reason).To(Equal(v1alpha1.AbortOriginalChanged), describe(seen))
		w.run(ctx, passes, obj)
		w.expectRestored()
	})

	const several = "changes in all three ways"
	changes := func(r *region.Region, id string) error {
		return r.SetEntries(id, onlyWeb(100, true), deny(130, "192.0.2.0/24"), onlyWeb(100, false))
	}

	DescribeTable("is made whole, whichever call for it goes wrong: "+several, func(ctx context.Context, action string, fault faults.Fault) {
		w := cloneWorld(ctx)
		w.onOriginal(adding(deny(110, "198.51.100.0/24")))
		obj := w.blocking(ctx, shared)
		w.onOriginal(changes)
		fault.Action, fault.Times = action, max(fault.Times, 1)
		w.sim.Faults().Add(fault)
		w.run(ctx, 30*time.Second, obj)
		w.carryOver(ctx, obj)
		Expect(w.sim.Faults().List()).To(BeEmpty(), "the call was never made")
		w.expectGone(ctx, obj)
	}, func() []TableEntry {
		var entries []TableEntry
		for _, action := range []string{"ec2:CreateNetworkAclEntry", "ec2:ReplaceNetworkAclEntry", "ec2:DeleteNetworkAclEntry"} {
			for name, fault := range map[string]faults.Fault{
				"lost": {Lost: true}, "failed before": {Error: "InternalError"}, "failed after": {ErrorAfter: "InternalError"}, "throttled": {Error: "RequestLimitExceeded", Times: 3},
			} {
				entries = append(entries, Entry(action+" "+name, action, fault))
			}
		}
		return entries
	}())

	It("is made whole by another manager, whatever the first died in: "+several, func(ctx context.Context) {
		carrying := func(n int) (run func() string, points func() []string) {
			w := cloneWorld(ctx)
			w.onOriginal(adding(deny(110, "198.51.100.0/24")))
			obj := w.blocking(ctx, shared)
			w.onOriginal(changes)
			points = w.mortal(n)
			return func() string {
				w.run(ctx, 30*time.Second+carried, obj)
				seen := w.get(ctx, obj)
				if ok, _ := Equal(lines(mustACL(w, sharedACL).Entries)).Match(withoutRules(seen, w.cloneOf(ctx, obj).Entries)); !ok {
					return fmt.Sprintf("the clone has %v: %s", lines(w.cloneOf(ctx, obj).Entries), describe(seen))
				}
				if seen.Status.Abort != nil || len(seen.Status.NetworkACL.CarryOver) > 0 {
					return describe(seen)
				}
				return ""
			}, points
		}
		run, points := carrying(-1)
		Expect(run()).To(BeEmpty(), "the manager that lives")
		var scenarios []scenario
		for n, point := range points() {
			run, _ := carrying(n)
			scenarios = append(scenarios, scenario{fmt.Sprintf("died at point %d %s", n, point), run})
		}
		Expect(scenarios).NotTo(BeEmpty())
		all(scenarios)
	})

	It("that is under way when the run ends does not delay the restoration of the original", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj := w.blocking(ctx, shared, within(2*time.Minute))
		w.onOriginal(changes)
		w.sim.Faults().Add(faults.Fault{Action: "ec2:ReplaceNetworkAclEntry", Error: "InternalError"})
		w.run(ctx, w.get(ctx, obj).Status.ExpirationTime.Sub(w.clock.Now())+passes, obj)
		w.expectRestored()
	})
})

var _ = Describe("A change of the original before its clone serves", func() {
	DescribeTable("is made to the clone", func(ctx context.Context, action string, after bool) {
		w := cloneWorld(ctx)
		hook := w.sim.Faults().Before
		if after {
			hook = w.sim.Faults().After
		}
		w.at(hook, action, func() {
			w.onOriginal(func(r *region.Region, id string) error {
				return r.SetEntries(id, onlyWeb(110, true), onlyWeb(100, false))
			})
		})
		obj := w.create(ctx, shared)
		w.run(ctx, 20*time.Second, obj)
		w.carryOver(ctx, obj)
		w.expectGone(ctx, obj)
	},
		Entry("before its creation", "ec2:CreateNetworkAcl", false),
		Entry("after its creation", "ec2:CreateNetworkAcl", true),
		Entry("while it is filled", "ec2:CreateNetworkAclEntry", true),
		Entry("right before the swap", "ec2:ReplaceNetworkAclAssociation", false),
		Entry("right after the swap", "ec2:ReplaceNetworkAclAssociation", true),
	)

	DescribeTable("that the clone can't follow ends the run", func(ctx context.Context, action string) {
		w := cloneWorld(ctx)
		w.at(w.sim.Faults().After, action, func() { w.onOriginal(inFront) })
		obj := w.create(ctx, shared)
		seen := w.until(ctx, obj, 90*time.Second, aborted)
		Expect(seen.Status.Abort.Reason).To(Equal(v1alpha1.AbortOriginalChanged), describe(seen))
		w.run(ctx, passes, obj)
		w.expectRestored()
	},
		Entry("after its creation", "ec2:CreateNetworkAcl"),
		Entry("while it is filled", "ec2:CreateNetworkAclEntry"),
		Entry("right after the swap", "ec2:ReplaceNetworkAclAssociation"),
	)

	It("that the clone can't follow and that is taken back at once harms nothing", func(ctx context.Context) {
		w := cloneWorld(ctx)
		w.at(w.sim.Faults().After, "ec2:CreateNetworkAclEntry", func() { w.onOriginal(inFront) })
		obj := w.create(ctx, shared)
		w.run(ctx, 16*time.Second, obj)
		w.onOriginal(removing(10, true))
		w.carryOver(ctx, obj)
		Expect(w.numbers("ec2:DeleteNetworkAclEntry")).To(BeEmpty())
	})
})

func mustACL(w *world, id string) region.ACL {
	found, _ := w.sim.Region().NetworkACL(id)
	return found
}
