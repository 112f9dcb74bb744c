// SPDX-License-Identifier: Apache-2.0

package schedule

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
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

// SetupWithManager makes the reconciler part of a manager.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("agentdisconnectschedule").
		For(&v1alpha1.AgentDisconnectSchedule{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Owns(&v1alpha1.AgentDisconnect{}, builder.WithPredicates(stateChanged)).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers}).
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

	p := &pass{Reconciler: r, obj: obj, stored: obj.DeepCopy(), now: r.clock.Now()}
	next, err := p.work(ctx)
	if apierrors.IsConflict(err) {
		return reconcile.Result{RequeueAfter: time.Second}, nil // the cache lags, or another manager decides
	}
	if err != nil || next.IsZero() {
		return reconcile.Result{}, err
	}
	return reconcile.Result{RequeueAfter: min(max(next.Sub(p.now), time.Second), longestSleep)}, nil
}

// pass is one pass over one schedule.
type pass struct {
	*Reconciler

	// obj is the schedule with the status as it becomes, stored as it was last read or written.
	obj, stored *v1alpha1.AgentDisconnectSchedule
	now         time.Time
}

// work decides what is due, does it, and gives the time of the next pass; zero: a change alone
// asks for one.
func (p *pass) work(ctx context.Context) (next time.Time, err error) {
	if err := p.settleStart(ctx, nil); err != nil {
		return next, err
	}
	runs, err := p.listRuns(ctx, p.client)
	if err != nil {
		return next, err
	}

	times, invalid := parseCadence(&p.obj.Spec)
	if invalid != nil {
		p.report(runs, cadence{}, decision{}, invalid)
		return next, p.write(ctx)
	}

	d := decide(p.obj, times, anyOn(runs), p.now)
	if !d.start.IsZero() {
		// The cache may not know yet of a run that was created lately.
		if runs, err = p.listRuns(ctx, p.reader); err != nil {
			return next, err
		}
		d = decide(p.obj, times, anyOn(runs), p.now)
	}

	p.note(d)
	if !d.start.IsZero() {
		run, err := p.start(ctx, d.start)
		if err != nil {
			return next, err
		}
		if run != nil {
			runs = append(runs, *run)
		}
	}
	if d.replace {
		if err := p.end(ctx, runs); err != nil {
			return next, err
		}
	}

	p.report(runs, times, d, nil)
	if err := p.write(ctx); err != nil {
		return next, err
	}
	return d.next, p.trimHistory(ctx, runs)
}

// note keeps in the status what was decided.
func (p *pass) note(d decision) {
	status := &p.obj.Status
	status.ObservedSchedule, status.DecidedTime = described(&p.obj.Spec), stamp(d.decided)
	for _, each := range d.missed {
		p.miss(each, "")
	}
}

// miss counts times at which no run begins, and says so.
func (p *pass) miss(m missed, why string) {
	status := &p.obj.Status
	if status.Missed == nil {
		status.Missed = &v1alpha1.MissedRuns{}
	}
	count := min(int64(status.Missed.Count)+int64(m.count), maxCount)
	*status.Missed = v1alpha1.MissedRuns{Count: int32(count), LastTime: *stamp(m.newest), LastReason: m.reason, Message: truncate(why, maxMessage)}

	note := fmt.Sprintf("No run begins for %s: %s", stamp(m.newest).UTC().Format(time.RFC3339), explain(m.reason))
	if m.count > 1 {
		note = fmt.Sprintf("No runs begin for %d times until %s: %s", m.count, stamp(m.newest).UTC().Format(time.RFC3339), explain(m.reason))
	}
	if why != "" {
		note += ": " + why
	}
	p.event(corev1.EventTypeWarning, "RunMissed", note)
}

// write stores the status, unless the schedule was changed since it was read.
func (p *pass) write(ctx context.Context) error {
	if isSame(p.obj, p.stored) {
		return nil
	}
	patch := client.MergeFromWithOptions(p.stored, client.MergeFromWithOptimisticLock{})
	if err := p.client.Status().Patch(ctx, p.obj, patch); err != nil {
		return fmt.Errorf("storing the status of schedule %s/%s: %w", p.obj.Namespace, p.obj.Name, err)
	}
	p.stored = p.obj.DeepCopy()
	return nil
}

func (p *pass) event(kind, reason, note string) {
	p.recorder.Eventf(p.obj, nil, kind, reason, "Schedule", "%s", truncate(note, maxMessage))
}
