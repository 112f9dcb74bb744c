// SPDX-License-Identifier: Apache-2.0

package schedule_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/schedule"
)

var (
	errLost    = errors.New("the answer is lost")
	errStopped = errors.New("the manager was stopped")
)

// failing is a client that fails as told, once.
func failing(create func(create func() error) error) client.Client {
	did := false
	return interceptor.NewClient(kube.(client.WithWatch), interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
			if did {
				return c.Create(ctx, obj, opts...)
			}
			did = true
			return create(func() error { return c.Create(ctx, obj, opts...) })
		},
	})
}

func replacing(obj *v1alpha1.AgentDisconnectSchedule) {
	obj.Spec.ConcurrencyPolicy = v1alpha1.ConcurrencyPolicyReplace
}

var _ = Describe("A schedule", func() {
	It("creates a run at each of its times, and nothing before", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.everyHour(ctx, func(obj *v1alpha1.AgentDisconnectSchedule) {
			obj.Spec.Template.Metadata = &v1alpha1.TemplateMetadata{
				Labels: map[string]string{"team": "checkout"}, Annotations: map[string]string{"ticket": "OPS-1"},
			}
			obj.Spec.StartingDeadline = &metav1.Duration{Duration: 5 * time.Minute}
		})
		first := w.firstTime(ctx, obj)
		w.at(ctx, obj, first.Add(-time.Second))
		Expect(w.runs(ctx)).To(BeEmpty())
		ready := condition(w.get(ctx, obj), v1alpha1.ConditionReady)
		Expect(ready).To(And(HaveField("Status", metav1.ConditionTrue), HaveField("Reason", v1alpha1.ReasonScheduled),
			HaveField("Message", "The next run begins at "+first.UTC().Format(time.RFC3339))))

		w.at(ctx, obj, first)
		Expect(w.runs(ctx)).To(HaveLen(1))
		run := w.runs(ctx)[0]
		Expect(run.Name).To(Equal(fmt.Sprintf("hourly-%d", first.Unix()/60)))
		Expect(run.Labels).To(Equal(map[string]string{"team": "checkout", v1alpha1.LabelSchedule: "hourly"}))
		Expect(run.Annotations).To(Equal(map[string]string{"ticket": "OPS-1", v1alpha1.AnnotationScheduleTime: first.UTC().Format(time.RFC3339)}))
		Expect(metav1.IsControlledBy(&run, obj)).To(BeTrue())
		Expect(run.OwnerReferences[0].BlockOwnerDeletion).To(HaveValue(BeTrue()))
		Expect(run.Spec.StartAfter.Time).To(BeTemporally("==", first))
		Expect(run.Spec.StartDeadline.Time).To(BeTemporally("==", first.Add(5*time.Minute)))
		Expect(run.Spec.Duration.Duration).To(Equal(10 * time.Minute))
		Expect(w.events.Events).To(Receive(ContainSubstring("Created AgentDisconnect " + run.Name)))
		Expect(w.events.Events).NotTo(Receive())
		status := w.get(ctx, obj).Status
		Expect(status.Active).To(ConsistOf(run.Name))
		Expect(status.Starting).To(BeEmpty())
		Expect(status.LastScheduleTime.Time).To(BeTemporally("==", first))
		Expect(status.NextScheduleTime.Time).To(BeTemporally("==", first.Add(time.Hour)))
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionLastRunSucceeded)).To(And(
			HaveField("Status", metav1.ConditionUnknown), HaveField("Reason", v1alpha1.StateWaiting)))

		w.finish(ctx, &run, v1alpha1.StateCompleted)
		w.pass(ctx, obj)
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionLastRunSucceeded)).To(And(
			HaveField("Status", metav1.ConditionTrue), HaveField("Reason", v1alpha1.StateCompleted)))
		Expect(w.get(ctx, obj).Status.LastSuccessfulTime.Time).To(BeTemporally("==", first))
		Expect(w.get(ctx, obj).Status.Active).To(BeEmpty())
		w.at(ctx, obj, first.Add(time.Hour))
		Expect(w.names(ctx)).To(ConsistOf(run.Name, fmt.Sprintf("hourly-%d", first.Unix()/60+60)))
	})

	It("does not run a time again whose run was deleted, nor with a new manager", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.everyHour(ctx)
		first := w.firstTime(ctx, obj)
		w.at(ctx, obj, first)
		run := w.runs(ctx)[0]
		Expect(kube.Delete(ctx, &run)).To(Succeed())
		for range 3 {
			w.pass(ctx, obj)
			w.manageWith(kube)
		}
		Expect(w.runs(ctx)).To(BeEmpty())
	})

	It("neither repeats nor writes anything while nothing happens", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.everyHour(ctx)
		w.at(ctx, obj, w.firstTime(ctx, obj))
		before := w.get(ctx, obj)
		for range 20 {
			w.clock.Step(time.Minute)
			w.pass(ctx, obj)
		}
		Expect(w.get(ctx, obj).ResourceVersion).To(Equal(before.ResourceVersion))
		Expect(w.get(ctx, obj).Generation).To(Equal(int64(1)))
	})

	Context("whose manager is stopped while it creates a run", func() {
		It("gives the time up where the run was not created", func(ctx context.Context) {
			w := newWorld(ctx)
			obj := w.everyHour(ctx)
			first := w.firstTime(ctx, obj)
			stopped, stop := context.WithCancel(ctx)
			w.manageWith(failing(func(func() error) error { stop(); return errStopped }))
			w.clock.SetTime(first)
			_, err := w.try(stopped, obj)
			Expect(err).To(MatchError(errStopped))
			Expect(w.get(ctx, obj).Status.Starting).NotTo(BeEmpty())

			w.manageWith(kube)
			w.clock.Step(5 * time.Second)
			before := w.get(ctx, obj)
			Expect(w.pass(ctx, obj).RequeueAfter).To(Equal(30 * time.Second))
			Expect(w.get(ctx, obj)).To(Equal(before), "another manager may be creating it")
			w.at(ctx, obj, first.Add(35*time.Second))
			Expect(w.runs(ctx)).To(BeEmpty())
			Expect(w.get(ctx, obj).Status.Missed).To(HaveValue(And(
				HaveField("Count", int32(1)), HaveField("LastReason", v1alpha1.MissedInterrupted), HaveField("LastTime.Time", BeTemporally("==", first)))))
			Expect(condition(w.get(ctx, obj), v1alpha1.ConditionStalled)).To(BeZero(), "nobody must act")
			w.at(ctx, obj, first.Add(time.Hour))
			Expect(w.runs(ctx)).To(HaveLen(1))
		})

		It("does not create the run once another may give it up", func(ctx context.Context) {
			w := newWorld(ctx)
			obj := w.everyHour(ctx)
			first := w.firstTime(ctx, obj)
			w.manageWith(interceptor.NewClient(kube.(client.WithWatch), interceptor.Funcs{
				SubResourcePatch: func(ctx context.Context, c client.Client, sub string, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
					defer w.clock.Step(25 * time.Second) // the manager is paused
					return c.SubResource(sub).Patch(ctx, obj, patch, opts...)
				},
			}))
			w.clock.SetTime(first)
			_, err := w.try(ctx, obj)
			Expect(err).To(MatchError(context.DeadlineExceeded))
			w.pass(ctx, obj)
			Expect(w.get(ctx, obj).Status).To(And(HaveField("Missed", BeNil()), HaveField("Starting", Not(BeEmpty()))), "what became of it is not known")
			w.at(ctx, obj, first.Add(-35*time.Second)) // a clock that was set back must not wait for long
			Expect(w.runs(ctx)).To(BeEmpty())
			Expect(w.get(ctx, obj).Status.Missed).To(HaveValue(HaveField("LastReason", v1alpha1.MissedInterrupted)))
		})

		It("finds the run where it was created", func(ctx context.Context) {
			w := newWorld(ctx)
			obj := w.everyHour(ctx)
			stopped, stop := context.WithCancel(ctx)
			w.manageWith(failing(func(create func() error) error {
				defer stop()
				return errors.Join(create(), errStopped)
			}))
			w.clock.SetTime(w.firstTime(ctx, obj))
			_, err := w.try(stopped, obj)
			Expect(err).To(MatchError(errStopped))

			w.manageWith(kube)
			w.pass(ctx, obj)
			Expect(w.runs(ctx)).To(HaveLen(1))
			Expect(w.get(ctx, obj).Status).To(And(HaveField("Missed", BeNil()), HaveField("Starting", BeEmpty()), HaveField("Active", HaveLen(1))))
		})

		It("takes a lost answer for what the API server shows", func(ctx context.Context) {
			w := newWorld(ctx)
			obj := w.everyHour(ctx)
			w.manageWith(failing(func(create func() error) error { return errors.Join(create(), errLost) }))
			w.at(ctx, obj, w.firstTime(ctx, obj))
			Expect(w.runs(ctx)).To(HaveLen(1))
			Expect(w.get(ctx, obj).Status).To(And(HaveField("Missed", BeNil()), HaveField("Starting", BeEmpty())))
		})
	})

	It("says what is wrong where the API server refuses a run, until one is created", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.everyHour(ctx, func(obj *v1alpha1.AgentDisconnectSchedule) {
			obj.Spec.Template.Metadata = &v1alpha1.TemplateMetadata{Labels: map[string]string{"team": "not a label"}}
		})
		first := w.firstTime(ctx, obj)
		w.at(ctx, obj, first)
		Expect(w.runs(ctx)).To(BeEmpty())
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionStalled)).To(And(
			HaveField("Reason", v1alpha1.ReasonRunNotCreated), HaveField("Message", And(ContainSubstring("metadata.labels"), HaveSuffix(". See docs/schedules.md#what-to-look-at")))))

		obj = w.get(ctx, obj)
		obj.Spec.Template.Metadata = nil
		Expect(kube.Update(ctx, obj)).To(Succeed())
		w.pass(ctx, obj)
		Expect(w.runs(ctx)).To(BeEmpty(), "nothing runs because of a change")
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionStalled)).To(BeZero(), "the template is another")
		w.at(ctx, obj, first.Add(time.Hour))
		Expect(w.runs(ctx)).To(HaveLen(1))
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionStalled)).To(BeZero())
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionReady).Status).To(Equal(metav1.ConditionTrue))
	})

	It("does not take another's object for its run", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.everyHour(ctx)
		first := w.firstTime(ctx, obj)
		other := &v1alpha1.AgentDisconnect{
			ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: fmt.Sprintf("hourly-%d", first.Unix()/60)}, Spec: obj.Spec.Template.Spec,
		}
		Expect(kube.Create(ctx, other)).To(Succeed())
		w.at(ctx, obj, first)
		Expect(w.get(ctx, obj).Status.Active).To(BeEmpty())
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionStalled).Message).To(ContainSubstring(other.Name + " that is not of this schedule"))
		Expect(w.runs(ctx)).To(HaveLen(1))
	})

	It("leaves a time to the manager that is first, of two", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.everyHour(ctx)
		first := w.firstTime(ctx, obj)
		stale := w.get(ctx, obj)
		w.at(ctx, obj, first)
		run := w.runs(ctx)[0]
		Expect(kube.Delete(ctx, &run)).To(Succeed())

		// The other one read the schedule before the first wrote to it.
		late := interceptor.NewClient(kube.(client.WithWatch), interceptor.Funcs{
			Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, got client.Object, opts ...client.GetOption) error {
				if into, ok := got.(*v1alpha1.AgentDisconnectSchedule); ok {
					stale.DeepCopyInto(into)
					return nil
				}
				return c.Get(ctx, key, got, opts...)
			},
		})
		w.reconciler = schedule.New(late, late, w.events, w.clock)
		Expect(w.pass(ctx, obj).RequeueAfter).To(Equal(time.Second))
		Expect(w.runs(ctx)).To(BeEmpty())
	})

	Context("with a run that is on", func() {
		It("skips its times, and counts them", func(ctx context.Context) {
			w := newWorld(ctx)
			obj := w.everyHour(ctx)
			first := w.firstTime(ctx, obj)
			w.at(ctx, obj, first)
			w.at(ctx, obj, first.Add(time.Hour))
			Expect(w.runs(ctx)).To(HaveLen(1))
			Expect(w.get(ctx, obj).Status.Missed).To(HaveValue(And(HaveField("Count", int32(1)), HaveField("LastReason", v1alpha1.MissedRunIsOn))))
			Expect(w.get(ctx, obj).Status.LastScheduleTime.Time).To(BeTemporally("==", first))

			// One that never began is over by itself at its start deadline: nothing is stuck for ever.
			run := w.runs(ctx)[0]
			w.finish(ctx, &run, v1alpha1.AbortStartDeadlineExceeded)
			w.at(ctx, obj, first.Add(2*time.Hour))
			Expect(w.runs(ctx)).To(HaveLen(2))
		})

		It("knows of it though the cache does not", func(ctx context.Context) {
			w := newWorld(ctx)
			obj := w.everyHour(ctx)
			first := w.firstTime(ctx, obj)
			w.at(ctx, obj, first)
			w.manageWith(interceptor.NewClient(kube.(client.WithWatch), interceptor.Funcs{
				List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error { return nil },
			}))
			w.at(ctx, obj, first.Add(time.Hour))
			Expect(w.runs(ctx)).To(HaveLen(1))
		})

		It("replaces it once it is restored, where that is asked for", func(ctx context.Context) {
			w := newWorld(ctx)
			obj := w.everyHour(ctx, replacing)
			first := w.firstTime(ctx, obj)
			w.at(ctx, obj, first)
			run := w.runs(ctx)[0]
			controllerutil.AddFinalizer(&run, v1alpha1.Finalizer) // there are rules
			Expect(kube.Update(ctx, &run)).To(Succeed())

			w.at(ctx, obj, first.Add(time.Hour))
			Expect(w.runs(ctx)).To(ConsistOf(HaveField("DeletionTimestamp", Not(BeNil()))))
			Expect(condition(w.get(ctx, obj), v1alpha1.ConditionReconciling)).To(And(
				HaveField("Reason", v1alpha1.ReasonReplacing), HaveField("Message", ContainSubstring(run.Name))))
			w.at(ctx, obj, first.Add(time.Hour+time.Minute))
			Expect(w.runs(ctx)).To(HaveLen(1), "it is not restored")

			Expect(kube.Get(ctx, client.ObjectKeyFromObject(&run), &run)).To(Succeed())
			controllerutil.RemoveFinalizer(&run, v1alpha1.Finalizer)
			Expect(kube.Update(ctx, &run)).To(Succeed())
			w.at(ctx, obj, first.Add(time.Hour+2*time.Minute))
			Expect(w.names(ctx)).To(ConsistOf(fmt.Sprintf("hourly-%d", first.Unix()/60+60)))
			Expect(condition(w.get(ctx, obj), v1alpha1.ConditionReconciling)).To(BeZero())
			Expect(w.get(ctx, obj).Status.Missed).To(BeNil())
		})

		It("gives a replacement up at its deadline", func(ctx context.Context) {
			w := newWorld(ctx)
			obj := w.everyHour(ctx, replacing)
			first := w.firstTime(ctx, obj)
			w.at(ctx, obj, first)
			run := w.runs(ctx)[0]
			controllerutil.AddFinalizer(&run, v1alpha1.Finalizer)
			Expect(kube.Update(ctx, &run)).To(Succeed())
			w.at(ctx, obj, first.Add(time.Hour))
			w.at(ctx, obj, first.Add(time.Hour+10*time.Minute))
			Expect(w.get(ctx, obj).Status.Missed).To(HaveValue(HaveField("LastReason", v1alpha1.MissedNotReplaced)))
			Expect(kube.Get(ctx, client.ObjectKeyFromObject(&run), &run)).To(Succeed())
			controllerutil.RemoveFinalizer(&run, v1alpha1.Finalizer)
			Expect(kube.Update(ctx, &run)).To(Succeed())
			w.pass(ctx, obj)
			Expect(w.runs(ctx)).To(BeEmpty())
		})
	})

	It("begins nothing while it is suspended, and nothing because it goes on", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.everyHour(ctx)
		first := w.firstTime(ctx, obj)
		setSuspend := func(value bool) {
			obj = w.get(ctx, obj)
			obj.Spec.Suspend = &value
			Expect(kube.Update(ctx, obj)).To(Succeed())
		}
		setSuspend(true)
		w.pass(ctx, obj)
		Expect(w.get(ctx, obj).Status.NextScheduleTime).To(BeNil())
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionReady)).To(And(
			HaveField("Status", metav1.ConditionTrue), HaveField("Reason", v1alpha1.ReasonScheduleSuspended)))
		w.at(ctx, obj, first)
		w.clock.Step(time.Minute)
		setSuspend(false)
		w.pass(ctx, obj)
		Expect(w.runs(ctx)).To(BeEmpty())
		Expect(w.get(ctx, obj).Status.Missed).To(BeNil())
		w.at(ctx, obj, first.Add(time.Hour))
		Expect(w.runs(ctx)).To(HaveLen(1))
	})

	It("runs the newest time alone after the manager was off for a day", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.everyHour(ctx)
		first := w.firstTime(ctx, obj)
		w.manageWith(kube)
		w.at(ctx, obj, first.Add(24*time.Hour+5*time.Minute))
		Expect(w.names(ctx)).To(ConsistOf(fmt.Sprintf("hourly-%d", first.Unix()/60+24*60)))
		Expect(w.get(ctx, obj).Status.Missed).To(HaveValue(And(HaveField("Count", int32(24)), HaveField("LastReason", v1alpha1.MissedTooLate))))
	})

	It("goes on after a year in which it was not looked at", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.everyHour(ctx, func(obj *v1alpha1.AgentDisconnectSchedule) { obj.Spec.Schedule = "* * * * *" })
		w.at(ctx, obj, w.firstTime(ctx, obj).Add(365*24*time.Hour))
		Expect(w.runs(ctx)).To(HaveLen(1))
		Expect(w.get(ctx, obj).Status.Missed).To(HaveValue(HaveField("Count", int32(999))))
	})

	It("keeps the newest runs that are over, those that succeeded and the others apart", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.everyHour(ctx, func(obj *v1alpha1.AgentDisconnectSchedule) { obj.Spec.SuccessfulRunsHistoryLimit = new(int32(1)) })
		first := w.firstTime(ctx, obj)
		for i := range 10 {
			w.at(ctx, obj, first.Add(time.Duration(i)*time.Hour))
			for _, run := range w.runs(ctx) {
				if run.Status.CompletionTime == nil {
					w.finish(ctx, &run, []string{v1alpha1.StateCompleted, v1alpha1.StateAgentsStayedConnected}[i%2])
				}
			}
			w.pass(ctx, obj)
		}
		name := func(i int64) string { return fmt.Sprintf("hourly-%d", first.Unix()/60+60*i) }
		Expect(w.names(ctx)).To(ConsistOf(name(5), name(7), name(8), name(9)))
		Expect(w.get(ctx, obj).Status.LastSuccessfulTime.Time).To(BeTemporally("==", first.Add(8*time.Hour)))
	})

	It("runs nothing because it was corrected", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.everyHour(ctx, func(obj *v1alpha1.AgentDisconnectSchedule) { obj.Spec.TimeZone = "Europe/Atlantis" })
		w.clock.Step(31 * time.Minute)
		obj = w.get(ctx, obj)
		obj.Spec.TimeZone = ""
		Expect(kube.Update(ctx, obj)).To(Succeed())
		w.pass(ctx, obj)
		Expect(w.runs(ctx)).To(BeEmpty())
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionReady).Status).To(Equal(metav1.ConditionTrue))
	})

	It("does not delete a run of the very time because the cache lags", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.everyHour(ctx, replacing)
		stale := w.get(ctx, obj)
		w.at(ctx, obj, w.firstTime(ctx, obj))
		w.manageWith(interceptor.NewClient(kube.(client.WithWatch), interceptor.Funcs{
			Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, got client.Object, opts ...client.GetOption) error {
				if into, ok := got.(*v1alpha1.AgentDisconnectSchedule); ok {
					stale.DeepCopyInto(into)
					return nil
				}
				return c.Get(ctx, key, got, opts...)
			},
		}))
		w.pass(ctx, obj)
		Expect(w.runs(ctx)).To(ConsistOf(HaveField("DeletionTimestamp", BeNil())))
		Expect(w.events.Events).NotTo(Receive())
	})

	It("goes on where runs of its history can't be deleted", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.everyHour(ctx, func(obj *v1alpha1.AgentDisconnectSchedule) { obj.Spec.SuccessfulRunsHistoryLimit = new(int32(0)) })
		first := w.firstTime(ctx, obj)
		w.at(ctx, obj, first)
		run := w.runs(ctx)[0]
		w.finish(ctx, &run, v1alpha1.StateCompleted)
		w.manageWith(interceptor.NewClient(kube.(client.WithWatch), interceptor.Funcs{
			Delete: func(context.Context, client.WithWatch, client.Object, ...client.DeleteOption) error {
				return errors.New("denied")
			},
		}))
		Expect(w.pass(ctx, obj).RequeueAfter).To(Equal(5 * time.Minute))
		w.at(ctx, obj, first.Add(time.Hour))
		Expect(w.runs(ctx)).To(HaveLen(2))
	})

	It("keeps saying what became of the newest run when that is deleted", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.everyHour(ctx, func(obj *v1alpha1.AgentDisconnectSchedule) { obj.Spec.FailedRunsHistoryLimit = new(int32(0)) })
		first := w.firstTime(ctx, obj)
		w.at(ctx, obj, first)
		run := w.runs(ctx)[0]
		w.finish(ctx, &run, v1alpha1.StateCompleted)
		w.at(ctx, obj, first.Add(time.Hour))
		run = w.runs(ctx)[1]
		w.finish(ctx, &run, v1alpha1.StateAgentsStayedConnected)
		w.pass(ctx, obj)
		Expect(w.runs(ctx)).To(HaveLen(1))
		w.pass(ctx, obj)
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionLastRunSucceeded).Reason).To(Equal(v1alpha1.StateAgentsStayedConnected))

		w.at(ctx, obj, first.Add(2*time.Hour))
		run = w.runs(ctx)[1]
		Expect(kube.Delete(ctx, &run)).To(Succeed())
		w.pass(ctx, obj)
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionLastRunSucceeded)).To(And(
			HaveField("Status", metav1.ConditionUnknown), HaveField("Reason", v1alpha1.ReasonRunDeleted)))
	})

	It("is not held up by a finalizer of others, and is by a run that was made a plan meanwhile", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.everyHour(ctx)
		first := w.firstTime(ctx, obj)
		w.at(ctx, obj, first)
		run := w.runs(ctx)[0]
		now := metav1.Time{Time: w.clock.Now()}
		run.Status.StartTime = &now
		Expect(kube.Status().Update(ctx, &run)).To(Succeed())
		run.Spec.Mode = v1alpha1.ModePlan
		Expect(kube.Update(ctx, &run)).To(Succeed())
		w.at(ctx, obj, first.Add(time.Hour))
		Expect(w.get(ctx, obj).Status.Missed).To(HaveValue(HaveField("LastReason", v1alpha1.MissedRunIsOn)))

		controllerutil.AddFinalizer(&run, "example.com/archive")
		Expect(kube.Update(ctx, &run)).To(Succeed())
		Expect(kube.Delete(ctx, &run)).To(Succeed())
		w.at(ctx, obj, first.Add(2*time.Hour))
		Expect(w.runs(ctx)).To(HaveLen(2))
		Expect(kube.Get(ctx, client.ObjectKeyFromObject(&run), &run)).To(Succeed())
		run.Finalizers = nil
		Expect(kube.Update(ctx, &run)).To(Succeed())
	})

	It("does not pile up plans that are never made", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.everyHour(ctx, func(obj *v1alpha1.AgentDisconnectSchedule) { obj.Spec.Template.Spec.Mode = v1alpha1.ModePlan })
		first := w.firstTime(ctx, obj)
		for i := range 8 {
			w.at(ctx, obj, first.Add(time.Duration(i)*time.Hour))
		}
		Expect(w.runs(ctx)).To(HaveLen(4), "the newest, and three that failed")
	})

	It("says that a run does not end until a person acts", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.everyHour(ctx)
		w.at(ctx, obj, w.firstTime(ctx, obj))
		run := w.runs(ctx)[0]
		now := metav1.Time{Time: w.clock.Now()}
		run.Status.StartTime = &now
		run.Status.Conditions = []metav1.Condition{{
			Type: v1alpha1.ConditionStalled, Status: metav1.ConditionTrue, Reason: "CloneInUse", Message: "move the subnet", LastTransitionTime: now,
		}}
		Expect(kube.Status().Update(ctx, &run)).To(Succeed())
		w.pass(ctx, obj)
		stalled := condition(w.get(ctx, obj), v1alpha1.ConditionStalled)
		Expect(stalled).To(And(HaveField("Reason", v1alpha1.ReasonRunStalled),
			HaveField("Message", "Run "+run.Name+" does not end until a person acts: CloneInUse: move the subnet. See docs/schedules.md#what-to-look-at")))

		before := w.get(ctx, obj)
		w.clock.Step(5 * time.Minute)
		w.pass(ctx, obj)
		Expect(w.get(ctx, obj).ResourceVersion).To(Equal(before.ResourceVersion), "nothing is new")

		stall := func(message string) string {
			GinkgoHelper()
			Expect(kube.Get(ctx, client.ObjectKeyFromObject(&run), &run)).To(Succeed())
			run.Status.Conditions[0].Message = message
			Expect(kube.Status().Update(ctx, &run)).To(Succeed())
			w.pass(ctx, obj)
			return condition(w.get(ctx, obj), v1alpha1.ConditionStalled).Message
		}
		Expect(stall("move the subnet. See docs/states/Stalled.md#cloneinuse")).To(HaveSuffix("move the subnet. See docs/states/Stalled.md#cloneinuse"), "one link is enough")
		Expect(stall(strings.Repeat("x", 1000))).To(And(HaveLen(1024), HaveSuffix("x…. See docs/schedules.md#what-to-look-at")))
		Expect(stall(strings.Repeat("x", 980) + ". See docs/states/Stalled.md")).To(And(HaveLen(1024), HaveSuffix("x…. See docs/states/Stalled.md"), Not(ContainSubstring("schedules.md"))))
	})

	It("explains a clock that was set back by far", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.everyHour(ctx)
		first, now := w.firstTime(ctx, obj), w.clock.Now()
		w.at(ctx, obj, first.Add(30*24*time.Hour))
		Expect(w.runs(ctx)).To(HaveLen(1))
		w.at(ctx, obj, now)
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionStalled).Reason).To(Equal(v1alpha1.ReasonClockSetBack))
	})

	It("is stalled while its time zone is unknown, or its schedule has no time", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.everyHour(ctx, func(obj *v1alpha1.AgentDisconnectSchedule) { obj.Spec.TimeZone = "Europe/Atlantis" })
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionStalled)).To(And(
			HaveField("Reason", v1alpha1.ReasonInvalidSchedule), HaveField("Message", ContainSubstring("Europe/Atlantis"))))
		obj = w.get(ctx, obj)
		obj.Spec.TimeZone, obj.Spec.Schedule = "", "0 0 30 2 *"
		Expect(kube.Update(ctx, obj)).To(Succeed())
		w.pass(ctx, obj)
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionStalled).Reason).To(Equal(v1alpha1.ReasonNeverDue))
		Expect(w.get(ctx, obj).Status.ObservedGeneration).To(Equal(int64(2)))
	})

	It("creates nothing once it is being deleted", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.everyHour(ctx, func(obj *v1alpha1.AgentDisconnectSchedule) { obj.Finalizers = []string{"example.com/wait"} })
		first := w.firstTime(ctx, obj)
		Expect(kube.Delete(ctx, obj)).To(Succeed())
		w.at(ctx, obj, first)
		Expect(w.runs(ctx)).To(BeEmpty())
		obj = w.get(ctx, obj)
		obj.Finalizers = nil
		Expect(kube.Update(ctx, obj)).To(Succeed())
	})
})
