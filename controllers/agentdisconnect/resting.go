// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"agentdisconnect.dev/agentdisconnect/controllers/objects"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// restsFinished reports whether the cache shows that nothing is to be done for an object, and when something will be: no request is
// made for it. An object that passes of this process work on is never judged so: the cache may be behind what they stored, and their
// own next pass would be lost. Of any other, the event that makes it worth a pass is yet to come.
func (r *Reconciler) restsFinished(ctx context.Context, request reconcile.Request) (rests bool, wake time.Duration) {
	if r.cache == nil || r.states.has(request.NamespacedName) {
		return false, 0
	}
	cached, known := objects.GetCached(ctx, r.cache, request.NamespacedName)
	if !known {
		return false, 0
	}
	now := r.Clock.Now()
	rests, deletion := cached.Rests(now)
	if !rests || deletion.IsZero() {
		return rests, 0
	}
	return true, deletion.Sub(now)
}

// wasReopened lets an object through whose status a person edited so that its run is not over any more. No pass of this process works on it.
func wasReopened(e event.UpdateEvent) bool {
	before, ok := e.ObjectOld.(*objects.Object)
	after, also := e.ObjectNew.(*objects.Object)
	if !ok || !also {
		return false
	}
	was, _ := before.PhaseAt(time.Time{}) // whether a run is over doesn't depend on the time
	is, _ := after.PhaseAt(time.Time{})
	return was == run.Finished && is != run.Finished
}
