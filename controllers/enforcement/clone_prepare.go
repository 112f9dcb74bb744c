// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"context"
	"errors"
	"slices"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/clones"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/parallel"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// prepareClone fills the clone with what the original has, and with the run's denies. done says
// that there is nothing left to do in this pass.
func (e *Enforcement) prepareClone(ctx context.Context, created bool) (done bool, err error) {
	if e.Phase != run.Active {
		return true, nil
	}
	var entries []networkacl.Entry
	if !created {
		if err := e.proveClone(); err != nil {
			return true, err
		}
		if done, err := e.checkPlacement(ctx); done || err != nil {
			return true, err
		}
		entries = e.seen.acl.Entries
	}
	if e.seen.original == nil {
		return true, e.ReadACL(ctx) // a run that was taken over: the next pass knows more
	}
	copies, ok, err := e.adoptChanges(ctx)
	if err != nil || !ok {
		return true, err
	}
	if err := e.deadManSwitch.DisarmStale(ctx); err != nil {
		return true, err
	}
	valid, _ := ledger.Valid(e.Object)
	if !created {
		if err := e.deadManSwitch.ArmLeft(ctx, valid); err != nil {
			return true, err
		}
	}
	if !created {
		if err := e.removeUnneeded(ctx, valid); err != nil {
			return true, err
		}
		valid, _ = ledger.Valid(e.Object)
	}
	create, replace, remove := clones.CopySteps(copies, valid, entries)
	trouble := parallel.Do(
		func() error {
			return e.writeCopies(ctx, copyStep{ec2acl.DeleteEntry, remove}, copyStep{ec2acl.ReplaceEntry, replace}, copyStep{ec2acl.CreateEntry, create})
		},
		func() error { return e.permitClone(ctx) },
	)
	trouble = errors.Join(trouble, e.Create(ctx, e.lacking(valid, entries)))
	if len(create)+len(replace)+len(remove) == 0 && !created {
		// Not before: a new deny must not take the number of a copy that the read lacked.
		trouble = errors.Join(trouble, e.createMissing(ctx, valid, false))
	}
	return trouble != nil || e.Status().Abort != nil, trouble
}

// lacking are the lines whose entries a clone that doesn't serve has yet to get: those that AWS
// never acknowledged, and those that a third party removed unnoticed.
func (e *Enforcement) lacking(lines []v1alpha1.Rule, entries []networkacl.Entry) []v1alpha1.Rule {
	return slices.DeleteFunc(slices.Clone(lines), func(l v1alpha1.Rule) bool {
		_, taken := networkacl.At(entries, l.RuleNumber)
		lagging := l.State == v1alpha1.RuleInstalled && l.LastAttemptTime != nil && e.Now.Sub(l.LastAttemptTime.Time) < networkacl.SettleFor
		return taken || lagging || l.State == v1alpha1.RuleDeleting
	})
}

// checkPlacement looks at where the subnet is while the clone doesn't serve it yet: on the
// original, as it should be, or elsewhere. Reads that lag behind our own moves of it show it
// elsewhere too.
func (e *Enforcement) checkPlacement(ctx context.Context) (bool, error) {
	clone, acl, subnetID := e.seen.acl, e.Status().NetworkACL, e.Object.Spec.SubnetID
	onOriginal := e.seen.original != nil && slices.Contains(e.seen.original.SubnetIDs, subnetID)
	lagging := e.sinceWrite() < networkacl.SettleFor
	switch {
	case e.onSubnet():
		if acl.State != v1alpha1.CloneReady || !lagging {
			e.noteServing()
		}
		return true, nil
	case acl.State == v1alpha1.CloneAssociating && e.sinceWrite() < networkacl.ConfirmInterval:
		return true, nil // asked for just now
	case lagging && (clone == nil || !onOriginal):
		return true, nil
	case clone == nil:
		return true, e.recreateClone(ctx)
	case !onOriginal || len(clone.OtherSubnets(subnetID)) > 0 || len(e.edits()) > 0:
		e.confirmDrift(nil)
		return true, nil
	}
	e.seen.network.Clear()
	return false, nil
}

// recreateClone begins again with a clone that a third party deleted while it served no subnet.
// That it is gone is AWS's to say: reads may lack one that exists, which would then never be
// deleted.
func (e *Enforcement) recreateClone(ctx context.Context) error {
	if !e.seen.network.Observe("clone gone", "", e.Now) {
		return nil
	}
	if gone, err := e.deleteClone(ctx); err != nil || !gone {
		return err
	}
	return e.Ledger.Record(ctx, func(status *v1alpha1.AgentDisconnectStatus) {
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
func (e *Enforcement) writeCopies(ctx context.Context, steps ...copyStep) error {
	id, client := e.Status().NetworkACL.ID, e.fencedOnRead().EC2
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

// complete reports whether the clone, as last read, has all that it is to have before it may serve.
func (e *Enforcement) complete() bool {
	acl := e.seen.acl
	if acl == nil || e.seen.original == nil || e.Status().Abort != nil {
		return false
	}
	copies, err := e.baseline()
	valid, invalid := ledger.Valid(e.Object)
	alive := slices.DeleteFunc(slices.Clone(valid), func(l v1alpha1.Rule) bool { return l.State == v1alpha1.RuleDeleting })
	armable := run.DeadManSwitch(e.Status())
	return err == nil && invalid == nil && (armable == nil || armable.State == v1alpha1.SwitchArmed) && clones.Complete(copies, valid, acl.Entries) &&
		len(atWork(alive, acl.Entries)) == len(alive) && len(e.open()) == 0
}
