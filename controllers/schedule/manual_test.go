// SPDX-License-Identifier: Apache-2.0

package schedule_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/schedule/child"
)

// trigger creates a run beside the times of a schedule, as the plugin does.
func (w *world) trigger(ctx context.Context, obj *v1alpha1.AgentDisconnectSchedule) *v1alpha1.AgentDisconnect {
	GinkgoHelper()
	run := child.NewManual(w.get(ctx, obj), w.clock.Now())
	Expect(kube.Create(ctx, run)).To(Succeed())
	w.pass(ctx, obj)
	return run
}

// addFinalizer has a run keep its object until it is restored.
func addFinalizer(ctx context.Context, run *v1alpha1.AgentDisconnect) {
	GinkgoHelper()
	controllerutil.AddFinalizer(run, v1alpha1.Finalizer)
	Expect(kube.Update(ctx, run)).To(Succeed())
}

// restore has a run's object go, as its own controller does.
func restore(ctx context.Context, run *v1alpha1.AgentDisconnect) {
	GinkgoHelper()
	Expect(kube.Get(ctx, client.ObjectKeyFromObject(run), run)).To(Succeed())
	controllerutil.RemoveFinalizer(run, v1alpha1.Finalizer)
	Expect(kube.Update(ctx, run)).To(Succeed())
}

var _ = Describe("A run that a person asks for", func() {
	It("is one of the schedule's, and changes none of its times", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.everyHour(ctx)
		first := w.firstTime(ctx, obj)
		run := w.trigger(ctx, obj)
		Expect(run.Name).To(MatchRegexp("^hourly-manual-.{5}$"))
		Expect(metav1.IsControlledBy(run, obj)).To(BeTrue(), "it is deleted with the schedule")
		Expect(run.OwnerReferences[0].BlockOwnerDeletion).To(BeNil())
		status := w.get(ctx, obj).Status
		Expect(status.Active).To(ConsistOf(run.Name))
		Expect(status.LastScheduleTime).To(BeNil())
		Expect(status.NextScheduleTime.Time).To(BeTemporally("==", first))
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionLastRunSucceeded).Message).To(HavePrefix(run.Name + ": "))

		w.finish(ctx, run, v1alpha1.StateCompleted)
		w.pass(ctx, obj)
		status = w.get(ctx, obj).Status
		Expect(status.Active).To(BeEmpty())
		Expect(status.LastSuccessfulTime.Time).To(BeTemporally("==", w.clock.Now()))
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionLastRunSucceeded).Status).To(Equal(metav1.ConditionTrue))

		w.at(ctx, obj, first)
		Expect(w.names(ctx)).To(ConsistOf(run.Name, fmt.Sprintf("hourly-%d", first.Unix()/60)))
		Expect(w.get(ctx, obj).Status.Missed).To(BeNil())
	})

	It("keeps the next time from being run under Forbid, while it is on", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.everyHour(ctx)
		first := w.firstTime(ctx, obj)
		run := w.trigger(ctx, obj)
		w.at(ctx, obj, first)
		Expect(w.names(ctx)).To(ConsistOf(run.Name))
		Expect(w.get(ctx, obj).Status.Missed).To(HaveValue(And(HaveField("Count", int32(1)), HaveField("LastReason", v1alpha1.MissedRunIsOn))))
		w.finish(ctx, run, v1alpha1.StateCompleted)
		w.at(ctx, obj, first.Add(time.Hour))
		Expect(w.runs(ctx)).To(HaveLen(2))
	})

	It("is replaced by the next time under Replace, once it is restored", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.everyHour(ctx, replacing)
		first := w.firstTime(ctx, obj)
		run := w.trigger(ctx, obj)
		addFinalizer(ctx, run)
		w.at(ctx, obj, first)
		Expect(w.runs(ctx)).To(ConsistOf(And(HaveField("Name", run.Name), HaveField("DeletionTimestamp", Not(BeNil())))))
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionReconciling).Message).To(ContainSubstring(run.Name))
		restore(ctx, run)
		w.pass(ctx, obj)
		Expect(w.names(ctx)).To(ConsistOf(fmt.Sprintf("hourly-%d", first.Unix()/60)))
	})

	It("takes place while the schedule is suspended, and nothing else does", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.everyHour(ctx, func(obj *v1alpha1.AgentDisconnectSchedule) { obj.Spec.Suspend = new(true) })
		run := w.trigger(ctx, obj)
		Expect(w.get(ctx, obj).Status.Active).To(ConsistOf(run.Name))
		w.finish(ctx, run, v1alpha1.StateCompleted)
		w.clock.Step(24 * time.Hour)
		w.pass(ctx, obj)
		Expect(w.names(ctx)).To(ConsistOf(run.Name))
		Expect(w.get(ctx, obj).Status.LastSuccessfulTime).NotTo(BeNil())
		Expect(w.get(ctx, obj).Status.Missed).To(BeNil())
	})

	It("counts in the history like the others", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.everyHour(ctx, func(obj *v1alpha1.AgentDisconnectSchedule) { obj.Spec.SuccessfulRunsHistoryLimit = new(int32(1)) })
		first := w.firstTime(ctx, obj)
		run := w.trigger(ctx, obj)
		w.finish(ctx, run, v1alpha1.StateCompleted)
		w.pass(ctx, obj)
		Expect(w.names(ctx)).To(ConsistOf(run.Name))
		w.at(ctx, obj, first)
		for _, each := range w.runs(ctx) {
			if each.Name != run.Name {
				w.finish(ctx, &each, v1alpha1.StateCompleted)
			}
		}
		w.pass(ctx, obj)
		Expect(w.names(ctx)).To(ConsistOf(fmt.Sprintf("hourly-%d", first.Unix()/60)))
	})

	It("counts there too while the schedule can't be understood", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.everyHour(ctx, func(obj *v1alpha1.AgentDisconnectSchedule) {
			obj.Spec.TimeZone, obj.Spec.FailedRunsHistoryLimit = "Europe/Atlantis", new(int32(0))
		})
		run := w.trigger(ctx, obj)
		Expect(w.get(ctx, obj).Status.Active).To(ConsistOf(run.Name))
		w.finish(ctx, run, v1alpha1.StateAgentsStayedConnected)
		w.pass(ctx, obj)
		Expect(w.runs(ctx)).To(BeEmpty())
	})

	It("gets a name from the API server however long that of the schedule is", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.everyHour(ctx, func(obj *v1alpha1.AgentDisconnectSchedule) { obj.Name = strings.Repeat("a", 52) })
		Expect(w.trigger(ctx, obj).Labels).To(HaveKeyWithValue(v1alpha1.LabelSchedule, obj.Name))
	})

	It("differs from one at a time of the schedule in its name and its times alone", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.everyHour(ctx, func(obj *v1alpha1.AgentDisconnectSchedule) {
			obj.Spec.Template.Metadata = &v1alpha1.TemplateMetadata{
				Labels: map[string]string{"team": "checkout"}, Annotations: map[string]string{"ticket": "OPS-1", v1alpha1.AnnotationScheduleTime: "2026-01-01T00:00:00Z"},
			}
		})
		at := w.firstTime(ctx, obj)
		manual, timed := child.NewManual(obj, at), child.New(obj, at)
		Expect(manual.GenerateName).To(Equal("hourly-manual-"))
		Expect(timed.Annotations).To(HaveKeyWithValue(v1alpha1.AnnotationScheduleTime, at.UTC().Format(time.RFC3339)))
		Expect(timed.Spec.StartAfter.Time).To(BeTemporally("==", at))
		manual.Name, manual.GenerateName, manual.Spec.StartAfter = timed.Name, "", timed.Spec.StartAfter
		manual.OwnerReferences[0].BlockOwnerDeletion = timed.OwnerReferences[0].BlockOwnerDeletion
		delete(timed.Annotations, v1alpha1.AnnotationScheduleTime)
		Expect(manual).To(Equal(timed))
	})
})
