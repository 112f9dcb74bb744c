// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/reservation"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// yieldFor is how long a run waits before it tries to begin again, where an older one began at the
// same moment: long enough for that one to begin first.
const yieldFor = 3 * reservation.RetryInterval

// pendingLook says that a run has begun and no look since then showed that it did so alone. Two
// managers hold no lock in common: each of them may have found the network ACL free before the
// other's run was stored.
type pendingLook struct {
	region   string
	reserved reservation.Reservation
	// before is the status that the run had before it began.
	before v1alpha1.AgentDisconnectStatus
}

// lookAgain lists the runs once more, before the first write to AWS. Both managers look after they
// have stored their start, so at least one of them sees the other. A run that sees another steps
// back, also the older one: the other may have looked before this run was stored, and be writing by
// now.
func (r *Reconciler) lookAgain(ctx context.Context, s *scope) error {
	look := s.seen.pendingLook
	if look == nil {
		return nil
	}
	holder, _, err := r.reservations.FindHolder(ctx, s.obj, look.region, look.reserved)
	switch {
	case err != nil:
		return err
	case holder == nil:
		s.seen.pendingLook = nil
		return nil
	}
	if err := r.stepBack(ctx, s, look.before); err != nil {
		return err
	}
	held := problem.Wait(v1alpha1.ReasonHolder, "%s began on network ACL %s at the same moment: this run begins when that one is over", run.Name(holder), look.reserved.NetworkACLID)
	if reservation.IsOlder(holder, s.obj) {
		s.seen.yields, s.seen.yieldsUntil = held, s.now.Add(yieldFor)
	}
	return held
}

// stepBack takes the start of a run back of which nothing was written to AWS.
func (r *Reconciler) stepBack(ctx context.Context, s *scope, before v1alpha1.AgentDisconnectStatus) error {
	s.obj.Status = *before.DeepCopy()
	if err := s.ledger.Persist(ctx); err != nil {
		return err
	}
	s.phase, _ = run.PhaseAt(s.obj, r.clock.Now())
	s.seen.pendingLook = nil
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
