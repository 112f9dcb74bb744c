// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/flowcontrol"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// turn writes a field of the spec that a run which is on follows, to another value each time.
func turn(ctx context.Context, obj client.Object, n int) error {
	patch := fmt.Appendf(nil, `{"spec":{"ttlSecondsAfterFinished":%d,"duration":"%dm"}}`, 86400+n%2, 10+n%2)
	target := &v1alpha1.AgentDisconnect{}
	target.Namespace, target.Name = obj.GetNamespace(), obj.GetName()
	return kube.Patch(ctx, target, client.RawPatch(types.MergePatchType, patch))
}

// writing is what each of several writers does, again and again.
type writing struct {
	write func(context.Context, client.Object, int) error
	// most is how many writes all of them make in a second. Zero: as many as the API server answers.
	most float32
}

var (
	annotating = writing{write: func(ctx context.Context, obj client.Object, _ int) error { return touch(ctx, obj) }}
	// turning makes five times as many writes as eight writers with kubectl. More of them only take the processor from the
	// specs beside: each has the run follow another spec, which is a pass of its own.
	turning = writing{write: turn, most: 100}
)

// start has so many writers write the object until stop is called, each as soon as its last write was answered.
func (w writing) start(ctx context.Context, obj client.Object, writers int) (stop func() (writes int)) {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	turns := flowcontrol.NewFakeAlwaysRateLimiter()
	if w.most > 0 {
		turns = flowcontrol.NewTokenBucketRateLimiter(w.most, max(writers, 1))
	}
	counts := make([]int, writers)
	for i := range writers {
		group.Go(func() {
			for n := i; turns.Wait(ctx) == nil && ctx.Err() == nil; n++ {
				if w.write(ctx, obj, n) == nil {
					counts[i]++
				}
			}
		})
	}
	return func() (writes int) {
		cancel()
		group.Wait()
		for _, n := range counts {
			writes += n
		}
		return writes
	}
}

var _ = Describe("Writers of the object that never pause", func() {
	type deed func(context.Context, *world, *v1alpha1.AgentDisconnect)
	expires := func(_ context.Context, w *world, obj *v1alpha1.AgentDisconnect) {
		w.clock.SetTime(w.get(context.Background(), obj).Status.ExpirationTime.Time)
	}
	deletes := func(ctx context.Context, _ *world, obj *v1alpha1.AgentDisconnect) {
		Expect(kube.Delete(ctx, obj)).To(Succeed())
	}
	withdraws := func(_ context.Context, w *world, _ *v1alpha1.AgentDisconnect) {
		Expect(w.sim.Region().CreateTags([]string{subnetID}, map[string]string{w.options.ConsentTagKey: ""})).To(Succeed())
		w.clock.Step(w.options.ACLPollInterval)
	}

	// ending gives how long after a deed the last rule was gone, by the run's clock, and the calls of AWS until then.
	ending := func(ctx context.Context, writers int, of writing, d deed, change ...func(*v1alpha1.AgentDisconnect)) (took time.Duration, calls int) {
		GinkgoHelper()
		w, _ := audited(ctx)
		obj := w.blocking(ctx, change...)
		stop := of.start(ctx, obj, writers)
		d(ctx, w, obj)
		since, before := w.clock.Now(), len(w.sim.Calls())
		for len(w.denies(aclID))+len(w.tagsOf(obj)) > 0 && w.clock.Since(since) < time.Minute {
			w.run(ctx, 100*time.Millisecond, obj)
		}
		took, calls = w.clock.Since(since), len(w.sim.Calls())-before
		writes := stop()
		AddReportEntry(fmt.Sprintf("%d writers: %s, %d calls of AWS, %d writes of theirs", writers, took, calls, writes))
		if writers > 0 {
			Expect(writes).To(BeNumerically(">", 0))
		}
		return took, calls
	}

	DescribeTable("hold up no end, and make no more calls of AWS", func(ctx context.Context, of writing, d deed, change ...func(*v1alpha1.AgentDisconnect)) {
		undisturbed, few := ending(ctx, 0, of, d, change...)
		disturbed, many := ending(ctx, 8, of, d, change...)
		Expect(disturbed).To(BeNumerically("<=", undisturbed+10*time.Second))
		Expect(many).To(BeNumerically("<=", 2*few+20))
	},
		Entry("annotations, at the expiration", annotating, expires),
		Entry("annotations, when it is deleted", annotating, deletes),
		Entry("annotations, when the subnet's owner withdraws the consent", annotating, withdraws),
		Entry("annotations, of a clone at its expiration", annotating, expires, cloning),
		Entry("the spec, at the expiration", turning, expires),
		Entry("the spec, when it is deleted", turning, deletes),
		Entry("the spec, when the subnet's owner withdraws the consent", turning, withdraws),
	)

	It("or that come before each write of the manager leave a run all its passes", func(ctx context.Context) {
		w, a := audited(ctx)
		writes := 0
		w.boot(func(p *process) {
			p.meddle = func(obj client.Object, after bool) error {
				if after {
					return nil
				}
				writes++
				return client.IgnoreNotFound(touch(ctx, obj))
			}
		})
		Expect(w.shortfall(w.shortRun(ctx), a)).To(BeEmpty())
		Expect(writes).To(BeNumerically(">", 8))
	})

	It("don't matter where a status says in other words what it says", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.blocking(ctx)
		words := []byte(`{"status":{"networkACL":{"carryOver":[]}}}`) // an empty list, which the manager leaves out
		Expect(kube.Status().Patch(ctx, w.get(ctx, obj), client.RawPatch(types.MergePatchType, words))).To(Succeed())
		writes := 0
		w.boot(func(p *process) {
			p.meddle = func(obj client.Object, after bool) error {
				if writes++; after || writes != 1 {
					return nil
				}
				return touch(ctx, obj)
			}
		})
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		_, err := w.pass(ctx, obj)
		Expect(err).NotTo(HaveOccurred())
		w.expectRestored()
		Expect(w.gone(ctx, obj)).To(BeTrue(), "in the same pass")
	})
})
