// SPDX-License-Identifier: Apache-2.0

package schedule_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/schedule"
)

// finishAll ends every run that is on.
func (w *world) finishAll(ctx context.Context) {
	GinkgoHelper()
	for _, run := range w.runs(ctx) {
		if run.Status.CompletionTime == nil {
			w.finish(ctx, &run, v1alpha1.StateCompleted)
		}
	}
}

// What hurt users of other schedulers. docs/design/2026-11-30-schedules.md has the table.
var _ = Describe("What hurt users of others", func() {
	It("does not happen where policy and history limits are unset: it goes on past them", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.everyHour(ctx)
		first := w.firstTime(ctx, obj)
		for i := range 8 {
			at := first.Add(time.Duration(i) * time.Hour)
			w.at(ctx, obj, at)
			Expect(w.names(ctx)).To(ContainElement(fmt.Sprintf("hourly-%d", at.Unix()/60)))
			w.finishAll(ctx)
			w.pass(ctx, obj)
		}
		Expect(w.runs(ctx)).To(HaveLen(3))
		Expect(w.get(ctx, obj).Status.Missed).To(BeNil())
	})

	It("does not happen where the limits are 0", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.everyHour(ctx, func(obj *v1alpha1.AgentDisconnectSchedule) {
			obj.Spec.SuccessfulRunsHistoryLimit, obj.Spec.FailedRunsHistoryLimit = new(int32(0)), new(int32(0))
		})
		first := w.firstTime(ctx, obj)
		for i := range 3 {
			w.at(ctx, obj, first.Add(time.Duration(i)*time.Hour))
			Expect(w.runs(ctx)).To(HaveLen(1))
			w.finishAll(ctx)
			w.pass(ctx, obj)
			Expect(w.runs(ctx)).To(BeEmpty())
		}
	})

	It("does not happen after a pause with more times than can be counted", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.everyHour(ctx, func(obj *v1alpha1.AgentDisconnectSchedule) {
			obj.Spec.Schedule, obj.Spec.Suspend = "* * * * *", new(true)
		})
		w.clock.Step(30 * 24 * time.Hour)
		obj = w.get(ctx, obj)
		obj.Spec.Suspend = nil
		Expect(kube.Update(ctx, obj)).To(Succeed())
		w.pass(ctx, obj)
		Expect(w.runs(ctx)).To(BeEmpty())
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionStalled)).To(BeZero())
		w.at(ctx, obj, w.firstTime(ctx, obj))
		Expect(w.runs(ctx)).To(HaveLen(1))
		Expect(w.get(ctx, obj).Status.Missed).To(BeNil())
	})

	It("does not happen where a run that is on is removed by hand: Forbid waits for nothing that is gone", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.everyHour(ctx)
		first := w.firstTime(ctx, obj)
		w.at(ctx, obj, first)
		run := w.runs(ctx)[0]
		addFinalizer(ctx, &run)
		Expect(kube.Delete(ctx, &run)).To(Succeed())
		w.at(ctx, obj, first.Add(time.Hour))
		Expect(w.get(ctx, obj).Status.Missed).To(HaveValue(HaveField("LastReason", v1alpha1.MissedRunIsOn)))
		restore(ctx, &run)
		w.at(ctx, obj, first.Add(2*time.Hour))
		Expect(w.names(ctx)).To(ConsistOf(fmt.Sprintf("hourly-%d", first.Unix()/60+120)))
	})

	// The manager is called only when it asks to be, and every time comes a little late.
	It("does not happen with the shortest deadline at the manager's own pace, nor does the generation grow", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.everyHour(ctx, func(obj *v1alpha1.AgentDisconnectSchedule) {
			obj.Spec.Schedule, obj.Spec.StartingDeadline = "*/20 * * * *", &metav1.Duration{Duration: time.Minute}
		})
		first, created := w.firstTime(ctx, obj), 0
		for end := first.Add(6 * time.Hour); w.clock.Now().Before(end); {
			wait := w.pass(ctx, obj).RequeueAfter
			Expect(wait).To(And(BeNumerically(">=", time.Second), BeNumerically("<=", 5*time.Minute)))
			w.clock.Step(wait + 2*time.Second)
			for _, run := range w.runs(ctx) {
				if run.Status.CompletionTime == nil {
					created++
				}
			}
			w.finishAll(ctx)
		}
		Expect(created).To(BeNumerically("~", 18, 1))
		Expect(w.get(ctx, obj).Status.Missed).To(BeNil())
		Expect(w.get(ctx, obj).Generation).To(Equal(int64(1)))
	})

	It("does not happen with two managers that work at each time at once", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.everyHour(ctx)
		first := w.firstTime(ctx, obj)
		managers := []*schedule.Reconciler{w.reconciler, schedule.New(kube, kube, events.NewFakeRecorder(1000), w.clock)}
		for i := range 10 {
			at := first.Add(time.Duration(i) * time.Hour)
			w.clock.SetTime(at)
			var working sync.WaitGroup
			for _, manager := range managers {
				working.Go(func() {
					defer GinkgoRecover()
					_, err := manager.Reconcile(ctx, request(obj))
					Expect(err).NotTo(HaveOccurred())
				})
			}
			working.Wait()
			w.pass(ctx, obj)
			Expect(w.get(ctx, obj).Status.Active).To(ConsistOf(fmt.Sprintf("hourly-%d", at.Unix()/60)))
			w.finishAll(ctx)
		}
		Expect(w.get(ctx, obj).Status.Missed).To(BeNil())
	})

	It("does not happen where another manager looks before the run is created, though its clock differs", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.everyHour(ctx)
		first := w.firstTime(ctx, obj)
		for i, ahead := range []time.Duration{0, 9 * time.Second, -9 * time.Second} {
			at := first.Add(time.Duration(i) * time.Hour)
			w.manageWith(failing(func(create func() error) error {
				other := schedule.New(kube, kube, events.NewFakeRecorder(1000), clocktesting.NewFakeClock(at.Add(ahead)))
				_, err := other.Reconcile(ctx, request(obj))
				Expect(err).NotTo(HaveOccurred())
				return create()
			}))
			w.at(ctx, obj, at)
			status := w.get(ctx, obj).Status
			Expect(status.Missed).To(BeNil())
			Expect(status.Active).To(ConsistOf(fmt.Sprintf("hourly-%d", at.Unix()/60)))
			Expect(w.events.Events).To(Receive(ContainSubstring("Created AgentDisconnect")))
			w.finishAll(ctx)
		}
	})
})
