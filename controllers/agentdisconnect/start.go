// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/preflight"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/ratelimit"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// start gets a run ready and begins it: target, endpoints, agents, a plan that fits, and permission
// for every write and for undoing it. What fails here costs none of the run's duration, and nothing
// was written to AWS.
func (r *reconciliation) start(ctx context.Context) turned {
	report := r.preflight.MakeReady(ctx)
	r.notes, r.settledEarly = report.Notes(), report.IsSettledEarly()
	if !report.IsReady() {
		r.Reservations.Withdraw(r.Object.UID)
		return r.rest(report.Err())
	}

	if err := r.yield(); err != nil {
		return r.rest(err)
	}

	if err := r.Reservations.Reserve(ctx, r.Object, report.Reservation(), r.Now, func() error { return r.begin(ctx, report) }); err != nil {
		return r.rest(err)
	}

	if err := r.lookAgain(ctx); err != nil {
		return r.rest(err)
	}
	return r.endIfAborted(ctx, r.enforcement.Install(aws.WithClass(ctx, ratelimit.On)))
}

// pendingWakes are what a run that has not begun leaves to the next pass, after one that ended with
// a failure. Only a run that waits for its time goes on meanwhile.
func (r *reconciliation) pendingWakes(failure *problem.Problem) []run.Wake {
	switch {
	case failure == nil:
		return []run.Wake{r.nextPoll()}
	case failure.Reason == v1alpha1.ReasonNotYet:
		return []run.Wake{r.nextPoll(), r.nextLookup()} // addresses rotate
	}
	return nil
}

// begin makes the run a fact, before the first write to AWS: first the finalizer, then times,
// target and ledger.
func (r *reconciliation) begin(ctx context.Context, report *preflight.Report) error {
	if err := r.preflight.SettlePlacement(ctx, report); err != nil {
		r.removeUnusedFinalizer(ctx)
		return err
	}

	now := r.Clock.Now()
	r.preflight.InitStatus(report, now)
	r.UpdatePhase(now)
	r.chooseEnforcement()
	r.setConditions(nil)
	if err := r.Ledger.Persist(ctx); err != nil {
		return err
	}

	r.History.Polls.Forget()
	r.enforcement.BeginRun(report.ACL())
	r.target.BeginRun(report.Consenting())
	return nil
}

// removeUnusedFinalizer removes the finalizer from a run that does not begin after all: it has
// nothing to clean up. Where that fails, the next pass does it.
func (r *reconciliation) removeUnusedFinalizer(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finalizerTimeout)
	defer cancel()
	if err := r.Ledger.RemoveFinalizer(ctx); err != nil {
		log.FromContext(ctx).V(1).Info("Finalizer of a run that did not begin is still there", "error", err.Error())
	}
}

// finalizerTimeout bounds the removal of a finalizer. A manager that is told to stop still makes
// it.
const finalizerTimeout = 5 * time.Second
