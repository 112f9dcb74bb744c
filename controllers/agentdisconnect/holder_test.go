// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// anotherNamespace is a second namespace of the world.
func (w *world) anotherNamespace(ctx context.Context) string {
	GinkgoHelper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	Expect(kube.Create(ctx, namespace)).To(Succeed())
	return namespace.Name
}

// createIn makes an object in another namespace of the world. It goes with the test.
func (w *world) createIn(ctx context.Context, namespace string, change ...func(*v1alpha1.AgentDisconnect)) *v1alpha1.AgentDisconnect {
	GinkgoHelper()
	elsewhere := &world{namespace: namespace}
	DeferCleanup(elsewhere.forget)
	return elsewhere.create(ctx, change...)
}

var _ = Describe("Two runs on one network ACL", func() {
	It("take turns, also from different namespaces: the second waits, names the first, and loses nothing of its duration", func(ctx context.Context) {
		w := newWorld(ctx)
		one := w.create(ctx, within(2*time.Minute))
		w.run(ctx, 20*time.Second, one)
		Expect(w.state(ctx, one)).To(Equal(v1alpha1.StateBlocking))
		two := w.createIn(ctx, w.anotherNamespace(ctx), within(3*time.Minute))

		w.run(ctx, time.Minute, one, two)
		seen := w.get(ctx, two)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateWaiting), describe(seen))
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Message).To(ContainSubstring(one.Namespace + "/" + one.Name))
		Expect(condition(seen, v1alpha1.ConditionStalled).Status).To(BeEquivalentTo("Absent"))
		Expect(seen.Status.StartTime).To(BeNil())
		Expect(seen.Finalizers).To(BeEmpty())
		Expect(w.denies(aclID)).To(HaveLen(6))

		w.run(ctx, w.get(ctx, one).Status.ExpirationTime.Sub(w.clock.Now())+2*time.Minute, one, two)
		first, second := w.get(ctx, one), w.get(ctx, two)
		Expect(first.Status.CompletionTime).NotTo(BeNil(), describe(first))
		Expect(second.Status.StartTime).NotTo(BeNil(), describe(second))
		Expect(second.Status.StartTime.Time).NotTo(BeTemporally("<", first.Status.CompletionTime.Time), "the first was not over")
		Expect(second.Status.ExpirationTime.Sub(second.Status.StartTime.Time)).To(Equal(3 * time.Minute))

		second = w.finish(ctx, two, 20*time.Minute)
		Expect(second.Status.CompletionTime).NotTo(BeNil(), describe(second))
		w.expectRestored()
	})

	It("of three namespaces take turns, each for all of its duration, with the name of the one before", func(ctx context.Context) {
		w := newWorld(ctx)
		w.follow()
		objects := []*v1alpha1.AgentDisconnect{w.create(ctx, within(time.Minute))}
		for range 2 {
			objects = append(objects, w.createIn(ctx, w.anotherNamespace(ctx), within(time.Minute)))
		}
		waited := map[string]bool{}
		for range 40 {
			w.run(ctx, 10*time.Second, objects...)
			var on []*v1alpha1.AgentDisconnect
			for _, obj := range objects {
				if seen := w.get(ctx, obj); seen.Status.StartTime != nil && seen.Status.CompletionTime == nil {
					on = append(on, obj)
				}
			}
			Expect(len(on)).To(BeNumerically("<=", 1))
			for _, obj := range objects {
				if succeeded := condition(w.get(ctx, obj), v1alpha1.ConditionSucceeded); len(on) == 1 && succeeded.Reason == v1alpha1.StateWaiting {
					Expect(succeeded.Message).To(HavePrefix(on[0].Namespace + "/" + on[0].Name + " "))
					waited[obj.Namespace] = true
				}
			}
		}
		Expect(waited).To(HaveLen(2))
		for _, obj := range objects {
			seen := w.get(ctx, obj)
			Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateCompleted), describe(seen))
			Expect(seen.Status.RestoredTime.Sub(seen.Status.StartTime.Time)).To(Equal(time.Minute))
		}
		w.expectRestored()
	})

	It("say what they wait for also while the first has the agents disconnected", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.follow()
		one := w.blocking(ctx)
		two := w.create(ctx)
		w.run(ctx, time.Minute, one, two)
		seen := w.get(ctx, two)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateWaiting), describe(seen))
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Message).To(ContainSubstring(one.Namespace + "/" + one.Name))
	})

	It("begin with the oldest that is ready", func(ctx context.Context) {
		w, _ := audited(ctx)
		first := w.blocking(ctx)
		// The oldest of those that wait can't begin: its host has no address.
		unready := w.create(ctx, func(obj *v1alpha1.AgentDisconnect) {
			obj.Spec.AdditionalEndpoints = &v1alpha1.AdditionalEndpoints{Hostnames: []string{"nowhere.example.com"}}
		})
		older := w.create(ctx)
		time.Sleep(time.Until(older.CreationTimestamp.Add(time.Second))) // creation times have whole seconds
		younger := w.create(ctx)
		w.run(ctx, time.Minute, first, unready, younger, older)
		Expect(kube.Delete(ctx, first)).To(Succeed())
		w.run(ctx, 30*time.Second, first, unready, younger, older)
		Expect(w.state(ctx, unready)).To(Equal(v1alpha1.StateRefused))
		Expect(w.state(ctx, older)).To(Equal(v1alpha1.StateBlocking), describe(w.get(ctx, older)))
		Expect(w.state(ctx, younger)).To(Equal(v1alpha1.StateWaiting))
	})

	It("go on when the one that was first is deleted", func(ctx context.Context) {
		w, _ := audited(ctx)
		one := w.blocking(ctx)
		two := w.create(ctx)
		w.run(ctx, 30*time.Second, one, two)
		Expect(w.state(ctx, two)).To(Equal(v1alpha1.StateWaiting))
		Expect(kube.Delete(ctx, one)).To(Succeed())
		w.run(ctx, 20*time.Second, one, two)
		Expect(w.gone(ctx, one)).To(BeTrue())
		Expect(w.state(ctx, two)).To(Equal(v1alpha1.StateBlocking), describe(w.get(ctx, two)))
	})

	It("of which one is paused between its start and its rules don't both begin", func(ctx context.Context) {
		w, _ := audited(ctx)
		one := w.create(ctx)
		two := w.create(ctx)
		// The manager dies as soon as the first has begun.
		ended := false
		p := w.boot(func(p *process) {
			p.point = func(string) bool {
				ended = ended || w.get(ctx, one).Status.StartTime != nil
				return ended
			}
		})
		w.run(ctx, 16*time.Second, one)
		Expect(p.killed.Load()).To(BeTrue())
		Expect(w.denies(aclID)).To(BeEmpty())
		w.boot()
		w.run(ctx, time.Minute, two)
		Expect(w.state(ctx, two)).To(Equal(v1alpha1.StateWaiting), describe(w.get(ctx, two)))
		w.run(ctx, time.Minute, one, two)
		Expect(w.state(ctx, one)).To(Equal(v1alpha1.StateBlocking))
	})
})

var _ = Describe("Many runs on one network ACL", func() {
	It("worked on at once are begun one at a time", func(ctx context.Context) {
		w, _ := audited(ctx)
		const many = 8
		var objects []*v1alpha1.AgentDisconnect
		for range many {
			objects = append(objects, w.create(ctx))
		}
		passes := func() {
			var group sync.WaitGroup
			for _, obj := range objects {
				group.Go(func() {
					defer GinkgoRecover()
					_, err := w.pass(ctx, obj)
					Expect(err).NotTo(HaveOccurred())
				})
			}
			group.Wait()
		}
		passes()
		w.clock.Step(w.options.AgentPollInterval) // the second poll is due
		for range 3 {
			passes()
			begun := 0
			for _, obj := range objects {
				if w.get(ctx, obj).Status.StartTime != nil {
					begun++
				}
			}
			Expect(begun).To(Equal(1))
			Expect(w.denies(aclID)).To(HaveLen(6))
			w.clock.Step(time.Second)
		}
	})
})
