// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
)

// suspending suspends an object or lets it go on.
func suspending(is bool) func(*v1alpha1.AgentDisconnect) {
	return func(obj *v1alpha1.AgentDisconnect) { obj.Spec.Suspend = &is }
}

// owned reports whether the network ACL has the ownership tags of a run.
func (w *world) owned(obj *v1alpha1.AgentDisconnect) bool {
	found, _ := w.sim.Region().NetworkACL(aclID)
	for key := range found.Tags {
		if strings.Contains(key, string(obj.UID)) {
			return true
		}
	}
	return false
}

var _ = Describe("A run that is suspended before its start", func() {
	It("doesn't start and holds nothing, and starts when it is let go", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.create(ctx, suspending(true))
		other := w.create(ctx, within(time.Minute))
		w.run(ctx, 30*time.Second, obj, other)
		seen := w.get(ctx, obj)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateSuspended), describe(seen))
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Message).To(Equal("spec.suspend is true: the run has not begun, and holds no network ACL; if it has not begun by " +
			rfc3339(obj.CreationTimestamp.Add(time.Hour)) + ", it does not start"))
		Expect(seen.Finalizers).To(BeEmpty())
		Expect(w.state(ctx, other)).To(Equal(v1alpha1.StateBlocking), "the older one holds nothing")

		w.run(ctx, 15*time.Minute, other)
		w.edit(ctx, obj, suspending(false))
		w.run(ctx, 30*time.Second, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking))
	})

	It("as soon as it was ready lets a younger one begin at once", func(ctx context.Context) {
		w, _ := audited(ctx)
		first := w.blocking(ctx)
		older, younger := w.create(ctx), w.create(ctx)
		w.run(ctx, 30*time.Second, first, older, younger)
		w.edit(ctx, older, suspending(true))
		w.run(ctx, time.Second, older)
		Expect(kube.Delete(ctx, first)).To(Succeed())
		w.run(ctx, 11*time.Second, first, older, younger)
		Expect(w.state(ctx, older)).To(Equal(v1alpha1.StateSuspended))
		Expect(w.state(ctx, younger)).To(Equal(v1alpha1.StateBlocking), describe(w.get(ctx, younger)))
	})

	It("for longer than its start deadline never starts", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.create(ctx, suspending(true))
		w.run(ctx, time.Hour+time.Second, obj)
		succeeded := condition(w.get(ctx, obj), v1alpha1.ConditionSucceeded)
		Expect(succeeded.Reason).To(Equal(v1alpha1.AbortStartDeadlineExceeded))
		Expect(succeeded.Message).To(ContainSubstring("spec.suspend is true"))
		w.edit(ctx, obj, suspending(false))
		w.run(ctx, time.Hour, obj)
		Expect(w.sim.Calls()).To(BeEmpty())
	})
})

var _ = Describe("A run that is suspended", func() {
	It("has its rules lifted in one pass and its agents seen back, and takes up again where its time goes on", func(ctx context.Context) {
		w, a := followed(ctx)
		w.honest(a)
		obj := w.blocking(ctx)
		w.run(ctx, time.Minute, obj)
		expires := w.get(ctx, obj).Status.ExpirationTime.Time
		w.edit(ctx, obj, suspending(true))
		_, err := w.pass(ctx, obj)
		Expect(err).NotTo(HaveOccurred())
		Expect(w.denies(aclID)).To(BeEmpty())
		seen := w.get(ctx, obj)
		Expect(seen.Status.Rules).To(BeEmpty())
		Expect(seen.Finalizers).To(ConsistOf(v1alpha1.Finalizer))
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateSuspended), describe(seen))
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Message).To(ContainSubstring("the run still ends at " + rfc3339(expires)))
		Expect(condition(seen, v1alpha1.ConditionRulesInstalled).Reason).To(Equal("Suspended"))
		Expect(w.owned(obj)).To(BeTrue(), "the network ACL is still the run's")

		w.run(ctx, time.Minute, obj)
		seen = w.get(ctx, obj)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateSuspended), describe(seen))
		Expect(*seen.Status.Agents.Disconnected).To(BeZero(), "the agents are back")
		Expect(condition(seen, v1alpha1.ConditionAgentsDisconnected).Reason).To(Equal("Suspended"))
		Expect(seen.Status.ExpirationTime.Time).To(Equal(expires), "the deadline moved")
		Expect(w.claim(obj).Rules).To(BeEmpty(), "the tags claim what is no longer the run's")
		Expect(w.numbers("ec2:CreateTags")).To(HaveLen(2), "with the rules, and without them")

		w.edit(ctx, obj, suspending(false))
		_, err = w.pass(ctx, obj)
		Expect(err).NotTo(HaveOccurred())
		Expect(w.denies(aclID)).To(HaveLen(6), "one pass puts them back")
		w.run(ctx, time.Minute, obj)
		seen = w.get(ctx, obj)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateBlocking), describe(seen))
		Expect(*seen.Status.Agents.Disconnected).To(BeEquivalentTo(2))
		Expect(seen.Status.DriftRepairs).To(BeZero(), "no other actor changed anything")
		Expect(seen.Status.ExpirationTime.Time).To(Equal(expires))
		w.run(ctx, expires.Sub(w.clock.Now()), obj)
		w.expectRestored()
		seen = w.finish(ctx, obj, 15*time.Minute)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateCompleted), describe(seen))
	})

	It("does not call its rules installed from what was read before", func(ctx context.Context) {
		w, a := audited(ctx)
		w.honest(a)
		obj := w.settled(ctx)
		w.edit(ctx, obj, suspending(true))
		w.run(ctx, time.Second, obj)
		Expect(w.denies(aclID)).To(BeEmpty())
		w.sim.Faults().Add(faults.Fault{Action: "ec2:CreateNetworkAclEntry", Denied: true})
		w.edit(ctx, obj, suspending(false))
		w.run(ctx, 2*time.Second, obj)
		Expect(w.denies(aclID)).To(BeEmpty())
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionRulesInstalled).Status).To(Equal(metav1.ConditionFalse), describe(w.get(ctx, obj)))
	})

	It("says so where the tags that tell others of it can't be put back", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.blocking(ctx)
		w.edit(ctx, obj, suspending(true))
		w.run(ctx, 20*time.Second, obj)
		w.unlabel(w.tagsOf(obj))
		allow := w.sim.Faults().Add(faults.Fault{Action: "ec2:CreateTags", Denied: true})
		w.boot() // a manager that knows nothing reads the tags
		w.run(ctx, time.Minute, obj)
		seen := w.get(ctx, obj)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateSuspended), describe(seen))
		Expect(condition(seen, v1alpha1.ConditionStalled)).To(And(HaveField("Reason", v1alpha1.ReasonAccessDenied),
			HaveField("Message", ContainSubstring("ec2:CreateTags"))), describe(seen))

		allow()
		w.run(ctx, time.Minute, obj)
		Expect(w.owned(obj)).To(BeTrue())
	})

	DescribeTable("ends as any other", func(ctx context.Context, end func(*world, *v1alpha1.AgentDisconnect)) {
		w, _ := followed(ctx)
		obj := w.blocking(ctx, within(2*time.Minute))
		w.run(ctx, 40*time.Second, obj)
		w.edit(ctx, obj, suspending(true))
		w.run(ctx, 10*time.Second, obj)
		end(w, obj)
		w.expectRestored()
		if w.gone(ctx, obj) {
			return
		}
		seen := w.finish(ctx, obj, 15*time.Minute)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateCompleted), describe(seen))
		Expect(seen.Finalizers).To(BeEmpty())
	},
		Entry("at its expiration", func(w *world, obj *v1alpha1.AgentDisconnect) {
			w.run(context.Background(), w.get(context.Background(), obj).Status.ExpirationTime.Sub(w.clock.Now()), obj)
		}),
		Entry("at its expiration, under a new manager", func(w *world, obj *v1alpha1.AgentDisconnect) {
			w.boot()
			w.run(context.Background(), w.get(context.Background(), obj).Status.ExpirationTime.Sub(w.clock.Now()), obj)
		}),
		Entry("when it is deleted", func(w *world, obj *v1alpha1.AgentDisconnect) {
			Expect(kube.Delete(context.Background(), obj)).To(Succeed())
			w.run(context.Background(), time.Second, obj)
			Expect(w.gone(context.Background(), obj)).To(BeTrue())
		}),
	)

	It("and let go again and again is in the end as it was asked last", func(ctx context.Context) {
		w, a := audited(ctx)
		w.honest(a)
		obj := w.blocking(ctx, within(time.Hour))
		for i := range 12 {
			w.edit(ctx, obj, suspending(i%2 == 0))
			w.run(ctx, time.Duration(i%4)*700*time.Millisecond, obj)
		}
		w.run(ctx, time.Minute, obj)
		seen := w.get(ctx, obj)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateBlocking), describe(seen))
		Expect(seen.Status.Rules).To(HaveLen(6))
		Expect(w.denies(aclID)).To(HaveLen(6))
		Expect(seen.Status.DriftRepairs).To(BeZero())
		w.discard(ctx, obj)
	})

	DescribeTable("and let go is as it was asked, at whatever point the manager dies in it", func(ctx context.Context, from, to bool, denied int) {
		change := func(n int) (run func() string, points func() []string) {
			w, a := audited(ctx)
			obj := w.blocking(ctx)
			if from {
				w.edit(ctx, obj, suspending(true))
				w.run(ctx, 5*time.Second, obj)
			}
			points = w.mortal(n)
			return func() string {
				w.edit(ctx, obj, suspending(to))
				w.run(ctx, 90*time.Second, obj)
				if denies := w.denies(aclID); len(denies) != denied {
					return fmt.Sprintf("denied is %v: %s", denies, describe(w.get(ctx, obj)))
				}
				if len(w.get(ctx, obj).Status.Rules) != denied {
					return "the ledger is another: " + describe(w.get(ctx, obj))
				}
				w.run(ctx, w.get(ctx, obj).Status.ExpirationTime.Sub(w.clock.Now())+5*time.Second, obj)
				if ok, _ := Equal(w.before).Match(w.entries()); !ok {
					return fmt.Sprintf("rules are left: %v", w.denies(aclID))
				}
				return strings.Join(a.found(), "; ")
			}, points
		}
		run, points := change(-1)
		Expect(run()).To(BeEmpty(), "the manager that lives")
		var scenarios []scenario
		for n, point := range points()[:min(10, len(points()))] {
			run, _ := change(n)
			scenarios = append(scenarios, scenario{fmt.Sprintf("died at point %d %s", n, point), run})
		}
		all(scenarios)
	},
		Entry("while it lifts the rules", false, true, 0),
		Entry("while it puts them back", true, false, 6),
	)
})

var _ = Describe("A change of the duration", func() {
	DescribeTable("of a run is followed, counted from its start", func(ctx context.Context, paused bool, d time.Duration, over bool) {
		w, _ := followed(ctx)
		obj := w.blocking(ctx) // 10 minutes
		w.run(ctx, 2*time.Minute, obj)
		if paused {
			w.edit(ctx, obj, suspending(true))
			w.run(ctx, 10*time.Second, obj)
		}
		started := w.get(ctx, obj).Status.StartTime.Time
		w.edit(ctx, obj, within(d))
		_, err := w.pass(ctx, obj)
		Expect(err).NotTo(HaveOccurred())
		seen := w.get(ctx, obj)
		Expect(seen.Status.ExpirationTime.Time).To(BeTemporally("==", started.Add(d)))
		if over {
			w.expectRestored()
			Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateRecovering), "in the same pass")
		} else {
			w.run(ctx, started.Add(d).Sub(w.clock.Now())-time.Millisecond, obj)
			Expect(w.owned(obj)).To(BeTrue(), "it ended early")
			w.run(ctx, time.Millisecond, obj)
			w.expectRestored()
		}
		seen = w.finish(ctx, obj, 15*time.Minute)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateCompleted), describe(seen))
	},
		Entry("to longer", false, 20*time.Minute, false),
		Entry("to shorter", false, 4*time.Minute, false),
		Entry("to what is past", false, time.Minute, true),
		Entry("to longer, while it is suspended", true, 20*time.Minute, false),
		Entry("to shorter, while it is suspended", true, 4*time.Minute, false),
		Entry("to what is past, while it is suspended", true, time.Minute, true),
	)

	It("to shorter is in the tags with the same pass, whether the network ACL can be read or not", func(ctx context.Context) {
		w, _ := followed(ctx)
		obj := w.settled(ctx)
		w.sim.Faults().Add(faults.Fault{Action: "ec2:DescribeNetworkAcls", Error: "Unavailable"})
		w.edit(ctx, obj, within(time.Hour))
		_, err := w.pass(ctx, obj)
		Expect(err).NotTo(HaveOccurred())
		seen := w.get(ctx, obj)
		Expect(seen.Status.ExpirationTime.Sub(seen.Status.StartTime.Time)).To(Equal(time.Hour))
		Expect(w.claim(obj).Expires).To(BeTemporally("==", seen.Status.ExpirationTime.Time))
	})
})
