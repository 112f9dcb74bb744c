// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/gauges"
	"agentdisconnect.dev/agentdisconnect/controllers/objects"
	"agentdisconnect.dev/agentdisconnect/controllers/options"
	"agentdisconnect.dev/agentdisconnect/controllers/pass"
	"agentdisconnect.dev/agentdisconnect/controllers/priority"
)

// +kubebuilder:rbac:groups=chaos.agentdisconnect.dev,resources=agentdisconnects,verbs=get;list;watch;patch;delete
// +kubebuilder:rbac:groups=chaos.agentdisconnect.dev,resources=agentdisconnects/status,verbs=get;patch
// +kubebuilder:rbac:groups=chaos.agentdisconnect.dev,resources=agentdisconnecthalts,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=namespaces,resourceNames=kube-system,verbs=get
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

const (
	// shortestBackoff and longestBackoff bound the waits after an error of the API server. The
	// longest is short, since a run's end may fall into it.
	shortestBackoff = 200 * time.Millisecond
	longestBackoff  = 10 * time.Second
	// shortestConflict and longestConflict bound the waits after something that a pass rests on was
	// written by others, with jitter: a burst is over soon, and an end must not wait for long.
	shortestConflict = 50 * time.Millisecond
	longestConflict  = 500 * time.Millisecond
)

// Reconciler takes AgentDisconnect objects through their life.
type Reconciler struct {
	*pass.Manager

	recorder events.EventRecorder
	states   states
	places   places
	// cache is the manager's own, of objects.Object alone; nil: the reconciler is part of none.
	cache client.Reader
}

// New makes a reconciler that is not yet part of a manager. reader reads past the cache.
func New(c client.Client, reader client.Reader, recorder events.EventRecorder, sessions *aws.Sessions, clk clock.Clock, opts options.Options) *Reconciler {
	return &Reconciler{
		Manager: pass.NewManager(c, reader, sessions, clk, opts), recorder: recorder, places: newPlaces(opts.PlacesForStarts()),
	}
}

// SetupWithManager makes the reconciler part of a manager.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	gauges.Objects.Watch(mgr.GetCache(), r.Clock)
	r.cache = mgr.GetCache()
	return ctrl.NewControllerManagedBy(mgr).
		Named("agentdisconnect").
		Watches(&objects.Object{}, priority.Handler(r.Clock), builder.WithPredicates(
			// Not by our own status writes. A deletion changes the generation too.
			predicate.Or(predicate.GenerationChangedPredicate{}, predicate.Funcs{UpdateFunc: objects.WasReopened}),
		)).
		WatchesRawSource(r.Halts.Source(func(ctx context.Context) ([]objects.Object, error) { return objects.ListCached(ctx, r.cache) })).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: r.Options.Workers(),
			UsePriorityQueue:        new(true),
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](shortestBackoff, longestBackoff),
		}).
		Complete(r)
}

// Reconcile is one pass over one object.
func (r *Reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	if r.cache != nil && !r.states.has(request.NamespacedName) {
		if rests, wake := objects.Resting(ctx, r.cache, request.NamespacedName, r.Clock.Now()); rests {
			return reconcile.Result{RequeueAfter: wake, Priority: new(priority.NotBegun)}, nil
		}
	}

	here := &place{places: r.places}
	defer here.leave()
	if !r.admitPass(ctx, request, here) {
		return r.turnAway(request), nil
	}

	obj, asked := &v1alpha1.AgentDisconnect{}, r.Clock.Now()
	if err := r.Reader.Get(ctx, request.NamespacedName, obj); err != nil {
		if apierrors.IsNotFound(err) {
			r.forget(request.NamespacedName)
		}
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}

	if !r.occupy(obj, here) {
		return r.turnAway(request), nil
	}

	p := r.open(obj, asked)
	result, err := p.work(ctx)
	p.seen.begun = hasBegun(p.Object, r.Clock.Now())
	result.Priority = new(priority.At(p.Object, r.Clock.Now().Add(result.RequeueAfter)))
	return result, err
}

// forget drops what is kept in memory of an object.
func (r *Reconciler) forget(name types.NamespacedName) {
	if uid, known := r.states.forget(name); known {
		r.Reservations.Withdraw(uid)
		r.Reservations.Finish(uid)
	}
}
