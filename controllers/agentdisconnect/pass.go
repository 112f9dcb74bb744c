// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilwait "k8s.io/apimachinery/pkg/util/wait"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/braking"
	"agentdisconnect.dev/agentdisconnect/controllers/deadmanswitch"
	"agentdisconnect.dev/agentdisconnect/controllers/enforcement"
	"agentdisconnect.dev/agentdisconnect/controllers/evidence/probe"
	"agentdisconnect.dev/agentdisconnect/controllers/evidence/verification"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/pass"
	"agentdisconnect.dev/agentdisconnect/controllers/preflight"
	"agentdisconnect.dev/agentdisconnect/controllers/priority"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/controllers/target"
)

// reconciliation is one pass over one object: what takes part in it.
type reconciliation struct {
	*pass.Pass

	reconciler    *Reconciler
	target        *target.Target
	deadManSwitch *deadmanswitch.Switch
	preflight     *preflight.Preflight
	enforcement   enforcement.Enforcement
	probe         *probe.Probe
	verification  *verification.Verification
	braking       *braking.Braking
	// seen is what earlier passes of this process saw.
	seen *state
	// notes are what is worth saying of the target of a run that begins, a sentence each.
	notes []string
	// settledEarly: the first look refused a run that has not begun.
	settledEarly bool
	// repaired describes the rules that the pass restored after drift; empty: none.
	repaired string
}

// open begins a pass over an object, as the API server had it at the time asked or later.
func (r *Reconciler) open(obj *v1alpha1.AgentDisconnect, asked time.Time) *reconciliation {
	seen := r.states.of(obj)
	return newReconciliation(r, r.Begin(obj, asked, &seen.Learned), seen)
}

func newReconciliation(of *Reconciler, p *pass.Pass, seen *state) *reconciliation {
	r := &reconciliation{Pass: p, reconciler: of}
	r.assemble(seen)
	return r
}

// assemble puts together what takes part in the pass, given what earlier passes saw.
func (r *reconciliation) assemble(seen *state) {
	r.seen = seen
	r.target = target.New(r.Pass, &seen.target)
	r.deadManSwitch = deadmanswitch.New(r.Pass, &seen.deadManSwitch)
	r.preflight = preflight.New(r.target, r.deadManSwitch, &seen.preflight)
	r.probe = probe.New(r.Pass, &seen.probe)
	r.verification = verification.New(r.Pass)
	r.braking = braking.New(r.Pass, &seen.braking)
	r.chooseEnforcement()
}

// chooseEnforcement has the pass go on with the denies of the mode that the status has: a start sets
// it, and a start that steps back unsets it.
func (r *reconciliation) chooseEnforcement() {
	r.enforcement = enforcement.New(r.target, r.deadManSwitch, &r.seen.enforcement, enforcement.Hooks{
		Repaired:      r.noteRepair,
		SetConditions: func() { r.setConditions(nil) },
	})
}

// work does what is due for an object, and says when the next pass is.
func (r *reconciliation) work(ctx context.Context) (reconcile.Result, error) {
	if r.Status().StartTime == nil {
		r.Reservations.Finish(r.Object.UID)
	}

	last := r.advance(ctx)
	if fatal, ok := errors.AsType[*problem.StoreError](last.failure); ok {
		return r.resultForStoreError(ctx, fatal)
	}

	r.noteEnforced()
	r.countFailure(last.failure)

	failure := problem.Explain(last.failure)
	wakes := r.wakesAfter(last, failure)
	err := r.report(ctx, failure)
	if err == nil {
		err = r.release(ctx)
	}

	if err != nil {
		return r.resultForStoreError(ctx, err)
	}

	r.seen.conflicts = 0
	return r.requeueAfter(ctx, wakes), nil
}

// ensureFinalizer puts the finalizer back on a run that has begun, since a write that replaces the
// whole object removes it, and removes one that a start left which did not come about.
func (r *reconciliation) ensureFinalizer(ctx context.Context) error {
	switch begun := r.Status().StartTime != nil || run.TouchedAWS(r.Status()); {
	case r.Phase == run.Deleting || r.isUndone():
		return nil // what becomes of it is decided at the end of the pass
	case begun:
		return r.Ledger.AddFinalizer(ctx)
	default:
		return r.Ledger.RemoveFinalizer(ctx)
	}
}

// mostTurns bounds how many phases one pass goes through: the longest way is that of a run that is
// asked for again, begins, and is aborted.
const mostTurns = 5

// turned is what came of one turn of the phase loop.
type turned struct {
	// goOn: the pass goes on with the phase that the object has by now.
	goOn bool
	// wakes are, where the pass ends here, what that phase leaves to the next one.
	wakes []run.Wake
	// failure is what stood in the way, if anything did; what was done stays done.
	failure error
}

// onward has the pass go on with the phase that the object has by now.
func onward() turned { return turned{goOn: true} }

// rest ends the pass in the phase that the object has by now.
func (r *reconciliation) rest(failure error) turned {
	return turned{wakes: r.wakes(problem.Explain(failure)), failure: failure}
}

// advance does what the object's phase asks for, and goes on where that leads to another phase.
func (r *reconciliation) advance(ctx context.Context) turned {
	if err := r.ensureFinalizer(ctx); err != nil {
		return r.rest(err)
	}

	for range mostTurns {
		ctx := aws.WithClass(ctx, priority.Class(priority.At(r.Object, r.Clock.Now())))
		if err := r.braking.Apply(ctx); err != nil {
			return r.rest(err)
		}
		if err := r.lookAgain(ctx); err != nil {
			return r.rest(err)
		}
		if last := r.turn(ctx); !last.goOn {
			return last
		}
	}
	return r.rest(nil)
}

// turn does what one phase asks for.
func (r *reconciliation) turn(ctx context.Context) turned {
	switch r.Phase {
	case run.Finished:
		return r.rest(nil)
	case run.Waiting:
		r.Status().RunID = r.Object.Spec.RunID
		return r.rest(nil)
	case run.Renewed:
		return r.renew(ctx)
	case run.Planning:
		return r.rest(r.plan(ctx))
	case run.Missed:
		r.miss()
		return r.rest(nil)
	case run.Pending:
		// Of a run that is refused too: by it a tool knows whose conditions these are.
		r.Status().RunID = r.Object.Spec.RunID
		return r.start(ctx)
	case run.Active:
		return r.active(ctx)
	case run.Suspended:
		return r.suspend(ctx)
	default:
		return r.rest(r.end(ctx))
	}
}

// release lets go of an object of which nothing is left in AWS: one that is finished, or being
// deleted. It is the last thing of a pass, since a finished object may go with it.
func (r *reconciliation) release(ctx context.Context) error {
	deleting := r.Phase == run.Deleting
	if !r.isUndone() || (!deleting && r.Status().CompletionTime == nil) {
		return nil
	}

	if err := r.Ledger.RemoveFinalizer(ctx); client.IgnoreNotFound(err) != nil {
		return err
	}

	r.reconciler.forget(client.ObjectKeyFromObject(r.Object))
	if deleting {
		return nil
	}
	return r.expire(ctx)
}

// resultForStoreError ends a pass that the API server did not let finish. Whatever it had not
// written is read again.
func (r *reconciliation) resultForStoreError(ctx context.Context, err error) (reconcile.Result, error) {
	switch {
	case apierrors.IsConflict(err), errors.Is(err, ledger.ErrChanged), errors.Is(err, ledger.ErrOvertaken):
		delay := min(shortestConflict<<min(r.seen.conflicts, 8), longestConflict)
		r.seen.conflicts++
		log.FromContext(ctx).V(1).Info("Object was modified during the pass, repeating the pass", "conflicts", r.seen.conflicts)
		return reconcile.Result{RequeueAfter: utilwait.Jitter(delay, 1)}, nil
	case apierrors.IsNotFound(err), errors.Is(err, ledger.ErrReplaced):
		// The next pass for the name reads what there is now.
		log.FromContext(ctx).Error(err, "Object was deleted before the pass ended: entries that its ledger named may be left")
		return reconcile.Result{}, nil
	}
	return reconcile.Result{}, err
}
