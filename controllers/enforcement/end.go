// SPDX-License-Identifier: Apache-2.0

package enforcement

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
)

// Remove takes all that the run did to network ACLs to its end, and reports whether nothing of it
// is left there.
func (e *Enforcement) Remove(ctx context.Context) (bool, error) {
	e.withdrawClaim()
	if e.IsCloned() {
		return e.undoClone(ctx)
	}
	return e.undoInPlace(ctx)
}

// undoInPlace deletes the run's entries, and then its tags. It reports whether nothing of the run
// is left.
func (e *Enforcement) undoInPlace(ctx context.Context) (bool, error) {
	if done, err := e.undoEntries(ctx); err != nil || !done || e.untagged {
		return done, err
	}
	err := e.removeOwnershipTags(ctx)
	return err == nil, err
}

// undoEntries deletes the run's entries, and reports whether none is left.
func (e *Enforcement) undoEntries(ctx context.Context) (bool, error) {
	observed, err := e.entriesToUndo(ctx)
	if err == nil {
		err = e.reclaim(ctx, observed)
	}
	if err != nil {
		return false, err
	}
	done, err := e.undoLines(ctx, observed)
	return done && e.undecided == nil, errors.Join(err, e.undecided)
}

// reclaim adds to the ledger the entries that the tags on the network ACL claim for the run and
// that the ledger lacks: a status that was edited, or restored from a backup, lost them. A stale
// read also shows what the run disowned, so the claim has to stand for networkacl.SettleFor.
func (e *Enforcement) reclaim(ctx context.Context, observed []networkacl.Entry) error {
	e.undecided = nil
	if e.IsCloned() || e.seen.acl == nil {
		return nil // a clone is deleted as a whole
	}
	lost := e.unledgered(e.seen.acl.Tags, observed)
	// The tags as this process wrote them tell a stale read from a ledger that lost lines.
	stale := e.seen.tags != nil && len(e.unledgered(e.seen.tags, observed)) == 0
	if len(lost) == 0 || stale {
		e.seen.unledgered = time.Time{}
		return nil
	}

	if e.seen.unledgered.IsZero() || e.Now.Before(e.seen.unledgered) {
		e.seen.unledgered = e.Now
	}
	if settled := e.seen.unledgered.Add(networkacl.SettleFor); e.Now.Before(settled) {
		what := fmt.Sprintf("the tags on network ACL %s claim %s of this run that status.rules does not have",
			e.seen.acl.ID, problem.Plural(len(lost), "rule", "rules"))
		e.undecided = problem.Wait(v1alpha1.ReasonAWSUnavailable, "%s", problem.Undecided(what, settled))
		return nil
	}
	e.seen.unledgered = time.Time{}
	return e.Ledger.Reclaim(ctx, lost)
}

// unledgered gives the observed entries that tags claim for the run and that its ledger lacks.
func (e *Enforcement) unledgered(tags map[string]string, observed []networkacl.Entry) []v1alpha1.Rule {
	status := e.Status()
	return ownership.MissingLines(tags, string(e.Object.UID), status.NetworkACL.ID, status.Rules, observed)
}

// undoLines takes the lines of the ledger to their end, given a read, and reports whether none is
// left.
func (e *Enforcement) undoLines(ctx context.Context, observed []networkacl.Entry) (bool, error) {
	valid, invalid := ledger.Valid(e.Object)
	lines, gone := e.undo(valid, observed)
	e.withdrawClaim()

	deleted, err := e.destroy(ctx, lines)
	if len(deleted) > 0 {
		// No line goes before a read lacks its entry too: the tags, by which others would find it,
		// may go with it.
		if unread := e.ReadACL(ctx); unread != nil {
			deleted, err = nil, errors.Join(err, unread)
		}
		deleted = slices.DeleteFunc(deleted, e.shows)
	}
	err = errors.Join(err, e.giveUp(ctx, append(gone, deleted...)))
	return err == nil && len(e.Status().Rules) == 0, errors.Join(invalid, err)
}

// withdrawClaim has the next write say that the rules are no longer in place: it comes before the
// first of them goes.
func (e *Enforcement) withdrawClaim() {
	if meta.IsStatusConditionTrue(e.Status().Conditions, v1alpha1.ConditionRulesInstalled) {
		e.hooks.SetConditions()
	}
}

// entriesToUndo reads the entries of the run's network ACL; one that is gone has none. That it is
// not found says so only in the run's own account, so AWS is asked afresh whose the credentials
// are. If it is found, its id is proof enough, and the clean-up goes on even where AWS doesn't say.
func (e *Enforcement) entriesToUndo(ctx context.Context) ([]networkacl.Entry, error) {
	unsure := e.VerifyAccount(ctx)
	if unsure != nil && !problem.Passes(unsure) {
		return nil, unsure
	}
	if err := e.ReadACL(ctx); err != nil {
		return nil, err
	}
	if e.seen.acl == nil {
		return nil, e.VerifyAccount(ctx)
	}
	if !e.IsCloned() && e.seen.acl.Tags[ownership.TagClone] == string(e.Object.UID) {
		return nil, problem.Refuse(v1alpha1.ReasonLedgerInvalid, "status.networkACL was edited: mode is not Clone, and network ACL %s is this run's clone. Restore the earlier value (kubectl edit --subresource=status)", e.seen.acl.ID)
	}
	return e.seen.acl.Entries, nil
}

// undo sorts the lines by what their undoing takes: entries to delete, and lines of which nothing
// is left. The others are waited for.
func (e *Enforcement) undo(valid []v1alpha1.Rule, observed []networkacl.Entry) (destroy, gone []v1alpha1.Rule) {
	for _, line := range valid {
		switch e.nextStep(line, observed) {
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
func (e *Enforcement) nextStep(line v1alpha1.Rule, observed []networkacl.Entry) networkacl.Step {
	if at, acknowledged := e.seen.deleted[entryOf(line)]; acknowledged {
		// A read that shows the entry lags; when it no longer can, the entry is a third party's.
		if networkacl.AtWork(line, observed) && e.Now.Sub(at) < networkacl.SettleFor {
			return networkacl.StepWait
		}
		return networkacl.StepGone
	}
	step := networkacl.Undo(line, observed, e.Now)
	if step == networkacl.StepDelete {
		delete(e.seen.contradicted, line.RuleNumber)
		return step
	}
	first, again := e.seen.contradicted[line.RuleNumber]
	if !again {
		e.seen.noteContradicted(line.RuleNumber, e.Now)
	}
	since := e.Now.Sub(first)
	switch {
	case again && step == networkacl.StepLookAgain && since >= networkacl.ConfirmInterval:
		return networkacl.UndoAgain(line, observed, e.Now)
	case again && step == networkacl.StepGone && since >= lackingFor:
		return step
	}
	return networkacl.StepWait
}
