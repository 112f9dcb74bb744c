// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"errors"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/preflight"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// miss ends a run that had not begun by its start deadline. Nothing was written to AWS for it.
func (r *Reconciler) miss(s *scope) error {
	r.reservations.Withdraw(s.obj.UID)
	status := s.status()
	status.RunID = s.obj.Spec.RunID
	deadline := run.StartDeadline(s.obj)
	if deadline.After(run.RequestedAt(s.obj)) {
		s.abort(v1alpha1.AbortStartDeadlineExceeded, "the run had not begun by %s: %s. A new spec.runID asks for it again",
			deadline.UTC().Format(time.RFC3339), s.lastReason())
	} else {
		s.abort(v1alpha1.AbortStartDeadlineExceeded, "the run was to begin before %s, which was past when it was asked for. A new spec.runID asks for it again, with a later spec.startAfter or spec.startDeadline",
			deadline.UTC().Format(time.RFC3339))
	}
	status.RestoredTime, status.CompletionTime = run.Stamp(s.now), run.Stamp(s.now)
	return nil
}

// renew clears the status of a run that is over or was only planned, since another is asked for
// now, and gets that one ready.
func (r *Reconciler) renew(ctx context.Context, s *scope) error {
	s.obj.Status = v1alpha1.AgentDisconnectStatus{
		ObservedGeneration: s.obj.Generation,
		Conditions:         s.obj.Status.Conditions,
		RunID:              s.obj.Spec.RunID,
		RequestTime:        run.Stamp(s.now),
	}
	r.forget(client.ObjectKeyFromObject(s.obj))
	s.seen = r.memories.of(s.obj)
	s.phase, _ = run.PhaseAt(s.obj, s.now)
	s.setConditions(nil)
	if err := s.ledger.Persist(ctx); err != nil {
		return err
	}
	if s.phase == run.Renewed {
		return nil
	}
	return r.advance(ctx, s)
}

// expire deletes a finished object whose time to be kept is over, unless it was written
// meanwhile.
func (r *Reconciler) expire(ctx context.Context, s *scope) error {
	at := run.DeletionTime(s.obj)
	if at.IsZero() || r.clock.Now().Before(at) {
		return nil
	}
	return s.ledger.Delete(ctx)
}

// suspend lifts the rules of a run, or keeps it from beginning.
func (r *Reconciler) suspend(ctx context.Context, s *scope) error {
	if s.status().StartTime == nil {
		r.reservations.Withdraw(s.obj.UID)
		return nil
	}
	trouble := r.moveExpiration(ctx, s)
	if _, fatal := errors.AsType[*problem.StoreError](trouble); fatal {
		return trouble
	}
	if s.phase != run.Suspended {
		return r.advance(ctx, s)
	}
	err := r.verifyAccount(ctx, s)
	if err == nil || problem.Passes(err) && !run.IsLifted(s.status()) {
		err = r.lift(ctx, s)
	}
	if err == nil && s.status().Abort == nil && run.IsLifted(s.status()) {
		_, err = r.watchAgents(ctx, s, s.status().StartTime.Time)
	}
	return r.endIfAborted(ctx, s, errors.Join(trouble, err))
}

// lift takes the rules away from the subnet. A clone is kept, for resuming.
func (r *Reconciler) lift(ctx context.Context, s *scope) error {
	if run.IsLifted(s.status()) {
		return r.stayLifted(ctx, s)
	}
	var err error
	if s.cloned() {
		s.withdrawClaim()
		err = r.detachSubnet(ctx, s)
	} else {
		_, err = r.undoEntries(ctx, s)
	}
	if err == nil && run.IsLifted(s.status()) {
		// What was seen under the rules says nothing of what comes after, and they are put in place
		// anew on a new read.
		s.seen.history.Polls.Forget()
		s.seen.network.Clear()
		s.seen.aclRead, s.seen.enforcedSince = time.Time{}, time.Time{}
		clear(s.seen.contradicted)
		s.seen.cache.Others = preflight.Answer[preflight.OtherClusters]{}
	}
	return err
}

// stayLifted has the tags say who holds the network ACL, and until when, as that may change. It
// looks from time to time whether a clone that serves no subnet still does: a swap whose answer was lost
// may show late.
func (r *Reconciler) stayLifted(ctx context.Context, s *scope) error {
	acl := s.status().NetworkACL
	if !s.cloned() {
		return r.ensureOwnershipTags(ctx, s)
	}
	if acl.ID == "" || s.now.Sub(s.seen.aclRead) < r.options.ACLPollInterval {
		return nil
	}
	if err := r.readACL(ctx, s); err != nil || !s.seen.onSubnet(s.obj) || s.sinceWrite() < networkacl.ConfirmInterval {
		return err
	}
	acl.State = v1alpha1.CloneAssociating
	return r.detachSubnet(ctx, s)
}
