// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"errors"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// halt creates a halt, which goes with the spec.
func halt(ctx context.Context, name string) *v1alpha1.AgentDisconnectHalt {
	GinkgoHelper()
	obj := &v1alpha1.AgentDisconnectHalt{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       &v1alpha1.AgentDisconnectHaltSpec{Reason: "checkout is down", RequestedBy: "kim@example.com"},
	}
	Expect(kube.Create(ctx, obj)).To(Succeed())
	DeferCleanup(func(ctx context.Context) { Expect(client.IgnoreNotFound(kube.Delete(ctx, obj))).To(Succeed()) })
	return obj
}

// resume deletes a halt.
func resume(ctx context.Context, obj *v1alpha1.AgentDisconnectHalt) {
	GinkgoHelper()
	Expect(kube.Delete(ctx, obj)).To(Succeed())
}

// haltedBy is how the status names the halt of a spec.
const haltedBy = "all runs are halted by AgentDisconnectHalt incident, requested by kim@example.com: checkout is down"

// expectHalted has a run ended by the halt, with all that it made gone.
func (w *world) expectHalted(ctx context.Context, obj *v1alpha1.AgentDisconnect) {
	GinkgoHelper()
	seen := w.get(ctx, obj)
	Expect(seen.Status.Abort).NotTo(BeNil(), describe(seen))
	Expect(seen.Status.Abort.Reason).To(Equal(v1alpha1.AbortHalted))
	Expect(seen.Status.Abort.Message).To(Equal(haltedBy))
	Expect(seen.Status.RestoredTime).NotTo(BeNil(), describe(seen))
	w.expectRestored()
}

var _ = Describe("A halt", func() {
	It("ends a run that blocks in one pass, and the run is over once its agents are back", func(ctx context.Context) {
		w, a := followed(ctx)
		w.honest(a)
		obj := w.blocking(ctx)
		halt(ctx, "incident")
		_, err := w.pass(ctx, obj)
		Expect(err).NotTo(HaveOccurred())
		w.expectHalted(ctx, obj)
		w.run(ctx, 5*time.Minute, obj)
		seen := w.get(ctx, obj)
		Expect(condition(seen, v1alpha1.ConditionSucceeded)).To(HaveField("Reason", v1alpha1.AbortHalted), describe(seen))
		Expect(condition(seen, v1alpha1.ConditionSucceeded).Message).To(HavePrefix(haltedBy + "; the rules are gone"))
		Expect(seen.Finalizers).To(BeEmpty())
	})

	It("ends a run on a clone, and the subnet has its network ACL back", func(ctx context.Context) {
		w := cloneWorld(ctx)
		obj := w.blocking(ctx, cloning)
		halt(ctx, "incident")
		w.run(ctx, 10*time.Second, obj)
		w.expectHalted(ctx, obj)
	})

	It("ends a run that is suspended", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.blocking(ctx)
		w.edit(ctx, obj, suspending(true))
		w.run(ctx, 30*time.Second, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateSuspended))
		halt(ctx, "incident")
		w.run(ctx, 10*time.Second, obj)
		w.expectHalted(ctx, obj)
	})

	It("changes nothing of a run that waits for its agents", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.blocking(ctx)
		w.run(ctx, 10*time.Minute, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateRecovering))
		halt(ctx, "incident")
		w.run(ctx, 11*time.Minute, obj)
		seen := w.get(ctx, obj)
		Expect(seen.Status.Abort).To(BeNil())
		Expect(seen.Status.CompletionTime).NotTo(BeNil())
		w.expectRestored()
	})

	It("delays neither the deletion of a run nor the end of its time", func(ctx context.Context) {
		w, _ := audited(ctx)
		deleted := w.blocking(ctx)
		pulled := halt(ctx, "incident")
		Expect(kube.Delete(ctx, deleted)).To(Succeed())
		_, err := w.pass(ctx, deleted)
		Expect(err).NotTo(HaveOccurred())
		Expect(w.gone(ctx, deleted)).To(BeTrue())
		w.expectRestored()

		resume(ctx, pulled)
		expired := w.blocking(ctx)
		halt(ctx, "second")
		w.clock.SetTime(w.get(ctx, expired).Status.ExpirationTime.Time)
		_, err = w.pass(ctx, expired)
		Expect(err).NotTo(HaveOccurred())
		w.expectRestored()
		Expect(w.get(ctx, expired).Status.Abort).To(BeNil(), "its time was over first")
	})

	It("holds a start back without a call to AWS, until the last halt is deleted", func(ctx context.Context) {
		w, _ := audited(ctx)
		first, second := halt(ctx, "incident"), halt(ctx, "second")
		obj := w.create(ctx)
		w.run(ctx, 30*time.Second, obj)
		seen := w.get(ctx, obj)
		Expect(condition(seen, v1alpha1.ConditionSucceeded)).To(And(
			HaveField("Reason", v1alpha1.StateRefused),
			HaveField("Message", ContainSubstring("all runs are halted by AgentDisconnectHalt incident and 1 other, requested by kim@example.com: checkout is down. No run starts before all halts are deleted (kubectl agentdisconnect resume)")),
		))
		Expect(condition(seen, v1alpha1.ConditionStalled).Reason).To(Equal(v1alpha1.ReasonHalted))
		Expect(seen.Status.Reason).To(Equal(v1alpha1.ReasonHalted))
		Expect(w.sim.Calls()).To(BeEmpty())

		resume(ctx, first)
		w.run(ctx, 3*time.Minute, obj)
		Expect(condition(w.get(ctx, obj), v1alpha1.ConditionSucceeded).Message).To(ContainSubstring("AgentDisconnectHalt second"))
		resume(ctx, second)
		w.run(ctx, 30*time.Second, obj)
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateBlocking), describe(w.get(ctx, obj)))
	})

	It("that stands past a start deadline has the run never begin, and the reason names it", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.create(ctx, func(obj *v1alpha1.AgentDisconnect) { // as a schedule makes its runs
			obj.Labels = map[string]string{v1alpha1.LabelSchedule: "nightly"}
			obj.Spec.StartDeadline = &metav1.Time{Time: w.clock.Now().Add(5 * time.Minute)}
		})
		pulled := halt(ctx, "incident")
		w.run(ctx, 6*time.Minute, obj)
		resume(ctx, pulled)
		w.run(ctx, time.Minute, obj)
		seen := condition(w.get(ctx, obj), v1alpha1.ConditionSucceeded)
		Expect(seen.Reason).To(Equal(v1alpha1.AbortStartDeadlineExceeded))
		Expect(seen.Message).To(ContainSubstring(haltedBy))
		Expect(w.sim.Calls()).To(BeEmpty())
	})

	It("that is pulled while a run gets ready keeps it from beginning", func(ctx context.Context) {
		w, _ := audited(ctx)
		obj := w.create(ctx)
		_, err := w.pass(ctx, obj) // a second poll is due
		Expect(err).NotTo(HaveOccurred())
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateDiscovering))
		lists := 0
		w.manageWith(interceptor.NewClient(control.Client, interceptor.Funcs{
			List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
				if _, ok := list.(*v1alpha1.AgentDisconnectHaltList); ok {
					if lists++; lists == 2 { // the last look, once the run is ready
						halt(ctx, "incident")
					}
				}
				return c.List(ctx, list, opts...)
			},
		}), w.sessions)
		w.run(ctx, time.Minute, obj)
		Expect(lists).To(BeNumerically(">=", 2))
		seen := w.get(ctx, obj)
		Expect(seen.Status.StartTime).To(BeNil(), describe(seen))
		Expect(w.state(ctx, obj)).To(Equal(v1alpha1.StateRefused))
		Expect(w.writes()).To(BeEmpty())
	})

	It("is named by a plan", func(ctx context.Context) {
		w, _ := audited(ctx)
		halt(ctx, "incident")
		obj := w.create(ctx, func(obj *v1alpha1.AgentDisconnect) { obj.Spec.Mode = v1alpha1.ModePlan })
		w.run(ctx, 30*time.Second, obj)
		seen := w.get(ctx, obj)
		Expect(seen.Status.Plan).NotTo(BeNil(), describe(seen))
		Expect(seen.Status.Plan.Refusals).To(ContainElement(And(HaveField("Reason", v1alpha1.ReasonHalted), HaveField("Message", HavePrefix(haltedBy)))))
		Expect(seen.Status.Plan.NetworkACL).NotTo(BeNil(), "the rest of the plan is made")
	})
})

var _ = Describe("Halts that can't be listed", func() {
	// unlistable is a client that does not list halts.
	unlistable := func(err error) client.Client {
		return interceptor.NewClient(control.Client, interceptor.Funcs{
			List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
				if _, ok := list.(*v1alpha1.AgentDisconnectHaltList); ok {
					return err
				}
				return c.List(ctx, list, opts...)
			},
		})
	}

	It("keep runs from starting, and neither end one that is on nor delay its end", func(ctx context.Context) {
		w, _ := audited(ctx)
		on := w.blocking(ctx)
		w.manageWith(unlistable(apierrors.NewForbidden(schema.GroupResource{Resource: "agentdisconnecthalts"}, "", errors.New("no role"))), w.sessions)
		w.run(ctx, time.Minute, on)
		Expect(w.state(ctx, on)).To(Equal(v1alpha1.StateBlocking))
		w.run(ctx, 9*time.Minute, on)
		w.expectRestored()

		held := w.create(ctx)
		w.run(ctx, time.Minute, held)
		seen := w.get(ctx, held)
		Expect(condition(seen, v1alpha1.ConditionStalled)).To(And(
			HaveField("Reason", v1alpha1.ReasonHaltsNotReadable),
			HaveField("Message", ContainSubstring("apply the CRDs and the ClusterRole")),
		), describe(seen))
	})

	It("any more, while they are watched, keep runs from starting, and the metric says so, until they can", func(ctx context.Context) {
		w, _ := audited(ctx)
		on := w.blocking(ctx)
		var lost error
		w.manageWith(interceptor.NewClient(control.Client, interceptor.Funcs{
			List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
				if _, ok := list.(*v1alpha1.AgentDisconnectHaltList); ok && lost != nil {
					return lost
				}
				return c.List(ctx, list, opts...)
			},
		}), w.sessions)
		halts := w.reconciler.Halts
		halts.Follow(control.Client) // what a cache had before, it still has
		Expect(halts.Check(ctx)).To(Succeed())
		Expect(metric("agentdisconnect_halts", nil)).To(BeZero())

		lost = apierrors.NewForbidden(schema.GroupResource{Resource: "agentdisconnecthalts"}, "", errors.New("no role"))
		Expect(halts.Check(ctx)).To(MatchError(lost))
		Expect(metric("agentdisconnect_halts", nil)).To(Equal(-1.), "there is none")
		w.run(ctx, time.Minute, on)
		Expect(w.state(ctx, on)).To(Equal(v1alpha1.StateBlocking))
		calls := len(w.sim.Calls())
		held := w.create(ctx, withSubnet(plainSubnet))
		_, err := w.pass(ctx, held)
		Expect(err).NotTo(HaveOccurred())
		Expect(condition(w.get(ctx, held), v1alpha1.ConditionStalled)).To(HaveField("Reason", v1alpha1.ReasonHaltsNotReadable))
		Expect(w.sim.Calls()).To(HaveLen(calls), "as with a halt, nothing is asked of AWS")

		stopped := halt(ctx, "incident")
		w.run(ctx, 10*time.Second, on)
		w.expectHalted(ctx, on)
		resume(ctx, stopped)
		lost = nil
		Expect(halts.Check(ctx)).To(Succeed())
		w.run(ctx, time.Minute, held)
		Expect(condition(w.get(ctx, held), v1alpha1.ConditionStalled)).To(HaveField("Reason", v1alpha1.ReasonNoConsent))
	})

	It("for want of the kind keep none: nobody can have made one", func(ctx context.Context) {
		w, _ := audited(ctx)
		w.manageWith(unlistable(&meta.NoKindMatchError{GroupKind: schema.GroupKind{Kind: "AgentDisconnectHalt"}}), w.sessions)
		w.blocking(ctx)
	})
})

var _ = It("A halt, and its end, have a manager work on no object of a namespace that it does not watch", func(ctx context.Context) {
	w := newWorld(ctx)
	elsewhere := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "elsewhere-"}}
	Expect(kube.Create(ctx, elsewhere)).To(Succeed())
	own, other := w.create(ctx, withSubnet(plainSubnet)), &v1alpha1.AgentDisconnect{
		ObjectMeta: metav1.ObjectMeta{Namespace: elsewhere.Name, Name: "other"},
		Spec:       v1alpha1.AgentDisconnectSpec{Cluster: clusterName, SubnetID: subnetID, Duration: metav1.Duration{Duration: time.Hour}},
	}
	Expect(kube.Create(ctx, other)).To(Succeed())
	DeferCleanup(func(ctx context.Context) { Expect(client.IgnoreNotFound(kube.Delete(ctx, other))).To(Succeed()) })
	before := other.DeepCopy()
	w.manage(ctx)

	reason := func() string { return condition(w.get(ctx, own), v1alpha1.ConditionStalled).Reason }
	Eventually(reason, patience).Should(Equal(v1alpha1.ReasonNoConsent))
	for range 2 {
		stopped := halt(ctx, "over-there")
		Eventually(reason, patience).Should(Equal(v1alpha1.ReasonHalted), "the watched namespace is told")
		resume(ctx, stopped)
		Eventually(reason, patience).Should(Equal(v1alpha1.ReasonNoConsent))
	}
	Expect(kube.Get(ctx, client.ObjectKeyFromObject(other), other)).To(Succeed())
	Expect(other).To(Equal(before))
	Expect(w.writes()).To(BeEmpty())
})
