// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"context"
	"errors"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/deadmanswitch"
	"agentdisconnect.dev/agentdisconnect/controllers/enforcement/entries"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/controllers/target"
)

// inPlace is the denies of one run on the network ACL that its subnet has, in one pass.
type inPlace struct{ *entries.Entries }

func newInPlace(on *target.Target, armed *deadmanswitch.Switch, seen *entries.Observation, hooks Hooks) *inPlace {
	p := &inPlace{}
	p.Entries = entries.New(on, armed, p, seen, hooks)
	return p
}

// BeginRun forgets what was seen before the run began: it says nothing of the run.
func (p *inPlace) BeginRun(*networkacl.ACL) { p.Entries.ForgetBeforeStart() }

// Install creates the entries, and reads back what came of it.
func (p *inPlace) Install(ctx context.Context) error {
	failure := p.CreateEntries(ctx, p.Status().Rules)
	failure = errors.Join(failure, p.ReadACL(ctx))
	if p.HasReadACL() {
		valid, _ := ledger.Valid(p.Object)
		p.ConfirmDrift(valid) // the next read may confirm it
	}
	return p.AbortIfQuotaExceeded(failure)
}

// Lift deletes the entries of a run that is suspended. The tags go on to say who holds the network
// ACL, and until when, as that may change.
func (p *inPlace) Lift(ctx context.Context) error {
	if run.IsLifted(p.Status()) {
		if err := p.ReadACLFirst(ctx); err != nil {
			return err // whether the ledger has all that is there is not known
		}
		if !p.HasLostLines() {
			return p.EnsureOwnershipTagsIfPlaced(ctx)
		}
	}
	_, err := p.undoEntries(ctx)
	if err == nil && run.IsLifted(p.Status()) {
		p.ForgetEnforced()
	}
	return err
}

// Remove deletes the run's entries, and then its tags.
func (p *inPlace) Remove(ctx context.Context) (Progress, error) {
	progress, err := p.undoEntries(ctx)
	if err != nil || progress == entries.Waiting || p.HasRemovedTags() {
		return progress, err
	}
	return entries.DoneUnless(p.RemoveOwnershipTags(ctx))
}

// undoEntries deletes the run's entries, and is Done when none is left.
func (p *inPlace) undoEntries(ctx context.Context) (Progress, error) {
	observed, err := p.ReadEntriesToUndo(ctx)
	if err == nil {
		err = p.checkNoClone()
	}

	if err != nil {
		return entries.Waiting, err
	}
	return p.UndoLines(ctx, observed)
}

// checkNoClone refuses to take a clone of this run for the subnet's own network ACL.
func (p *inPlace) checkNoClone() error {
	if acl := p.LastACL(); acl != nil && acl.Tags[ownership.TagClone] == string(p.Object.UID) {
		return problem.Refuse(v1alpha1.ReasonLedgerInvalid, "status.networkACL was edited: mode is not Clone, and network ACL %s is this run's clone. Restore the earlier value (kubectl edit --subresource=status)", acl.ID)
	}
	return nil
}
