// SPDX-License-Identifier: Apache-2.0

package priority

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/objects"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/controllers/run/runtest"
)

var priorityNow = runtest.At(4).Time

// onUntil gives an object a run that ends in so much time, with a rule in place.
func onUntil(left time.Duration) func(*v1alpha1.AgentDisconnect) {
	return runtest.OnUntil(priorityNow.Add(left))
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

	clone := func(state v1alpha1.CloneState) func(*v1alpha1.AgentDisconnect) {
		return func(obj *v1alpha1.AgentDisconnect) {
			obj.Status.NetworkACL = &v1alpha1.NetworkACL{ID: "acl-1", OriginalID: "acl-2", Mode: v1alpha1.NetworkACLModeClone, State: state}
		}
	}

	return map[*v1alpha1.AgentDisconnect]int{
		runtest.Asked("expired-clone", with(onUntil(-time.Second), clone(v1alpha1.CloneServing))):             EndingOnClone,
		runtest.Asked("deleted-clone", with(onUntil(time.Minute), deleted, clone(v1alpha1.CloneAssociating))): EndingOnClone,
		runtest.Asked("expired-clone-aside", with(onUntil(-time.Second), clone(v1alpha1.CloneReady))):         Ending,
		runtest.Asked("active-clone", with(onUntil(time.Minute), clone(v1alpha1.CloneServing))):               On,
		runtest.Asked("expired", onUntil(-time.Second)):                                                       Ending,
		runtest.Asked("expired-suspended", with(onUntil(-time.Second), suspended)):                            Ending,
		runtest.Asked("expired-plan", with(onUntil(-time.Second), plan)):                                      Ending,
		runtest.Asked("aborted", with(onUntil(time.Minute), aborted)):                                         Ending,
		runtest.Asked("deleted", with(onUntil(time.Minute), deleted)):                                         Ending,
		runtest.Asked("deleted-pending", deleted):                                                             Ending,
		runtest.Asked("edited", with(onUntil(time.Minute), edited)):                                           Ending,
		runtest.Asked("active", onUntil(time.Minute)):                                                         On,
		runtest.Asked("suspended", with(onUntil(time.Minute), suspended)):                                     On,
		runtest.Asked("recovering", with(onUntil(-time.Second), restored)):                                    On,
		runtest.Asked("pending", with()):                                                                      NotBegun,
		runtest.Asked("plan", plan):                                                                           NotBegun,
		runtest.Asked("suspended-pending", suspended):                                                         NotBegun,
		runtest.Asked("finished", with(onUntil(-time.Second), finished)):                                      NotBegun,
		runtest.Asked("waiting", func(obj *v1alpha1.AgentDisconnect) {
			obj.Spec.StartAfter = run.Stamp(priorityNow.Add(time.Hour))
		}): NotBegun,
		runtest.Asked("missed", func(obj *v1alpha1.AgentDisconnect) {
			obj.Spec.StartDeadline = run.Stamp(priorityNow.Add(-time.Minute))
		}): NotBegun,
		runtest.Asked("renewed", with(onUntil(-time.Second), finished, func(obj *v1alpha1.AgentDisconnect) { obj.Spec.RunID = "2" })): NotBegun,
	}
}

func TestPriorityGoesByThePhase(t *testing.T) {
	g := NewWithT(t)
	for obj, priority := range phases() {
		g.Expect(At(obj, priorityNow)).To(Equal(priority), obj.Name)
	}
	expiring := runtest.Asked("active", onUntil(time.Minute))
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
	gone := objects.Of(runtest.Asked("gone", onUntil(time.Minute)))
	enqueue.Delete(t.Context(), event.DeleteEvent{Object: &gone}, queue)
	want["gone"] = NotBegun
	g.Expect(queue.Len()).To(Equal(len(want)))

	last := EndingOnClone
	for range want {
		request, priority, _ := queue.GetWithPriority()
		g.Expect(priority).To(Equal(want[request.Name]), request.Name)
		g.Expect(priority).To(BeNumerically("<=", last), "%s comes after something less urgent", request.Name)
		last = priority
		queue.Done(request)
	}
}
