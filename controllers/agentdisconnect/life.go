// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"errors"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/pass"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// miss ends a run that had not begun by its start deadline. Nothing was written to AWS for it.
func (r *reconciliation) miss() {
	r.Reservations.Withdraw(r.Object.UID)
	status := r.Status()
	status.RunID = r.Object.Spec.RunID
	deadline := run.StartDeadline(r.Object)
	if deadline.After(run.RequestedAt(r.Object)) {
		r.Abort(v1alpha1.AbortStartDeadlineExceeded, "the run had not begun by %s: %s. A new spec.runID asks for it again",
			deadline.UTC().Format(time.RFC3339), r.lastReason())
	} else {
		r.Abort(v1alpha1.AbortStartDeadlineExceeded, "the run was to begin before %s, which was past when it was asked for. A new spec.runID asks for it again, with a later spec.startAfter or spec.startDeadline",
			deadline.UTC().Format(time.RFC3339))
	}

	status.RestoredTime, status.CompletionTime = run.Stamp(r.Now), run.Stamp(r.Now)
}

// renew clears the status of a run that is over or was only planned, since another is asked for
// now, and has the pass get that one ready.
func (r *reconciliation) renew(ctx context.Context) turned {
	r.Object.Status = v1alpha1.AgentDisconnectStatus{
		ObservedGeneration: r.Object.Generation,
		Conditions:         r.Object.Status.Conditions,
		RunID:              r.Object.Spec.RunID,
		RequestTime:        run.Stamp(r.Now),
	}

	r.reconciler.forget(client.ObjectKeyFromObject(r.Object))
	seen := r.reconciler.states.of(r.Object)
	r.StartOver(&seen.Learned)
	r.assemble(seen)
	r.UpdatePhase(r.Now)
	r.setConditions(nil)
	if err := r.Ledger.Persist(ctx); err != nil {
		return r.rest(err)
	}

	if r.Phase == run.Renewed {
		return r.rest(nil)
	}
	return onward()
}

// expire deletes a finished object whose time to be kept is over, unless it was written
// meanwhile.
func (r *reconciliation) expire(ctx context.Context) error {
	at := run.DeletionTime(r.Object)
	if at.IsZero() || r.Clock.Now().Before(at) {
		return nil
	}
	return r.Ledger.Delete(ctx)
}

// suspend lifts the rules of a run, or keeps it from beginning.
func (r *reconciliation) suspend(ctx context.Context) turned {
	if r.Status().StartTime == nil {
		r.Reservations.Withdraw(r.Object.UID)
		return r.rest(nil)
	}

	failure := r.moveExpiration(ctx)
	if problem.IsStoreError(failure) {
		return r.rest(failure)
	}

	if r.Phase != run.Suspended {
		return onward()
	}

	err := r.VerifyAccount(ctx)
	if err == nil || problem.Passes(err) && !run.IsLifted(r.Status()) {
		err = r.enforcement.Lift(ctx)
	}

	if err == nil && r.Status().Abort == nil && run.IsLifted(r.Status()) {
		_, err = r.target.WatchAgents(ctx, r.Status().StartTime.Time)
	}

	if problem.IsStoreError(err) {
		return r.rest(err)
	}
	looking, cancel := context.WithTimeout(ctx, pass.ObserveTimeout)
	defer cancel()
	return r.endIfAborted(ctx, errors.Join(failure, err, r.probe.StopTasks(looking)))
}

// suspendedWakes are what a suspended run leaves to the next pass.
func (r *reconciliation) suspendedWakes() []run.Wake {
	switch {
	case r.Status().StartTime == nil:
		return nil
	case !run.IsLifted(r.Status()):
		return []run.Wake{r.retrySoon("the rules are not lifted yet")}
	}
	return append(r.probeWakes(), r.nextPoll())
}
