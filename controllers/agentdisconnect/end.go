// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"errors"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/nacl"
)

// end takes back what a run did, and then waits for its agents unless the object is being deleted. It never gives up, and
// needs nothing of the spec.
func (r *Reconciler) end(ctx context.Context, s *scope) error {
	if err := r.restore(ctx, s); err != nil || !Restored(s.status()) || s.mode == ModeDeleting {
		return err
	}
	return r.recover(ctx, s)
}

// restore is apply with nothing desired: every line of the ledger is taken to its end.
func (r *Reconciler) restore(ctx context.Context, s *scope) error {
	if Restored(s.status()) {
		return nil
	}
	if err := r.enter(ctx, s); err != nil {
		return err
	}
	s.observeLateness(r)
	acl, err := r.aclToUndo(ctx, s)
	if err != nil {
		return err
	}
	sound, unsound := s.ledger()
	lines, gone, waiting, err := r.undo(ctx, s, sound, acl)
	if err != nil {
		return errors.Join(unsound, err)
	}
	if len(gone) > 0 {
		err = r.record(ctx, s, func(status *v1alpha1.AgentDisconnectStatus) {
			for _, line := range gone {
				status.Rules = remove(status.Rules, line)
			}
		})
	}
	if err == nil {
		err = r.destroy(ctx, s, lines)
	}
	if err == nil && len(s.status().Rules) == 0 {
		return r.restored(ctx, s)
	}
	if waiting > 0 {
		s.due(s.now.Add(oddReadInterval))
	}
	return errors.Join(unsound, err)
}

// aclToUndo reads the run's network ACL. One that AWS doesn't know has no entries; a second read makes sure of it.
func (r *Reconciler) aclToUndo(ctx context.Context, s *scope) (*nacl.ACL, error) {
	for range 2 {
		if err := r.readACL(ctx, s); err != nil || s.seen.acl != nil {
			return s.seen.acl, err
		}
	}
	return nil, nil //nolint:nilnil // the absence is the answer
}

// undo sorts the lines by what their undoing takes: entries to delete, lines of which nothing is left, and how many must
// be waited for. A nil network ACL was deleted, and all entries with it.
func (r *Reconciler) undo(ctx context.Context, s *scope, sound []v1alpha1.Rule, acl *nacl.ACL) (remove, gone []v1alpha1.Rule, waiting int, err error) {
	if acl == nil {
		return nil, sound, 0, nil
	}
	steps := make([]nacl.Step, len(sound))
	again := false
	for i, line := range sound {
		steps[i] = nacl.Undo(line, acl.Entries, s.now)
		again = again || steps[i] == nacl.StepLookAgain
	}
	if again {
		if acl, err = r.aclToUndo(ctx, s); err != nil || acl == nil {
			return nil, sound, 0, err
		}
	}
	for i, line := range sound {
		if steps[i] == nacl.StepLookAgain {
			steps[i] = nacl.UndoAgain(line, acl.Entries, s.now)
		}
		switch steps[i] {
		case nacl.StepDelete:
			remove = append(remove, line)
		case nacl.StepGone:
			gone = append(gone, line)
		default:
			waiting++
		}
	}
	return remove, gone, waiting, nil
}

// restored notes that nothing of the run is left in AWS.
func (r *Reconciler) restored(ctx context.Context, s *scope) error {
	now := r.clock.Now()
	s.status().RestoredTime = stamp(now)
	if err := r.persist(ctx, s); err != nil {
		return err
	}
	switch s.mode {
	case ModeExpired:
		observeRestored(expiration(s.status()), now)
	case ModeAborted:
		observeRestored(s.status().Abort.Time.Time, now)
	case ModeDeleting:
		observeRestored(s.obj.DeletionTimestamp.Time, now)
	}
	s.seen.polls = nil // what was seen under the rules says nothing of what comes after
	return nil
}

// recover waits for the agents of a run whose rules are gone, 10 minutes at most, and then says how the run went.
func (r *Reconciler) recover(ctx context.Context, s *scope) error {
	if err := r.enter(ctx, s); err != nil {
		return r.overdue(s, err)
	}
	gone, err := r.watchAgents(ctx, s, s.status().RestoredTime.Time)
	if err == nil && (gone || r.allBack(s)) {
		s.status().Agents.ReconnectedTime = stamp(s.now)
		if gone {
			s.status().Agents.ReconnectedTime = nil
		}
		s.status().CompletionTime = stamp(s.now)
		return nil
	}
	return r.overdue(s, err)
}

// overdue ends the wait for the agents when its time is over, whatever keeps the manager from seeing them.
func (r *Reconciler) overdue(s *scope, err error) error {
	if s.now.Before(recoveryDeadline(s.status())) {
		return err
	}
	s.status().CompletionTime = stamp(s.now)
	return nil
}

// allBack says whether two polls since the rules went agree of every agent that counts that it is connected, or that its
// container instance left.
func (r *Reconciler) allBack(s *scope) bool {
	if s.status().Agents == nil {
		return true
	}
	for _, instance := range s.status().Agents.ContainerInstances {
		connected, left, ok := s.seen.agreed(instance.ARN, s.status().RestoredTime.Time)
		if !ok || (!connected && !left) {
			return false
		}
	}
	return true
}

// observeLateness measures once a run and process how late its end was acted on.
func (s *scope) observeLateness(r *Reconciler) {
	if s.mode != ModeExpired || s.seen.ended {
		return
	}
	s.seen.ended = true
	expiryLateness.Observe(max(r.clock.Since(expiration(s.status())), 0*time.Second).Seconds())
}
