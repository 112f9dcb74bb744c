// SPDX-License-Identifier: Apache-2.0

package schedule_test

import (
	"context"
	"errors"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// seenLateness is how many runs were measured, and the sum of how late they were, in seconds.
func seenLateness() (count uint64, sum float64) {
	GinkgoHelper()
	families, err := metrics.Registry.Gather()
	Expect(err).NotTo(HaveOccurred())
	for _, family := range families {
		if family.GetName() == "agentdisconnect_schedule_lateness_seconds" {
			histogram := family.GetMetric()[0].GetHistogram()
			return histogram.GetSampleCount(), histogram.GetSampleSum()
		}
	}
	Fail("there is no such metric")
	return 0, 0
}

// missedTimes is the count of a reason.
func missedTimes(reason v1alpha1.MissedReason) float64 {
	GinkgoHelper()
	families, err := metrics.Registry.Gather()
	Expect(err).NotTo(HaveOccurred())
	for _, family := range families {
		if family.GetName() != "agentdisconnect_schedule_missed_total" {
			continue
		}
		for _, m := range family.GetMetric() {
			if m.GetLabel()[0].GetValue() == string(reason) {
				return m.GetCounter().GetValue()
			}
		}
	}
	Fail("there is no series of " + string(reason) + ": an alert would not see the first one")
	return 0
}

var _ = Describe("Metrics of schedules", Serial, func() {
	It("tell how late runs are created", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.everyHour(ctx)
		count, sum := seenLateness()
		w.at(ctx, obj, w.firstTime(ctx, obj).Add(7*time.Second))
		seen, after := seenLateness()
		Expect(seen).To(Equal(count + 1))
		Expect(after).To(BeNumerically("~", sum+7, .001))
		w.pass(ctx, obj)
		again, _ := seenLateness()
		Expect(again).To(Equal(seen))
	})

	It("tell it of a run whose creation was not answered, and once where the status is not stored", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.everyHour(ctx)
		before, _ := seenLateness()
		w.manageWith(interceptor.NewClient(kube.(client.WithWatch), interceptor.Funcs{
			Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
				return errors.Join(c.Create(ctx, obj, opts...), errLost)
			},
			SubResourcePatch: func(ctx context.Context, c client.Client, sub string, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
				if obj.(*v1alpha1.AgentDisconnectSchedule).Status.Starting == "" {
					return errors.New("the API server is away")
				}
				return c.SubResource(sub).Patch(ctx, obj, patch, opts...)
			},
		}))
		w.clock.SetTime(w.firstTime(ctx, obj))
		_, err := w.try(ctx, obj)
		Expect(err).To(HaveOccurred())
		seen, _ := seenLateness()
		Expect(seen).To(Equal(before))

		w.manageWith(kube)
		w.pass(ctx, obj)
		w.pass(ctx, obj)
		Expect(w.runs(ctx)).To(HaveLen(1))
		seen, _ = seenLateness()
		Expect(seen).To(Equal(before + 1))
	})

	It("count the times that are missed by their reason, once the status has them", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.everyHour(ctx)
		late, on := missedTimes(v1alpha1.MissedTooLate), missedTimes(v1alpha1.MissedRunIsOn)
		first := w.firstTime(ctx, obj)
		w.manageWith(interceptor.NewClient(kube.(client.WithWatch), interceptor.Funcs{
			SubResourcePatch: func(context.Context, client.Client, string, client.Object, client.Patch, ...client.SubResourcePatchOption) error {
				return errors.New("the API server is away")
			},
		}))
		w.clock.SetTime(first.Add(3 * time.Hour))
		_, err := w.try(ctx, obj)
		Expect(err).To(HaveOccurred())
		Expect(missedTimes(v1alpha1.MissedTooLate)).To(Equal(late))

		w.manageWith(kube)
		w.at(ctx, obj, first.Add(3*time.Hour))
		Expect(missedTimes(v1alpha1.MissedTooLate)).To(Equal(late + 3))
		w.at(ctx, obj, first.Add(4*time.Hour))
		Expect(missedTimes(v1alpha1.MissedRunIsOn)).To(Equal(on + 1))
	})
})
