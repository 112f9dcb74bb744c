// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// disposition is what becomes of a clone.
type disposition int

const (
	// dispositionDelete: nothing uses it.
	dispositionDelete disposition = iota
	// dispositionReturn: it serves the subnet, which gets its original back.
	dispositionReturn
	// dispositionAdopt: it serves the subnet, and there is no original to give back. It stays,
	// without anything of the run.
	dispositionAdopt
	// dispositionEdited: it serves the subnet with a third party's edit, which is not thrown away.
	// The denies go, and it stays until the edit is gone or stands in the original too.
	dispositionEdited
	// dispositionInUse: another subnet uses it. The denies go, and it stays until that one has
	// left.
	dispositionInUse
)

// dispositionOf decides by a read of both network ACLs.
func (e *Enforcement) dispositionOf() disposition {
	clone, original, subnetID := e.seen.acl, e.seen.original, e.Object.Spec.SubnetID
	switch {
	case clone == nil:
		return dispositionDelete // AWS itself says whether it is there
	case !slices.Contains(clone.SubnetIDs, subnetID) && len(clone.SubnetIDs) > 0:
		return dispositionInUse
	case len(clone.SubnetIDs) == 0:
		return dispositionDelete
	case original == nil:
		return dispositionAdopt
	case e.acceptable() == nil || len(e.edits()) > 0:
		return dispositionEdited
	default:
		return dispositionReturn
	}
}

// undoClone takes a run's clone to its end, and reports whether nothing is left of the run.
func (e *Enforcement) undoClone(ctx context.Context) (bool, error) {
	if err := e.VerifyAccount(ctx); err != nil && !problem.Passes(err) {
		return false, err
	}
	acl := e.Status().NetworkACL
	switch {
	case acl.State == "", acl.State == v1alpha1.CloneAdopted:
		// It is gone; unless the status was edited.
		if id, err := e.findClone(ctx); err != nil || id == "" {
			if err != nil {
				return false, err
			}
			return e.dropLines(ctx)
		} else if err := e.recordCloneID(ctx, id); err != nil {
			return false, err
		}
	case acl.ID == "":
		if left, err := e.findUnnamed(ctx); err != nil || !left {
			return !left && err == nil, err
		}
		if e.Status().NetworkACL.ID == "" {
			return false, nil
		}
	}
	if err := e.ReadACL(ctx); err != nil {
		return false, err
	}
	if err := e.proveClone(); err != nil {
		return false, err
	}
	switch e.dispositionOf() {
	case dispositionReturn:
		if err := e.restoreAssociation(ctx); err != nil || e.Status().NetworkACL.State != v1alpha1.CloneReady {
			return false, err
		}
		if len(e.seen.acl.OtherSubnets(e.Object.Spec.SubnetID)) > 0 {
			return false, e.leave(ctx, e.cloneInUse())
		}
		return e.deleteClone(ctx)
	case dispositionAdopt:
		return e.adopt(ctx)
	case dispositionEdited:
		return false, e.leave(ctx, e.cloneEdited())
	case dispositionInUse:
		return false, e.leave(ctx, e.cloneInUse())
	default:
		return e.deleteClone(ctx)
	}
}

// restoreAssociation moves the subnet from the clone to the original.
func (e *Enforcement) restoreAssociation(ctx context.Context) error {
	acl := e.Status().NetworkACL
	before := acl.State
	// Between the two until AWS answered: a run that is resumed reads where the subnet is.
	acl.State, acl.LastAttemptTime = v1alpha1.CloneAssociating, run.Stamp(e.Clock.Now())
	if err := e.Ledger.Persist(ctx); err != nil {
		return err
	}
	return e.associate(ctx, e.seen.acl.Associations[e.Object.Spec.SubnetID], acl.OriginalID, v1alpha1.CloneReady, before)
}

// deleteClone has AWS delete the clone, and its entries with it.
func (e *Enforcement) deleteClone(ctx context.Context) (bool, error) {
	id := e.Status().NetworkACL.ID
	if e.seen.acl == nil {
		// An id that reads lack says nothing in another account.
		if err := e.VerifyAccount(ctx); err != nil {
			return false, err
		}
		if found, err := e.findClone(ctx); err != nil {
			return false, err
		} else if found != "" && found != id {
			// An earlier clone was taken for it, or the id was edited.
			return false, errors.Join(e.noClone(ctx, ""), e.recordCloneID(ctx, found))
		}
	}
	if err := e.retagClone(ctx); err != nil {
		return false, err
	}
	missing := whereMissing(e.aclMissingForLong(e.Clock.Now()))
	outcome, err := missing(ec2acl.DeleteACL(context.WithoutCancel(ctx), e.Fenced().EC2, id))
	switch {
	case outcome == networkacl.InUse:
		return false, problem.Wait(v1alpha1.ReasonAWSUnavailable, "AWS does not delete clone %s yet, since a subnet is on it", id)
	case outcome == networkacl.Missing && e.showsACL():
		return false, problem.Wait(v1alpha1.ReasonAWSUnavailable, "AWS says that clone %s does not exist, though a read just before showed it: it counts as deleted once reads no longer show it", id)
	case !outcome.IsGone(e.showsACL()):
		return false, e.explainNotShown(err)
	}
	err = e.noClone(ctx, "")
	return err == nil && len(e.Status().Rules) == 0, err
}

// noClone writes down that the clone is no longer the run's.
func (e *Enforcement) noClone(ctx context.Context, state v1alpha1.CloneState) error {
	return e.Ledger.Record(ctx, func(status *v1alpha1.AgentDisconnectStatus) {
		e.seen.aclMissing = time.Time{}
		id := status.NetworkACL.ID
		status.Rules = slices.DeleteFunc(slices.Clone(status.Rules), func(l v1alpha1.Rule) bool { return l.NetworkACLID == id })
		status.NetworkACL.State, status.NetworkACL.CarryOver = state, nil
	})
}

// dropLines undoes what a ledger still has after its clone went: only an edited status does.
func (e *Enforcement) dropLines(ctx context.Context) (bool, error) {
	if len(e.Status().Rules) == 0 {
		return true, nil
	}
	return e.undoEntries(ctx)
}

// leave takes the run's denies off a clone that stays, and says why it does.
func (e *Enforcement) leave(ctx context.Context, why *problem.Problem) error {
	_, err := e.undoLines(ctx, e.seen.acl.Entries)
	// A third party that edits the clone may use the numbers of rules that are gone.
	return errors.Join(err, e.deadManSwitch.DisarmStale(ctx), why)
}

func (e *Enforcement) cloneInUse() *problem.Problem {
	others := e.seen.acl.OtherSubnets(e.Object.Spec.SubnetID)
	return problem.Refuse(v1alpha1.ReasonCloneInUse, "%s on clone %s of the run, which is deleted when no subnet uses it: associate another network ACL (aws ec2 replace-network-acl-association)",
		problem.Subjects(others, "subnet", "is", "are"), e.Status().NetworkACL.ID)
}

func (e *Enforcement) cloneEdited() *problem.Problem {
	acl := e.Status().NetworkACL
	if _, err := e.baseline(); err != nil {
		return problem.Explain(err)
	}
	return problem.Refuse(v1alpha1.ReasonCloneEdited, "a third party edited clone %s while it served subnet %s: %s. Restoring %s would lose that change: make the same change to %s%s, or revert it; the manager then does the rest",
		acl.ID, e.Object.Spec.SubnetID, describeEdits(e.edits()), acl.OriginalID, acl.OriginalID, e.numbersApart())
}

// numbersApart says how the numbers of outbound rules differ between clone and original, where they
// do.
func (e *Enforcement) numbersApart() string {
	copies, _ := e.baseline()
	for _, c := range copies {
		if by := c.Number - c.Entry.Number; c.Entry.Egress && by != 0 {
			return fmt.Sprintf(" (where outbound rules have other numbers: rule %d of the clone is rule %d there)", c.Number, c.Entry.Number)
		}
	}
	return ""
}

// adopt leaves the clone to the subnet whose original is gone, without anything of the run.
func (e *Enforcement) adopt(ctx context.Context) (bool, error) {
	if !e.seen.network.Observe("original gone", "", e.Now) {
		return false, nil
	}
	if err := e.VerifyAccount(ctx); err != nil {
		return false, err // in another account everything is gone
	}
	if tags := e.seen.acl.Tags; tags[ownership.TagAdopted] == e.adoptedTag() && tags[ownership.TagClone] == "" && len(e.Status().Rules) == 0 {
		return true, e.noClone(ctx, v1alpha1.CloneAdopted) // done before, and the answer was lost
	}
	if done, err := e.undoLines(ctx, e.seen.acl.Entries); err != nil || !done {
		return false, err
	}
	if err := e.deadManSwitch.Disarm(ctx); err != nil {
		return false, err
	}
	id := e.Status().NetworkACL.ID
	if _, err := ec2acl.WriteTags(ctx, e.Fenced().EC2, id, map[string]string{ownership.TagAdopted: e.adoptedTag()}); err != nil {
		return false, err
	}
	if err := e.removeOwnershipTags(ctx, ownership.CloneKeys()...); err != nil {
		return false, err
	}
	return true, e.noClone(ctx, v1alpha1.CloneAdopted)
}

// adoptedTag is the value of the tag that a clone has which stays: when the run began that made it.
func (e *Enforcement) adoptedTag() string {
	if start := e.Status().StartTime; start != nil {
		return start.UTC().Format(time.RFC3339)
	}
	return string(e.Object.UID) // the status was edited
}

// detachSubnet takes the subnet off the clone of a run that is suspended, and keeps the clone. What
// would end the run while it is on ends it here too.
func (e *Enforcement) detachSubnet(ctx context.Context) error {
	acl := e.Status().NetworkACL
	if acl.State != v1alpha1.CloneServing && acl.State != v1alpha1.CloneAssociating {
		return nil
	}
	if err := e.ReadACL(ctx); err != nil {
		return err
	}
	if err := e.proveClone(); err != nil {
		return err
	}
	if _, err := e.baseline(); err != nil {
		return err
	}
	e.noteServing()
	switch what := e.dispositionOf(); {
	case what == dispositionReturn:
		return e.restoreAssociation(ctx)
	case what != dispositionDelete && what != dispositionInUse:
	case e.sinceWrite() < networkacl.SettleFor:
		return nil // it was put there a moment ago, and may still show
	case acl.State == v1alpha1.CloneAssociating:
		acl.State = v1alpha1.CloneReady // it never was
		return e.Ledger.Persist(ctx)
	}
	e.confirmDrift(nil)
	return nil
}

// cloneOddity says what is not as it should be with a clone that serves, beside what holds for
// every network ACL.
func (e *Enforcement) cloneOddity() (reason, message string) {
	acl := e.Status().NetworkACL
	switch edits := e.edits(); {
	case e.seen.original == nil && !e.onSubnet():
		return v1alpha1.AbortSubnetLeft, "subnet " + e.Object.Spec.SubnetID + " is no longer on network ACL " + acl.OriginalID + ", which was deleted"
	case e.seen.original == nil:
		return v1alpha1.AbortOriginalDeleted, "network ACL " + acl.OriginalID + ", which clone " + acl.ID + " was copied from, was deleted: the clone stays as the subnet's network ACL, without the run's rules"
	case len(edits) > 0:
		return v1alpha1.AbortCloneEdited, "a third party edited clone " + acl.ID + ": " + describeEdits(edits)
	}
	return "", ""
}
