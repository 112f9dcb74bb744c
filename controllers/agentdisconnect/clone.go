// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

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
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// cloned reports whether the run's rules are on a clone.
func (s *scope) cloned() bool {
	acl := s.status().NetworkACL
	return acl != nil && acl.Mode == v1alpha1.NetworkACLModeClone
}

// isCutOver reports whether the rules act on the subnet: those on a clone do once the subnet was
// seen on it.
func (s *scope) isCutOver() bool {
	return !s.cloned() || s.status().NetworkACL.State == v1alpha1.CloneServing
}

// cutOver brings the clone to serve its subnet, as far as it gets in one pass: created, filled,
// checked by reading it back, swapped in, and the swap read back. Every step determines where the
// one before came to, and can be repeated from any point.
func (r *Reconciler) cutOver(ctx context.Context, s *scope) error {
	ctx, cancel, _ := r.within(ctx, s)
	defer cancel()
	return s.ignoreNewCloneLag(r.advanceClone(ctx, s))
}

func (r *Reconciler) advanceClone(ctx context.Context, s *scope) error {
	created := false
	if s.status().NetworkACL.State == v1alpha1.CloneCreating {
		if err := r.createClone(ctx, s); err != nil || s.status().NetworkACL.ID == "" {
			return err
		}
		created = true
	}
	if !created && !s.aclRead {
		if err := r.readACL(ctx, s); err != nil {
			return err
		}
	}
	if done, err := r.prepareClone(ctx, s, created); err != nil || done {
		return err
	}
	if err := r.readACL(ctx, s); err != nil {
		return err
	}
	if !s.complete() {
		return nil // reads lag: the next one decides
	}
	if ready, err := r.mayServe(s); err != nil || !ready {
		return err
	}
	if err := r.swap(ctx, s); err != nil || s.status().NetworkACL.State != v1alpha1.CloneAssociating {
		return err
	}
	if err := r.readACL(ctx, s); err != nil {
		return err
	}
	s.noteServing()
	return nil
}

// ignoreNewCloneLag ends the run where the clone can't hold the rules, and forgives that AWS
// doesn't know a new clone everywhere yet.
func (s *scope) ignoreNewCloneLag(trouble error) error {
	if trouble == nil {
		return nil
	}
	var rest []error
	for _, err := range problem.Flatten(trouble) {
		_, noRoom := errors.AsType[*networkacl.NoRoomError](err)
		_, tooMany := errors.AsType[*networkacl.QuotaError](err)
		switch {
		case noRoom, tooMany:
			s.abort(v1alpha1.AbortPlanDoesNotFit, "%s", err)
			return nil
		case !aws.HasCode(err, aws.CodeACLNotFound):
			rest = append(rest, err)
		}
	}
	return errors.Join(rest...)
}

// noteServing notes that the subnet was seen on the clone.
func (s *scope) noteServing() {
	if acl := s.status().NetworkACL; acl.State != v1alpha1.CloneServing && s.seen.onSubnet(s.obj) {
		acl.State = v1alpha1.CloneServing
	}
}

// createClone has AWS create the clone, tagged from its creation on, and writes its id and the
// lines of its rules into the ledger.
func (r *Reconciler) createClone(ctx context.Context, s *scope) error {
	copies, err := s.baseline()
	if err != nil {
		return err
	}
	plan, err := networkacl.NewPlan(networkacl.PlanInput{Desired: run.Desired(s.obj), Observed: networkacl.InClone(copies), Quota: s.quota.value})
	if err != nil {
		return err
	}
	acl := s.status().NetworkACL
	tags := r.cloneTags(s, plan.Create)
	id, err := "", error(nil)
	if acl.LastAttemptTime != nil {
		// An earlier attempt may have made it, with other tags than would be asked for now.
		if id, err = r.findClone(ctx, s); err != nil {
			return err
		}
	}
	if id == "" {
		if id, err = r.askForClone(ctx, s, tags); err != nil {
			return err
		}
		s.seen.tags = tags
	}
	s.seen.acl = nil
	return s.ledger.Record(ctx, func(status *v1alpha1.AgentDisconnectStatus) {
		status.NetworkACL.ID, status.NetworkACL.State = id, v1alpha1.CloneReady
		lines := slices.Clone(plan.Create)
		for i := range lines {
			lines[i].NetworkACLID = id
		}
		status.Rules = ledger.Attempted(lines, r.clock.Now())
	})
}

// askForClone asks AWS for the clone, with a token that makes a repeat give the same one.
func (r *Reconciler) askForClone(ctx context.Context, s *scope, tags map[string]string) (string, error) {
	acl := s.status().NetworkACL
	earlier := acl.LastAttemptTime != nil
	acl.LastAttemptTime = run.Stamp(r.clock.Now())
	if err := s.ledger.Persist(ctx); err != nil {
		return "", err
	}
	token := fmt.Sprintf("%s.%d.%d", s.obj.UID, s.status().StartTime.Unix(), acl.Attempt)
	id, outcome, err := ec2acl.CreateClone(ctx, s.fenced().EC2, s.status().Target.VPCID, token, tags)
	if aws.HasCode(err, aws.CodeTokenReused) {
		// An earlier request made it, with other tags; it is found by those once reads show it.
		return "", problem.Wait(v1alpha1.ReasonAWSUnavailable, "AWS accepted an earlier request to create the clone, and reads do not show the clone yet")
	}
	if outcome == networkacl.Refused && !earlier {
		err = errors.Join(err, s.ledger.Record(ctx, func(status *v1alpha1.AgentDisconnectStatus) {
			status.NetworkACL.LastAttemptTime = nil // AWS answered the only attempt there ever was: it made nothing
		}))
	}
	return id, err
}

// permitClone asks AWS whether the clone may be kept up and deleted, before it serves a subnet.
// Conditions of IAM on its tags can't be asked about before it is there.
func (r *Reconciler) permitClone(ctx context.Context, s *scope) error {
	id := s.status().NetworkACL.ID
	_, err := s.seen.cache.Permitted.Get(s.now, id, func() (bool, error) { return true, ec2acl.CheckClone(ctx, s.fenced().EC2, id) })
	return err
}

// swap asks AWS to give the subnet the clone. That it serves is said when it was read back.
func (r *Reconciler) swap(ctx context.Context, s *scope) error {
	acl := s.status().NetworkACL
	association := s.seen.original.Associations[s.obj.Spec.SubnetID]
	if association == "" || s.phase != run.Active {
		return nil
	}
	before := acl.State
	acl.State, acl.LastAttemptTime = v1alpha1.CloneAssociating, run.Stamp(r.clock.Now())
	if err := s.ledger.Persist(ctx); err != nil {
		return err
	}
	return r.associate(ctx, s, association, acl.ID, v1alpha1.CloneAssociating, before)
}

// associate moves the subnet, and writes down what came of it: done where AWS acknowledged, else
// where it refused.
func (r *Reconciler) associate(ctx context.Context, s *scope, association, aclID string, done, refused v1alpha1.CloneState) error {
	bounded, cancel, over := r.within(context.WithoutCancel(ctx), s)
	defer cancel()
	outcome, err := networkacl.Refused, error(nil)
	if !over && ctx.Err() == nil {
		outcome, err = ec2acl.Associate(bounded, s.fencedOnRead().EC2, association, aclID)
	}
	if aws.HasCode(err, aws.CodeACLNotFound) {
		err = nil // deleted meanwhile: the next read shows it
	}
	return errors.Join(err, s.ledger.Record(ctx, func(status *v1alpha1.AgentDisconnectStatus) {
		switch outcome {
		case networkacl.Done:
			status.NetworkACL.State = done
		case networkacl.Refused:
			status.NetworkACL.State = refused
		}
	}))
}

// baseline is what the clone was copied from, as the status has it.
func (s *scope) baseline() ([]networkacl.Copy, error) {
	return parseCopies(s.status().NetworkACL.Baseline)
}

func parseCopies(lines []string) ([]networkacl.Copy, error) {
	copies, err := networkacl.ParseCopies(lines)
	if err != nil {
		return nil, problem.Refuse(v1alpha1.ReasonLedgerInvalid, "status.networkACL was edited: %v. The manager does not change the clone until the field is restored (kubectl edit --subresource=status)", err)
	}
	return copies, nil
}

// sinceWrite is how long ago AWS was last asked to change the clone.
func (s *scope) sinceWrite() time.Duration {
	if at := s.status().NetworkACL.LastAttemptTime; at != nil {
		return s.now.Sub(at.Time)
	}
	return networkacl.AmbiguousFor // only a person writes such a status: take it as long ago
}
