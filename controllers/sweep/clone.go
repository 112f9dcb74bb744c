// SPDX-License-Identifier: Apache-2.0

package sweep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/removal"
)

// soon is how long reads lag that lag as usual.
const soon = 5 * time.Second

// undoClone undoes a network ACL that a run made.
func (a *undoRun) undoClone(ctx context.Context, acl *networkacl.ACL, claim ownership.Claim) error {
	originals, err := ec2acl.ReadAll(ctx, a.clients.EC2, originalsOf([]*networkacl.ACL{acl})...)
	if err != nil {
		return err
	}

	original := originals[acl.Tags[ownership.TagOriginal]]
	disposition, problem := dispositionFor(acl, claim, original)
	switch disposition {
	case removal.Delete:
		// One without its original may have been adopted since: its subnets' owners have it now.
		if original == nil && !a.confirmed() {
			return nil
		}
		return a.deleteClone(ctx, acl)
	case removal.Return:
		return a.restoreAssociation(ctx, acl, original)
	case removal.Adopt:
		return a.adopt(ctx, acl, claim, problem)
	case removal.Edited, removal.InUse:
		return a.removeDenies(ctx, acl, claim, problem)
	default:
		a.noteLeft(problem)
		return nil
	}
}

// restoreAssociation moves the subnet from the clone to the original, and deletes the clone. Between
// the two it reads once more, as the controller does not: the tags alone prove that the clone is the
// run's, and a third party may have changed it or them meanwhile.
func (a *undoRun) restoreAssociation(ctx context.Context, clone, original *networkacl.ACL) error {
	subnet := clone.Tags[ownership.TagSubnet]
	outcome, err := a.remover(clone).ReturnSubnet(ctx, subnet, original.ID)
	switch {
	case err != nil:
		return err
	case outcome == networkacl.Stale:
		a.noteWait(a.clock.Now().Add(soon), "subnet %s was moved from clone %s just now: sweep again", subnet, clone.ID)
		return nil
	}

	a.noteDone("associated subnet %s with network ACL %s again", subnet, original.ID)
	again, claim, err := a.read(ctx)
	if err != nil || claim == nil {
		return err
	}

	switch {
	case len(without(again.SubnetIDs, subnet)) > 0:
		return a.removeDenies(ctx, again, *claim, explainInUse(again))
	case !accountedFor(again, *claim, original):
		a.noteLeft(fmt.Sprintf("a third party edited clone %s just now: sweep again", clone.ID))
		return nil
	}
	return a.deleteClone(ctx, again)
}

// deleteClone deletes a clone that serves no subnet, and then its schedules: by then their rules are
// gone for certain.
func (a *undoRun) deleteClone(ctx context.Context, clone *networkacl.ACL) error {
	id := clone.ID
	outcome, err := a.remover(clone).DeleteClone(ctx, id)
	switch {
	case err != nil:
		return err
	case outcome == networkacl.InUse:
		a.noteWait(a.clock.Now().Add(soon), "AWS does not delete clone %s yet, since a subnet is on it: sweep again", id)
		return nil
	case outcome != networkacl.Done:
		a.noteWait(a.clock.Now().Add(soon), "AWS says that clone %s does not exist, though a read just before showed it: sweep again", id)
		return nil
	}

	a.noteDone("deleted clone %s", id)
	if a.lift {
		a.result.Done = true
		return nil
	}

	all, unseen := a.listSchedules(ctx) // one about what is gone deletes nothing, and then itself
	if unseen != nil {
		all = a.f.armed // those that were there when it was found
	}

	err = a.deleteSchedules(ctx, all, func(armed) bool { return true })
	if a.result.Done = err == nil; unseen != nil && len(all) == 0 {
		a.result.Done = false
		a.leaveUnseen(unseen)
	}
	return err
}

// removeDenies takes the denies off a clone that stays.
func (a *undoRun) removeDenies(ctx context.Context, acl *networkacl.ACL, claim ownership.Claim, why string) error {
	_, err := a.deleteEntries(ctx, acl, claim)
	if err == nil {
		err = a.unscheduleGone(ctx, claim)
	}
	a.noteLeft(why)
	return err
}

// adopt leaves the clone to the subnets whose original is gone, without anything of the run.
func (a *undoRun) adopt(ctx context.Context, acl *networkacl.ACL, claim ownership.Claim, why string) error {
	// The original was there when the run began: by then all reads show it, unless it was made just
	// before.
	if sure := claim.Started.Add(networkacl.AmbiguousFor); a.clock.Now().Before(sure) {
		a.noteWait(sure, "reads do not show network ACL %s, the original of clone %s: sweep again at %s", acl.Tags[ownership.TagOriginal], acl.ID, sure.Format(time.RFC3339))
		return nil
	}

	settled, err := a.deleteEntries(ctx, acl, claim)
	if err == nil {
		err = a.unscheduleGone(ctx, claim)
	}

	switch {
	case err != nil:
		return err
	case !settled || a.lift:
		a.noteLeft(why)
		return nil
	}

	acl, again, err := a.read(ctx)
	if err != nil || again == nil {
		return err
	}

	if settled, err = a.deleteEntries(ctx, acl, *again); err != nil || !settled {
		return err
	}

	adopted := map[string]string{ownership.TagAdopted: claim.Started.UTC().Format(time.RFC3339)}
	if _, err := ec2acl.WriteTags(ctx, a.fencedOnRead().EC2, acl.ID, adopted); err != nil {
		return err
	}

	keys := slices.Concat(ownership.TagKeys(a.f.UID), ownership.CloneKeys())
	if err := a.removeTags(ctx, acl, keys); err != nil {
		return err
	}

	a.noteLeft(why)
	a.result.Done = true
	return nil
}

// unscheduleGone deletes the schedules for rules of a clone that are gone for certain: a person who
// edits the clone may use the numbers.
func (a *undoRun) unscheduleGone(ctx context.Context, claim ownership.Claim) error {
	if a.lift {
		return nil
	}

	all, unseen := a.listSchedules(ctx)
	err := a.deleteSchedules(ctx, all, func(s armed) bool {
		return !slices.ContainsFunc(claim.Rules, func(r ownership.ClaimedRule) bool {
			return r.Number == s.number && !a.removed.IsGone(a.claimOf(r, claim), a.clock.Now())
		})
	})
	if unseen != nil && aws.Classify(unseen) != aws.Denied {
		return errors.Join(err, unseen) // it passes
	}

	if unseen != nil {
		a.leaveUnseen(unseen)
	}
	return err
}

// leaveUnseen says that there may be schedules which could not be read.
func (a *undoRun) leaveUnseen(why error) {
	a.noteLeft(fmt.Sprintf("schedules of the dead man's switch were not read (%s): if the run had one, delete those named agd.%s.*", aws.Message(why), a.f.UID))
}
