// SPDX-License-Identifier: Apache-2.0

package clone

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/enforcement/entries"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/clones"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// createClone has AWS create the clone, tagged from its creation on, and writes its id and the
// lines of its rules into the ledger.
func (c *Clone) createClone(ctx context.Context) error {
	copies, err := c.baseline()
	if err != nil {
		return err
	}

	plan, err := networkacl.NewPlan(networkacl.PlanInput{Desired: run.Desired(c.Object), Observed: clones.InClone(copies), Quota: c.Quota.Value})
	if err != nil {
		return err
	}

	acl := c.Status().NetworkACL
	tags := c.OwnershipTags(plan.Create)
	id, err := "", error(nil)
	if acl.LastAttemptTime != nil {
		// An earlier attempt may have made it, with other tags than would be asked for now.
		if id, err = c.findClone(ctx); err != nil {
			return err
		}
	}

	if id == "" {
		if id, err = c.requestClone(ctx, tags); err != nil {
			return err
		}
		c.NoteWrittenTags(tags)
	}

	c.ForgetACL()
	return c.Ledger.Record(ctx, func(status *v1alpha1.AgentDisconnectStatus) {
		status.NetworkACL.ID, status.NetworkACL.State = id, v1alpha1.CloneReady
		lines := slices.Clone(plan.Create)
		for i := range lines {
			lines[i].NetworkACLID = id
		}
		status.Rules = ledger.Attempted(lines, c.Clock.Now())
	})
}

// requestClone asks AWS for the clone, with a token that makes a repeat give the same one.
func (c *Clone) requestClone(ctx context.Context, tags map[string]string) (string, error) {
	acl := c.Status().NetworkACL
	earlier := acl.LastAttemptTime != nil
	acl.LastAttemptTime = run.Stamp(c.Clock.Now())
	if err := c.Ledger.Persist(ctx); err != nil {
		return "", err
	}

	token := fmt.Sprintf("%s.%d.%d", c.Object.UID, c.Status().StartTime.Unix(), acl.Attempt)
	id, outcome, err := ec2acl.CreateClone(ctx, c.Fenced().EC2, c.Status().Target.VPCID, token, tags)
	if aws.HasCode(err, aws.CodeTokenReused) {
		// An earlier request made it, with other tags; it is found by those once reads show it.
		return "", problem.Wait(v1alpha1.ReasonAWSUnavailable, "AWS accepted an earlier request to create the clone, and reads do not show the clone yet")
	}

	if outcome == networkacl.Refused && !earlier {
		err = errors.Join(err, c.Ledger.Record(ctx, func(status *v1alpha1.AgentDisconnectStatus) {
			status.NetworkACL.LastAttemptTime = nil // AWS answered the only attempt there ever was: it made nothing
		}))
	}
	return id, err
}

// checkPermissions asks AWS whether the clone may be kept up and deleted, before it serves a
// subnet. Conditions of IAM on its tags can't be asked about before it is there.
func (c *Clone) checkPermissions(ctx context.Context) error {
	id := c.Status().NetworkACL.ID
	_, err := c.Cache.Permitted.Get(c.Now, id, func() (bool, error) { return true, ec2acl.CheckClone(ctx, c.Fenced().EC2, id) })
	return err
}

// recreateClone begins again with a clone that a third party deleted while it served no subnet.
// That it is gone is AWS's to say: reads may lack one that exists, which would then never be
// deleted.
func (c *Clone) recreateClone(ctx context.Context) error {
	if !c.ConfirmByReads("clone gone") {
		return nil
	}

	if progress, err := c.deleteClone(ctx); err != nil || progress == entries.Waiting {
		return err
	}

	return c.Ledger.Record(ctx, func(status *v1alpha1.AgentDisconnectStatus) {
		acl := status.NetworkACL
		acl.ID, acl.State, acl.LastAttemptTime = "", v1alpha1.CloneCreating, nil
		acl.Attempt++
	})
}
