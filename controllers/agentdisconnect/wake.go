// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/answers"
	"agentdisconnect.dev/agentdisconnect/controllers/backoff"
	"agentdisconnect.dev/agentdisconnect/controllers/options"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/reservation"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// wakes are what the phase that the object has by now leaves to the next pass, after one that ended
// with a failure.
func (r *reconciliation) wakes(failure *problem.Problem) []run.Wake {
	switch r.Phase {
	case run.Finished, run.Waiting, run.Missed, run.Renewed:
		return nil // nothing is due before the phase changes
	case run.Planning:
		return r.planWakes(failure)
	case run.Pending:
		return r.pendingWakes(failure)
	case run.Active:
		return r.activeWakes()
	case run.Suspended:
		return r.suspendedWakes()
	default:
		return r.endWakes(failure)
	}
}

func (r *reconciliation) nextPoll() run.Wake {
	return run.Wake{At: r.History.Polls.LatestAt().Add(r.Options.AgentPollInterval), Why: "the agents are to be polled"}
}

func (r *reconciliation) nextLookup() run.Wake {
	return run.Wake{At: r.History.Lookups.At().Add(r.Options.LookupInterval), Why: "the hosts are to be looked up"}
}

// retrySoon has what a pass did not finish tried again.
func (r *reconciliation) retrySoon(why string) run.Wake {
	return run.Wake{At: r.Now.Add(retryInterval), Why: why}
}

// wakesAfter are what the pass leaves to the next one, after its last turn.
func (r *reconciliation) wakesAfter(last turned, failure *problem.Problem) run.Wakes {
	pause := options.ShortestInterval
	if failure != nil {
		pause = retryInterval
	}
	return run.Wakes{Now: r.Now, Due: append(last.wakes, r.braking.Wakes()...), Pause: pause, Retry: r.retry(failure)}
}

// retry is when the pass is repeated after its failure. It counts the attempts, so it is asked once a
// pass.
func (r *reconciliation) retry(failure *problem.Problem) run.Wake {
	switch {
	case failure == nil:
		r.seen.refused, r.seen.waited = backoff.Setback{}, backoff.Setback{}
		return run.Wake{}
	case failure.Reason == v1alpha1.ReasonNotYet:
		return run.Wake{} // polls and lookups go on at their pace
	}
	later := longestRetry - backoff.Spread(longestRetry, string(r.Object.UID)) // spreads the retries of objects that wait for the same
	return run.Wake{At: run.Latest(failure.NotBefore.Add(later), r.Now.Add(r.retryAfter(failure))), Why: failure.Reason}
}

// retryAfter is how soon a pass that ended with a failure is repeated. For a run that has not begun
// the wait grows while nothing changes, and differs from object to object; one that has begun is
// retried soon, every time.
func (r *reconciliation) retryAfter(failure *problem.Problem) time.Duration {
	waiting := failure.Reason == v1alpha1.ReasonHolder || failure.Reason == v1alpha1.ReasonTooManyRuns
	switch begun := hasBegun(r.Object, r.Now); {
	case begun && failure.Stalled:
		return refusedInterval
	case begun:
		return retryInterval
	case failure.Stalled:
		longest := longestRefused
		if r.settledEarly {
			longest = longestRefusedEarly
		}
		wait := r.seen.refused.Wait(r.Object, failure, refusedInterval, longest)
		if wait > answers.AnswerTTL/2 {
			r.Cache.Doubt() // or a problem that is fixed meanwhile would keep the run waiting twice
		}
		return wait
	case waiting:
		return r.seen.waited.Wait(r.Object, failure, reservation.RetryInterval, reservation.RetryInterval)
	default:
		return r.seen.waited.Wait(r.Object, failure, retryInterval, longestRetry)
	}
}

// requeueAfter says when the following pass is due: never after the time at which the phase can
// change.
func (r *reconciliation) requeueAfter(ctx context.Context, wakes run.Wakes) reconcile.Result {
	if r.Phase == run.Deleting && r.isUndone() {
		return reconcile.Result{}
	}
	_, change := run.PhaseAt(r.Object, r.Now)
	next := run.NextWake(wakes, change)
	if next.At.IsZero() {
		return reconcile.Result{}
	}
	log.FromContext(ctx).V(1).Info("Next pass is due", "at", next.At, "why", next.Why)
	// Zero would mean never.
	return reconcile.Result{RequeueAfter: max(next.At.Sub(r.Clock.Now()), time.Millisecond)}
}
