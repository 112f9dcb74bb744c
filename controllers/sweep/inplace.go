// SPDX-License-Identifier: Apache-2.0

package sweep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
)

// inPlace undoes entries and tags of a run on a network ACL that isn't its own.
func (a *undoRun) inPlace(ctx context.Context, acl *networkacl.ACL, claim ownership.Claim) error {
	settled, err := a.denies(ctx, acl, claim)
	switch why := stripped(acl, a.f.UID); {
	case err != nil || !settled:
		return err
	case a.lift:
		a.result.Done = true
		return nil
	case why != "":
		a.leave(why)
		return nil
	}
	// Whatever was written since the read above would be forgotten with the tags.
	acl, again, err := a.read(ctx)
	if err != nil || again == nil {
		return err
	}
	if settled, err = a.denies(ctx, acl, *again); err != nil || !settled {
		return err
	}
	if err := a.untag(ctx, acl.ID, ownership.TagKeys(a.f.UID)); err != nil {
		return err
	}
	a.result.Done = true
	return nil
}

// denies deletes the claimed entries that stand, once the claim is confirmed, and reports whether
// none is left for certain.
func (a *undoRun) denies(ctx context.Context, acl *networkacl.ACL, claim ownership.Claim) (settled bool, err error) {
	confirmed := a.confirmed()
	var errs []error
	var due time.Time
	for _, rule := range claim.Rules {
		if shared(acl, claim, rule) {
			continue
		}
		now := a.clock.Now()
		var until time.Time
		if entry, there := networkacl.At(acl.Entries, rule.Number); !there || !claimOf(claim, rule).Owns(entry) {
			until = a.lackingUntil(rule, claim, now)
		} else if lags, deleted := a.deleted(rule); deleted && (!a.lift || now.Before(lags)) {
			until = lags
		} else if !confirmed {
			a.forget(rule)
		} else {
			until, err = a.delete(ctx, acl.ID, rule, entry)
			errs = append(errs, err)
		}
		if now.Before(until) {
			due = later(due, until)
		}
	}
	if !confirmed {
		return false, nil
	}
	if !due.IsZero() {
		a.wait(due, "network ACL %s keeps the tags of run %s for now: reads may not show all changes of its rules yet. Sweep again at %s, or, from another process, at %s",
			acl.ID, a.f.UID, due.Format(time.RFC3339), claim.Expires.Add(Margin).Format(time.RFC3339))
	}
	return due.IsZero() && errors.Join(errs...) == nil, errors.Join(errs...)
}

// delete deletes the entry of a rule, which a read just showed. The time says until when it is open
// whether it is gone.
func (a *undoRun) delete(ctx context.Context, aclID string, rule ownership.ClaimedRule, entry networkacl.Entry) (open time.Time, err error) {
	const shown = true
	outcome, err := ec2acl.DeleteEntry(ctx, a.fenced().EC2, aclID, entry)
	switch {
	case err != nil:
		a.forget(rule)
		return time.Time{}, err
	case !outcome.IsGone(shown):
		a.forget(rule)
		return a.clock.Now().Add(soon), nil
	}
	a.acknowledge(rule, a.clock.Now())
	a.did("deleted rule %d (%s) of network ACL %s", rule.Number, entry.CIDR, aclID)
	return time.Time{}, nil
}

// shared reports whether a later run claims the very same entry: then it is that one's.
func shared(acl *networkacl.ACL, claim ownership.Claim, rule ownership.ClaimedRule) bool {
	claims, _ := ownership.ParseClaims(acl.Tags)
	return slices.ContainsFunc(claims, func(c ownership.Claim) bool {
		after := c.Started.After(claim.Started) || c.Started.Equal(claim.Started) && c.UID > claim.UID
		return after && slices.Contains(c.Rules, rule)
	})
}

// claimOf is a claim to one rule alone.
func claimOf(claim ownership.Claim, rule ownership.ClaimedRule) ownership.Claim {
	claim.Rules = []ownership.ClaimedRule{rule}
	return claim
}

func (a *undoRun) untag(ctx context.Context, aclID string, keys []string) error {
	const shown = true
	switch outcome, err := ec2acl.RemoveTags(ctx, a.fenced().EC2, aclID, keys); {
	case err != nil:
		return err
	case !outcome.IsGone(shown):
		return fmt.Errorf("AWS says that network ACL %s does not exist, though a read just before showed it: its tags count as removed once reads no longer show it, so sweep again", aclID)
	}
	a.did("removed the tags of run %s from network ACL %s", a.f.UID, aclID)
	return nil
}
