// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/options"
	"agentdisconnect.dev/agentdisconnect/controllers/reservation"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// limited starts the manager anew with other options.
func (w *world) limited(change func(*options.Options)) {
	change(&w.options)
	w.boot()
}

// addSubnets makes that many subnets, each with a network ACL to itself, consent and a container instance of the cluster.
func (w *world) addSubnets(n int) []string {
	GinkgoHelper()
	r := w.sim.Region()
	var ids []string
	for i := range n {
		subnet, acl := fmt.Sprintf("subnet-0%016d", i), fmt.Sprintf("acl-0%016d", i)
		Expect(r.AddNetworkACL(region.ACL{ID: acl, VPCID: defaultVPC})).To(Succeed())
		Expect(r.SetEntries(acl, region.AllowAll(100, true), region.AllowAll(100, false))).To(Succeed())
		Expect(r.AddSubnet(region.Subnet{
			ID: subnet, VPCID: defaultVPC, CIDR: netip.MustParsePrefix(fmt.Sprintf("10.0.%d.0/24", 100+i)), AvailabilityZone: "ap-northeast-1a",
			NetworkACLID: acl, Tags: map[string]string{consentTag: "true"},
		})).To(Succeed())
		w.register(clusterName, subnet)
		ids = append(ids, subnet)
	}
	w.before = w.entries()
	return ids
}

// apart makes that many objects, each for a subnet of its own, the oldest first.
func (w *world) apart(ctx context.Context, n int, change ...func(*v1alpha1.AgentDisconnect)) []*v1alpha1.AgentDisconnect {
	GinkgoHelper()
	var objects []*v1alpha1.AgentDisconnect
	for _, subnet := range w.addSubnets(n) {
		objects = append(objects, w.create(ctx, append(change, withSubnet(subnet))...))
	}
	slices.SortFunc(objects, func(a, b *v1alpha1.AgentDisconnect) int {
		if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
			return a.CreationTimestamp.Compare(b.CreationTimestamp.Time)
		}
		return slices.Compare([]byte(a.UID), []byte(b.UID)) // creation times have whole seconds
	})
	return objects
}

// on are those of the objects whose runs have begun and are not over.
func (w *world) on(ctx context.Context, objects ...*v1alpha1.AgentDisconnect) []*v1alpha1.AgentDisconnect {
	var all v1alpha1.AgentDisconnectList
	Expect(kube.List(ctx, &all, client.InNamespace(w.namespace))).To(Succeed())
	return slices.DeleteFunc(slices.Clone(objects), func(obj *v1alpha1.AgentDisconnect) bool {
		return !slices.ContainsFunc(all.Items, func(o v1alpha1.AgentDisconnect) bool {
			return o.UID == obj.UID && o.Status.StartTime != nil && o.Status.CompletionTime == nil
		})
	})
}

func withMost(runs int) func(*options.Options) {
	return func(o *options.Options) { o.MaxActiveRuns = runs }
}

var _ = Describe("A manager with --max-duration", func() {
	longest := func(d time.Duration) func(*options.Options) {
		return func(o *options.Options) { o.MaxDuration = d }
	}

	It("refuses what lasts longer before the start, and begins once it is shortened", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.limited(longest(5 * time.Minute))
		obj := w.create(ctx, within(5*time.Minute+time.Second))
		w.run(ctx, time.Minute, obj)
		seen := w.get(ctx, obj)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateRefused))
		Expect(condition(seen, v1alpha1.ConditionStalled).Reason).To(Equal(v1alpha1.ReasonDurationTooLong))
		Expect(condition(seen, v1alpha1.ConditionStalled).Message).To(Equal("spec.duration is 5m1s, and the manager allows 5m0s at most (--max-duration): shorten it. See docs/states/Stalled.md#durationtoolong"))
		Expect(w.attempts()).To(BeEmpty())
		w.edit(ctx, obj, within(5*time.Minute))
		w.run(ctx, time.Minute, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking))
	})

	It("does not follow a run that is made longer than that, says so, and follows it to shorter", func(ctx context.Context) {
		w, _ := followed(ctx)
		w.limited(longest(5 * time.Minute))
		obj := w.blocking(ctx, within(3*time.Minute))
		expires := w.get(ctx, obj).Status.ExpirationTime.Time
		w.edit(ctx, obj, within(20*time.Minute))
		w.run(ctx, 15*time.Second, obj)
		seen := w.get(ctx, obj)
		Expect(seen.Status.ExpirationTime.Time).To(Equal(expires))
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateBlocking))
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Message).To(ContainSubstring(
			"changed after the start and without effect on this run: duration (longer than the manager's --max-duration)"))

		w.edit(ctx, obj, within(5*time.Minute))
		w.run(ctx, 15*time.Second, obj)
		seen = w.get(ctx, obj)
		Expect(seen.Status.ExpirationTime.Time).To(Equal(expires.Add(2 * time.Minute)))
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Message).NotTo(ContainSubstring("without effect"))
		w.edit(ctx, obj, within(2*time.Minute))
		w.run(ctx, expires.Add(-time.Minute).Sub(w.clock.Now()), obj)
		w.expectRestored()
	})

	It("lets a run go on that began under a longer one, and follows it to shorter all the same", func(ctx context.Context) {
		w, _ := followed(ctx)
		obj := w.blocking(ctx, within(time.Hour))
		started := w.get(ctx, obj).Status.StartTime.Time
		w.limited(longest(5 * time.Minute))
		w.run(ctx, 10*time.Minute, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking))
		w.edit(ctx, obj, within(20*time.Minute))
		w.run(ctx, 15*time.Second, obj)
		Expect(w.get(ctx, obj).Status.ExpirationTime.Time).To(BeTemporally("==", started.Add(20*time.Minute)))
		w.edit(ctx, obj, within(30*time.Minute))
		w.run(ctx, started.Add(20*time.Minute).Sub(w.clock.Now()), obj)
		w.expectRestored()
	})
})

var _ = Describe("A manager with --max-active-runs", func() {
	It("begins that many, has the others wait without losing duration, and the oldest of them next", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.limited(withMost(2))
		objects := w.apart(ctx, 5)
		backwards := slices.Clone(objects)
		slices.Reverse(backwards)
		w.run(ctx, time.Minute, backwards...)
		begun := w.on(ctx, objects...)
		Expect(begun).To(HaveLen(2))
		waiting := slices.DeleteFunc(slices.Clone(objects), func(obj *v1alpha1.AgentDisconnect) bool { return slices.Contains(begun, obj) })
		for _, obj := range waiting {
			seen := w.get(ctx, obj)
			Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateWaiting), describe(seen))
			Expect(condition(seen, v1alpha1.ConditionSucceeded).Message).To(Equal(
				"2 runs are on or about to begin, which is as many as the manager allows at once (--max-active-runs): this run begins when one of them is over"))
			Expect(condition(seen, v1alpha1.ConditionStalled).Status).To(BeEquivalentTo("Absent"))
			Expect(seen.Finalizers).To(BeEmpty())
		}

		By("counting right after a restart, a suspended run too")
		w.edit(ctx, begun[0], suspending(true))
		w.boot()
		w.run(ctx, 40*time.Second, backwards...)
		Expect(w.on(ctx, objects...)).To(Equal(begun))

		By("giving each place that is freed to the oldest that waits")
		for i, obj := range begun {
			Expect(kube.Delete(ctx, obj)).To(Succeed())
			w.run(ctx, 15*time.Second, backwards...)
			Expect(w.on(ctx, waiting...)).To(Equal(waiting[:i+1]))
		}
		for i, obj := range waiting[:2] {
			Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking), "number %d", i)
			expires := w.get(ctx, obj).Status.ExpirationTime
			Expect(expires.Sub(w.get(ctx, obj).Status.StartTime.Time)).To(Equal(10 * time.Minute))
		}
	})

	It("has the one that waits ask again at a steady pace: it is others that it waits for", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.limited(withMost(1))
		objects := w.apart(ctx, 2)
		w.run(ctx, 20*time.Second, objects[0])
		w.until(ctx, objects[1], time.Minute, func(seen *v1alpha1.AgentDisconnect) bool {
			return condition(seen, v1alpha1.ConditionSucceeded).Reason == v1alpha1.StateWaiting
		})
		result, err := w.pass(ctx, objects[1])
		Expect(err).NotTo(HaveOccurred())
		Expect(result.RequeueAfter).To(BeNumerically("~", reservation.RetryInterval, reservation.RetryInterval/4))
	})

	It("does not keep a place for one that could not begin", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.limited(withMost(1))
		objects := w.apart(ctx, 3)
		w.run(ctx, 40*time.Second, objects...)
		Expect(w.on(ctx, objects...)).To(Equal(objects[:1]))
		w.edit(ctx, objects[1], func(obj *v1alpha1.AgentDisconnect) {
			obj.Spec.AdditionalEndpoints = &v1alpha1.AdditionalEndpoints{Hostnames: []string{"nowhere.example.com"}}
		})
		w.run(ctx, 20*time.Second, objects...)
		Expect(kube.Delete(ctx, objects[0])).To(Succeed())
		w.run(ctx, 15*time.Second, objects...)
		Expect(w.state(ctx, objects[1])).To(Equal(v1alpha1.StateRefused))
		Expect(w.state(ctx, objects[2])).To(Equal(v1alpha1.StateBlocking), describe(w.get(ctx, objects[2])))
	})

	It("counts no run whose object was deleted by force and made anew", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.limited(withMost(1))
		objects := w.apart(ctx, 2)
		w.run(ctx, 20*time.Second, objects[0])
		fresh := w.get(ctx, objects[0])
		fresh.Finalizers = nil
		Expect(kube.Update(ctx, fresh)).To(Succeed())
		Expect(kube.Delete(ctx, fresh)).To(Succeed())
		again := &v1alpha1.AgentDisconnect{ObjectMeta: metav1.ObjectMeta{Namespace: fresh.Namespace, Name: fresh.Name}, Spec: objects[1].Spec}
		Expect(kube.Create(ctx, again)).To(Succeed())
		w.run(ctx, 40*time.Second, again)
		Expect(w.state(ctx, again)).To(Equal(v1alpha1.StateBlocking), describe(w.get(ctx, again)))
	})

	It("never lets more begin, however many are worked on at once", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.limited(withMost(3))
		objects := w.apart(ctx, 10)
		for range 4 {
			var group sync.WaitGroup
			for _, obj := range objects {
				group.Go(func() {
					defer GinkgoRecover()
					_, err := w.pass(ctx, obj)
					Expect(err).NotTo(HaveOccurred())
				})
			}
			group.Wait()
			Expect(len(w.on(ctx, objects...))).To(BeElementOf(0, 3))
			w.clock.Step(w.options.AgentPollInterval)
		}
		Expect(w.on(ctx, objects...)).To(HaveLen(3))
	})

	It("never lets more be on at any time, in a manager with its queue and its clock", func(ctx context.Context) {
		const most = 3
		w := newWorld(ctx)
		objects := w.apart(ctx, 8)
		over := make(chan struct{})
		var watching sync.WaitGroup
		DeferCleanup(func() { close(over); watching.Wait() })
		watching.Go(func() {
			defer GinkgoRecover()
			for {
				select {
				case <-over:
					return
				case <-time.After(20 * time.Millisecond):
					Expect(len(w.on(context.Background(), objects...))).To(BeNumerically("<=", most))
				}
			}
		})
		w.manage(ctx, withMost(most))
		Eventually(func() int { return len(w.on(ctx, objects...)) }).Should(Equal(most))
		first := w.on(ctx, objects...)
		for _, obj := range first {
			Expect(kube.Delete(ctx, obj)).To(Succeed())
		}
		rest := slices.DeleteFunc(slices.Clone(objects), func(obj *v1alpha1.AgentDisconnect) bool { return slices.Contains(first, obj) })
		Eventually(func() int { return len(w.on(ctx, rest...)) }).Should(Equal(most), "others take the places")
	})
})

var _ = Describe("A manager with --watch-namespaces", func() {
	It("leaves objects elsewhere alone, and still sees what their runs hold", func(ctx context.Context) {
		w := newWorld(ctx)
		elsewhere := w.anotherNamespace(ctx)
		first := w.createIn(ctx, elsewhere)
		w.run(ctx, 20*time.Second, first) // under another manager
		Expect(w.state(ctx, first)).To(Equal(v1alpha1.StateBlocking))
		untouched := w.createIn(ctx, elsewhere, withSubnet(sharedSubnet), amongOthers)
		obj := w.create(ctx)

		w.manage(ctx, func(o *options.Options) { o.ClusterID = w.options.ClusterID }) // of w.namespace alone
		Eventually(func() string { return condition(w.get(ctx, obj), v1alpha1.ConditionSucceeded).Message }).
			Should(HavePrefix(first.Namespace + "/" + first.Name + " holds network ACL " + aclID))
		Expect(w.get(ctx, untouched).Status.Conditions).To(BeEmpty())
		version := w.get(ctx, first).ResourceVersion
		Expect(kube.Delete(ctx, first)).To(Succeed())
		Consistently(func() []string { return w.get(ctx, first).Finalizers }, time.Second).Should(ConsistOf(v1alpha1.Finalizer))
		Expect(w.get(ctx, first).ResourceVersion).NotTo(Equal(version), "the deletion alone")
		Expect(w.get(ctx, first).Status.Rules).To(HaveLen(6))
	})
})
