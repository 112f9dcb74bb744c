// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"time"

	"golang.org/x/sync/semaphore"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/backoff"
	"agentdisconnect.dev/agentdisconnect/controllers/objects"
	"agentdisconnect.dev/agentdisconnect/controllers/priority"
)

const (
	// placeInterval is how soon a pass comes again that found no place. Passes of what has not
	// begun take a few seconds at most.
	placeInterval = 2 * time.Second
)

// places are those of the workers that objects which have not begun may take up.
type places struct{ free *semaphore.Weighted }

func newPlaces(n int) places { return places{semaphore.NewWeighted(int64(n))} }

// place is the right of one pass to take up a worker for an object that has not begun.
type place struct {
	places places
	taken  bool
}

// take takes a place unless the pass has one, and reports whether it has one now.
func (p *place) take() bool {
	if !p.taken {
		p.taken = p.places.free.TryAcquire(1)
	}
	return p.taken
}

// leave gives the place back, if the pass has one.
func (p *place) leave() {
	if p.taken {
		p.places.free.Release(1)
		p.taken = false
	}
}

// admitPass reports whether a pass may go on, by what the manager has in its cache: an object that
// has not begun needs a place. It asks neither the API server nor AWS, either of which may be slow.
// A run that this process saw begin needs no place, even where the cache is behind. An object that
// the cache lacks is judged once it is read.
func (r *Reconciler) admitPass(ctx context.Context, request reconcile.Request, p *place) bool {
	if r.cache == nil || r.states.hasBegun(request.NamespacedName) {
		return true
	}
	cached, known := objects.GetCached(ctx, r.cache, request.NamespacedName)
	if !known {
		return true
	}
	if priority.OfKnown(&cached, r.Clock.Now()) != priority.NotBegun {
		return true
	}
	return p.take()
}

// hasBegun reports whether a pass over the object at the time now has to do with a run that has
// begun and is not over.
func hasBegun(obj *v1alpha1.AgentDisconnect, now time.Time) bool {
	return priority.At(obj, now) != priority.NotBegun
}

// occupy reports whether a pass over the object as the API server has it may go on.
func (r *Reconciler) occupy(obj *v1alpha1.AgentDisconnect, p *place) bool {
	if hasBegun(obj, r.Clock.Now()) {
		p.leave()
		return true
	}
	return p.take()
}

// turnAway ends a pass that found no place. Nothing was asked and nothing is written; it comes
// again soon.
func (r *Reconciler) turnAway(request reconcile.Request) reconcile.Result {
	wait := backoff.Spread(placeInterval, request.String()+r.Clock.Now().String())
	return reconcile.Result{RequeueAfter: wait, Priority: new(priority.NotBegun)}
}
