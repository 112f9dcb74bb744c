// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/clones"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// syncFromOriginal makes changes of the original to the clone while that serves, and never the
// other way: what they open at once, and what they close after they stood. A change that takes
// renumbering ends the run.
func (e *Enforcement) syncFromOriginal(ctx context.Context) error {
	if !e.IsCloned() || e.seen.original == nil || e.seen.acl == nil {
		return nil
	}
	acl := e.Status().NetworkACL
	if acl.CarryOver != nil {
		// One at a time: what an earlier one began to write is no third party's edit only while it
		// is the one under way.
		under, err := parseCopies(acl.CarryOver)
		if err != nil {
			return err
		}
		return e.resumeSync(ctx, under)
	}
	wanted, ok := e.recopied()
	if !ok {
		return nil
	}
	e.seen.changed.Clear()
	e.Original.SetPending(false)
	if slices.Equal(clones.FormatCopies(wanted), acl.Baseline) {
		return nil
	}
	e.Original.Watch(e.Now)
	baseline, err := e.baseline()
	if err != nil {
		return err
	}
	valid, _ := ledger.Valid(e.Object)
	next := clones.Follow(baseline, wanted, e.Original.HasStood(), valid, run.Desired(e.Object), e.Quota.Value)
	if !slices.Equal(clones.FormatCopies(next), clones.FormatCopies(wanted)) {
		e.Original.SetPending(true)
	}
	if slices.Equal(clones.FormatCopies(next), acl.Baseline) {
		return nil // what it closes has not stood yet
	}
	return e.resumeSync(ctx, next)
}

// adoptChanges makes changes of the original part of what a clone is to have that doesn't serve:
// a step back would not be noticed. ok is false where the clone can't have them, as far as one read
// tells.
func (e *Enforcement) adoptChanges(ctx context.Context) (wanted []clones.Copy, ok bool, err error) {
	if _, err := e.baseline(); err != nil {
		return nil, false, err
	}
	if wanted, ok = e.recopied(); !ok {
		return nil, false, nil
	}
	e.seen.changed.Clear()
	e.Original.SetPending(false)
	lines := clones.FormatCopies(wanted)
	if acl := e.Status().NetworkACL; slices.Equal(lines, acl.Baseline) && acl.CarryOver == nil {
		return wanted, true, nil
	}
	return wanted, true, e.Ledger.Record(ctx, func(status *v1alpha1.AgentDisconnectStatus) {
		status.NetworkACL.Baseline, status.NetworkACL.CarryOver = lines, nil
	})
}

// recopied is what the clone is to have of the original as last read. It ends the run where that
// takes renumbering.
func (e *Enforcement) recopied() ([]clones.Copy, bool) {
	copies, err := e.baseline()
	if err != nil {
		return nil, false
	}
	valid, _ := ledger.Valid(e.Object)
	wanted, err := clones.Recopy(copies, e.seen.original.Entries, valid, run.Desired(e.Object), e.Quota.Value)
	if err != nil {
		acl := e.Status().NetworkACL
		what := fmt.Sprintf("network ACL %s was changed in a way that can't be copied to its clone %s", acl.OriginalID, acl.ID)
		if e.seen.changed.Observe(err.Error(), what, e.Now) {
			e.cantFollow(err.Error())
		}
		return nil, false
	}
	return wanted, true
}

// cantFollow ends the run since the clone can't have what the original has now.
func (e *Enforcement) cantFollow(why string) {
	acl := e.Status().NetworkACL
	e.Abort(v1alpha1.AbortOriginalChanged, "clone %s of network ACL %s: %s", acl.ID, acl.OriginalID, why)
}

// resumeSync writes down what the clone is to have, and then has AWS change it. That it has it is
// said when it was read back: until then, what it had before is no third party's.
func (e *Enforcement) resumeSync(ctx context.Context, wanted []clones.Copy) error {
	acl := e.Status().NetworkACL
	acl.CarryOver, acl.LastAttemptTime = clones.FormatCopies(wanted), run.Stamp(e.Clock.Now())
	if err := e.Ledger.Persist(ctx); err != nil {
		return err
	}
	if e.Phase != run.Active {
		return nil
	}
	e.Original.Watch(e.Now)
	valid, _ := ledger.Valid(e.Object)
	if err := e.applySync(ctx, wanted, valid); err != nil {
		if aws.HasCode(err, aws.CodeEntryLimitExceeded) {
			e.cantFollow(problem.Explain(err).Message)
			return nil
		}
		return err
	}
	if err := e.ReadACL(ctx); err != nil {
		return err
	}
	if e.seen.acl != nil && clones.Complete(wanted, valid, e.seen.acl.Entries) {
		e.Status().NetworkACL.Baseline, e.Status().NetworkACL.CarryOver = clones.FormatCopies(wanted), nil
	}
	return nil
}

// applySync changes a clone that serves, one entry after the other, in an order that cuts nothing
// off in between.
func (e *Enforcement) applySync(ctx context.Context, wanted []clones.Copy, valid []v1alpha1.Rule) error {
	create, replace, remove := clones.CopySteps(wanted, valid, e.seen.acl.Entries)
	steps := clones.InOrder(e.seen.acl.Entries, create, replace, remove, e.Quota.Value)
	err := e.writeCopies(ctx, oneByOne(steps)...)
	if len(remove) > 0 && aws.HasCode(err, aws.CodeEntryLimitExceeded) {
		// There is no room beside what goes: AWS's quota is smaller than it was taken for.
		slices.SortStableFunc(steps, func(a, b clones.CopyStep) int { return cmp.Compare(isRemoval(b), isRemoval(a)) })
		err = e.writeCopies(ctx, oneByOne(steps)...)
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

// edits are what a third party did to the clone. What is lacking counts only once reads can't be
// lagging behind our own writes; what only a third party can have written counts at once. In a
// clone that doesn't serve, copies are repaired, and what they were before is not needed: only an
// entry at a rule's number counts.
func (e *Enforcement) edits() []clones.Edit {
	acceptable := e.acceptable()
	if acceptable == nil || e.seen.acl == nil {
		return nil
	}
	valid, _ := ledger.Valid(e.Object)
	serves, settled := e.onSubnet(), e.sinceWrite() >= networkacl.SettleFor
	if serves && !settled && e.Phase == run.Active {
		return nil // reads that lag show our own earlier entries; nothing is given up while the run is on
	}
	return slices.DeleteFunc(clones.Edits(acceptable, valid, e.seen.acl.Entries), func(e clones.Edit) bool {
		if !serves {
			return !slices.ContainsFunc(valid, func(l v1alpha1.Rule) bool { return e.Entry.Egress && l.RuleNumber == e.Entry.Number })
		}
		return e.Missing && !settled
	})
}

// acceptable are the sets of copies that a clone may have: what it was last made to be, what it is
// being made to be, and what the original is now.
func (e *Enforcement) acceptable() [][]clones.Copy {
	acl := e.Status().NetworkACL
	copies, err := e.baseline()
	if err != nil {
		return nil
	}
	sets := [][]clones.Copy{copies}
	if acl.CarryOver != nil {
		if under, err := parseCopies(acl.CarryOver); err == nil {
			sets = append(sets, under)
		}
	}
	if e.seen.original != nil {
		if now, err := clones.Recopy(copies, e.seen.original.Entries, nil, nil, maxBaseline); err == nil {
			sets = append(sets, now)
		}
	}
	return sets
}

// maxBaseline bounds status.networkACL.baseline: more entries than that no quota of AWS allows.
const maxBaseline = 160

// describeEdits makes a sentence of what a third party did.
func describeEdits(edits []clones.Edit) string {
	names := make([]string, 0, len(edits))
	for _, edit := range edits {
		names = append(names, edit.String())
	}
	return problem.List(names)
}

// CarriedOver describes what the pass made to the clone since the original was changed; empty:
// nothing.
func (e *Enforcement) CarriedOver() string {
	before, after := e.First.NetworkACL, e.Status().NetworkACL
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
