// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	utilwait "k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/preflight"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/reservation"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// +kubebuilder:rbac:groups=chaos.agentdisconnect.dev,resources=agentdisconnects,verbs=get;list;watch;patch;delete
// +kubebuilder:rbac:groups=chaos.agentdisconnect.dev,resources=agentdisconnects/status,verbs=get;patch
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
	store *ledger.Store
	// reader reads past the cache: a pass that may write must not act on what was true a while ago.
	reader   client.Reader
	recorder events.EventRecorder
	sessions *aws.Sessions
	resolver *discovery.Resolver
	clock    clock.Clock
	options  Options

	memories     memories
	reservations *reservation.Table
	guards       guards
	outages      outages
	searches     *preflight.Searches
	places       places
	// cache is the manager's own; nil: the reconciler is part of none.
	cache  client.Reader
	quotas quotas
}

// New makes a reconciler that is not yet part of a manager. reader reads past the cache.
func New(c client.Client, reader client.Reader, recorder events.EventRecorder, sessions *aws.Sessions, clk clock.Clock, options Options) *Reconciler {
	return &Reconciler{
		store: ledger.NewStore(c, reader, clk), reader: reader, recorder: recorder, sessions: sessions, clock: clk,
		resolver: discovery.NewResolver(options.DNSServer), options: options,
		reservations: reservation.NewTable(reader, options.MaxActiveRuns), searches: preflight.NewSearches(), places: newPlaces(options.PlacesForStarts()),
	}
}

// SetupWithManager makes the reconciler part of a manager.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	rulesPastEnd.watch(mgr.GetCache(), r.clock)
	r.cache = mgr.GetCache()
	return ctrl.NewControllerManagedBy(mgr).
		Named("agentdisconnect").
		Watches(&v1alpha1.AgentDisconnect{}, enqueueByPriority(r.clock), builder.WithPredicates(
			// Not by our own status writes. A deletion changes the generation too.
			predicate.GenerationChangedPredicate{},
		)).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: r.options.Workers(),
			UsePriorityQueue:        new(true),
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](shortestBackoff, longestBackoff),
		}).
		Complete(r)
}

// Reconcile is one pass over one object.
func (r *Reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	here := &place{places: r.places}
	defer here.leave()
	if !r.admitPass(ctx, request, here) {
		return r.turnAway(request), nil
	}

	obj, asked := &v1alpha1.AgentDisconnect{}, r.clock.Now()
	if err := r.reader.Get(ctx, request.NamespacedName, obj); err != nil {
		if apierrors.IsNotFound(err) {
			r.forget(request.NamespacedName)
		}
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if !r.occupy(obj, here) {
		return r.turnAway(request), nil
	}

	s := r.newScope(obj, asked)
	result, err := r.work(ctx, s)
	s.seen.begun = hasBegun(s.obj, r.clock.Now())
	result.Priority = new(PriorityAt(s.obj, r.clock.Now().Add(result.RequeueAfter)))
	return result, err
}

// work does what is due for an object, and says when the next pass is.
func (r *Reconciler) work(ctx context.Context, s *scope) (reconcile.Result, error) {
	if s.status().StartTime == nil {
		r.reservations.Finish(s.obj.UID)
	}

	trouble := r.ensureFinalizer(ctx, s)
	if trouble == nil {
		trouble = r.advance(ctx, s)
	}
	if fatal, ok := errors.AsType[*problem.StoreError](trouble); ok {
		return r.resultForStoreError(ctx, s, fatal)
	}
	s.noteEnforced()
	s.countFailure(trouble)
	err := r.report(ctx, s, problem.Explain(trouble))
	if err == nil {
		err = r.release(ctx, s)
	}
	if err != nil {
		return r.resultForStoreError(ctx, s, err)
	}
	s.seen.conflicts = 0
	return r.requeueAfter(s), nil
}

// ensureFinalizer puts the finalizer back on a run that has begun: a client that replaces the whole
// object removes it.
func (r *Reconciler) ensureFinalizer(ctx context.Context, s *scope) error {
	if s.status().StartTime == nil && !run.TouchedAWS(s.status()) || s.phase == run.Deleting || run.IsRestored(s.status()) {
		return nil
	}
	return s.ledger.AddFinalizer(ctx)
}

// forget drops what is kept in memory of an object.
func (r *Reconciler) forget(name types.NamespacedName) {
	if uid, known := r.memories.forget(name); known {
		r.reservations.Withdraw(uid)
		r.reservations.Finish(uid)
	}
}

// advance does what the object's mode asks for. What stands in the way is an error; what was done
// stays done.
func (r *Reconciler) advance(ctx context.Context, s *scope) error {
	if err := r.lookAgain(ctx, s); err != nil {
		return err
	}
	switch s.phase {
	case run.Finished:
		return nil
	case run.Waiting:
		s.status().RunID = s.obj.Spec.RunID
		return nil
	case run.Renewed:
		return r.renew(ctx, s)
	case run.Planning:
		return r.plan(ctx, s)
	case run.Missed:
		return r.miss(s)
	case run.Pending:
		// Of a run that is refused too: by it a tool knows whose conditions these are.
		s.status().RunID = s.obj.Spec.RunID
		return r.start(ctx, s)
	case run.Active:
		return r.active(ctx, s)
	case run.Suspended:
		return r.suspend(ctx, s)
	default:
		return r.end(ctx, s)
	}
}

// newScope is what a pass knows at its beginning: the object, as the API server had it when it was
// asked or later.
func (r *Reconciler) newScope(obj *v1alpha1.AgentDisconnect, asked time.Time) *scope {
	now := r.clock.Now()
	phase, _ := run.PhaseAt(obj, now)
	s := &scope{
		obj: obj, first: *obj.Status.DeepCopy(), now: now, phase: phase, seen: r.memories.of(obj),
		options: r.options, resolver: r.resolver.String(),
	}
	s.ledger = r.store.Open(obj, asked, ledger.Hooks{
		Creates: func() bool { return s.phase == run.Active },
		Retaken: func() { s.phase, _ = run.PhaseAt(s.obj, r.clock.Now()) },
	})
	s.fence = s.ledger.Fence
	return s
}

// release lets go of an object of which nothing is left in AWS: one that is finished, or being
// deleted. It is the last thing of a pass, since a finished object may go with it.
func (r *Reconciler) release(ctx context.Context, s *scope) error {
	deleting := s.phase == run.Deleting
	if !run.IsRestored(s.status()) || (!deleting && s.status().CompletionTime == nil) {
		return nil
	}
	if err := s.ledger.RemoveFinalizer(ctx); client.IgnoreNotFound(err) != nil {
		return err
	}
	r.forget(client.ObjectKeyFromObject(s.obj))
	if deleting {
		return nil
	}
	return r.expire(ctx, s)
}

// requeueAfter says when the following pass is due: never after the time at which the mode can
// change.
func (r *Reconciler) requeueAfter(s *scope) reconcile.Result {
	if s.phase == run.Deleting && run.IsRestored(s.status()) {
		return reconcile.Result{}
	}
	if _, change := run.PhaseAt(s.obj, s.now); change.After(s.now) {
		s.due(change)
	}
	if s.wake.IsZero() {
		return reconcile.Result{}
	}
	// Zero would mean never.
	return reconcile.Result{RequeueAfter: max(s.wake.Sub(r.clock.Now()), time.Millisecond)}
}

// resultForStoreError ends a pass that the API server did not let finish. Whatever it had not
// written is read again.
func (r *Reconciler) resultForStoreError(ctx context.Context, s *scope, err error) (reconcile.Result, error) {
	switch {
	case apierrors.IsConflict(err), errors.Is(err, ledger.ErrChanged), errors.Is(err, ledger.ErrOvertaken):
		delay := min(shortestConflict<<min(s.seen.conflicts, 8), longestConflict)
		s.seen.conflicts++
		log.FromContext(ctx).V(1).Info("Object was modified during the pass, repeating the pass", "conflicts", s.seen.conflicts)
		return reconcile.Result{RequeueAfter: utilwait.Jitter(delay, 1)}, nil
	case apierrors.IsNotFound(err), errors.Is(err, ledger.ErrReplaced):
		// The next pass for the name reads what there is now.
		log.FromContext(ctx).Error(err, "Object was deleted before the pass ended: entries that its ledger named may be left")
		return reconcile.Result{}, nil
	}
	return reconcile.Result{}, err
}
