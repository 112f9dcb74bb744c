// SPDX-License-Identifier: Apache-2.0

package clone

import (
	"context"
	"errors"
	"slices"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/enforcement/entries"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/removal"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// dispositionOf decides by a read of both network ACLs.
func (c *Clone) dispositionOf() removal.Disposition {
	edited := c.acceptableCopies() == nil || len(c.findEdits()) > 0
	return removal.DispositionOf(c.LastACL(), c.seen.original, c.Object.Spec.SubnetID, edited)
}

// Remove takes a run's clone to its end, and is Done when nothing is left of the run.
func (c *Clone) Remove(ctx context.Context) (entries.Progress, error) {
	c.WithdrawRulesInstalled()
	if err := c.VerifyAccount(ctx); err != nil && !problem.Passes(err) {
		return entries.Waiting, err
	}

	acl := c.Status().NetworkACL
	switch {
	case acl.State == "", acl.State == v1alpha1.CloneAdopted:
		// It is gone; unless the status was edited.
		if id, err := c.findClone(ctx); err != nil || id == "" {
			if err != nil {
				return entries.Waiting, err
			}
			return c.undoLeftoverLines(ctx)
		} else if err := c.recordCloneID(ctx, id); err != nil {
			return entries.Waiting, err
		}
	case acl.ID == "":
		if progress, err := c.findUnnamedClone(ctx); err != nil || progress == entries.Done {
			return progress, err
		}
		if c.Status().NetworkACL.ID == "" {
			return entries.Waiting, nil
		}
	}

	if err := c.ReadACL(ctx); err != nil {
		return entries.Waiting, err
	}

	if err := c.proveClone(); err != nil {
		return entries.Waiting, err
	}

	switch c.dispositionOf() {
	case removal.Return:
		if err := c.restoreAssociation(ctx); err != nil || c.Status().NetworkACL.State != v1alpha1.CloneReady {
			return entries.Waiting, err
		}
		if c.hasOtherSubnets() {
			return entries.Waiting, c.leaveWithoutRules(ctx, c.inUseProblem())
		}
		return c.deleteClone(ctx)
	case removal.Adopt:
		return c.handOverToSubnet(ctx)
	case removal.Edited:
		return entries.Waiting, c.leaveWithoutRules(ctx, c.editedProblem())
	case removal.InUse:
		return entries.Waiting, c.leaveWithoutRules(ctx, c.inUseProblem())
	default:
		return c.deleteClone(ctx)
	}
}

// restoreAssociation moves the subnet from the clone to the original.
func (c *Clone) restoreAssociation(ctx context.Context) error {
	acl := c.Status().NetworkACL
	before := acl.State
	// Between the two until AWS answered: a run that is resumed reads where the subnet is.
	acl.State, acl.LastAttemptTime = v1alpha1.CloneAssociating, run.Stamp(c.Clock.Now())
	if err := c.Ledger.Persist(ctx); err != nil {
		return err
	}
	remover := removal.Remover{EC2: c.FencedOnRead().EC2, Read: c.LastACL(), Send: c.CallWithin}
	outcome, err := remover.ReturnSubnet(ctx, c.Object.Spec.SubnetID, acl.OriginalID)
	return c.recordMove(ctx, outcome, err, v1alpha1.CloneReady, before)
}

// deleteClone has AWS delete the clone, and its entries with it.
func (c *Clone) deleteClone(ctx context.Context) (entries.Progress, error) {
	id := c.Status().NetworkACL.ID
	if c.LastACL() == nil {
		// An id that reads lack says nothing in another account.
		if err := c.VerifyAccount(ctx); err != nil {
			return entries.Waiting, err
		}
		if found, err := c.findClone(ctx); err != nil {
			return entries.Waiting, err
		} else if found != "" && found != id {
			// An earlier clone was taken for it, or the id was edited.
			return entries.Waiting, errors.Join(c.disownClone(ctx, ""), c.recordCloneID(ctx, found))
		}
	}

	if err := c.retagClone(ctx); err != nil {
		return entries.Waiting, err
	}

	outcome, err := c.Remover(c.Fenced()).DeleteClone(context.WithoutCancel(ctx), id)
	switch outcome {
	case networkacl.InUse:
		return entries.Waiting, problem.Wait(v1alpha1.ReasonAWSUnavailable, "AWS does not delete clone %s yet, since a subnet is on it", id)
	case networkacl.Missing:
		return entries.Waiting, problem.Wait(v1alpha1.ReasonAWSUnavailable, "AWS says that clone %s does not exist, though a read just before showed it: it counts as deleted once reads no longer show it", id)
	}

	if outcome != networkacl.Done {
		return entries.Waiting, err
	}

	err = c.disownClone(ctx, "")
	if err == nil && len(c.Status().Rules) == 0 {
		return entries.Done, nil
	}
	return entries.Waiting, err
}

// disownClone writes down that the clone is no longer the run's.
func (c *Clone) disownClone(ctx context.Context, state v1alpha1.CloneState) error {
	return c.Ledger.Record(ctx, func(status *v1alpha1.AgentDisconnectStatus) {
		c.ForgetMissing()
		id := status.NetworkACL.ID
		status.Rules = slices.DeleteFunc(slices.Clone(status.Rules), func(l v1alpha1.Rule) bool { return l.NetworkACLID == id })
		status.NetworkACL.State, status.NetworkACL.CarryOver = state, nil
	})
}

// undoLeftoverLines undoes what a ledger still has after its clone went: only an edited status
// does.
func (c *Clone) undoLeftoverLines(ctx context.Context) (entries.Progress, error) {
	if len(c.Status().Rules) == 0 {
		return entries.Done, nil
	}

	observed, err := c.ReadEntriesToUndo(ctx)
	if err != nil {
		return entries.Waiting, err
	}
	return c.UndoLines(ctx, observed)
}
