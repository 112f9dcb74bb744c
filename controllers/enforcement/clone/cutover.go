// SPDX-License-Identifier: Apache-2.0

package clone

import (
	"context"
	"errors"
	"slices"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/enforcement/entries"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/clones"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/original"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// Maintain brings the clone to serve its subnet, and then keeps the denies on it in force.
func (c *Clone) Maintain(ctx context.Context, valid []v1alpha1.Rule) error {
	switch {
	case !c.isServing() && !c.target.MaySpread():
		return nil // the clone would bring the denies to the subnet
	case !c.isServing():
		return c.Install(ctx)
	}
	return c.Entries.Maintain(ctx, valid)
}

// Install brings the clone to serve its subnet, as far as it gets in one pass: created, filled,
// checked by reading it back, swapped in, and the swap read back. Every step determines where the
// one before came to, and can be repeated from any point.
func (c *Clone) Install(ctx context.Context) error {
	ctx, cancel, _ := c.Within(ctx)
	defer cancel()
	return c.AbortIfQuotaExceeded(c.ignoreNewCloneLag(c.advanceClone(ctx)))
}

func (c *Clone) advanceClone(ctx context.Context) error {
	created := false
	if c.Status().NetworkACL.State == v1alpha1.CloneCreating {
		if err := c.createClone(ctx); err != nil || c.Status().NetworkACL.ID == "" {
			return err
		}
		created = true
	}

	if !created && !c.HasReadACL() {
		if err := c.ReadACL(ctx); err != nil {
			return err
		}
	}

	if progress, err := c.prepareClone(ctx, created); err != nil || progress == entries.Waiting {
		return err
	}

	if err := c.ReadACL(ctx); err != nil {
		return err
	}

	if !c.isComplete() {
		return nil // reads lag: the next one decides
	}

	if progress, err := c.checkMayServe(); err != nil || progress == entries.Waiting {
		return err
	}

	if err := c.moveSubnetToClone(ctx); err != nil || c.Status().NetworkACL.State != v1alpha1.CloneAssociating {
		return err
	}

	if err := c.ReadACL(ctx); err != nil {
		return err
	}

	c.noteServing()
	return nil
}

// ignoreNewCloneLag ends the run where the clone can't hold the rules, and forgives that AWS
// doesn't know a new clone everywhere yet.
func (c *Clone) ignoreNewCloneLag(failure error) error {
	if failure == nil {
		return nil
	}

	var rest []error
	for _, err := range problem.Flatten(failure) {
		_, noRoom := errors.AsType[*networkacl.NoRoomError](err)
		_, tooMany := errors.AsType[*networkacl.QuotaError](err)
		switch {
		case noRoom, tooMany:
			c.Abort(v1alpha1.AbortPlanDoesNotFit, "%s", err)
			return nil
		case !aws.HasCode(err, aws.CodeACLNotFound):
			rest = append(rest, err)
		}
	}
	return errors.Join(rest...)
}

// checkMayServe is Done once the clone may be put into service: it has what the original has, which
// has stood, and which does not cut the subnet off from what its agents use. It ends the run where
// the last does not hold.
func (c *Clone) checkMayServe() (entries.Progress, error) {
	wanted, ok := c.recopyOriginal()
	if !ok || !slices.Equal(clones.FormatCopies(wanted), c.Status().NetworkACL.Baseline) {
		return entries.Waiting, nil // the next pass makes the change to the clone
	}

	if unsettled := c.Original.CheckSettled(); unsettled != nil {
		return entries.Waiting, unsettled
	}

	if original.DeniesAgents(c.seen.original, run.Desired(c.Object), c.History.Polls.HasConnected()) {
		c.Abort(v1alpha1.AbortOriginalChanged, original.DeniesAgentsMessage+", so clone %s is not put into service", c.seen.original.ID, c.Status().NetworkACL.ID)
		return entries.Waiting, nil
	}
	return entries.Done, nil
}

// isComplete reports whether the clone, as last read, has all that it is to have before it may
// serve.
func (c *Clone) isComplete() bool {
	acl := c.LastACL()
	if acl == nil || c.seen.original == nil || c.Status().Abort != nil {
		return false
	}
	copies, err := c.baseline()
	valid, invalid := ledger.Valid(c.Object)
	alive := slices.DeleteFunc(slices.Clone(valid), func(l v1alpha1.Rule) bool { return l.State == v1alpha1.RuleDeleting })
	armable := run.DeadManSwitch(c.Status())
	return err == nil && invalid == nil && (armable == nil || armable.State == v1alpha1.SwitchArmed) && clones.Complete(copies, valid, acl.Entries) &&
		len(entries.LinesAtWork(alive, acl.Entries)) == len(alive) && len(c.OpenDestinations()) == 0
}

// moveSubnetToClone asks AWS to give the subnet the clone. That it serves is said when it was read
// back.
func (c *Clone) moveSubnetToClone(ctx context.Context) error {
	acl := c.Status().NetworkACL
	association := c.seen.original.Associations[c.Object.Spec.SubnetID]
	if association == "" || c.Phase != run.Active {
		return nil
	}

	before := acl.State
	acl.State, acl.LastAttemptTime = v1alpha1.CloneAssociating, run.Stamp(c.Clock.Now())
	if err := c.Ledger.Persist(ctx); err != nil {
		return err
	}

	outcome, err := c.CallWithin(ctx, func(ctx context.Context) (networkacl.Outcome, error) {
		return ec2acl.Associate(ctx, c.FencedOnRead().EC2, association, acl.ID)
	})
	return c.recordMove(ctx, outcome, err, v1alpha1.CloneAssociating, before)
}

// recordMove writes down what came of a move of the subnet: done where AWS acknowledged it, else
// refused where AWS did nothing.
func (c *Clone) recordMove(ctx context.Context, outcome networkacl.Outcome, err error, done, refused v1alpha1.CloneState) error {
	if aws.HasCode(err, aws.CodeACLNotFound) {
		err = nil // deleted meanwhile: the next read shows it
	}

	return errors.Join(err, c.Ledger.Record(ctx, func(status *v1alpha1.AgentDisconnectStatus) {
		switch outcome {
		case networkacl.Done:
			status.NetworkACL.State = done
		case networkacl.Refused:
			status.NetworkACL.State = refused
		}
	}))
}
