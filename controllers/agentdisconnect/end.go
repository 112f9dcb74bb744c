// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"errors"
	"time"

	"agentdisconnect.dev/agentdisconnect/controllers/enforcement"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// end undoes what a run did, and then waits for its agents and looks at its callers, unless the
// object is being deleted. It never gives up, and needs nothing of the spec.
func (r *reconciliation) end(ctx context.Context) error {
	err := r.restore(ctx)
	if problem.IsStoreError(err) || err == nil && !run.IsRestored(r.Status()) {
		return err // tasks come after the rules
	}

	err = errors.Join(err, r.finishProbe(ctx))
	if problem.IsStoreError(err) || !run.IsRestored(r.Status()) || r.Phase == run.Deleting {
		return err
	}

	if run.IsVerifying(r.Status()) {
		r.verify(ctx)
		return err
	}
	return errors.Join(err, r.recover(ctx))
}

// isUndone reports whether nothing of the run is left in AWS that the manager has to see to. A
// deletion does not wait for agents: a task that ECS was told to stop stops without the manager.
func (r *reconciliation) isUndone() bool {
	left := run.HasTasksLeft(r.Status())
	if r.Phase == run.Deleting {
		left = run.HasTasksToStop(r.Status()) || r.probe.NeedsSearch()
	}
	return run.IsRestored(r.Status()) && !left
}

// endWakes are what the end of a run leaves to the next pass, after one that ended with a failure.
func (r *reconciliation) endWakes(failure *problem.Problem) []run.Wake {
	switch {
	case run.IsRestored(r.Status()) && r.Phase == run.Deleting:
		return nil // what is left of the probe is a failure, which is retried
	case run.IsVerifying(r.Status()):
		return []run.Wake{r.nextVerification()}
	case run.IsRestored(r.Status()):
		return []run.Wake{r.nextPoll()}
	case failure == nil || !failure.Stalled:
		return []run.Wake{r.retrySoon("the run's rules are not all gone yet")}
	}
	return nil
}

// restore takes every line of the ledger, and a clone, to its end.
func (r *reconciliation) restore(ctx context.Context) error {
	if run.IsRestored(r.Status()) {
		return nil
	}

	r.observeLateness()
	if r.Status().NetworkACL == nil && len(r.Status().Rules) == 0 && r.Status().StartTime == nil {
		return r.restored(ctx) // the run never began
	}

	if progress, err := r.enforcement.Remove(ctx); err != nil || progress != enforcement.Done {
		return err
	}

	if err := r.deadManSwitch.Disarm(ctx); err != nil {
		return err
	}
	return r.restored(ctx)
}

// restored notes that nothing of the run is left in AWS.
func (r *reconciliation) restored(ctx context.Context) error {
	now := r.Clock.Now()
	r.Status().RestoredTime = run.Stamp(now)
	if err := r.Ledger.Persist(ctx); err != nil {
		return err
	}

	switch r.Phase {
	case run.Expired:
		observeRestored(run.Expiration(r.Status()), now)
	case run.Aborted:
		observeRestored(r.Status().Abort.Time.Time, now)
	case run.Deleting:
		observeRestored(r.Object.DeletionTimestamp.Time, now)
	}

	r.History.Polls.Forget() // what was seen under the rules says nothing of what comes after
	return nil
}

// observeLateness measures once a run and process how late its end was acted on.
func (r *reconciliation) observeLateness() {
	if r.Phase != run.Expired || r.seen.ended {
		return
	}
	r.seen.ended = true
	expiryLateness.Observe(max(r.Clock.Since(run.Expiration(r.Status())), 0*time.Second).Seconds())
}
