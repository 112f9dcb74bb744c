// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"errors"
	"slices"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// prepareClone fills the clone with what the original has, and with the run's denies. done says
// that there is nothing left to do in this pass.
func (r *Reconciler) prepareClone(ctx context.Context, s *scope, created bool) (done bool, err error) {
	if s.phase != run.Active {
		return true, nil
	}
	var entries []networkacl.Entry
	if !created {
		if err := s.proveClone(); err != nil {
			return true, err
		}
		if done, err := r.checkPlacement(ctx, s); done || err != nil {
			return true, err
		}
		entries = s.seen.acl.Entries
	}
	if s.seen.original == nil {
		return true, r.readACL(ctx, s) // a run that was taken over: the next pass knows more
	}
	copies, ok, err := r.adoptChanges(ctx, s)
	if err != nil || !ok {
		return true, err
	}
	if err := r.disarmStale(ctx, s); err != nil {
		return true, err
	}
	valid, _ := ledger.Valid(s.obj)
	if !created {
		if err := r.armLeft(ctx, s, valid); err != nil {
			return true, err
		}
	}
	if !created {
		if err := r.removeUnneeded(ctx, s, valid); err != nil {
			return true, err
		}
		valid, _ = ledger.Valid(s.obj)
	}
	create, replace, remove := networkacl.CopySteps(copies, valid, entries)
	trouble := together(
		func() error {
			return r.writeCopies(ctx, s, copyStep{ec2acl.DeleteEntry, remove}, copyStep{ec2acl.ReplaceEntry, replace}, copyStep{ec2acl.CreateEntry, create})
		},
		func() error { return r.permitClone(ctx, s) },
	)
	trouble = errors.Join(trouble, r.create(ctx, s, s.lacking(valid, entries)))
	if len(create)+len(replace)+len(remove) == 0 && !created {
		// Not before: a new deny must not take the number of a copy that the read lacked.
		trouble = errors.Join(trouble, r.createMissing(ctx, s, valid, false))
	}
	return trouble != nil || s.status().Abort != nil, trouble
}

// lacking are the lines whose entries a clone that doesn't serve has yet to get: those that AWS
// never acknowledged, and those that a third party removed unnoticed.
func (s *scope) lacking(lines []v1alpha1.Rule, entries []networkacl.Entry) []v1alpha1.Rule {
	return slices.DeleteFunc(slices.Clone(lines), func(l v1alpha1.Rule) bool {
		_, taken := networkacl.At(entries, l.RuleNumber)
		lagging := l.State == v1alpha1.RuleInstalled && l.LastAttemptTime != nil && s.now.Sub(l.LastAttemptTime.Time) < networkacl.SettleFor
		return taken || lagging || l.State == v1alpha1.RuleDeleting
	})
}

// checkPlacement looks at where the subnet is while the clone doesn't serve it yet: on the
// original, as it should be, or elsewhere. Reads that lag behind our own moves of it show it
// elsewhere too.
func (r *Reconciler) checkPlacement(ctx context.Context, s *scope) (bool, error) {
	clone, acl, subnetID := s.seen.acl, s.status().NetworkACL, s.obj.Spec.SubnetID
	onOriginal := s.seen.original != nil && slices.Contains(s.seen.original.SubnetIDs, subnetID)
	lagging := s.sinceWrite() < networkacl.SettleFor
	switch {
	case s.seen.onSubnet(s.obj):
		if acl.State != v1alpha1.CloneReady || !lagging {
			s.noteServing()
		}
		return true, nil
	case acl.State == v1alpha1.CloneAssociating && s.sinceWrite() < networkacl.ConfirmInterval:
		return true, nil // asked for just now
	case lagging && (clone == nil || !onOriginal):
		return true, nil
	case clone == nil:
		return true, r.recreateClone(ctx, s)
	case !onOriginal || len(otherSubnets(clone, subnetID)) > 0 || len(s.edits()) > 0:
		r.confirmDrift(s, nil)
		return true, nil
	}
	s.seen.network.Clear()
	return false, nil
}

// recreateClone begins again with a clone that a third party deleted while it served no subnet. That it is
// gone is AWS's to say: reads may lack one that exists, which would then never be deleted.
func (r *Reconciler) recreateClone(ctx context.Context, s *scope) error {
	if !s.seen.network.Observe("clone gone", "", s.now) {
		return nil
	}
	if gone, err := r.deleteClone(ctx, s); err != nil || !gone {
		return err
	}
	return s.ledger.Record(ctx, func(status *v1alpha1.AgentDisconnectStatus) {
		acl := status.NetworkACL
		acl.ID, acl.State, acl.LastAttemptTime = "", v1alpha1.CloneCreating, nil
		acl.Attempt++
	})
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
func (r *Reconciler) writeCopies(ctx context.Context, s *scope, steps ...copyStep) error {
	id, client := s.status().NetworkACL.ID, s.fencedOnRead().EC2
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
		if err := together(calls...); err != nil {
			return err
		}
	}
	return nil
}

// complete reports whether the clone, as last read, has all that it is to have before it may serve.
func (s *scope) complete() bool {
	acl := s.seen.acl
	if acl == nil || s.seen.original == nil || s.status().Abort != nil {
		return false
	}
	copies, err := s.baseline()
	valid, invalid := ledger.Valid(s.obj)
	alive := slices.DeleteFunc(slices.Clone(valid), func(l v1alpha1.Rule) bool { return l.State == v1alpha1.RuleDeleting })
	armable := run.DeadManSwitch(s.status())
	return err == nil && invalid == nil && (armable == nil || armable.State == v1alpha1.SwitchArmed) && networkacl.Complete(copies, valid, acl.Entries) &&
		len(atWork(alive, acl.Entries)) == len(alive) && len(s.seen.open(s.obj)) == 0
}
