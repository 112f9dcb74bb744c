// SPDX-License-Identifier: Apache-2.0

package schedule_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/schedule"
	"agentdisconnect.dev/agentdisconnect/hack/controlplane"
)

var kube client.Client

func TestSpecs(t *testing.T) {
	SetDefaultEventuallyTimeout(5 * time.Minute) // it bounds what would never come
	RegisterFailHandler(Fail)
	RunSpecs(t, "AgentDisconnectSchedule")
}

var _ = BeforeSuite(func(context.Context) {
	control, err := controlplane.Start(controlplane.Options{SpareCPU: true})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(control.Close()).To(Succeed()) })
	kube = control.Client
})

// world is one test's own namespace, clock and reconciler.
type world struct {
	clock      *clocktesting.FakeClock
	events     *events.FakeRecorder
	reconciler *schedule.Reconciler
	namespace  string
}

func newWorld(ctx context.Context) *world {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	Expect(kube.Create(ctx, namespace)).To(Succeed())
	w := &world{clock: clocktesting.NewFakeClock(time.Now().Truncate(time.Second)), namespace: namespace.Name}
	w.manageWith(kube)
	return w
}

// manageWith replaces the manager by a new one that works with a client.
func (w *world) manageWith(kubernetes client.Client) {
	w.events = events.NewFakeRecorder(1000)
	w.reconciler = schedule.New(kubernetes, kube, w.events, w.clock)
}

// everyHour creates a schedule whose first time is in 30 minutes, and then every hour.
func (w *world) everyHour(ctx context.Context, change ...func(*v1alpha1.AgentDisconnectSchedule)) *v1alpha1.AgentDisconnectSchedule {
	GinkgoHelper()
	obj := &v1alpha1.AgentDisconnectSchedule{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "hourly"},
		Spec: v1alpha1.AgentDisconnectScheduleSpec{
			Schedule: fmt.Sprintf("%d * * * *", w.clock.Now().UTC().Add(30*time.Minute).Minute()),
			Template: v1alpha1.AgentDisconnectTemplate{Spec: v1alpha1.AgentDisconnectSpec{
				Cluster: "demo", SubnetID: "subnet-0a1b2c3d4e5f67890", Duration: metav1.Duration{Duration: 10 * time.Minute},
			}},
		},
	}
	for _, c := range change {
		c(obj)
	}
	Expect(kube.Create(ctx, obj)).To(Succeed())
	w.pass(ctx, obj)
	return obj
}

// firstTime is the first time of a schedule that everyHour created.
func (w *world) firstTime(ctx context.Context, obj *v1alpha1.AgentDisconnectSchedule) time.Time {
	GinkgoHelper()
	next := w.get(ctx, obj).Status.NextScheduleTime
	Expect(next).NotTo(BeNil())
	return next.Time
}

// pass makes one pass, which must not fail.
func (w *world) pass(ctx context.Context, obj *v1alpha1.AgentDisconnectSchedule) reconcile.Result {
	GinkgoHelper()
	result, err := w.try(ctx, obj)
	Expect(err).NotTo(HaveOccurred())
	return result
}

func (w *world) try(ctx context.Context, obj *v1alpha1.AgentDisconnectSchedule) (reconcile.Result, error) {
	return w.reconciler.Reconcile(ctx, request(obj))
}

func request(obj *v1alpha1.AgentDisconnectSchedule) reconcile.Request {
	return reconcile.Request{NamespacedName: client.ObjectKeyFromObject(obj)}
}

// at sets the clock, and makes a pass.
func (w *world) at(ctx context.Context, obj *v1alpha1.AgentDisconnectSchedule, now time.Time) {
	GinkgoHelper()
	w.clock.SetTime(now)
	w.pass(ctx, obj)
}

func (w *world) get(ctx context.Context, obj *v1alpha1.AgentDisconnectSchedule) *v1alpha1.AgentDisconnectSchedule {
	GinkgoHelper()
	found := &v1alpha1.AgentDisconnectSchedule{}
	Expect(kube.Get(ctx, client.ObjectKeyFromObject(obj), found)).To(Succeed())
	keepForGitOps(ctx, found)
	return found
}

// runs are the AgentDisconnects of the namespace.
func (w *world) runs(ctx context.Context) []v1alpha1.AgentDisconnect {
	GinkgoHelper()
	var list v1alpha1.AgentDisconnectList
	Expect(kube.List(ctx, &list, client.InNamespace(w.namespace))).To(Succeed())
	return list.Items
}

// names are those of the runs.
func (w *world) names(ctx context.Context) []string {
	GinkgoHelper()
	names := []string{}
	for _, each := range w.runs(ctx) {
		names = append(names, each.Name)
	}
	return names
}

// finish ends a run as its own controller does.
func (w *world) finish(ctx context.Context, run *v1alpha1.AgentDisconnect, state string) {
	GinkgoHelper()
	now := metav1.Time{Time: w.clock.Now()}
	run.Status.StartTime, run.Status.RestoredTime, run.Status.CompletionTime = &now, &now, &now
	value := metav1.ConditionFalse
	if state == v1alpha1.StateCompleted {
		value = metav1.ConditionTrue
	}
	meta.SetStatusCondition(&run.Status.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionSucceeded, Status: value, Reason: state, Message: "It is over", LastTransitionTime: now,
	})
	Expect(kube.Status().Update(ctx, run)).To(Succeed())
}

// condition is a condition of a schedule; the zero value: it has none.
func condition(obj *v1alpha1.AgentDisconnectSchedule, kind string) metav1.Condition {
	if found := meta.FindStatusCondition(obj.Status.Conditions, kind); found != nil {
		return *found
	}
	return metav1.Condition{}
}
