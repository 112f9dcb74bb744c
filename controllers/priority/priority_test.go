// SPDX-License-Identifier: Apache-2.0

package priority

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/objects"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

var priorityNow = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// inPhase is an object that was asked for five minutes ago.
func inPhase(name string, change func(*v1alpha1.AgentDisconnect)) *v1alpha1.AgentDisconnect {
	obj := &v1alpha1.AgentDisconnect{ObjectMeta: metav1.ObjectMeta{
		Namespace: "team", Name: name, CreationTimestamp: metav1.NewTime(priorityNow.Add(-5 * time.Minute)),
	}}
	change(obj)
	return obj
}

// onUntil gives an object a run that ends in so much time, with a rule in place.
func onUntil(left time.Duration) func(*v1alpha1.AgentDisconnect) {
	return func(obj *v1alpha1.AgentDisconnect) {
		obj.Status.StartTime = run.Stamp(priorityNow.Add(-4 * time.Minute))
		obj.Status.ExpirationTime = run.Stamp(priorityNow.Add(left))
		obj.Status.NetworkACL = &v1alpha1.NetworkACL{ID: "acl-1", Mode: v1alpha1.NetworkACLModeInPlace}
		obj.Status.Rules = []v1alpha1.Rule{{RuleNumber: 80, CIDR: "52.119.223.69/32"}}
	}
}

// phases are objects in all phases with the priority that each has.
func phases() map[*v1alpha1.AgentDisconnect]int {
	with := func(change ...func(*v1alpha1.AgentDisconnect)) func(*v1alpha1.AgentDisconnect) {
		return func(obj *v1alpha1.AgentDisconnect) {
			for _, c := range change {
				c(obj)
			}
		}
	}
	suspended := func(obj *v1alpha1.AgentDisconnect) { obj.Spec.Suspend = new(true) }
	plan := func(obj *v1alpha1.AgentDisconnect) { obj.Spec.Mode = v1alpha1.ModePlan }
	deleted := func(obj *v1alpha1.AgentDisconnect) { obj.DeletionTimestamp = run.Stamp(priorityNow) }
	aborted := func(obj *v1alpha1.AgentDisconnect) { obj.Status.Abort = &v1alpha1.Abort{Time: *run.Stamp(priorityNow)} }
	restored := func(obj *v1alpha1.AgentDisconnect) {
		obj.Status.Rules, obj.Status.RestoredTime = nil, run.Stamp(priorityNow)
	}
	finished := with(restored, func(obj *v1alpha1.AgentDisconnect) { obj.Status.CompletionTime = run.Stamp(priorityNow) })
	edited := func(obj *v1alpha1.AgentDisconnect) { obj.Status.StartTime, obj.Status.ExpirationTime = nil, nil }

	return map[*v1alpha1.AgentDisconnect]int{
		inPhase("expired", onUntil(-time.Second)):                            Ending,
		inPhase("expired-suspended", with(onUntil(-time.Second), suspended)): Ending,
		inPhase("expired-plan", with(onUntil(-time.Second), plan)):           Ending,
		inPhase("aborted", with(onUntil(time.Minute), aborted)):              Ending,
		inPhase("deleted", with(onUntil(time.Minute), deleted)):              Ending,
		inPhase("deleted-pending", deleted):                                  Ending,
		inPhase("edited", with(onUntil(time.Minute), edited)):                Ending,
		inPhase("active", onUntil(time.Minute)):                              On,
		inPhase("suspended", with(onUntil(time.Minute), suspended)):          On,
		inPhase("recovering", with(onUntil(-time.Second), restored)):         On,
		inPhase("pending", with()):                                           NotBegun,
		inPhase("plan", plan):                                                NotBegun,
		inPhase("suspended-pending", suspended):                              NotBegun,
		inPhase("finished", with(onUntil(-time.Second), finished)):           NotBegun,
		inPhase("waiting", func(obj *v1alpha1.AgentDisconnect) {
			obj.Spec.StartAfter = run.Stamp(priorityNow.Add(time.Hour))
		}): NotBegun,
		inPhase("missed", func(obj *v1alpha1.AgentDisconnect) {
			obj.Spec.StartDeadline = run.Stamp(priorityNow.Add(-time.Minute))
		}): NotBegun,
		inPhase("renewed", with(onUntil(-time.Second), finished, func(obj *v1alpha1.AgentDisconnect) { obj.Spec.RunID = "2" })): NotBegun,
	}
}

func TestPriorityGoesByThePhase(t *testing.T) {
	g := NewWithT(t)
	for obj, priority := range phases() {
		g.Expect(At(obj, priorityNow)).To(Equal(priority), obj.Name)
	}
	expiring := inPhase("active", onUntil(time.Minute))
	g.Expect(At(expiring, priorityNow.Add(time.Minute))).To(Equal(Ending), "at its end, of which it is due")
}

// After a restart all objects come as new ones of the first list, in any order.
func TestTheWorkQueueGivesEndsFirst(t *testing.T) {
	g := NewWithT(t)
	queue := priorityqueue.New[reconcile.Request](t.Name())
	defer queue.ShutDown()
	enqueue, want := Handler(clocktesting.NewFakePassiveClock(priorityNow)), map[string]int{}
	for obj, priority := range phases() {
		known := objects.Of(obj)
		want[obj.Name] = priority
		if len(want)%2 == 0 {
			enqueue.Create(t.Context(), event.CreateEvent{Object: &known, IsInInitialList: true}, queue)
		} else {
			enqueue.Update(t.Context(), event.UpdateEvent{ObjectOld: &known, ObjectNew: &known}, queue) // as a resync does
		}
	}
	gone := objects.Of(inPhase("gone", onUntil(time.Minute)))
	enqueue.Delete(t.Context(), event.DeleteEvent{Object: &gone}, queue)
	want["gone"] = NotBegun
	g.Expect(queue.Len()).To(Equal(len(want)))

	last := Ending
	for range want {
		request, priority, _ := queue.GetWithPriority()
		g.Expect(priority).To(Equal(want[request.Name]), request.Name)
		g.Expect(priority).To(BeNumerically("<=", last), "%s comes after something less urgent", request.Name)
		last = priority
		queue.Done(request)
	}
}
