// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/schedule"
)

// everyMinutes creates a schedule of runs of a minute.
func (w *world) everyMinutes(ctx context.Context, minutes string) *v1alpha1.AgentDisconnectSchedule {
	GinkgoHelper()
	obj := &v1alpha1.AgentDisconnectSchedule{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "often"},
		Spec: v1alpha1.AgentDisconnectScheduleSpec{
			Schedule: minutes + " * * * *",
			Template: v1alpha1.AgentDisconnectTemplate{Spec: v1alpha1.AgentDisconnectSpec{
				Cluster: clusterName, SubnetID: subnetID, Duration: metav1.Duration{Duration: 5 * time.Minute},
			}},
		},
	}
	Expect(kube.Create(ctx, obj)).To(Succeed())
	return obj
}

var _ = Describe("A schedule's run", func() {
	It("takes place like any other, and its schedule says what became of it", func(ctx context.Context) {
		w, _ := followed(ctx)
		schedules := schedule.New(kube, kube, w.events, w.clock)
		obj := w.everyMinutes(ctx, "*/30")
		look := func() reconcile.Result {
			result, err := schedules.Reconcile(ctx, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(obj)})
			Expect(err).NotTo(HaveOccurred())
			Expect(kube.Get(ctx, client.ObjectKeyFromObject(obj), obj)).To(Succeed())
			return result
		}
		look()
		next := obj.Status.NextScheduleTime.Time
		w.clock.SetTime(next)
		look()
		var all v1alpha1.AgentDisconnectList
		Expect(kube.List(ctx, &all, client.InNamespace(w.namespace))).To(Succeed())
		Expect(all.Items).To(HaveLen(1))

		run := &all.Items[0]
		seen := w.finish(ctx, run, 30*time.Minute)
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateCompleted), describe(seen))
		Expect(seen.Status.StartTime.Time).To(BeTemporally("~", next, time.Minute))
		look()
		Expect(meta.IsStatusConditionTrue(obj.Status.Conditions, v1alpha1.ConditionLastRunSucceeded)).To(BeTrue())
		Expect(obj.Status.LastSuccessfulTime).To(Equal(seen.Status.CompletionTime))
		Expect(w.entries()).To(Equal(w.before))

		raw := &unstructured.Unstructured{}
		raw.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("AgentDisconnectSchedule"))
		Expect(kube.Get(ctx, client.ObjectKeyFromObject(obj), raw)).To(Succeed())
		ready := meta.FindStatusCondition(obj.Status.Conditions, v1alpha1.ConditionReady)
		Expect(argoHealthBy("health-schedule.lua", raw)).To(Equal(health{healthy, "Scheduled: " + ready.Message}))
		Expect(kstatus(raw)).To(Equal(status.CurrentStatus))
	})
})
