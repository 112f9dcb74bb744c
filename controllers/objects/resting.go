// SPDX-License-Identifier: Apache-2.0

package objects

import (
	"context"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// Rests reports whether the run is over, or the plan is made, and a pass would change nothing, and when the object is to be deleted; the
// zero time: never.
func (o *Object) Rests(now time.Time) (rests bool, deletion time.Time) {
	phase, deletion := o.PhaseAt(now)
	done := phase == run.Finished || phase == run.Planning && run.IsPlanned(o.stripped)
	rests = done && o.Status.ObservedGeneration == o.Generation && o.Status.State != "" &&
		!slices.Contains(o.Finalizers, v1alpha1.Finalizer) && (deletion.IsZero() || now.Before(deletion))
	return rests, deletion
}

// Resting reports whether a manager's cache shows that nothing is to be done for an object, and after what time something will be; zero:
// never. It must not be asked of an object that passes of this process work on: the cache may be behind what they stored, and the next of
// them would be lost. Of any other object, the event that makes it worth a pass is yet to come.
func Resting(ctx context.Context, cache client.Reader, key client.ObjectKey, now time.Time) (rests bool, wake time.Duration) {
	o, known := GetCached(ctx, cache, key)
	if !known {
		return false, 0
	}
	rests, deletion := o.Rests(now)
	if !rests || deletion.IsZero() {
		return rests, 0
	}
	return true, deletion.Sub(now)
}

// WasReopened reports whether an update took back that a run is over, which only an edit of the status does.
func WasReopened(e event.UpdateEvent) bool {
	before, ok := e.ObjectOld.(*Object)
	after, also := e.ObjectNew.(*Object)
	if !ok || !also {
		return false
	}
	was, _ := before.PhaseAt(time.Time{}) // whether a run is over doesn't depend on the time
	is, _ := after.PhaseAt(time.Time{})
	return was == run.Finished && is != run.Finished
}
