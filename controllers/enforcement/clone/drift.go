// SPDX-License-Identifier: Apache-2.0

package clone

import (
	"fmt"
	"slices"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/enforcement/entries"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// FindDrift says what is not as it should be with subnet, clone, original and rules, as they were
// last read.
func (c *Clone) FindDrift(valid []v1alpha1.Rule) entries.Drift {
	if drift := c.findAssociationDrift(); drift.Reason != "" {
		return drift
	}
	if c.LastACL() == nil {
		return entries.Drift{} // a read that lags
	}
	if drift := c.findCloneDrift(); drift.Reason != "" || !c.isServing() {
		return drift
	}
	return c.FindRuleDrift(valid)
}

// findAssociationDrift says that the subnet is no longer where it should be, or that another one is
// on the clone.
func (c *Clone) findAssociationDrift() entries.Drift {
	clone, place := c.LastACL(), c.LastACL()
	if !c.isServing() {
		place = c.seen.original // it goes to the clone from there
	}

	lagging := c.sinceLastAttempt() < networkacl.SettleFor && c.Phase == run.Active
	if lagging && (clone == nil || place != nil && !slices.Contains(place.SubnetIDs, c.Object.Spec.SubnetID)) {
		return entries.Drift{} // a read that lags behind our own move of the subnet
	}

	if drift := c.FindAssociationDrift(place); drift.Reason != "" {
		return drift
	}
	return c.FindOtherSubnets()
}

// findCloneDrift says what is not as it should be with a clone that serves, beside what holds for
// every network ACL.
func (c *Clone) findCloneDrift() entries.Drift {
	acl := c.Status().NetworkACL
	switch edits := c.findEdits(); {
	case c.seen.original == nil && !c.IsOnSubnet():
		return entries.Drift{Reason: v1alpha1.AbortSubnetLeft, Message: "subnet " + c.Object.Spec.SubnetID + " is no longer on network ACL " + acl.OriginalID + ", which was deleted"}
	case c.seen.original == nil:
		return entries.Drift{Reason: v1alpha1.AbortOriginalDeleted, Message: "network ACL " + acl.OriginalID + ", which clone " + acl.ID + " was copied from, was deleted: the clone stays as the subnet's network ACL, without the run's rules"}
	case len(edits) > 0:
		return entries.Drift{Reason: v1alpha1.AbortCloneEdited, Message: "a third party edited clone " + acl.ID + ": " + describeEdits(edits)}
	}
	return entries.Drift{}
}

// Readings are what the reads of clone and original came to.
func (c *Clone) Readings() entries.Readings {
	readings := c.ReadingsWith(&c.seen.changed)
	readings.Unconfirmed = readings.Unconfirmed || c.Original.IsWatched()
	readings.Suspected = append(c.suspectedDisplacement(), readings.Suspected...)
	readings.CarriedOver = c.describeCarriedOver()
	return readings
}

// suspectedDisplacement is that the subnet is not on the clone that it was given, as long as a read
// may lag behind that.
func (c *Clone) suspectedDisplacement() []string {
	acl := c.Status().NetworkACL
	if !c.isServing() || c.IsOnSubnet() || c.sinceLastAttempt() >= networkacl.SettleFor {
		return nil
	}
	what := fmt.Sprintf("subnet %s was moved from clone %s to another network ACL", c.Object.Spec.SubnetID, acl.ID)
	if c.LastACL() == nil {
		what = "clone " + acl.ID + " was deleted"
	}
	return []string{problem.Undecided(what, acl.LastAttemptTime.Add(networkacl.SettleFor))}
}
