// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/clones"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// IsCutOver reports whether the rules act on the subnet: those on a clone do once the subnet was
// seen on it.
func (e *Enforcement) IsCutOver() bool {
	return !e.IsCloned() || e.Status().NetworkACL.State == v1alpha1.CloneServing
}

// CutOver brings the clone to serve its subnet, as far as it gets in one pass: created, filled,
// checked by reading it back, swapped in, and the swap read back. Every step determines where the
// one before came to, and can be repeated from any point.
func (e *Enforcement) CutOver(ctx context.Context) error {
	ctx, cancel, _ := e.Within(ctx)
	defer cancel()
	return e.ignoreNewCloneLag(e.advanceClone(ctx))
}

func (e *Enforcement) advanceClone(ctx context.Context) error {
	created := false
	if e.Status().NetworkACL.State == v1alpha1.CloneCreating {
		if err := e.createClone(ctx); err != nil || e.Status().NetworkACL.ID == "" {
			return err
		}
		created = true
	}
	if !created && !e.aclRead {
		if err := e.ReadACL(ctx); err != nil {
			return err
		}
	}
	if done, err := e.prepareClone(ctx, created); err != nil || done {
		return err
	}
	if err := e.ReadACL(ctx); err != nil {
		return err
	}
	if !e.complete() {
		return nil // reads lag: the next one decides
	}
	if ready, err := e.mayServe(); err != nil || !ready {
		return err
	}
	if err := e.swap(ctx); err != nil || e.Status().NetworkACL.State != v1alpha1.CloneAssociating {
		return err
	}
	if err := e.ReadACL(ctx); err != nil {
		return err
	}
	e.noteServing()
	return nil
}

// ignoreNewCloneLag ends the run where the clone can't hold the rules, and forgives that AWS
// doesn't know a new clone everywhere yet.
func (e *Enforcement) ignoreNewCloneLag(trouble error) error {
	if trouble == nil {
		return nil
	}
	var rest []error
	for _, err := range problem.Flatten(trouble) {
		_, noRoom := errors.AsType[*networkacl.NoRoomError](err)
		_, tooMany := errors.AsType[*networkacl.QuotaError](err)
		switch {
		case noRoom, tooMany:
			e.Abort(v1alpha1.AbortPlanDoesNotFit, "%s", err)
			return nil
		case !aws.HasCode(err, aws.CodeACLNotFound):
			rest = append(rest, err)
		}
	}
	return errors.Join(rest...)
}

// noteServing notes that the subnet was seen on the clone.
func (e *Enforcement) noteServing() {
	if acl := e.Status().NetworkACL; acl.State != v1alpha1.CloneServing && e.onSubnet() {
		acl.State = v1alpha1.CloneServing
	}
}

// createClone has AWS create the clone, tagged from its creation on, and writes its id and the
// lines of its rules into the ledger.
func (e *Enforcement) createClone(ctx context.Context) error {
	copies, err := e.baseline()
	if err != nil {
		return err
	}
	plan, err := networkacl.NewPlan(networkacl.PlanInput{Desired: run.Desired(e.Object), Observed: clones.InClone(copies), Quota: e.Quota.Value})
	if err != nil {
		return err
	}
	acl := e.Status().NetworkACL
	tags := e.cloneTags(plan.Create)
	id, err := "", error(nil)
	if acl.LastAttemptTime != nil {
		// An earlier attempt may have made it, with other tags than would be asked for now.
		if id, err = e.findClone(ctx); err != nil {
			return err
		}
	}
	if id == "" {
		if id, err = e.askForClone(ctx, tags); err != nil {
			return err
		}
		e.seen.tags = tags
	}
	e.seen.acl = nil
	return e.Ledger.Record(ctx, func(status *v1alpha1.AgentDisconnectStatus) {
		status.NetworkACL.ID, status.NetworkACL.State = id, v1alpha1.CloneReady
		lines := slices.Clone(plan.Create)
		for i := range lines {
			lines[i].NetworkACLID = id
		}
		status.Rules = ledger.Attempted(lines, e.Clock.Now())
	})
}

// askForClone asks AWS for the clone, with a token that makes a repeat give the same one.
func (e *Enforcement) askForClone(ctx context.Context, tags map[string]string) (string, error) {
	acl := e.Status().NetworkACL
	earlier := acl.LastAttemptTime != nil
	acl.LastAttemptTime = run.Stamp(e.Clock.Now())
	if err := e.Ledger.Persist(ctx); err != nil {
		return "", err
	}
	token := fmt.Sprintf("%s.%d.%d", e.Object.UID, e.Status().StartTime.Unix(), acl.Attempt)
	id, outcome, err := ec2acl.CreateClone(ctx, e.Fenced().EC2, e.Status().Target.VPCID, token, tags)
	if aws.HasCode(err, aws.CodeTokenReused) {
		// An earlier request made it, with other tags; it is found by those once reads show it.
		return "", problem.Wait(v1alpha1.ReasonAWSUnavailable, "AWS accepted an earlier request to create the clone, and reads do not show the clone yet")
	}
	if outcome == networkacl.Refused && !earlier {
		err = errors.Join(err, e.Ledger.Record(ctx, func(status *v1alpha1.AgentDisconnectStatus) {
			status.NetworkACL.LastAttemptTime = nil // AWS answered the only attempt there ever was: it made nothing
		}))
	}
	return id, err
}

// permitClone asks AWS whether the clone may be kept up and deleted, before it serves a subnet.
// Conditions of IAM on its tags can't be asked about before it is there.
func (e *Enforcement) permitClone(ctx context.Context) error {
	id := e.Status().NetworkACL.ID
	_, err := e.Cache.Permitted.Get(e.Now, id, func() (bool, error) { return true, ec2acl.CheckClone(ctx, e.Fenced().EC2, id) })
	return err
}

// swap asks AWS to give the subnet the clone. That it serves is said when it was read back.
func (e *Enforcement) swap(ctx context.Context) error {
	acl := e.Status().NetworkACL
	association := e.seen.original.Associations[e.Object.Spec.SubnetID]
	if association == "" || e.Phase != run.Active {
		return nil
	}
	before := acl.State
	acl.State, acl.LastAttemptTime = v1alpha1.CloneAssociating, run.Stamp(e.Clock.Now())
	if err := e.Ledger.Persist(ctx); err != nil {
		return err
	}
	return e.associate(ctx, association, acl.ID, v1alpha1.CloneAssociating, before)
}

// associate moves the subnet, and writes down what came of it: done where AWS acknowledged, else
// where it refused.
func (e *Enforcement) associate(ctx context.Context, association, aclID string, done, refused v1alpha1.CloneState) error {
	bounded, cancel, over := e.Within(context.WithoutCancel(ctx))
	defer cancel()
	outcome, err := networkacl.Refused, error(nil)
	if !over && ctx.Err() == nil {
		outcome, err = ec2acl.Associate(bounded, e.fencedOnRead().EC2, association, aclID)
	}
	if aws.HasCode(err, aws.CodeACLNotFound) {
		err = nil // deleted meanwhile: the next read shows it
	}
	return errors.Join(err, e.Ledger.Record(ctx, func(status *v1alpha1.AgentDisconnectStatus) {
		switch outcome {
		case networkacl.Done:
			status.NetworkACL.State = done
		case networkacl.Refused:
			status.NetworkACL.State = refused
		}
	}))
}

// baseline is what the clone was copied from, as the status has it.
func (e *Enforcement) baseline() ([]clones.Copy, error) {
	return parseCopies(e.Status().NetworkACL.Baseline)
}

func parseCopies(lines []string) ([]clones.Copy, error) {
	copies, err := clones.ParseCopies(lines)
	if err != nil {
		return nil, problem.Refuse(v1alpha1.ReasonLedgerInvalid, "status.networkACL was edited: %v. The manager does not change the clone until the field is restored (kubectl edit --subresource=status)", err)
	}
	return copies, nil
}

// sinceWrite is how long ago AWS was last asked to change the clone.
func (e *Enforcement) sinceWrite() time.Duration {
	if at := e.Status().NetworkACL.LastAttemptTime; at != nil {
		return e.Now.Sub(at.Time)
	}
	return networkacl.AmbiguousFor // only a person writes such a status: take it as long ago
}
