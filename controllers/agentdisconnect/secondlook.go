// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"slices"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/reservation"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// yieldFor is how long a run waits before it tries to begin again, where an older one began at the
// same moment: long enough for that one to begin first.
const yieldFor = 3 * reservation.RetryInterval

// lookAgain lists the runs once more before the first write to AWS, whichever process stored the
// start: two managers hold no lock in common, and each may have found the network ACL free before
// the other's run was stored. Each looks after that, so at least one sees the other. A run that
// sees another steps back, also the older one: the other may be writing by now.
func (r *Reconciler) lookAgain(ctx context.Context, s *scope) error {
	if !s.isUnlooked() {
		return nil
	}
	wanted := s.reserved()
	holder, _, err := r.reservations.FindHolder(ctx, s.obj, s.status().Target.Region, wanted)
	switch {
	case err != nil:
		return err
	case holder == nil && s.phase == run.Suspended:
		// Its tags are written without an attempt at an entry: the ledger says here that it goes on.
		_, err := s.ledger.Intend(ctx, s.status().Rules)
		return err
	case holder == nil:
		return nil // what is written to AWS next is written to the ledger first
	}

	held := problem.Wait(v1alpha1.ReasonHolder, "%s began on network ACL %s at the same moment: this run begins when that one is over", run.Name(holder), wanted.NetworkACLID)
	if err := r.stepBack(ctx, s, held); err != nil {
		return err
	}
	if reservation.IsOlder(holder, s.obj) {
		s.seen.yields, s.seen.yieldsUntil = held, s.now.Add(yieldFor)
	}
	return held
}

// isUnlooked reports whether the run began and, as its ledger has it, AWS was not asked for
// anything yet. Any process that asks writes the ledger first, so that its write and one that
// takes the start back exclude each other.
func (s *scope) isUnlooked() bool {
	status := s.status()
	acl := status.NetworkACL
	switch {
	case s.phase != run.Active && s.phase != run.Suspended:
		return false // a run that ends only removes, and only what is its own
	case status.StartTime == nil || status.Target == nil || acl == nil:
		return false
	case s.cloned():
		return acl.State == v1alpha1.CloneCreating && acl.ID == "" && acl.LastAttemptTime == nil &&
			acl.Attempt <= 1 && len(status.Rules) == 0
	}
	attempted := func(l v1alpha1.Rule) bool { return !ledger.IsUnattempted(l) }
	return len(status.Rules) > 0 && !slices.ContainsFunc(status.Rules, attempted)
}

// reserved is what a run that has begun holds.
func (s *scope) reserved() reservation.Reservation {
	acl := s.status().NetworkACL
	held := reservation.Reservation{NetworkACLID: acl.ID, SubnetID: s.obj.Spec.SubnetID, Mode: acl.Mode}
	if s.cloned() {
		held.NetworkACLID = acl.OriginalID
	}
	return held
}

// stepBack takes the start of a run back of which nothing was written to AWS. The write fails where
// another process has written the object since this pass read it.
func (r *Reconciler) stepBack(ctx context.Context, s *scope, held *problem.Problem) error {
	status := s.status()
	status.StartTime, status.ExpirationTime, status.StartedWith = nil, nil, nil
	status.Target, status.Agents, status.NetworkACL, status.Rules = nil, nil, nil, nil
	s.phase, _ = run.PhaseAt(s.obj, r.clock.Now())
	s.setConditions(held)
	if err := s.ledger.Persist(ctx); err != nil {
		return err
	}
	r.reservations.Finish(s.obj.UID)
	return s.ledger.RemoveFinalizer(ctx)
}

// yield has a run wait for an older one that began at the same moment.
func (s *scope) yield() error {
	if s.seen.yields == nil || !s.now.Before(s.seen.yieldsUntil) {
		s.seen.yields, s.seen.yieldsUntil = nil, time.Time{}
		return nil
	}
	return s.seen.yields
}
