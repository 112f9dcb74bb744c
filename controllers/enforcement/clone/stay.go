// SPDX-License-Identifier: Apache-2.0

package clone

import (
	"context"
	"errors"
	"fmt"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/enforcement/entries"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
)

// leaveWithoutRules takes the run's denies off a clone that stays, and says why it does.
func (c *Clone) leaveWithoutRules(ctx context.Context, why *problem.Problem) error {
	_, err := c.UndoLines(ctx, c.LastACL().Entries)
	// A third party that edits the clone may use the numbers of rules that are gone.
	return errors.Join(err, c.deadManSwitch.DisarmStale(ctx), why)
}

func (c *Clone) inUseProblem() *problem.Problem {
	others := c.LastACL().OtherSubnets(c.Object.Spec.SubnetID)
	return problem.Refuse(v1alpha1.ReasonCloneInUse, "%s on clone %s of the run, which is deleted when no subnet uses it: associate another network ACL (aws ec2 replace-network-acl-association)",
		problem.Subjects(others, "subnet", "is", "are"), c.Status().NetworkACL.ID)
}

func (c *Clone) editedProblem() *problem.Problem {
	acl := c.Status().NetworkACL
	if _, err := c.baseline(); err != nil {
		return problem.Explain(err)
	}
	return problem.Refuse(v1alpha1.ReasonCloneEdited, "a third party edited clone %s while it served subnet %s: %s. Restoring %s would lose that change: make the same change to %s%s, or revert it; the manager then does the rest",
		acl.ID, c.Object.Spec.SubnetID, describeEdits(c.findEdits()), acl.OriginalID, acl.OriginalID, c.describeRenumbering())
}

// describeRenumbering says how the numbers of outbound rules differ between clone and original,
// where they do.
func (c *Clone) describeRenumbering() string {
	copies, _ := c.baseline()
	for _, e := range copies {
		if by := e.Number - e.Entry.Number; e.Entry.Egress && by != 0 {
			return fmt.Sprintf(" (where outbound rules have other numbers: rule %d of the clone is rule %d there)", e.Number, e.Entry.Number)
		}
	}
	return ""
}

// handOverToSubnet leaves the clone to the subnet whose original is gone, without anything of the
// run.
func (c *Clone) handOverToSubnet(ctx context.Context) (entries.Progress, error) {
	if !c.ConfirmByReads("original gone") {
		return entries.Waiting, nil
	}

	if err := c.VerifyAccount(ctx); err != nil {
		return entries.Waiting, err // in another account everything is gone
	}

	if tags := c.LastACL().Tags; tags[ownership.TagAdopted] == c.adoptedTagValue() && tags[ownership.TagClone] == "" && len(c.Status().Rules) == 0 {
		return entries.DoneUnless(c.disownClone(ctx, v1alpha1.CloneAdopted)) // done before, and the answer was lost
	}

	if progress, err := c.UndoLines(ctx, c.LastACL().Entries); err != nil || progress == entries.Waiting {
		return entries.Waiting, err
	}

	if err := c.deadManSwitch.Disarm(ctx); err != nil {
		return entries.Waiting, err
	}

	id := c.Status().NetworkACL.ID
	if _, err := ec2acl.WriteTags(ctx, c.Fenced().EC2, id, map[string]string{ownership.TagAdopted: c.adoptedTagValue()}); err != nil {
		return entries.Waiting, err
	}

	if err := c.RemoveOwnershipTags(ctx, ownership.CloneKeys()...); err != nil {
		return entries.Waiting, err
	}
	return entries.DoneUnless(c.disownClone(ctx, v1alpha1.CloneAdopted))
}

// adoptedTagValue is the value of the tag that a clone has which stays: when the run began that
// made it.
func (c *Clone) adoptedTagValue() string {
	if start := c.Status().StartTime; start != nil {
		return start.UTC().Format(time.RFC3339)
	}
	return string(c.Object.UID) // the status was edited
}
