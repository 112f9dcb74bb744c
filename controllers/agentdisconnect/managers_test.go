// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"errors"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/agentdisconnect"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
)

// notBefore has a run begin at a time, and be got ready before.
func notBefore(at time.Time) func(*v1alpha1.AgentDisconnect) {
	return func(obj *v1alpha1.AgentDisconnect) { obj.Spec.StartAfter = &metav1.Time{Time: at} }
}

var _ = Describe("Two managers of one Kubernetes cluster", func() {
	// errLost is the answer of an API server whose real one was lost on its way.
	errLost := errors.New("the answer was lost")
	managers, stored := map[string]*agentdisconnect.Reconciler{}, func() error { return nil }

	// prepare gives two objects that are ready to begin now, each with a manager of its own. meet is called right before the
	// first manager stores that its run begins, stored right after that, and after right after the second did.
	prepare := func(ctx context.Context, meet func(second func()), after func()) (w *world, one, two *v1alpha1.AgentDisconnect, pass func(*v1alpha1.AgentDisconnect)) {
		clear(managers)
		w, _ = audited(ctx)
		at := w.clock.Now().Add(30 * time.Second)
		one, two = w.create(ctx, notBefore(at)), w.create(ctx, notBefore(at))
		pass = func(obj *v1alpha1.AgentDisconnect) {
			_, err := managers[obj.Name].Reconcile(ctx, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(obj)})
			Expect(err).To(Or(BeNil(), MatchError(errLost)))
		}
		met, begun := false, false
		w.boot(func(p *process) {
			p.meddle = func(obj client.Object, done bool) error {
				seen := obj.(*v1alpha1.AgentDisconnect)
				if seen.Name != one.Name || seen.Status.StartTime == nil {
					return nil
				}
				if !done && !met {
					met = true
					meet(func() { pass(two) })
				}
				if done && !begun {
					begun = true
					return stored()
				}
				return nil
			}
		})
		managers[one.Name] = w.reconciler
		w.boot(func(p *process) {
			p.meddle = func(obj client.Object, stored bool) error {
				if seen := obj.(*v1alpha1.AgentDisconnect); stored && after != nil && seen.Status.StartTime != nil {
					after()
					after = nil
				}
				return nil
			}
		})
		managers[two.Name] = w.reconciler
		for range 3 {
			pass(one)
			pass(two)
			w.clock.Step(10 * time.Second)
		}
		Expect(w.state(ctx, one)).To(Equal(v1alpha1.StateWaiting), describe(w.get(ctx, one)))
		Expect(w.writes()).To(BeEmpty())
		return w, one, two, pass
	}

	// expectNotBegun holds the first run against one that never began, beside the second one that is on.
	expectNotBegun := func(ctx context.Context, w *world, one, two *v1alpha1.AgentDisconnect) {
		GinkgoHelper()
		Expect(w.state(ctx, two)).To(Equal(v1alpha1.StateBlocking), describe(w.get(ctx, two)))
		seen := w.get(ctx, one)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(BeElementOf(v1alpha1.StateWaiting, v1alpha1.StateDiscovering), describe(seen))
		Expect(seen.Status.StartTime).To(BeNil())
		Expect(seen.Status.Rules).To(BeEmpty())
		Expect(seen.Finalizers).To(BeEmpty())
		Expect(w.tagsOf(one)).To(BeEmpty())
		Expect(w.denies(aclID)).To(HaveLen(6))
	}

	It("of which one was paused before it stored a start: its run steps back, and costs nothing", func(ctx context.Context) {
		w, one, two, pass := prepare(ctx, func(second func()) { second() }, nil)
		pass(one)
		Expect(w.state(ctx, two)).To(Equal(v1alpha1.StateBlocking), describe(w.get(ctx, two)))
		seen := w.get(ctx, one)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateWaiting), describe(seen))
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Message).To(ContainSubstring(two.Namespace + "/" + two.Name + " began on network ACL " + aclID))
		Expect(seen.Status.StartTime).To(BeNil())
		Expect(seen.Status.Rules).To(BeEmpty())
		Expect(seen.Finalizers).To(BeEmpty())
		Expect(w.tagsOf(one)).To(BeEmpty())
		Expect(w.denies(aclID)).To(HaveLen(6))
		w.expectClaimed(w.get(ctx, two))

		Expect(kube.Delete(ctx, two)).To(Succeed())
		pass(two)
		for range 8 {
			w.clock.Step(10 * time.Second)
			pass(one)
		}
		seen = w.get(ctx, one)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateBlocking), describe(seen))
		Expect(seen.Status.ExpirationTime.Sub(seen.Status.StartTime.Time)).To(Equal(10*time.Minute), "waiting costs none of the duration")
	})

	It("that store the starts of two runs before either looks again: one of the two goes on", func(ctx context.Context) {
		stored, looked, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
		w, one, two, pass := prepare(ctx, func(second func()) {
			go func() {
				defer GinkgoRecover()
				defer close(done)
				second()
			}()
			<-stored
		}, func() {
			close(stored)
			<-looked
		})
		pass(one)
		Expect(w.writes()).To(BeEmpty(), "nothing was written to AWS by the one that stepped back")
		Expect(w.get(ctx, one).Status.StartTime).To(BeNil(), describe(w.get(ctx, one)))
		close(looked)
		<-done
		Expect(w.state(ctx, two)).To(Equal(v1alpha1.StateBlocking), describe(w.get(ctx, two)))
		Expect(w.tagsOf(one)).To(BeEmpty())
	})

	It("of which one was paused, and the answer to its start was lost: its run steps back all the same", func(ctx context.Context) {
		w, one, two, pass := prepare(ctx, func(second func()) { second() }, nil)
		stored = func() error { return errLost }
		DeferCleanup(func() { stored = func() error { return nil } })
		pass(one)
		Expect(w.get(ctx, one).Status.StartTime).NotTo(BeNil())
		for range 3 {
			pass(one)
			pass(two)
			w.clock.Step(3 * time.Second)
		}
		expectNotBegun(ctx, w, one, two)
	})

	It("of which one was paused, stored a start and died: the other looks before it goes on with that run", func(ctx context.Context) {
		w, one, two, pass := prepare(ctx, func(second func()) { second() }, nil)
		stored = func() error { return errLost }
		DeferCleanup(func() { stored = func() error { return nil } })
		pass(one)
		managers[one.Name] = managers[two.Name]
		for range 3 {
			pass(one)
			pass(two)
			w.clock.Step(3 * time.Second)
		}
		expectNotBegun(ctx, w, one, two)
	})

	It("that both take up a run which was just stored beside another: it steps back once", func(ctx context.Context) {
		w, one, two, pass := prepare(ctx, func(second func()) { second() }, nil)
		stored = func() error {
			for range 3 {
				_, err := managers[two.Name].Reconcile(ctx, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(one)})
				Expect(err).NotTo(HaveOccurred())
				w.clock.Step(time.Second)
			}
			return nil
		}
		DeferCleanup(func() { stored = func() error { return nil } })
		pass(one)
		pass(one)
		pass(two)
		expectNotBegun(ctx, w, one, two)
	})

	It("of which one goes on with a run that the other would take back: its rules stay in the ledger", func(ctx context.Context) {
		w, one, two, pass := prepare(ctx, func(func()) {}, nil)
		stored = func() error {
			_, err := managers[two.Name].Reconcile(ctx, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(one)})
			w.editStatus(ctx, two, func(status *v1alpha1.AgentDisconnectStatus) { // as its manager stores it now
				begun := w.get(ctx, one).Status
				status.StartTime, status.ExpirationTime, status.Target, status.NetworkACL = begun.StartTime, begun.ExpirationTime, begun.Target, begun.NetworkACL
			})
			return err
		}
		DeferCleanup(func() { stored = func() error { return nil } })
		pass(one)
		seen := w.get(ctx, one)
		Expect(seen.Status.Rules).To(HaveLen(6), describe(seen))
		Expect(seen.Finalizers).To(ConsistOf(v1alpha1.Finalizer))
		Expect(w.denies(aclID)).To(HaveLen(6))
		w.expectClaimed(seen)
	})

	It("write nothing to AWS before they could look for other runs", func(ctx context.Context) {
		w, one, _, pass := prepare(ctx, func(func()) {}, nil)
		stored = func() error { return errLost }
		DeferCleanup(func() { stored = func() error { return nil } })
		pass(one)
		blind := true
		w.boot(func(p *process) {
			p.listing = func() error {
				if blind {
					return errLost
				}
				return nil
			}
		})
		managers[one.Name] = w.reconciler
		for range 3 {
			pass(one)
			w.clock.Step(3 * time.Second)
		}
		Expect(w.writes()).To(BeEmpty())
		blind = false
		pass(one)
		Expect(w.denies(aclID)).To(HaveLen(6))
	})
})

var _ = Describe("A clone of the network ACL that another Kubernetes cluster's run has", func() {
	// theirClone makes one, for a subnet that is on it.
	theirClone := func(w *world, of, subnet string, left time.Duration) string {
		tags := w.theirs(left)
		tags[ownership.TagClone], tags[ownership.TagOriginal], tags[ownership.TagSubnet] = theirUID, of, subnet
		home, _ := w.sim.Region().NetworkACL(of)
		clone, err := w.sim.Region().CreateNetworkACL(home.VPCID, "", "", tags)
		Expect(err).NotTo(HaveOccurred())
		w.move(subnet, clone.ID)
		return clone.ID
	}

	It("is waited for by a run in place on the original, with its cluster, owner and end in the message", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.move(plainSubnet, aclID)
		clone := theirClone(w, aclID, plainSubnet, 30*time.Minute)
		w.before = w.entries()
		until := w.clock.Now().Add(30 * time.Minute).UTC().Format(time.RFC3339)
		obj := w.create(ctx, func(obj *v1alpha1.AgentDisconnect) { obj.Spec.NetworkACLMode = v1alpha1.NetworkACLModeInPlace })
		w.run(ctx, time.Minute, obj)
		seen := w.get(ctx, obj)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateWaiting), describe(seen))
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Message).To(Equal("team-b/their-run of another Kubernetes cluster (" + elsewhere + ") has subnet " + plainSubnet +
			" on clone " + clone + " of network ACL " + aclID + " until " + until + ": this run begins when that one is over"))
		w.expectRestored()

		By("beginning when it is over")
		w.move(plainSubnet, sharedACL)
		Expect(w.sim.Region().DeleteNetworkACL(clone)).To(Succeed())
		w.run(ctx, 2*time.Minute, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking), describe(w.get(ctx, obj)))
	})

	It("has a run that leaves the mode to the manager make a clone, as for one of its own cluster", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.move(plainSubnet, aclID)
		theirClone(w, aclID, plainSubnet, 30*time.Minute)
		obj := w.blocking(ctx)
		Expect(w.get(ctx, obj).Status.NetworkACL.Mode).To(Equal(v1alpha1.NetworkACLModeClone))
	})
})
