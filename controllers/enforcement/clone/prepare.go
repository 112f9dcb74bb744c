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
	"agentdisconnect.dev/agentdisconnect/controllers/parallel"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// prepareClone fills the clone with what the original has, and with the run's denies. It is Done
// when the clone is to be read back.
func (c *Clone) prepareClone(ctx context.Context, created bool) (entries.Progress, error) {
	if c.Phase != run.Active {
		return entries.Waiting, nil
	}

	var observed []networkacl.Entry
	if !created {
		if err := c.proveClone(); err != nil {
			return entries.Waiting, err
		}
		if progress, err := c.checkPlacement(ctx); progress == entries.Waiting || err != nil {
			return entries.Waiting, err
		}
		observed = c.LastACL().Entries
	}

	if c.seen.original == nil {
		return entries.Waiting, c.ReadACL(ctx) // a run that was taken over: the next pass knows more
	}

	copies, progress, err := c.updateBaseline(ctx)
	if err != nil || progress == entries.Waiting {
		return entries.Waiting, err
	}

	if err := c.deadManSwitch.DisarmStale(ctx); err != nil {
		return entries.Waiting, err
	}

	valid, _ := ledger.Valid(c.Object)
	if !created {
		if err := c.deadManSwitch.ArmLeft(ctx, valid); err != nil {
			return entries.Waiting, err
		}
		if err := c.DeleteUnneeded(ctx, valid); err != nil {
			return entries.Waiting, err
		}
		valid, _ = ledger.Valid(c.Object)
	}

	create, replace, remove := clones.CopySteps(copies, valid, observed)
	failure := parallel.Do(
		func() error {
			return c.writeCopies(ctx, copyStep{ec2acl.DeleteEntry, remove}, copyStep{ec2acl.ReplaceEntry, replace}, copyStep{ec2acl.CreateEntry, create})
		},
		func() error { return c.checkPermissions(ctx) },
	)
	failure = errors.Join(failure, c.CreateEntries(ctx, c.linesToCreate(valid, observed)))
	if len(create)+len(replace)+len(remove) == 0 && !created {
		// Not before: a new deny must not take the number of a copy that the read lacked.
		failure = errors.Join(failure, c.CreateMissing(ctx, valid, entries.InSync))
	}

	if failure != nil || c.Status().Abort != nil {
		return entries.Waiting, failure
	}
	return entries.Done, nil
}

// linesToCreate are the lines whose entries a clone that doesn't serve has yet to get: those that
// AWS never acknowledged, and those that a third party removed unnoticed.
func (c *Clone) linesToCreate(lines []v1alpha1.Rule, observed []networkacl.Entry) []v1alpha1.Rule {
	return slices.DeleteFunc(slices.Clone(lines), func(l v1alpha1.Rule) bool {
		_, taken := networkacl.At(observed, l.RuleNumber)
		lagging := l.State == v1alpha1.RuleInstalled && l.LastAttemptTime != nil && c.Now.Sub(l.LastAttemptTime.Time) < networkacl.SettleFor
		return taken || lagging || l.State == v1alpha1.RuleDeleting
	})
}

// checkPlacement looks at where the subnet is while the clone doesn't serve it yet: on the
// original, as it should be, or elsewhere. Reads that lag behind our own moves of it show it
// elsewhere too.
func (c *Clone) checkPlacement(ctx context.Context) (entries.Progress, error) {
	clone, acl, subnetID := c.LastACL(), c.Status().NetworkACL, c.Object.Spec.SubnetID
	onOriginal := c.seen.original != nil && slices.Contains(c.seen.original.SubnetIDs, subnetID)
	lagging := c.sinceLastAttempt() < networkacl.SettleFor
	switch {
	case c.IsOnSubnet():
		if acl.State != v1alpha1.CloneReady || !lagging {
			c.noteServing()
		}
		return entries.Waiting, nil
	case acl.State == v1alpha1.CloneAssociating && c.sinceLastAttempt() < networkacl.ConfirmInterval:
		return entries.Waiting, nil // asked for just now
	case lagging && (clone == nil || !onOriginal):
		return entries.Waiting, nil
	case clone == nil:
		return entries.Waiting, c.recreateClone(ctx)
	case !onOriginal || c.hasOtherSubnets() || len(c.findEdits()) > 0:
		c.ConfirmDrift(nil)
		return entries.Waiting, nil
	}

	c.ForgetDrift()
	return entries.Done, nil
}

// copyCall is a kind of change to an entry of a clone, copyStep one with the entries that it is
// made to.
type copyCall func(context.Context, aws.FencedEC2, string, networkacl.Entry) (networkacl.Outcome, error)

type copyStep struct {
	call    copyCall
	entries []networkacl.Entry
}

// writeCopies changes copied entries of the clone, one step after the other, the entries of a step
// side by side. The next read shows the effect.
func (c *Clone) writeCopies(ctx context.Context, steps ...copyStep) error {
	id, client := c.Status().NetworkACL.ID, c.FencedOnRead().EC2
	for _, step := range steps {
		var calls []func() error
		for _, entry := range step.entries {
			calls = append(calls, func() error {
				_, err := step.call(ctx, client, id, entry)
				if aws.HasCode(err, aws.CodeEntryNotFound) {
					return nil // gone meanwhile: the next read shows it
				}
				return err
			})
		}
		if err := parallel.Do(calls...); err != nil {
			return err
		}
	}
	return nil
}
