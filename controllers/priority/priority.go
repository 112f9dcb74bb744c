// SPDX-License-Identifier: Apache-2.0

package priority

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
	// EndingOnClone: as Ending, and a single call gives the subnet back the traffic of all its denies.
	// Ends that take a call for each rule would keep it waiting for long.
	EndingOnClone = 110
	// Ending: the run is over or the object is being deleted, and something of the run may
	// be left in AWS.
	Ending = 100
	// On: the run is on, or only its agents are awaited.
	On = 50
	// NotBegun: nothing of the object is in AWS, as far as its status says.
	NotBegun = handler.LowPriority
)

// At is the priority of a pass over an object at the time now. It depends on the object and the time
// alone, not on why the pass is due: after a restart every object is new to the manager.
func At(obj *v1alpha1.AgentDisconnect, now time.Time) int {
	phase, _ := run.PhaseAt(obj, now)
	return in(phase, &obj.Status)
}

// OfKnown is At of an object as the informer has it.
func OfKnown(obj *objects.Object, now time.Time) int {
	phase, _ := obj.PhaseAt(now)
	return in(phase, &obj.Status)
}

func in(phase run.Phase, status *v1alpha1.AgentDisconnectStatus) int {
	switch phase {
	case run.Deleting:
		return ending(status)
	case run.Aborted, run.Expired:
		if run.IsRestored(status) && !run.HasTasksToStop(status) {
			return On
		}
		return ending(status)
	case run.Active:
		return On
	case run.Suspended:
		if status.StartTime != nil {
			return On
		}
	}
	return NotBegun
}

func ending(status *v1alpha1.AgentDisconnectStatus) int {
	if acl := status.NetworkACL; acl != nil && (acl.State == v1alpha1.CloneAssociating || acl.State == v1alpha1.CloneServing) {
		return EndingOnClone
	}
	return Ending
}

// Class says whose turn the calls of AWS take that a pass of a priority makes.
func Class(priority int) ratelimit.Class {
	switch {
	case priority >= Ending:
		return ratelimit.Ending
	case priority >= On:
		return ratelimit.On
	default:
		return ratelimit.NotBegun
	}
}

// Queue is the work queue of a controller.
type Queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// Enqueue puts an object into the work queue with a priority.
func Enqueue(q Queue, obj client.Object, priority int) {
	request := reconcile.Request{NamespacedName: client.ObjectKeyFromObject(obj)}
	if prioritized, ok := q.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
		prioritized.AddWithOpts(priorityqueue.AddOpts{Priority: &priority}, request)
		return
	}
	q.Add(request)
}

// Handler puts objects into the work queue with the priority that they have when their event
// arrives.
func Handler(clk clock.PassiveClock) handler.EventHandler {
	enqueue := func(q Queue, obj client.Object) {
		priority := On
		if known, ok := obj.(*objects.Object); ok {
			priority = OfKnown(known, clk.Now())
		}
		Enqueue(q, obj, priority)
	}

	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q Queue) { enqueue(q, e.Object) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q Queue) { enqueue(q, e.ObjectNew) },
		// The object is gone: what is kept of it in memory goes, which takes no time.
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q Queue) { Enqueue(q, e.Object, NotBegun) },
	}
}
