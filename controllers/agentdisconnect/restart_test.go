// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	simworld "agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

// otherAccountsKey belongs to another account.
const otherAccountsKey = "AKIAOTHERACCOUNT0001"

// twoAccounts is the default world with a second access key, of another account.
func twoAccounts(o *sim.Options) {
	o.World = simworld.Default()
	o.World.AccessKeys = append(o.World.Keys(), simworld.AccessKey{ID: otherAccountsKey, Secret: "secret", Account: "210987654321"})
}

// overdue says what of a run of a minute is not over soon after its time; empty: nothing. Its tags stay no longer than a line
// of the ledger does.
func (w *world) overdue(ctx context.Context, obj *v1alpha1.AgentDisconnect, soon time.Duration) string {
	seen := w.get(ctx, obj)
	if seen.Status.StartTime == nil {
		return "the run never began: " + describe(seen)
	}
	expires := seen.Status.ExpirationTime.Time
	if want := seen.Status.StartTime.Add(time.Minute); !expires.Equal(want) {
		return fmt.Sprintf("the expiration is %s, not %s", expires, want)
	}
	w.run(ctx, expires.Sub(w.clock.Now())+soon, obj)
	if ok, _ := Equal(untagged(w.before)).Match(untagged(w.entries())); !ok {
		return fmt.Sprintf("rules are left %s after the expiration: %v", soon, w.denies(aclID))
	}
	if lines, tags := w.get(ctx, obj).Status.Rules, w.tagsOf(obj); len(lines) == 0 && len(tags) > 0 {
		return fmt.Sprintf("the ledger has no line, and the tags are still there: %v", tags)
	}
	return ""
}

var _ = Describe("A manager that dies", func() {
	It("is replaced by one that ends the run in time and leaves nothing behind, whatever it died in", func(ctx context.Context) {
		w, a := audited(ctx)
		points := w.mortal(-1)
		w.follow()
		obj := w.create(ctx, within(time.Minute))
		w.run(ctx, 20*time.Second, obj)
		Expect(w.overdue(ctx, obj, 5*time.Second)).To(BeEmpty(), "the manager that lives")
		Expect(w.shortfall(w.finish(ctx, obj, 15*time.Minute), a)).To(BeEmpty(), "the manager that lives")

		var scenarios []scenario
		for n, point := range points() {
			w, a := audited(ctx)
			w.mortal(n)
			w.follow()
			scenarios = append(scenarios, scenario{"died at point " + fmt.Sprint(n, " ", point), func() string {
				obj := w.create(ctx, within(time.Minute))
				w.run(ctx, 40*time.Second, obj)
				late := w.overdue(ctx, obj, 5*time.Second)
				return late + w.shortfall(w.finish(ctx, obj, networkacl.AmbiguousFor+time.Minute), a)
			}})
		}
		all(scenarios)
	})

	DescribeTable("while it takes rules back is replaced by one that takes the rest back, whatever it died in",
		func(ctx context.Context, deed func(*world, *v1alpha1.AgentDisconnect), over func(*world, *v1alpha1.AgentDisconnect) bool) {
			ending := func(n int) (w *world, run func() string, points func() []string) {
				w, a := audited(ctx)
				obj := w.blocking(ctx)
				points = w.mortal(n)
				return w, func() string {
					deed(w, obj)
					w.run(ctx, 20*time.Second, obj) // a new manager looks twice before it aborts
					if ok, _ := Equal(w.before).Match(w.entries()); !ok {
						return fmt.Sprintf("rules are left: %v", w.denies(aclID))
					}
					w.run(ctx, time.Minute, obj)
					if !over(w, obj) {
						return "the run isn't over: " + describe(w.get(ctx, obj))
					}
					return strings.Join(a.found(), "; ")
				}, points
			}
			_, run, points := ending(-1)
			Expect(run()).To(BeEmpty(), "the manager that lives")
			var scenarios []scenario
			for n, point := range points() {
				_, run, _ := ending(n)
				scenarios = append(scenarios, scenario{fmt.Sprintf("died at point %d %s", n, point), run})
			}
			all(scenarios)
		},
		Entry("since the object was deleted",
			func(_ *world, obj *v1alpha1.AgentDisconnect) {
				Expect(kube.Delete(context.Background(), obj)).To(Succeed())
			},
			func(w *world, obj *v1alpha1.AgentDisconnect) bool { return w.gone(context.Background(), obj) }),
		Entry("since the run was aborted",
			func(w *world, _ *v1alpha1.AgentDisconnect) {
				Expect(w.sim.Region().CreateTags([]string{subnetID}, map[string]string{w.options.ConsentTagKey: ""})).To(Succeed())
				w.clock.Step(w.options.ACLPollInterval)
			},
			func(w *world, obj *v1alpha1.AgentDisconnect) bool {
				seen := w.get(context.Background(), obj)
				return seen.Status.CompletionTime != nil && len(seen.Finalizers) == 0 && seen.Status.Abort.Reason == v1alpha1.AbortConsentWithdrawn
			}),
	)

	DescribeTable("again and again, after a few writes each time, is replaced by ones that end the run all the same", func(ctx context.Context, writes int) {
		w, _ := audited(ctx)
		lives := 0
		var current *process
		start := func() {
			var left atomic.Int32
			left.Store(int32(writes))
			lives++
			current = w.boot(func(p *process) {
				p.point = func(name string) bool { return strings.HasPrefix(name, "after") && left.Add(-1) == 0 }
			})
		}
		start()
		w.beforePass = func() {
			if current.killed.Load() {
				start()
			}
		}
		w.follow()
		obj := w.create(ctx, within(time.Minute))
		w.run(ctx, 50*time.Second, obj)
		Expect(w.overdue(ctx, obj, 10*time.Second)).To(BeEmpty())
		seen := w.finish(ctx, obj, 15*time.Minute)
		Expect(seen.Status.CompletionTime).NotTo(BeNil(), describe(seen))
		Expect(seen.Finalizers).To(BeEmpty())
		Expect(lives).To(BeNumerically(">", 1), "it never died")
	},
		Entry("two", 2), Entry("three", 3), Entry("five", 5),
	)

	It("and is off for a day cleans up at once", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.blocking(ctx)
		w.setAgents(false)
		w.clock.Step(24 * time.Hour)
		w.boot()
		_, err := w.pass(ctx, obj)
		Expect(err).NotTo(HaveOccurred())
		w.expectRestored()

		By("not having seen the agents, and so saying neither that they were disconnected nor that they were not")
		w.setAgents(true)
		seen := w.finish(ctx, obj, 15*time.Minute)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateAgentsNotObserved), describe(seen))
	})

	It("and is off while a run is asked for starts it when it is back, for all of its duration", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.create(ctx)
		w.clock.Step(run.StartWindow - time.Minute)
		w.run(ctx, 20*time.Second, obj)
		seen := w.get(ctx, obj)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateBlocking), describe(seen))
		Expect(seen.Status.ExpirationTime.Sub(w.clock.Now())).To(BeNumerically(">", 9*time.Minute))
	})

	It("and is off for more than an hour while a run is asked for never starts it", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.create(ctx)
		w.clock.Step(24 * time.Hour)
		w.run(ctx, 20*time.Second, obj)
		seen := w.get(ctx, obj)
		succeeded := condition(seen, v1alpha1.ConditionSucceeded)
		Expect(succeeded.Status).To(Equal(metav1.ConditionFalse), describe(seen))
		Expect(succeeded.Reason).To(Equal(v1alpha1.AbortStartDeadlineExceeded))
		Expect(succeeded.Message).To(ContainSubstring("A new spec.runID asks for it again"))
		Expect(seen.Status.StartTime).To(BeNil())
		Expect(seen.Finalizers).To(BeEmpty())
		Expect(w.writes()).To(BeEmpty())
	})
})

var _ = Describe("A manager that comes back with other credentials", func() {
	DescribeTable("concludes nothing and writes nothing, until it is itself again", func(ctx context.Context, key string, reason string, away func(context.Context, *world, *v1alpha1.AgentDisconnect)) {
		w := newWorld(ctx, twoAccounts)
		obj := w.blocking(ctx)
		away(ctx, w, obj)
		rules, entries := w.get(ctx, obj).Status.Rules, w.entries()
		written := func() int {
			return len(w.numbers("ec2:CreateNetworkAclEntry")) + len(w.numbers("ec2:DeleteNetworkAclEntry"))
		}
		writes := written()

		w.restartAs(key)
		w.run(ctx, 12*time.Minute, obj)
		seen := w.get(ctx, obj)
		Expect(condition(seen, v1alpha1.ConditionStalled).Reason).To(Equal(reason), describe(seen))
		Expect(seen.Status.Rules).To(Equal(rules), "the ledger was changed")
		Expect(seen.Status.Abort).To(BeNil())
		Expect(seen.Finalizers).To(ConsistOf(v1alpha1.Finalizer))
		Expect(w.entries()).To(Equal(entries))
		Expect(written()).To(Equal(writes), "something was written")

		w.restart()
		w.run(ctx, 15*time.Second, obj)
		w.expectRestored()
	},
		Entry("with another account's credentials, during the run", otherAccountsKey, v1alpha1.ReasonWrongAccount,
			func(context.Context, *world, *v1alpha1.AgentDisconnect) {}),
		Entry("with another account's credentials, after the expiration", otherAccountsKey, v1alpha1.ReasonWrongAccount,
			func(_ context.Context, w *world, _ *v1alpha1.AgentDisconnect) { w.clock.Step(time.Hour) }),
		Entry("with another account's credentials, when the object is deleted", otherAccountsKey, v1alpha1.ReasonWrongAccount,
			func(ctx context.Context, _ *world, obj *v1alpha1.AgentDisconnect) {
				Expect(kube.Delete(ctx, obj)).To(Succeed())
			}),
		Entry("with unknown credentials", "AKIAUNKNOWN000000001", v1alpha1.ReasonNoCredentials,
			func(_ context.Context, w *world, _ *v1alpha1.AgentDisconnect) { w.clock.Step(time.Hour) }),
	)

	It("goes on with a run in the Region where it began, whatever its own is now", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.follow()
		obj := w.blocking(ctx)
		w.boot(func(p *process) { p.region = "eu-west-1" })
		w.run(ctx, time.Minute, obj)
		seen := w.get(ctx, obj)
		w.expectAllDenied(seen)
		Expect(seen.Status.Target.Region).To(Equal("ap-northeast-1"))
		seen = w.finish(ctx, obj, 15*time.Minute)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Status).To(Equal(metav1.ConditionTrue), describe(seen))
		w.expectRestored()
	})
})
