// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/conditions"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/preflight"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/reservation"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// report is the one deferred write of the status that a person reads; events and metrics follow
// only after it succeeded.
func (r *Reconciler) report(ctx context.Context, s *scope, trouble *problem.Problem) error {
	before := s.reported()
	s.noteObserved()
	s.setConditions(trouble)
	r.schedule(s, trouble)
	if err := s.ledger.Persist(ctx); err != nil {
		return err
	}
	if trouble != nil {
		log.FromContext(ctx).V(1).Info("Pass was not complete", "phase", s.phase, "reason", trouble.Reason, "message", trouble.Message)
	}
	r.announce(ctx, s, before)
	return nil
}

// setConditions brings the conditions in line with what the pass knows so far.
func (s *scope) setConditions(trouble *problem.Problem) {
	force := s.force()
	conditions.Set(conditions.Input{
		Object: s.obj, Now: s.now, Phase: s.phase, Problem: trouble,
		ACLSeen:       run.LookedAt(s.seen.aclRead, s.options.ACLPollInterval),
		AgentsSeen:    run.LookedAt(s.seen.history.Polls.AnsweredAt(), s.options.AgentPollInterval),
		HostsSeen:     run.LookedAt(s.seen.history.Lookups.AnsweredAt(s.status().Endpoints, s.now), s.options.LookupInterval),
		EndpointsSeen: run.LookedAt(s.seen.cache.Endpoints.AnsweredAt(), s.options.ACLPollInterval+preflight.AnswerTTL),
		Open:          addressesOf(force.Open), Elsewhere: s.elsewhere(), Suspected: s.suspected(), Own: force.Own, Foreign: force.Foreign,
		Unsettled: s.seen.history.Lookups.Unsettled(s.status().Endpoints, s.now, s.options.LookupInterval), Failing: s.seen.history.Lookups.Failing(s.status().Endpoints),
		Resolver: s.resolver, Unasked: s.unasked(),
		EnforcedSince: s.seen.enforcedSince, PathMismatch: s.mismatch(), PrivateInSubnet: s.privateAtHome(),
		SubnetsHit: s.hit(), Follows: s.seen.originalReads.follows,
	})
}

// reported is what the status said of the run before the pass.
func (s *scope) reported() reported {
	was := reported{started: s.first.StartTime != nil, disconnected: s.first.Agents != nil && s.first.Agents.DisconnectedTime != nil}
	if c := meta.FindStatusCondition(s.first.Conditions, v1alpha1.ConditionSucceeded); c != nil {
		was.state = c.Reason
	}
	if c := meta.FindStatusCondition(s.first.Conditions, v1alpha1.ConditionStalled); c != nil {
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

// elsewhere says that the network ACL that carries the rules is not the subnet's, as last read;
// empty: it is.
func (s *scope) elsewhere() string {
	switch acl := s.status().NetworkACL; {
	case acl == nil || s.seen.onSubnet(s.obj):
		return ""
	case s.seen.acl == nil:
		return "network ACL " + acl.ID + " was not found in the last read"
	default:
		return "subnet " + s.obj.Spec.SubnetID + " is not on network ACL " + acl.ID + ", as last read"
	}
}

// schedule says when the object is to be looked at again.
func (r *Reconciler) schedule(s *scope, trouble *problem.Problem) {
	switch {
	case trouble == nil:
		s.seen.refused, s.seen.waited = setback{}, setback{}
	case trouble.Reason == v1alpha1.ReasonNotYet: // polls and lookups go on at their pace
	default:
		later := longestRetry - spread(longestRetry, string(s.obj.UID)) // what waits for the same doesn't come at the same time
		s.due(run.Latest(trouble.NotBefore.Add(later), s.now.Add(s.retryAfter(trouble))))
	}
	// What was due in this pass and could not be done is still due: it is tried again, but not at
	// once.
	soonest := s.now.Add(shortestInterval)
	if trouble != nil {
		soonest = s.now.Add(retryInterval)
	}
	switch s.phase {
	case run.Finished, run.Waiting, run.Missed, run.Renewed:
	case run.Planning:
		if trouble == nil && !run.IsPlanned(s.obj) {
			s.due(soonest)
		}
	case run.Pending:
		if trouble == nil || trouble.Reason == v1alpha1.ReasonNotYet {
			s.due(run.Latest(s.nextPoll(r.options), soonest))
		}
		if trouble != nil && trouble.Reason == v1alpha1.ReasonNotYet {
			s.due(run.Latest(s.seen.history.Lookups.At().Add(r.options.LookupInterval), soonest)) // addresses rotate
		}
	case run.Active:
		for _, t := range []time.Time{s.nextPoll(r.options), s.nextACLRead(r.options), s.seen.history.Lookups.At().Add(r.options.LookupInterval)} {
			s.due(run.Latest(t, soonest))
		}
	case run.Suspended:
		switch {
		case s.status().StartTime == nil:
		case !run.IsLifted(s.status()):
			s.due(s.now.Add(retryInterval))
		default:
			s.due(run.Latest(s.nextPoll(r.options), soonest))
		}
	default:
		switch {
		case run.IsRestored(s.status()):
			s.due(run.Latest(s.nextPoll(r.options), soonest))
		case trouble == nil || !trouble.Stalled:
			s.due(s.now.Add(retryInterval))
		}
	}
}

// retryAfter is how soon a pass that ended with trouble is repeated. For a run that has not begun
// the wait grows while nothing changes, and differs from object to object; for one that has,
// nothing is put off.
func (s *scope) retryAfter(trouble *problem.Problem) time.Duration {
	waiting := trouble.Reason == v1alpha1.ReasonHolder || trouble.Reason == v1alpha1.ReasonTooManyRuns
	switch begun := hasBegun(s.obj, s.now); {
	case begun && trouble.Stalled:
		return refusedInterval
	case begun:
		return retryInterval
	case trouble.Stalled:
		wait := s.seen.refused.wait(s.obj, trouble, refusedInterval, longestRefused)
		if wait > preflight.AnswerTTL/2 {
			s.seen.cache.Doubt() // or a problem that is fixed meanwhile would keep the run waiting twice
		}
		return wait
	case waiting:
		return s.seen.waited.wait(s.obj, trouble, reservation.RetryInterval, reservation.RetryInterval)
	default:
		return s.seen.waited.wait(s.obj, trouble, retryInterval, longestRetry)
	}
}

// privateAtHome are the interfaces of VPC endpoints in the subnet itself that agents may connect
// to.
func (s *scope) privateAtHome() []string {
	var found []string
	for _, endpoint := range s.seen.cache.Endpoints.Value() {
		for _, each := range endpoint.Interfaces {
			if each.SubnetID == s.obj.Spec.SubnetID && wantsSession(run.StartSpec(s.obj), endpoint) {
				found = append(found, each.ID+" of "+endpoint.ID)
			}
		}
	}
	return found
}

// lastReason is why the run had not begun, as the status says.
func (s *scope) lastReason() string {
	if c := meta.FindStatusCondition(s.first.Conditions, v1alpha1.ConditionSucceeded); c != nil && c.Message != "" {
		return c.Message
	}
	return "the manager did not process the object in time"
}

func (s *scope) nextPoll(options Options) time.Time {
	return s.seen.history.Polls.LatestAt().Add(options.AgentPollInterval)
}
