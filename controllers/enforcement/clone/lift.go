// SPDX-License-Identifier: Apache-2.0

package clone

import (
	"context"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/removal"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// Lift takes the rules away from the subnet. The clone is kept, for resuming.
func (c *Clone) Lift(ctx context.Context) error {
	if run.IsLifted(c.Status()) {
		return c.keepLifted(ctx)
	}

	c.WithdrawRulesInstalled()
	err := c.detachSubnet(ctx)
	if err == nil && run.IsLifted(c.Status()) {
		c.ForgetEnforced()
		c.seen.unnamed.Clear()
	}
	return err
}

// keepLifted looks from time to time whether a clone that serves no subnet still does: a move whose
// answer was lost may show late, and a third party may give it to another subnet. It has the denies
// still, so that ends the run as it would without the suspension.
func (c *Clone) keepLifted(ctx context.Context) error {
	acl := c.Status().NetworkACL
	if acl.ID == "" || c.Now.Sub(c.ReadAt()) < c.Options.ACLPollInterval && !c.hasOtherSubnets() {
		return nil
	}

	if err := c.ReadACL(ctx); err != nil {
		return err
	}

	switch {
	case c.hasOtherSubnets():
		if err := c.CheckClaim(); err != nil {
			return err
		}
		return c.suspectOtherSubnets()
	case c.IsOnSubnet() && c.sinceLastAttempt() >= networkacl.ConfirmInterval:
		acl.State = v1alpha1.CloneAssociating
		return c.detachSubnet(ctx)
	}
	c.ForgetDrift()
	return nil
}

// hasOtherSubnets reports whether the clone as last read serves other subnets than the run's.
func (c *Clone) hasOtherSubnets() bool {
	return c.LastACL() != nil && len(c.LastACL().OtherSubnets(c.Object.Spec.SubnetID)) > 0
}

// suspectOtherSubnets ends the run when two reads agree that the clone serves other subnets, and
// says so until then.
func (c *Clone) suspectOtherSubnets() error {
	drift := c.FindOtherSubnets()
	if c.Confirm(drift); c.Status().Abort != nil {
		return nil
	}
	return problem.Wait(drift.Reason, "%s: if another read shows the same, the run ends", drift.Message)
}

// detachSubnet takes the subnet off the clone of a run that is suspended, and keeps the clone. What
// would end the run while it is on ends it here too.
func (c *Clone) detachSubnet(ctx context.Context) error {
	acl := c.Status().NetworkACL
	if acl.State != v1alpha1.CloneServing && acl.State != v1alpha1.CloneAssociating {
		return nil
	}

	if err := c.ReadACL(ctx); err != nil {
		return err
	}

	if err := c.proveClone(); err != nil {
		return err
	}

	if _, err := c.baseline(); err != nil {
		return err
	}

	c.noteServing()
	switch what := c.dispositionOf(); {
	case what == removal.Return:
		return c.restoreAssociation(ctx)
	case c.hasOtherSubnets():
		return c.suspectOtherSubnets()
	case what != removal.Delete:
	case c.sinceLastAttempt() < networkacl.SettleFor:
		return nil // it was put there a moment ago, and may still show
	case acl.State == v1alpha1.CloneAssociating:
		acl.State = v1alpha1.CloneReady // it never was
		return c.Ledger.Persist(ctx)
	}

	c.ConfirmDrift(nil)
	return nil
}
