// SPDX-License-Identifier: Apache-2.0

package sweep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/removal"
)

// undoInPlace undoes entries and tags of a run on a network ACL that isn't its own.
func (a *undoRun) undoInPlace(ctx context.Context, acl *networkacl.ACL, claim ownership.Claim) error {
	settled, err := a.deleteEntries(ctx, acl, claim)
	switch why := explainStripped(acl, a.f.UID); {
	case err != nil || !settled:
		return err
	case a.lift:
		a.result.Done = true
		return nil
	case why != "":
		a.noteLeft(why)
		return nil
	}

	// Whatever was written since the read above would be forgotten with the tags.
	acl, again, err := a.read(ctx)
	if err != nil || again == nil {
		return err
	}

	if settled, err = a.deleteEntries(ctx, acl, *again); err != nil || !settled {
		return err
	}

	if err := a.removeTags(ctx, acl, ownership.TagKeys(a.f.UID)); err != nil {
		return err
	}

	a.result.Done = true
	return nil
}

// deleteEntries deletes the claimed entries that stand, once the claim is confirmed, and reports
// whether none is left for certain.
func (a *undoRun) deleteEntries(ctx context.Context, acl *networkacl.ACL, claim ownership.Claim) (settled bool, err error) {
	confirmed := a.confirmed()
	var due time.Time
	var claims []removal.Claim
	for _, rule := range claim.Rules {
		if isClaimedLater(acl, claim, rule) {
			continue
		}
		one := a.claimOf(rule, claim)
		switch next := a.removed.Next(one, acl.Entries, a.clock.Now()); next.Step {
		case removal.StepDelete:
			claims = append(claims, one)
		case removal.StepWait:
			due = later(due, next.Until)
		case removal.StepGone:
		}
	}

	if !confirmed {
		return false, nil
	}

	// One after the other: no run waits for it. The fence refuses one that comes late, and the next
	// attempt reads again. The controller deletes them side by side, since a run is to end at its
	// time.
	var errs []error
	for _, one := range claims {
		outcomes, err := a.remover(acl).DeleteEntries(ctx, []removal.Claim{one}, &a.removed, a.clock)
		errs = append(errs, err)
		switch entry, _ := networkacl.At(acl.Entries, one.Number); outcomes[0] {
		case networkacl.Done:
			a.noteDone("deleted rule %d (%s) of network ACL %s", entry.Number, entry.CIDR, acl.ID)
		case networkacl.Missing: // though the read shows it
			due = later(due, a.clock.Now().Add(soon))
		}
	}

	if !due.IsZero() {
		a.noteWait(due, "network ACL %s keeps the tags of run %s for now: reads may not show all changes of its rules yet. Sweep again at %s, or, from another process, at %s",
			acl.ID, a.f.UID, due.Format(time.RFC3339), claim.Expires.Add(Margin).Format(time.RFC3339))
	}

	err = errors.Join(errs...)
	return due.IsZero() && err == nil, err
}

// claimOf is a claim to one rule alone.
func (a *undoRun) claimOf(rule ownership.ClaimedRule, claim ownership.Claim) removal.Claim {
	return removal.OfTag(a.f.NetworkACLID, rule, claim.Expires.Add(Margin), a.lift)
}

// isClaimedLater reports whether a later run claims the very same entry: then it is that one's.
func isClaimedLater(acl *networkacl.ACL, claim ownership.Claim, rule ownership.ClaimedRule) bool {
	claims, _ := ownership.ParseClaims(acl.Tags)
	return slices.ContainsFunc(claims, func(c ownership.Claim) bool {
		after := c.Started.After(claim.Started) || c.Started.Equal(claim.Started) && c.UID > claim.UID
		return after && slices.Contains(c.Rules, rule)
	})
}

func (a *undoRun) removeTags(ctx context.Context, acl *networkacl.ACL, keys []string) error {
	switch outcome, err := a.remover(acl).RemoveTags(ctx, acl.ID, keys); {
	case err != nil:
		return err
	case outcome != networkacl.Done:
		return fmt.Errorf("AWS says that network ACL %s does not exist, though a read just before showed it: its tags count as removed once reads no longer show it, so sweep again", acl.ID)
	}
	a.noteDone("removed the tags of run %s from network ACL %s", a.f.UID, acl.ID)
	return nil
}
