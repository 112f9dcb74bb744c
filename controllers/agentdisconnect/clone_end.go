// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

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
	// dispositionEdited: it serves the subnet with a third party's edit, which is not thrown away. The
	// denies go, and it stays until the edit is gone or stands in the original too.
	dispositionEdited
	// dispositionInUse: another subnet uses it. The denies go, and it stays until that one has
	// left.
	dispositionInUse
)

// dispositionOf decides by a read of both network ACLs.
func (s *scope) dispositionOf() disposition {
	clone, original, subnetID := s.seen.acl, s.seen.original, s.obj.Spec.SubnetID
	switch {
	case clone == nil:
		return dispositionDelete // AWS itself says whether it is there
	case !slices.Contains(clone.SubnetIDs, subnetID) && len(clone.SubnetIDs) > 0:
		return dispositionInUse
	case len(clone.SubnetIDs) == 0:
		return dispositionDelete
	case original == nil:
		return dispositionAdopt
	case s.acceptable() == nil || len(s.edits()) > 0:
		return dispositionEdited
	default:
		return dispositionReturn
	}
}

// undoClone takes a run's clone to its end, and reports whether nothing is left of the run.
func (r *Reconciler) undoClone(ctx context.Context, s *scope) (bool, error) {
	if err := r.verifyAccount(ctx, s); err != nil && !problem.Passes(err) {
		return false, err
	}
	acl := s.status().NetworkACL
	switch {
	case acl.State == "", acl.State == v1alpha1.CloneAdopted:
		// It is gone; unless the status was edited.
		if id, err := r.findClone(ctx, s); err != nil || id == "" {
			if err != nil {
				return false, err
			}
			return r.dropLines(ctx, s)
		} else if err := r.recordCloneID(ctx, s, id); err != nil {
			return false, err
		}
	case acl.ID == "":
		if left, err := r.findUnnamed(ctx, s); err != nil || !left {
			return !left && err == nil, err
		}
		if s.status().NetworkACL.ID == "" {
			return false, nil
		}
	}
	if err := r.readACL(ctx, s); err != nil {
		return false, err
	}
	if err := s.proveClone(); err != nil {
		return false, err
	}
	switch s.dispositionOf() {
	case dispositionReturn:
		if err := r.restoreAssociation(ctx, s); err != nil || s.status().NetworkACL.State != v1alpha1.CloneReady {
			return false, err
		}
		if len(otherSubnets(s.seen.acl, s.obj.Spec.SubnetID)) > 0 {
			return false, r.leave(ctx, s, s.cloneInUse())
		}
		return r.deleteClone(ctx, s)
	case dispositionAdopt:
		return r.adopt(ctx, s)
	case dispositionEdited:
		return false, r.leave(ctx, s, r.cloneEdited(s))
	case dispositionInUse:
		return false, r.leave(ctx, s, s.cloneInUse())
	default:
		return r.deleteClone(ctx, s)
	}
}

// restoreAssociation moves the subnet from the clone to the original.
func (r *Reconciler) restoreAssociation(ctx context.Context, s *scope) error {
	acl := s.status().NetworkACL
	before := acl.State
	// Between the two until AWS answered: a run that is resumed reads where the subnet is.
	acl.State, acl.LastAttemptTime = v1alpha1.CloneAssociating, run.Stamp(r.clock.Now())
	if err := s.ledger.Persist(ctx); err != nil {
		return err
	}
	return r.associate(ctx, s, s.seen.acl.Associations[s.obj.Spec.SubnetID], acl.OriginalID, v1alpha1.CloneReady, before)
}

// deleteClone has AWS delete the clone, and its entries with it.
func (r *Reconciler) deleteClone(ctx context.Context, s *scope) (bool, error) {
	id := s.status().NetworkACL.ID
	if s.seen.acl == nil {
		// An id that reads lack says nothing in another account.
		if err := r.verifyAccount(ctx, s); err != nil {
			return false, err
		}
		if found, err := r.findClone(ctx, s); err != nil {
			return false, err
		} else if found != "" && found != id {
			// An earlier clone was taken for it, or the id was edited.
			return false, errors.Join(r.noClone(ctx, s, ""), r.recordCloneID(ctx, s, found))
		}
	}
	if err := r.retagClone(ctx, s); err != nil {
		return false, err
	}
	missing := whereMissing(s.aclMissingForLong(r.clock.Now()))
	outcome, err := missing(ec2acl.DeleteACL(context.WithoutCancel(ctx), s.fenced().EC2, id))
	switch {
	case outcome == networkacl.InUse:
		return false, problem.Wait(v1alpha1.ReasonAWSUnavailable, "AWS does not delete clone %s yet, since a subnet is on it", id)
	case outcome == networkacl.Missing && s.showsACL():
		return false, problem.Wait(v1alpha1.ReasonAWSUnavailable, "AWS says that clone %s does not exist, though a read just before showed it: it counts as deleted once reads no longer show it", id)
	case !outcome.IsGone(s.showsACL()):
		return false, s.explainNotShown(err)
	}
	err = r.noClone(ctx, s, "")
	return err == nil && len(s.status().Rules) == 0, err
}

// noClone writes down that the clone is no longer the run's.
func (r *Reconciler) noClone(ctx context.Context, s *scope, state v1alpha1.CloneState) error {
	return s.ledger.Record(ctx, func(status *v1alpha1.AgentDisconnectStatus) {
		s.seen.aclMissing = time.Time{}
		id := status.NetworkACL.ID
		status.Rules = slices.DeleteFunc(slices.Clone(status.Rules), func(l v1alpha1.Rule) bool { return l.NetworkACLID == id })
		status.NetworkACL.State, status.NetworkACL.CarryOver = state, nil
	})
}

// dropLines undoes what a ledger still has after its clone went: only an edited status does.
func (r *Reconciler) dropLines(ctx context.Context, s *scope) (bool, error) {
	if len(s.status().Rules) == 0 {
		return true, nil
	}
	return r.undoEntries(ctx, s)
}

// leave takes the run's denies off a clone that stays, and says why it does.
func (r *Reconciler) leave(ctx context.Context, s *scope, why *problem.Problem) error {
	_, err := r.undoLines(ctx, s, s.seen.acl.Entries)
	// A third party that edits the clone may use the numbers of rules that are gone.
	return errors.Join(err, r.disarmStale(ctx, s), why)
}

func (s *scope) cloneInUse() *problem.Problem {
	others := otherSubnets(s.seen.acl, s.obj.Spec.SubnetID)
	return problem.Refuse(v1alpha1.ReasonCloneInUse, "%s on clone %s of the run, which is deleted when no subnet uses it: associate another network ACL (aws ec2 replace-network-acl-association)",
		problem.Subjects(others, "subnet", "is", "are"), s.status().NetworkACL.ID)
}

func (r *Reconciler) cloneEdited(s *scope) *problem.Problem {
	acl := s.status().NetworkACL
	if _, err := s.baseline(); err != nil {
		return problem.Explain(err)
	}
	return problem.Refuse(v1alpha1.ReasonCloneEdited, "a third party edited clone %s while it served subnet %s: %s. Restoring %s would lose that change: make the same change to %s%s, or revert it; the manager then does the rest",
		acl.ID, s.obj.Spec.SubnetID, describeEdits(s.edits()), acl.OriginalID, acl.OriginalID, s.numbersApart())
}

// numbersApart says how the numbers of outbound rules differ between clone and original, where they
// do.
func (s *scope) numbersApart() string {
	copies, _ := s.baseline()
	for _, c := range copies {
		if by := c.Number - c.Entry.Number; c.Entry.Egress && by != 0 {
			return fmt.Sprintf(" (where outbound rules have other numbers: rule %d of the clone is rule %d there)", c.Number, c.Entry.Number)
		}
	}
	return ""
}

// adopt leaves the clone to the subnet whose original is gone, without anything of the run.
func (r *Reconciler) adopt(ctx context.Context, s *scope) (bool, error) {
	if !s.seen.network.Observe("original gone", "", s.now) {
		return false, nil
	}
	if err := r.verifyAccount(ctx, s); err != nil {
		return false, err // in another account everything is gone
	}
	if tags := s.seen.acl.Tags; tags[ownership.TagAdopted] == s.adoptedTag() && tags[ownership.TagClone] == "" && len(s.status().Rules) == 0 {
		return true, r.noClone(ctx, s, v1alpha1.CloneAdopted) // done before, and the answer was lost
	}
	if done, err := r.undoLines(ctx, s, s.seen.acl.Entries); err != nil || !done {
		return false, err
	}
	if err := r.disarm(ctx, s); err != nil {
		return false, err
	}
	id := s.status().NetworkACL.ID
	if _, err := ec2acl.WriteTags(ctx, s.fenced().EC2, id, map[string]string{ownership.TagAdopted: s.adoptedTag()}); err != nil {
		return false, err
	}
	if err := r.removeOwnershipTags(ctx, s, ownership.CloneKeys()...); err != nil {
		return false, err
	}
	return true, r.noClone(ctx, s, v1alpha1.CloneAdopted)
}

// adoptedTag is the value of the tag that a clone has which stays: when the run began that made it.
func (s *scope) adoptedTag() string {
	if start := s.status().StartTime; start != nil {
		return start.UTC().Format(time.RFC3339)
	}
	return string(s.obj.UID) // the status was edited
}

// detachSubnet takes the subnet off the clone of a run that is suspended, and keeps the clone. What
// would end the run while it is on ends it here too.
func (r *Reconciler) detachSubnet(ctx context.Context, s *scope) error {
	acl := s.status().NetworkACL
	if acl.State != v1alpha1.CloneServing && acl.State != v1alpha1.CloneAssociating {
		return nil
	}
	if err := r.readACL(ctx, s); err != nil {
		return err
	}
	if err := s.proveClone(); err != nil {
		return err
	}
	if _, err := s.baseline(); err != nil {
		return err
	}
	s.noteServing()
	switch what := s.dispositionOf(); {
	case what == dispositionReturn:
		return r.restoreAssociation(ctx, s)
	case what != dispositionDelete && what != dispositionInUse:
	case s.sinceWrite() < networkacl.SettleFor:
		return nil // it was put there a moment ago, and may still show
	case acl.State == v1alpha1.CloneAssociating:
		acl.State = v1alpha1.CloneReady // it never was
		return s.ledger.Persist(ctx)
	}
	r.confirmDrift(s, nil)
	return nil
}

// cloneOddity says what is not as it should be with a clone that serves, beside what holds for
// every network ACL.
func (r *Reconciler) cloneOddity(s *scope) (reason, message string) {
	acl := s.status().NetworkACL
	switch edits := s.edits(); {
	case s.seen.original == nil && !s.seen.onSubnet(s.obj):
		return v1alpha1.AbortSubnetLeft, "subnet " + s.obj.Spec.SubnetID + " is no longer on network ACL " + acl.OriginalID + ", which was deleted"
	case s.seen.original == nil:
		return v1alpha1.AbortOriginalDeleted, "network ACL " + acl.OriginalID + ", which clone " + acl.ID + " was copied from, was deleted: the clone stays as the subnet's network ACL, without the run's rules"
	case len(edits) > 0:
		return v1alpha1.AbortCloneEdited, "a third party edited clone " + acl.ID + ": " + describeEdits(edits)
	}
	return "", ""
}
