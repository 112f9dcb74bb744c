// SPDX-License-Identifier: Apache-2.0

package clone

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

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

// SyncFromOriginal makes changes of the original to the clone while that serves, and never the
// other way: what they open at once, and what they close after they stood. A change that takes
// renumbering ends the run.
func (c *Clone) SyncFromOriginal(ctx context.Context) error {
	if c.seen.original == nil || c.LastACL() == nil {
		return nil
	}

	acl := c.Status().NetworkACL
	if acl.CarryOver != nil {
		// One at a time: what an earlier one began to write is no third party's edit only while it
		// is the one under way.
		under, err := parseCopies(acl.CarryOver)
		if err != nil {
			return err
		}
		return c.resumeSync(ctx, under)
	}

	wanted, ok := c.recopyOriginal()
	if !ok {
		return nil
	}

	c.seen.changed.Clear()
	c.Original.SetPending(false)
	if slices.Equal(clones.FormatCopies(wanted), acl.Baseline) {
		return nil
	}

	c.Original.Watch(c.Now)
	baseline, err := c.baseline()
	if err != nil {
		return err
	}

	valid, _ := ledger.Valid(c.Object)
	next := clones.Follow(baseline, wanted, c.Original.HasStood(), valid, run.Desired(c.Object), c.Quota.Value)
	if !slices.Equal(clones.FormatCopies(next), clones.FormatCopies(wanted)) {
		c.Original.SetPending(true)
	}

	if slices.Equal(clones.FormatCopies(next), acl.Baseline) {
		return nil // what it closes has not stood yet
	}
	return c.resumeSync(ctx, next)
}

// updateBaseline makes changes of the original part of what a clone is to have that doesn't serve:
// a step back would not be noticed. It is Waiting where the clone can't have them, as far as one
// read tells.
func (c *Clone) updateBaseline(ctx context.Context) ([]clones.Copy, entries.Progress, error) {
	if _, err := c.baseline(); err != nil {
		return nil, entries.Waiting, err
	}

	wanted, ok := c.recopyOriginal()
	if !ok {
		return nil, entries.Waiting, nil
	}

	c.seen.changed.Clear()
	c.Original.SetPending(false)

	lines := clones.FormatCopies(wanted)
	if acl := c.Status().NetworkACL; slices.Equal(lines, acl.Baseline) && acl.CarryOver == nil {
		return wanted, entries.Done, nil
	}

	return wanted, entries.Done, c.Ledger.Record(ctx, func(status *v1alpha1.AgentDisconnectStatus) {
		status.NetworkACL.Baseline, status.NetworkACL.CarryOver = lines, nil
	})
}

// recopyOriginal is what the clone is to have of the original as last read. It ends the run where
// that takes renumbering.
func (c *Clone) recopyOriginal() ([]clones.Copy, bool) {
	copies, err := c.baseline()
	if err != nil {
		return nil, false
	}

	valid, _ := ledger.Valid(c.Object)
	wanted, err := clones.Recopy(copies, c.seen.original.Entries, valid, run.Desired(c.Object), c.Quota.Value)
	if err != nil {
		acl := c.Status().NetworkACL
		what := fmt.Sprintf("network ACL %s was changed in a way that can't be copied to its clone %s", acl.OriginalID, acl.ID)
		if c.seen.changed.Observe(err.Error(), what, c.Now) {
			c.abortOriginalChanged(err.Error())
		}
		return nil, false
	}
	return wanted, true
}

// abortOriginalChanged ends the run since the clone can't have what the original has now.
func (c *Clone) abortOriginalChanged(why string) {
	acl := c.Status().NetworkACL
	c.Abort(v1alpha1.AbortOriginalChanged, "clone %s of network ACL %s: %s", acl.ID, acl.OriginalID, why)
}

// resumeSync writes down what the clone is to have, and then has AWS change it. That it has it is
// said when it was read back: until then, what it had before is no third party's.
func (c *Clone) resumeSync(ctx context.Context, wanted []clones.Copy) error {
	acl := c.Status().NetworkACL
	acl.CarryOver, acl.LastAttemptTime = clones.FormatCopies(wanted), run.Stamp(c.Clock.Now())
	if err := c.Ledger.Persist(ctx); err != nil {
		return err
	}

	if c.Phase != run.Active {
		return nil
	}

	c.Original.Watch(c.Now)
	valid, _ := ledger.Valid(c.Object)
	if err := c.applySync(ctx, wanted, valid); err != nil {
		if aws.HasCode(err, aws.CodeEntryLimitExceeded) {
			c.abortOriginalChanged(problem.Explain(err).Message)
			return nil
		}
		return err
	}

	if err := c.ReadACL(ctx); err != nil {
		return err
	}

	if c.LastACL() != nil && clones.Complete(wanted, valid, c.LastACL().Entries) {
		c.Status().NetworkACL.Baseline, c.Status().NetworkACL.CarryOver = clones.FormatCopies(wanted), nil
	}
	return nil
}

// applySync changes a clone that serves, one entry after the other, in an order that cuts nothing
// off in between.
func (c *Clone) applySync(ctx context.Context, wanted []clones.Copy, valid []v1alpha1.Rule) error {
	create, replace, remove := clones.CopySteps(wanted, valid, c.LastACL().Entries)
	steps := clones.InOrder(c.LastACL().Entries, create, replace, remove, c.Quota.Value)
	err := c.writeCopies(ctx, oneByOne(steps)...)
	if len(remove) > 0 && aws.HasCode(err, aws.CodeEntryLimitExceeded) {
		// There is no room beside what goes: AWS's quota is smaller than it was taken for.
		slices.SortStableFunc(steps, func(a, b clones.CopyStep) int { return cmp.Compare(isRemoval(b), isRemoval(a)) })
		err = c.writeCopies(ctx, oneByOne(steps)...)
	}
	return err
}

// isRemoval is 1 for a step that removes an entry, and else 0.
func isRemoval(step clones.CopyStep) int {
	if step.Verb == clones.StepRemove {
		return 1
	}
	return 0
}

// oneByOne makes the calls of steps one after the other.
func oneByOne(steps []clones.CopyStep) []copyStep {
	calls := map[clones.CopyVerb]copyCall{clones.StepCreate: ec2acl.CreateEntry, clones.StepReplace: ec2acl.ReplaceEntry, clones.StepRemove: ec2acl.DeleteEntry}
	all := make([]copyStep, 0, len(steps))
	for _, step := range steps {
		all = append(all, copyStep{calls[step.Verb], []networkacl.Entry{step.Entry}})
	}
	return all
}

// describeCarriedOver describes what the pass made to the clone since the original was changed;
// empty: nothing.
func (c *Clone) describeCarriedOver() string {
	before, after := c.First.NetworkACL, c.Status().NetworkACL
	if before == nil || after == nil || before.OriginalID != after.OriginalID || slices.Equal(before.Baseline, after.Baseline) {
		return ""
	}
	was, err := parseCopies(before.Baseline)
	is, err2 := parseCopies(after.Baseline)
	changes := clones.Differences(was, is)
	if err != nil || err2 != nil || len(changes) == 0 {
		return ""
	}
	return fmt.Sprintf("clone %s was updated from network ACL %s: %s", after.ID, after.OriginalID, strings.Join(changes, "; "))
}
