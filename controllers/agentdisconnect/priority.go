// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"time"

	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/objects"
	"agentdisconnect.dev/agentdisconnect/controllers/ratelimit"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// The priorities of objects in the work queue. Objects that can't begin must not delay the end of a
// run.
const (
	// PriorityEnding: the run is over or the object is being deleted, and something of the run may
	// be left in AWS.
	PriorityEnding = 100
	// PriorityOn: the run is on, or only its agents are awaited.
	PriorityOn = 50
	// PriorityNotBegun: nothing of the object is in AWS, as far as its status says.
	PriorityNotBegun = handler.LowPriority
)

// PriorityAt is the priority of a pass over an object at the time now. It depends on the object and
// the time alone, not on why the pass is due: after a restart every object is new to the manager.
func PriorityAt(obj *v1alpha1.AgentDisconnect, now time.Time) int {
	phase, _ := run.PhaseAt(obj, now)
	return priorityIn(phase, &obj.Status)
}

// priorityIn is the priority of a pass over an object in a phase.
func priorityIn(phase run.Phase, status *v1alpha1.AgentDisconnectStatus) int {
	switch phase {
	case run.Deleting:
		return PriorityEnding
	case run.Aborted, run.Expired:
		if run.IsRestored(status) && !run.HasTasksToStop(status) {
			return PriorityOn
		}
		return PriorityEnding
	case run.Active:
		return PriorityOn
	case run.Suspended:
		if status.StartTime != nil {
			return PriorityOn
		}
	}
	return PriorityNotBegun
}

// classAt says whose turn the calls of a pass take, given the same.
func classAt(obj *v1alpha1.AgentDisconnect, now time.Time) ratelimit.Class {
	return map[int]ratelimit.Class{PriorityEnding: ratelimit.Ending, PriorityOn: ratelimit.On, PriorityNotBegun: ratelimit.NotBegun}[PriorityAt(obj, now)]
}

// hasBegun reports whether a pass over the object at the time now has to do with a run that has
// begun and is not over.
func hasBegun(obj *v1alpha1.AgentDisconnect, now time.Time) bool {
	return PriorityAt(obj, now) != PriorityNotBegun
}

// enqueueByPriority puts objects into the work queue with the priority that they have when their
// event arrives.
func enqueueByPriority(clk clock.PassiveClock) handler.EventHandler {
	type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

	add := func(q queue, obj client.Object, priority int) {
		request := reconcile.Request{NamespacedName: client.ObjectKeyFromObject(obj)}
		if prioritized, ok := q.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
			prioritized.AddWithOpts(priorityqueue.AddOpts{Priority: &priority}, request)
			return
		}
		q.Add(request)
	}

	enqueue := func(q queue, obj client.Object) {
		priority := PriorityOn
		if known, ok := obj.(*objects.Object); ok {
			phase, _ := known.PhaseAt(clk.Now())
			priority = priorityIn(phase, &known.Status)
		}
		add(q, obj, priority)
	}

	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) { enqueue(q, e.Object) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) { enqueue(q, e.ObjectNew) },
		// The object is gone: what is kept of it in memory goes, which takes no time.
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) { add(q, e.Object, PriorityNotBegun) },
	}
}
