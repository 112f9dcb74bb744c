// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/answers"
	"agentdisconnect.dev/agentdisconnect/controllers/backoff"
	"agentdisconnect.dev/agentdisconnect/controllers/conditions"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/options"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/reservation"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// report is the one deferred write of the status that a person reads; events and metrics follow
// only after it succeeded.
func (r *reconciliation) report(ctx context.Context, trouble *problem.Problem) error {
	before := r.reported()
	r.target.NoteObserved()
	r.setConditions(trouble)
	r.schedule(trouble)
	if err := r.Ledger.Persist(ctx); err != nil {
		return err
	}
	if trouble != nil {
		log.FromContext(ctx).V(1).Info("Pass was not complete", "phase", r.Phase, "reason", trouble.Reason, "message", trouble.Message)
	}
	r.announce(ctx, before)
	return nil
}

// setConditions brings the conditions in line with what the pass knows so far.
func (r *reconciliation) setConditions(trouble *problem.Problem) {
	force := r.enforcement.Force()
	conditions.Set(conditions.Input{
		Object: r.Object, Now: r.Now, Phase: r.Phase, Problem: trouble,
		ACLSeen:       run.LookedAt(r.enforcement.ReadAt(), r.Options.ACLPollInterval),
		AgentsSeen:    run.LookedAt(r.History.Polls.AnsweredAt(), r.Options.AgentPollInterval),
		HostsSeen:     run.LookedAt(r.History.Lookups.AnsweredAt(r.Status().Endpoints, r.Now), r.Options.LookupInterval),
		EndpointsSeen: run.LookedAt(r.Cache.Endpoints.AnsweredAt(), r.Options.ACLPollInterval+answers.AnswerTTL),
		Open:          addressesOf(force.Open), Elsewhere: r.enforcement.DescribeDisplacement(), Suspected: r.suspected(), Own: force.Own, Foreign: force.Foreign,
		Unsettled: r.History.Lookups.Unsettled(r.Status().Endpoints, r.Now, r.Options.LookupInterval), Failing: r.History.Lookups.Failing(r.Status().Endpoints),
		Resolver: r.Resolver.String(), Unasked: r.target.Unasked(),
		EnforcedSince: r.enforcement.EnforcedSince(), PathMismatch: r.target.Mismatch(), PrivateInSubnet: r.target.PrivateAtHome(),
		SubnetsHit: r.enforcement.SubnetsHit(), Follows: r.Original.Pending(),
	})
}

// suspected is what reads show that is not acted on yet.
func (r *reconciliation) suspected() []string {
	if r.Phase != run.Active || r.enforcement.ReadAt().IsZero() {
		return nil
	}
	return append(r.enforcement.Suspected(), r.target.Suspected()...)
}

// reported is what the status said of the run before the pass.
func (r *reconciliation) reported() reported {
	was := reported{started: r.First.StartTime != nil, disconnected: r.First.Agents != nil && r.First.Agents.DisconnectedTime != nil}
	if c := meta.FindStatusCondition(r.First.Conditions, v1alpha1.ConditionSucceeded); c != nil {
		was.state = c.Reason
	}
	if c := meta.FindStatusCondition(r.First.Conditions, v1alpha1.ConditionStalled); c != nil {
		was.stalled = c.Reason
	}
	return was
}

type reported struct {
	state, stalled        string
	started, disconnected bool
}

// addressesOf are the ranges of destinations.
func addressesOf(destinations []networkacl.Destination) []string {
	var addresses []string
	for _, destination := range destinations {
		addresses = append(addresses, destination.CIDR.String())
	}
	return addresses
}

// schedule says when the object is to be looked at again.
func (r *reconciliation) schedule(trouble *problem.Problem) {
	switch {
	case trouble == nil:
		r.seen.refused, r.seen.waited = backoff.Setback{}, backoff.Setback{}
	case trouble.Reason == v1alpha1.ReasonNotYet: // polls and lookups go on at their pace
	default:
		later := longestRetry - backoff.Spread(longestRetry, string(r.Object.UID)) // what waits for the same doesn't come at the same time
		r.due(run.Latest(trouble.NotBefore.Add(later), r.Now.Add(r.retryAfter(trouble))))
	}
	// What was due in this pass and could not be done is still due: it is tried again, but not at
	// once.
	soonest := r.Now.Add(options.ShortestInterval)
	if trouble != nil {
		soonest = r.Now.Add(retryInterval)
	}
	switch r.Phase {
	case run.Finished, run.Waiting, run.Missed, run.Renewed:
	case run.Planning:
		if trouble == nil && !run.IsPlanned(r.Object) {
			r.due(soonest)
		}
	case run.Pending:
		if trouble == nil || trouble.Reason == v1alpha1.ReasonNotYet {
			r.due(run.Latest(r.nextPoll(), soonest))
		}
		if trouble != nil && trouble.Reason == v1alpha1.ReasonNotYet {
			r.due(run.Latest(r.History.Lookups.At().Add(r.Options.LookupInterval), soonest)) // addresses rotate
		}
	case run.Active:
		for _, t := range []time.Time{r.nextPoll(), r.nextACLRead(), r.History.Lookups.At().Add(r.Options.LookupInterval)} {
			r.due(run.Latest(t, soonest))
		}
	case run.Suspended:
		switch {
		case r.Status().StartTime == nil:
		case !run.IsLifted(r.Status()):
			r.due(r.Now.Add(retryInterval))
		default:
			r.due(run.Latest(r.nextPoll(), soonest))
		}
	default:
		switch {
		case run.IsRestored(r.Status()):
			r.due(run.Latest(r.nextPoll(), soonest))
		case trouble == nil || !trouble.Stalled:
			r.due(r.Now.Add(retryInterval))
		}
	}
}

// retryAfter is how soon a pass that ended with trouble is repeated. For a run that has not begun
// the wait grows while nothing changes, and differs from object to object; for one that has,
// nothing is put off.
func (r *reconciliation) retryAfter(trouble *problem.Problem) time.Duration {
	waiting := trouble.Reason == v1alpha1.ReasonHolder || trouble.Reason == v1alpha1.ReasonTooManyRuns
	switch begun := hasBegun(r.Object, r.Now); {
	case begun && trouble.Stalled:
		return refusedInterval
	case begun:
		return retryInterval
	case trouble.Stalled:
		wait := r.seen.refused.Wait(r.Object, trouble, refusedInterval, longestRefused)
		if wait > answers.AnswerTTL/2 {
			r.Cache.Doubt() // or a problem that is fixed meanwhile would keep the run waiting twice
		}
		return wait
	case waiting:
		return r.seen.waited.Wait(r.Object, trouble, reservation.RetryInterval, reservation.RetryInterval)
	default:
		return r.seen.waited.Wait(r.Object, trouble, retryInterval, longestRetry)
	}
}

// lastReason is why the run had not begun, as the status says.
func (r *reconciliation) lastReason() string {
	if c := meta.FindStatusCondition(r.First.Conditions, v1alpha1.ConditionSucceeded); c != nil && c.Message != "" {
		return c.Message
	}
	return "the manager did not process the object in time"
}

func (r *reconciliation) nextPoll() time.Time {
	return r.History.Polls.LatestAt().Add(r.Options.AgentPollInterval)
}

// due asks for a pass at the time t at the latest.
func (r *reconciliation) due(t time.Time) {
	if r.wake.IsZero() || t.Before(r.wake) {
		r.wake = t
	}
}

// noteEnforced keeps when the rules of the run were first read back in force: a run of which ECS
// shows nothing goes by it.
func (r *reconciliation) noteEnforced() {
	if status := r.Status(); r.Phase == run.Active && status.EnforcedTime == nil && !r.enforcement.EnforcedSince().IsZero() {
		status.EnforcedTime = run.Stamp(r.enforcement.EnforcedSince())
	}
}
