// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"math"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// keptFor has an object deleted that many seconds after its run is over.
func keptFor(seconds int32) func(*v1alpha1.AgentDisconnect) {
	return func(obj *v1alpha1.AgentDisconnect) { obj.Spec.TTLSecondsAfterFinished = &seconds }
}

var _ = Describe("A finished object with ttlSecondsAfterFinished", func() {
	It("is deleted that long after its completion, not before, by whichever manager there is then", func(ctx context.Context) {
		w, _ := followed(ctx)
		obj := w.completed(ctx, keptFor(600))
		completed := w.get(ctx, obj).Status.CompletionTime.Time
		w.restart()
		w.run(ctx, completed.Add(10*time.Minute).Sub(w.clock.Now())-time.Millisecond, obj)
		Expect(w.gone(ctx, obj)).To(BeFalse())
		w.run(ctx, time.Millisecond, obj)
		Expect(w.gone(ctx, obj)).To(BeTrue())
		w.run(ctx, time.Hour, obj)
		w.expectRestored()
	})

	It("of 0 is deleted as soon as it is over, and its last state was to be seen", func(ctx context.Context) {
		w, _ := followed(ctx)
		obj := w.blocking(ctx, within(time.Minute), keptFor(0))
		w.told("")
		for i := 0; i < 60 && !w.gone(ctx, obj); i++ {
			w.run(ctx, 15*time.Second, obj)
		}
		Expect(w.gone(ctx, obj)).To(BeTrue())
		w.expectRestored()
		Expect(w.told("Normal Completed")).To(HaveLen(1))
	})

	It("whose run never started is deleted too", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.create(ctx, keptFor(60), startingBefore(w.clock.Now().Add(-time.Hour)))
		w.run(ctx, time.Minute-time.Second, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.AbortStartDeadlineExceeded))
		w.run(ctx, 2*time.Second, obj)
		Expect(w.gone(ctx, obj)).To(BeTrue())
	})

	It("follows a change of it, and stays for ever without", func(ctx context.Context) {
		w, _ := followed(ctx)
		obj := w.completed(ctx)
		w.run(ctx, 365*24*time.Hour, obj)
		w.edit(ctx, obj, keptFor(math.MaxInt32))
		w.run(ctx, 365*24*time.Hour, obj)
		w.edit(ctx, obj, func(obj *v1alpha1.AgentDisconnect) { obj.Spec.TTLSecondsAfterFinished = nil })
		w.run(ctx, time.Hour, obj)
		Expect(w.gone(ctx, obj)).To(BeFalse())
		w.edit(ctx, obj, keptFor(60))
		w.run(ctx, time.Second, obj)
		Expect(w.gone(ctx, obj)).To(BeTrue(), "that is long past")
	})

	It("is not deleted while another run or a plan is asked for", func(ctx context.Context) {
		w, _ := followed(ctx)
		obj := w.completed(ctx, keptFor(600), requesting("a"))
		w.edit(ctx, obj, func(obj *v1alpha1.AgentDisconnect) { obj.Spec.Mode = v1alpha1.ModePlan })
		w.run(ctx, time.Hour, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StatePlanned))

		w.edit(ctx, obj, func(obj *v1alpha1.AgentDisconnect) {
			obj.Spec.Mode = v1alpha1.ModeRun
			requesting("b")(obj)
		})
		w.run(ctx, 40*time.Second, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking))
		seen := w.finish(ctx, obj, 15*time.Minute)
		w.run(ctx, seen.Status.CompletionTime.Add(10*time.Minute).Sub(w.clock.Now()), obj)
		Expect(w.gone(ctx, obj)).To(BeTrue())
	})

	It("is not deleted when it was changed at that moment: its writer may want another run", func(ctx context.Context) {
		w, _ := followed(ctx)
		obj := w.completed(ctx, keptFor(600), requesting("a"))
		asked := false
		w.boot(func(p *process) {
			p.deleting = func() {
				if !asked {
					asked = true
					w.edit(ctx, obj, requesting("b"))
				}
			}
		})
		w.run(ctx, 11*time.Minute, obj)
		Expect(asked).To(BeTrue())
		Expect(w.gone(ctx, obj)).To(BeFalse(), "it was deleted over the new runID")
		Expect(w.get(ctx, obj).Status.RunID).To(Equal("b"))
	})
})
