// SPDX-License-Identifier: Apache-2.0

package entries

import (
	"context"
	"errors"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/removal"
)

// UndoLines takes the lines of the ledger to their end, given a read, and with them what the tags
// alone still claim.
func (e *Entries) UndoLines(ctx context.Context, observed []networkacl.Entry) (Progress, error) {
	e.WithdrawRulesInstalled()
	if err := e.reclaim(ctx); err != nil {
		return Waiting, err
	}

	valid, invalid := ledger.Valid(e.Object)
	lines, gone := e.sortForUndo(valid, observed)
	deleted, err := e.deleteEntries(ctx, lines)
	if len(deleted) > 0 {
		// No line goes before a read lacks its entry too: the tags, by which others would find it,
		// may go with it.
		if unread := e.ReadACL(ctx); unread != nil {
			deleted, err = nil, errors.Join(err, unread)
		}
		if acl := e.ACLOfPass(); acl != nil {
			deleted = slices.DeleteFunc(deleted, func(l v1alpha1.Rule) bool { return networkacl.AtWork(l, acl.Entries) })
		}
	}

	err = errors.Join(err, e.releaseLines(ctx, append(gone, deleted...)), e.undecided)
	if err == nil && len(e.Status().Rules) == 0 {
		return Done, invalid
	}
	return Waiting, errors.Join(invalid, err)
}

// WithdrawRulesInstalled has the next write say that the rules are no longer in place: it comes
// before the first of them goes.
func (e *Entries) WithdrawRulesInstalled() {
	if meta.IsStatusConditionTrue(e.Status().Conditions, v1alpha1.ConditionRulesInstalled) {
		e.hooks.SetConditions()
	}
}

// ReadEntriesToUndo reads the entries of the run's network ACL; one that is gone has none. That it
// is not found says so only in the run's own account, so AWS is asked afresh whose the credentials
// are. If it is found, its id is proof enough, and the clean-up goes on even where AWS doesn't say.
func (e *Entries) ReadEntriesToUndo(ctx context.Context) ([]networkacl.Entry, error) {
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
	return e.seen.acl.Entries, nil
}

// sortForUndo sorts the lines by what their undoing takes: entries to delete, and lines of which
// nothing is left. The others are waited for, and so are those at whose number the run has another
// entry, as the tags say: it would be given up with the line.
func (e *Entries) sortForUndo(valid []v1alpha1.Rule, observed []networkacl.Entry) (destroy, gone []v1alpha1.Rule) {
	lost := e.lostLines()
	for _, line := range valid {
		if ledger.IndexOf(lost, line) >= 0 {
			continue
		}
		switch e.seen.removed.Next(removal.OfLine(line), observed, e.Now).Step {
		case removal.StepDelete:
			destroy = append(destroy, line)
		case removal.StepGone:
			gone = append(gone, line)
		case removal.StepWait:
		}
	}
	return destroy, gone
}

// deleteEntries has AWS delete the entries of lines that were seen to be the run's, side by side,
// and gives the lines whose entries are gone: they are still in the ledger.
func (e *Entries) deleteEntries(ctx context.Context, lines []v1alpha1.Rule) (gone []v1alpha1.Rule, err error) {
	lines, err = e.Ledger.IntendDeletion(ctx, lines)
	if err != nil || len(lines) == 0 {
		return nil, err
	}

	claims := make([]removal.Claim, 0, len(lines))
	for _, line := range lines {
		claims = append(claims, removal.OfLine(line))
	}

	remover := e.Remover(e.FencedOnRead())
	send := remover.Send
	remover.Send = func(ctx context.Context, call removal.Call) (networkacl.Outcome, error) {
		return e.CallWithin(ctx, func(ctx context.Context) (networkacl.Outcome, error) { return send(ctx, call) })
	}

	outcomes, failure := remover.DeleteEntries(ctx, claims, &e.seen.removed, e.Clock)

	for i, line := range lines {
		if outcomes[i] == networkacl.Done {
			gone = append(gone, line)
		}
	}
	return gone, failure
}
