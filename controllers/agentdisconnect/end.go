// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// end takes back what a run did, and then waits for its agents unless the object is being deleted.
// It never gives up, and needs nothing of the spec.
func (r *Reconciler) end(ctx context.Context, s *scope) error {
	if err := r.restore(ctx, s); err != nil || !run.IsRestored(s.status()) || s.phase == run.Deleting {
		return err
	}
	return r.recover(ctx, s)
}

// restore is apply with nothing desired: every line of the ledger, and a clone, is taken to its
// end.
func (r *Reconciler) restore(ctx context.Context, s *scope) error {
	if run.IsRestored(s.status()) {
		return nil
	}
	s.observeLateness(r)
	if s.status().NetworkACL == nil && len(s.status().Rules) == 0 && s.status().StartTime == nil {
		return r.restored(ctx, s) // the run never began
	}
	undo := r.undoInPlace
	if s.cloned() {
		undo = r.undoClone
	}
	s.withdrawClaim()
	if done, err := undo(ctx, s); err != nil || !done {
		return err
	}
	if err := r.disarm(ctx, s); err != nil {
		return err
	}
	return r.restored(ctx, s)
}

// undoInPlace deletes the run's entries, and then its tags. It reports whether nothing of the run
// is left.
func (r *Reconciler) undoInPlace(ctx context.Context, s *scope) (bool, error) {
	if done, err := r.undoEntries(ctx, s); err != nil || !done || s.untagged {
		return done, err
	}
	err := r.removeOwnershipTags(ctx, s)
	return err == nil, err
}

// undoEntries deletes the run's entries, and reports whether none is left.
func (r *Reconciler) undoEntries(ctx context.Context, s *scope) (bool, error) {
	observed, err := r.entriesToUndo(ctx, s)
	if err == nil {
		err = r.reclaim(ctx, s, observed)
	}
	if err != nil {
		return false, err
	}
	done, err := r.undoLines(ctx, s, observed)
	return done && s.undecided == nil, errors.Join(err, s.undecided)
}

// reclaim adds to the ledger the entries that the tags on the network ACL claim for the run and
// that the ledger lacks: a status that was edited, or restored from a backup, lost them. A stale
// read also shows what the run disowned, so the claim has to stand for networkacl.SettleFor.
func (r *Reconciler) reclaim(ctx context.Context, s *scope, observed []networkacl.Entry) error {
	s.undecided = nil
	if s.cloned() || s.seen.acl == nil {
		return nil // a clone is deleted as a whole
	}
	lost := s.unledgered(s.seen.acl.Tags, observed)
	// The tags as this process wrote them tell a stale read from a ledger that lost lines.
	stale := s.seen.tags != nil && len(s.unledgered(s.seen.tags, observed)) == 0
	if len(lost) == 0 || stale {
		s.seen.unledgered = time.Time{}
		return nil
	}

	if s.seen.unledgered.IsZero() || s.now.Before(s.seen.unledgered) {
		s.seen.unledgered = s.now
	}
	if settled := s.seen.unledgered.Add(networkacl.SettleFor); s.now.Before(settled) {
		what := fmt.Sprintf("the tags on network ACL %s claim %s of this run that status.rules does not have",
			s.seen.acl.ID, problem.Plural(len(lost), "rule", "rules"))
		s.undecided = problem.Wait(v1alpha1.ReasonAWSUnavailable, "%s", decision(what, settled))
		return nil
	}
	s.seen.unledgered = time.Time{}
	return s.ledger.Reclaim(ctx, lost)
}

// unledgered gives the observed entries that tags claim for the run and that its ledger lacks.
func (s *scope) unledgered(tags map[string]string, observed []networkacl.Entry) []v1alpha1.Rule {
	status := s.status()
	return ownership.MissingLines(tags, string(s.obj.UID), status.NetworkACL.ID, status.Rules, observed)
}

// undoLines takes the lines of the ledger to their end, given a read, and reports whether none is
// left.
func (r *Reconciler) undoLines(ctx context.Context, s *scope, observed []networkacl.Entry) (bool, error) {
	valid, invalid := ledger.Valid(s.obj)
	lines, gone := r.undo(s, valid, observed)
	s.withdrawClaim()

	deleted, err := r.destroy(ctx, s, lines)
	if len(deleted) > 0 {
		// No line goes before a read lacks its entry too: the tags, by which others would find it,
		// may go with it.
		if unread := r.readACL(ctx, s); unread != nil {
			deleted, err = nil, errors.Join(err, unread)
		}
		deleted = slices.DeleteFunc(deleted, s.shows)
	}
	err = errors.Join(err, r.giveUp(ctx, s, append(gone, deleted...)))
	return err == nil && len(s.status().Rules) == 0, errors.Join(invalid, err)
}

// withdrawClaim has the next write say that the rules are no longer in place: it comes before the
// first of them goes.
func (s *scope) withdrawClaim() {
	if meta.IsStatusConditionTrue(s.status().Conditions, v1alpha1.ConditionRulesInstalled) {
		s.setConditions(nil)
	}
}

// entriesToUndo reads the entries of the run's network ACL; one that is gone has none. That it is
// not found says so only in the run's own account, so AWS is asked afresh whose the credentials
// are. If it is found, its id is proof enough, and the clean-up goes on even where AWS doesn't say.
func (r *Reconciler) entriesToUndo(ctx context.Context, s *scope) ([]networkacl.Entry, error) {
	unsure := r.verifyAccount(ctx, s)
	if unsure != nil && !problem.Passes(unsure) {
		return nil, unsure
	}
	if err := r.readACL(ctx, s); err != nil {
		return nil, err
	}
	if s.seen.acl == nil {
		return nil, r.verifyAccount(ctx, s)
	}
	if !s.cloned() && s.seen.acl.Tags[ownership.TagClone] == string(s.obj.UID) {
		return nil, problem.Refuse(v1alpha1.ReasonLedgerInvalid, "status.networkACL was edited: mode is not Clone, and network ACL %s is this run's clone. Restore the earlier value (kubectl edit --subresource=status)", s.seen.acl.ID)
	}
	return s.seen.acl.Entries, nil
}

// undo sorts the lines by what their undoing takes: entries to delete, and lines of which nothing
// is left. The others are waited for.
func (r *Reconciler) undo(s *scope, valid []v1alpha1.Rule, observed []networkacl.Entry) (destroy, gone []v1alpha1.Rule) {
	for _, line := range valid {
		switch r.nextStep(s, line, observed) {
		case networkacl.StepDelete:
			destroy = append(destroy, line)
		case networkacl.StepGone:
			gone = append(gone, line)
		}
	}
	return destroy, gone
}

// nextStep says what the undoing of a line takes next. What a read contradicts is not believed
// before this process read it twice, some time apart: reads that lag show the same, and a clock may
// be wrong.
func (r *Reconciler) nextStep(s *scope, line v1alpha1.Rule, observed []networkacl.Entry) networkacl.Step {
	if at, acknowledged := s.seen.deleted[entryOf(line)]; acknowledged {
		// A read that shows the entry lags; when it no longer can, the entry is a third party's.
		if networkacl.AtWork(line, observed) && s.now.Sub(at) < networkacl.SettleFor {
			return networkacl.StepWait
		}
		return networkacl.StepGone
	}
	step := networkacl.Undo(line, observed, s.now)
	if step == networkacl.StepDelete {
		delete(s.seen.contradicted, line.RuleNumber)
		return step
	}
	first, again := s.seen.contradicted[line.RuleNumber]
	if !again {
		s.seen.contradicted[line.RuleNumber] = s.now
	}
	since := s.now.Sub(first)
	switch {
	case again && step == networkacl.StepLookAgain && since >= networkacl.ConfirmInterval:
		return networkacl.UndoAgain(line, observed, s.now)
	case again && step == networkacl.StepGone && since >= lackingFor:
		return step
	}
	return networkacl.StepWait
}

// restored notes that nothing of the run is left in AWS.
func (r *Reconciler) restored(ctx context.Context, s *scope) error {
	now := r.clock.Now()
	s.status().RestoredTime = run.Stamp(now)
	if err := s.ledger.Persist(ctx); err != nil {
		return err
	}
	switch s.phase {
	case run.Expired:
		observeRestored(run.Expiration(s.status()), now)
	case run.Aborted:
		observeRestored(s.status().Abort.Time.Time, now)
	case run.Deleting:
		observeRestored(s.obj.DeletionTimestamp.Time, now)
	}
	s.seen.history.Polls.Forget() // what was seen under the rules says nothing of what comes after
	return nil
}

// observeLateness measures once a run and process how late its end was acted on.
func (s *scope) observeLateness(r *Reconciler) {
	if s.phase != run.Expired || s.seen.ended {
		return
	}
	s.seen.ended = true
	expiryLateness.Observe(max(r.clock.Since(run.Expiration(s.status())), 0*time.Second).Seconds())
}
