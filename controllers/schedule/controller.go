// SPDX-License-Identifier: Apache-2.0

package schedule

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
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
	"agentdisconnect.dev/agentdisconnect/controllers/objects"
)

// +kubebuilder:rbac:groups=chaos.agentdisconnect.dev,resources=agentdisconnectschedules,verbs=get;list;watch
// +kubebuilder:rbac:groups=chaos.agentdisconnect.dev,resources=agentdisconnectschedules/status,verbs=get;patch
// +kubebuilder:rbac:groups=chaos.agentdisconnect.dev,resources=agentdisconnectschedules/finalizers,verbs=update
// +kubebuilder:rbac:groups=chaos.agentdisconnect.dev,resources=agentdisconnects,verbs=get;list;watch;create;delete
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

const (
	// workers is how many schedules are worked on at once. A pass makes a few calls of the API server.
	workers = 4
	// longestSleep bounds how long a pass may sleep: a clock that is set forward is noticed so soon.
	longestSleep = 5 * time.Minute
	// shortestBackoff and longestBackoff bound the waits after an error. The longest is short against
	// the shortest startingDeadline.
	shortestBackoff = 200 * time.Millisecond
	longestBackoff  = 10 * time.Second
	// createWithin bounds how long after its decision a run may be created: two webhooks that time out take 20 seconds.
	createWithin = 25 * time.Second
	// giveUpAfter is how long after its decision a start is given up whose run is not there. It is longer than
	// createWithin because clocks differ, and short against the shortest startingDeadline.
	giveUpAfter = 35 * time.Second
)

// Reconciler creates the runs of AgentDisconnectSchedules.
type Reconciler struct {
	client   client.Client
	reader   client.Reader
	recorder events.EventRecorder
	clock    clock.PassiveClock
}

// New makes a reconciler that is not yet part of a manager. reader reads past the cache.
func New(c client.Client, reader client.Reader, recorder events.EventRecorder, clk clock.PassiveClock) *Reconciler {
	return &Reconciler{client: c, reader: reader, recorder: recorder, clock: clk}
}

// SetupWithManager makes the reconciler part of a manager. The manager must be able to list
// schedules by then: until they are in its cache, controllers that are set up wait for them.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("agentdisconnectschedule").
		For(&v1alpha1.AgentDisconnectSchedule{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Owns(&objects.Object{}, builder.WithPredicates(runChanged)).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: workers,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](shortestBackoff, longestBackoff),
		}).
		Complete(r)
}

// Reconcile is one pass over one schedule.
func (r *Reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	obj := &v1alpha1.AgentDisconnectSchedule{}
	if err := r.client.Get(ctx, request.NamespacedName, obj); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if !obj.DeletionTimestamp.IsZero() {
		return reconcile.Result{}, nil // its runs are deleted with it: they name it as their owner
	}

	p := r.newPass(obj)
	next, err := p.work(ctx)
	if apierrors.IsConflict(err) {
		return reconcile.Result{RequeueAfter: time.Second}, nil // it was changed meanwhile, or another manager decides
	}
	if err != nil || next.IsZero() {
		return reconcile.Result{}, err
	}
	return reconcile.Result{RequeueAfter: min(max(next.Sub(p.now), time.Second), longestSleep)}, nil
}
