// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
)

// report is the one deferred write of the status that a person reads; events and metrics follow only after it succeeded.
func (r *Reconciler) report(ctx context.Context, s *scope, trouble *problem) error {
	before := s.reported()
	s.noteObserved()
	s.setConditions(trouble)
	r.schedule(s, trouble)
	if err := r.persist(ctx, s); err != nil {
		return err
	}
	if trouble != nil {
		log.FromContext(ctx).V(1).Info("Pass could not do all of its work", "mode", s.mode, "reason", trouble.reason, "message", trouble.message)
	}
	r.announce(ctx, s, before)
	return nil
}

// setConditions brings the conditions in line with what the pass knows so far.
func (s *scope) setConditions(trouble *problem) {
	force := s.force()
	setConditions(facts{
		obj: s.obj, now: s.now, mode: s.mode, trouble: trouble,
		aclSeen:       lookedAt(s.seen.aclRead, s.options.ACLPollInterval),
		agentsSeen:    lookedAt(s.seen.polledAt, s.options.AgentPollInterval),
		hostsSeen:     lookedAt(s.seen.answered(s.status().Endpoints, s.now), s.options.LookupInterval),
		endpointsSeen: lookedAt(s.seen.endpoints.at, s.options.ACLPollInterval+answerTTL),
		open:          addressesOf(force.Open), elsewhere: s.elsewhere(), suspected: s.suspected(), own: force.Own, foreign: force.Foreign,
		unsettled: s.unsettled(), failing: s.failing(), resolver: s.resolver, unasked: s.unasked(),
		inForce: s.seen.inForce, mismatch: s.mismatch(), privateAtHome: s.privateAtHome(),
		hit: s.hit(), follows: s.seen.originalReads.follows,
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

// elsewhere says that the network ACL that carries the rules is not the subnet's, as last read; empty: it is.
func (s *scope) elsewhere() string {
	switch acl := s.status().NetworkACL; {
	case acl == nil || s.seen.onSubnet(s.obj):
		return ""
	case s.seen.acl == nil:
		return "network ACL " + acl.ID + " is not found, as last read"
	default:
		return "subnet " + s.obj.Spec.SubnetID + " is not on network ACL " + acl.ID + ", as last read"
	}
}

// schedule says when the object is to be looked at again.
func (r *Reconciler) schedule(s *scope, trouble *problem) {
	switch {
	case trouble == nil:
		s.seen.refused, s.seen.waited = setback{}, setback{}
	case trouble.reason == v1alpha1.ReasonNotYet: // polls and lookups go on at their pace
	default:
		later := longestRetry - spread(longestRetry, string(s.obj.UID)) // what waits for the same doesn't come at the same time
		s.due(latest(trouble.notBefore.Add(later), s.now.Add(s.retryAfter(trouble))))
	}
	// What was due in this pass and could not be done is still due: it is tried again, but not at once.
	soonest := s.now.Add(shortestInterval)
	if trouble != nil {
		soonest = s.now.Add(retryInterval)
	}
	switch s.mode {
	case ModeFinished, ModeWaiting, ModeMissed, ModeRenewed:
	case ModePlan:
		if trouble == nil && !planned(s.obj) {
			s.due(soonest)
		}
	case ModePending:
		if trouble == nil || trouble.reason == v1alpha1.ReasonNotYet {
			s.due(latest(s.nextPoll(r.options), soonest))
		}
		if trouble != nil && trouble.reason == v1alpha1.ReasonNotYet {
			s.due(latest(s.seen.looked.Add(r.options.LookupInterval), soonest)) // addresses rotate
		}
	case ModeActive:
		for _, t := range []time.Time{s.nextPoll(r.options), s.nextACLRead(r.options), s.seen.looked.Add(r.options.LookupInterval)} {
			s.due(latest(t, soonest))
		}
	case ModeSuspended:
		switch {
		case s.status().StartTime == nil:
		case !lifted(s.status()):
			s.due(s.now.Add(retryInterval))
		default:
			s.due(latest(s.nextPoll(r.options), soonest))
		}
	default:
		switch {
		case Restored(s.status()):
			s.due(latest(s.nextPoll(r.options), soonest))
		case trouble == nil || !trouble.stalled:
			s.due(s.now.Add(retryInterval))
		}
	}
}

// retryAfter is how soon a pass that ended with trouble is repeated. For a run that has not begun the wait grows while nothing
// changes, and differs from object to object; for one that has, nothing is put off.
func (s *scope) retryAfter(trouble *problem) time.Duration {
	waiting := trouble.reason == v1alpha1.ReasonHolder || trouble.reason == v1alpha1.ReasonTooManyRuns
	switch begun := hasBegun(s.obj, s.now); {
	case begun && trouble.stalled:
		return refusedInterval
	case begun:
		return retryInterval
	case trouble.stalled:
		wait := s.seen.refused.wait(s.obj, trouble, refusedInterval, longestRefused)
		if wait > answerTTL/2 {
			s.seen.doubtAnswers() // or a problem that is mended meanwhile would keep the run waiting twice
		}
		return wait
	case waiting:
		return s.seen.waited.wait(s.obj, trouble, waitInterval, waitInterval)
	default:
		return s.seen.waited.wait(s.obj, trouble, retryInterval, longestRetry)
	}
}

// privateAtHome are the interfaces of VPC endpoints in the subnet itself that agents may connect to.
func (s *scope) privateAtHome() []string {
	var found []string
	for _, endpoint := range s.seen.endpoints.value {
		for _, each := range endpoint.Interfaces {
			if each.SubnetID == s.obj.Spec.SubnetID && wantsSession(s.startSpec(), endpoint) {
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
	return "the manager did not come to it"
}

func (s *scope) nextPoll(options Options) time.Time {
	return s.seen.lastPoll().Add(options.AgentPollInterval)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
