// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// report is the one deferred write of the status that a person reads; events and metrics follow only after it succeeded.
func (r *Reconciler) report(ctx context.Context, s *scope, trouble *problem) error {
	before := s.reported()
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
	setConditions(facts{
		obj: s.obj, now: s.now, mode: s.mode, trouble: trouble,
		aclRead: !s.seen.aclRead.IsZero(), open: s.openAddresses(), unsettled: s.seen.unsettled(s.status().Endpoints),
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

// openAddresses are the addresses that the network ACL lets through as last read.
func (s *scope) openAddresses() []string {
	var open []string
	if s.seen.acl == nil {
		return []string{"any address"}
	}
	for _, destination := range s.seen.open(s.status()) {
		open = append(open, destination.CIDR.String())
	}
	return open
}

// schedule says when the object is to be looked at again.
func (r *Reconciler) schedule(s *scope, trouble *problem) {
	switch {
	case trouble != nil && trouble.stalled:
		s.due(s.now.Add(refusedInterval))
	case trouble != nil && trouble.reason == v1alpha1.ReasonHolder:
		s.due(s.now.Add(waitInterval))
	case trouble != nil:
		s.due(s.now.Add(retryInterval))
	}
	// What was due in this pass and could not be done is still due: it is tried again, but not at once.
	soonest := s.now.Add(shortestInterval)
	if trouble != nil {
		soonest = s.now.Add(retryInterval)
	}
	switch {
	case s.mode == ModePending && trouble == nil:
		s.due(s.nextPoll(r.options))
	case s.mode == ModeActive:
		for _, t := range []time.Time{s.nextPoll(r.options), s.nextACLRead(r.options), s.seen.looked.Add(r.options.LookupInterval)} {
			s.due(latest(t, soonest))
		}
	case s.mode != ModeFinished && s.mode != ModePending && Restored(s.status()):
		s.due(latest(s.nextPoll(r.options), soonest))
	case s.mode != ModeFinished && s.mode != ModePending && (trouble == nil || !trouble.stalled):
		s.due(s.now.Add(retryInterval))
	}
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
