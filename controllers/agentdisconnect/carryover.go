// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

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
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// syncFromOriginal makes changes of the original to the clone while that serves, and never the
// other way: what they open at once, and what they close after they stood. A change that takes
// renumbering ends the run.
func (r *Reconciler) syncFromOriginal(ctx context.Context, s *scope) error {
	if !s.cloned() || s.seen.original == nil || s.seen.acl == nil {
		return nil
	}
	acl := s.status().NetworkACL
	if acl.CarryOver != nil {
		// One at a time: what an earlier one began to write is no third party's edit only while it is the
		// one under way.
		under, err := parseCopies(acl.CarryOver)
		if err != nil {
			return err
		}
		return r.resumeSync(ctx, s, under)
	}
	wanted, ok := r.recopied(s)
	if !ok {
		return nil
	}
	s.seen.changed.Clear()
	s.seen.originalReads.follows = ""
	if slices.Equal(networkacl.FormatCopies(wanted), acl.Baseline) {
		return nil
	}
	s.seen.originalReads.watch(s.now)
	baseline, err := s.baseline()
	if err != nil {
		return err
	}
	valid, _ := ledger.Valid(s.obj)
	next := networkacl.Follow(baseline, wanted, s.seen.originalReads.hasStood(), valid, run.Desired(s.obj), s.quota.value)
	if !slices.Equal(networkacl.FormatCopies(next), networkacl.FormatCopies(wanted)) {
		s.seen.originalReads.follows = s.describePending()
	}
	if slices.Equal(networkacl.FormatCopies(next), acl.Baseline) {
		return nil // what it closes has not stood yet
	}
	return r.resumeSync(ctx, s, next)
}

// adoptChanges makes changes of the original part of what a clone is to have that doesn't serve:
// a step back would not be noticed. ok is false where the clone can't have them, as far as one read
// tells.
func (r *Reconciler) adoptChanges(ctx context.Context, s *scope) (wanted []networkacl.Copy, ok bool, err error) {
	if _, err := s.baseline(); err != nil {
		return nil, false, err
	}
	if wanted, ok = r.recopied(s); !ok {
		return nil, false, nil
	}
	s.seen.changed.Clear()
	s.seen.originalReads.follows = ""
	lines := networkacl.FormatCopies(wanted)
	if acl := s.status().NetworkACL; slices.Equal(lines, acl.Baseline) && acl.CarryOver == nil {
		return wanted, true, nil
	}
	return wanted, true, s.ledger.Record(ctx, func(status *v1alpha1.AgentDisconnectStatus) {
		status.NetworkACL.Baseline, status.NetworkACL.CarryOver = lines, nil
	})
}

// recopied is what the clone is to have of the original as last read. It ends the run where that
// takes renumbering.
func (r *Reconciler) recopied(s *scope) ([]networkacl.Copy, bool) {
	copies, err := s.baseline()
	if err != nil {
		return nil, false
	}
	valid, _ := ledger.Valid(s.obj)
	wanted, err := networkacl.Recopy(copies, s.seen.original.Entries, valid, run.Desired(s.obj), s.quota.value)
	if err != nil {
		acl := s.status().NetworkACL
		what := fmt.Sprintf("network ACL %s was changed in a way that can't be copied to its clone %s", acl.OriginalID, acl.ID)
		if s.seen.changed.Observe(err.Error(), what, s.now) {
			s.cantFollow(err.Error())
		}
		return nil, false
	}
	return wanted, true
}

// cantFollow ends the run since the clone can't have what the original has now.
func (s *scope) cantFollow(why string) {
	acl := s.status().NetworkACL
	s.abort(v1alpha1.AbortOriginalChanged, "clone %s of network ACL %s: %s", acl.ID, acl.OriginalID, why)
}

// resumeSync writes down what the clone is to have, and then has AWS change it. That it has it is
// said when it was read back: until then, what it had before is no third party's.
func (r *Reconciler) resumeSync(ctx context.Context, s *scope, wanted []networkacl.Copy) error {
	acl := s.status().NetworkACL
	acl.CarryOver, acl.LastAttemptTime = networkacl.FormatCopies(wanted), run.Stamp(r.clock.Now())
	if err := s.ledger.Persist(ctx); err != nil {
		return err
	}
	if s.phase != run.Active {
		return nil
	}
	s.seen.originalReads.watch(s.now)
	valid, _ := ledger.Valid(s.obj)
	if err := r.applySync(ctx, s, wanted, valid); err != nil {
		if aws.HasCode(err, aws.CodeEntryLimitExceeded) {
			s.cantFollow(problem.Explain(err).Message)
			return nil
		}
		return err
	}
	if err := r.readACL(ctx, s); err != nil {
		return err
	}
	if s.seen.acl != nil && networkacl.Complete(wanted, valid, s.seen.acl.Entries) {
		s.status().NetworkACL.Baseline, s.status().NetworkACL.CarryOver = networkacl.FormatCopies(wanted), nil
	}
	return nil
}

// applySync changes a clone that serves, one entry after the other, in an order that cuts nothing
// off in between.
func (r *Reconciler) applySync(ctx context.Context, s *scope, wanted []networkacl.Copy, valid []v1alpha1.Rule) error {
	create, replace, remove := networkacl.CopySteps(wanted, valid, s.seen.acl.Entries)
	steps := networkacl.InOrder(s.seen.acl.Entries, create, replace, remove, s.quota.value)
	err := r.writeCopies(ctx, s, oneByOne(steps)...)
	if len(remove) > 0 && aws.HasCode(err, aws.CodeEntryLimitExceeded) {
		// There is no room beside what goes: AWS's quota is smaller than it was taken for.
		slices.SortStableFunc(steps, func(a, b networkacl.CopyStep) int { return cmp.Compare(isRemoval(b), isRemoval(a)) })
		err = r.writeCopies(ctx, s, oneByOne(steps)...)
	}
	return err
}

// isRemoval is 1 for a step that removes an entry, and else 0.
func isRemoval(step networkacl.CopyStep) int {
	if step.Verb == networkacl.StepRemove {
		return 1
	}
	return 0
}

// oneByOne makes the calls of steps one after the other.
func oneByOne(steps []networkacl.CopyStep) []copyStep {
	calls := map[networkacl.CopyVerb]copyCall{networkacl.StepCreate: ec2acl.CreateEntry, networkacl.StepReplace: ec2acl.ReplaceEntry, networkacl.StepRemove: ec2acl.DeleteEntry}
	all := make([]copyStep, 0, len(steps))
	for _, step := range steps {
		all = append(all, copyStep{calls[step.Verb], []networkacl.Entry{step.Entry}})
	}
	return all
}

// edits are what a third party did to the clone. What is lacking counts only once reads can't be
// lagging behind our own writes; what only a third party can have written counts at once. In a
// clone that doesn't serve, copies are repaired, and what they were before is not needed: only an entry at
// a rule's number counts.
func (s *scope) edits() []networkacl.Edit {
	acceptable := s.acceptable()
	if acceptable == nil || s.seen.acl == nil {
		return nil
	}
	valid, _ := ledger.Valid(s.obj)
	serves, settled := s.seen.onSubnet(s.obj), s.sinceWrite() >= networkacl.SettleFor
	if serves && !settled && s.phase == run.Active {
		return nil // reads that lag show our own earlier entries; nothing is given up while the run is on
	}
	return slices.DeleteFunc(networkacl.Edits(acceptable, valid, s.seen.acl.Entries), func(e networkacl.Edit) bool {
		if !serves {
			return !slices.ContainsFunc(valid, func(l v1alpha1.Rule) bool { return e.Entry.Egress && l.RuleNumber == e.Entry.Number })
		}
		return e.Missing && !settled
	})
}

// acceptable are the sets of copies that a clone may have: what it was last made to be, what it is
// being made to be, and what the original is now.
func (s *scope) acceptable() [][]networkacl.Copy {
	acl := s.status().NetworkACL
	copies, err := s.baseline()
	if err != nil {
		return nil
	}
	sets := [][]networkacl.Copy{copies}
	if acl.CarryOver != nil {
		if under, err := parseCopies(acl.CarryOver); err == nil {
			sets = append(sets, under)
		}
	}
	if s.seen.original != nil {
		if now, err := networkacl.Recopy(copies, s.seen.original.Entries, nil, nil, maxBaseline); err == nil {
			sets = append(sets, now)
		}
	}
	return sets
}

// maxBaseline bounds status.networkACL.baseline: more entries than that no quota of AWS allows.
const maxBaseline = 160

// describeEdits makes a sentence of what a third party did.
func describeEdits(edits []networkacl.Edit) string {
	names := make([]string, 0, len(edits))
	for _, edit := range edits {
		names = append(names, edit.String())
	}
	return problem.List(names)
}

// carriedOver describes what the pass made to the clone since the original was changed; empty:
// nothing.
func (s *scope) carriedOver() string {
	before, after := s.first.NetworkACL, s.status().NetworkACL
	if before == nil || after == nil || before.OriginalID != after.OriginalID || slices.Equal(before.Baseline, after.Baseline) {
		return ""
	}
	was, err := parseCopies(before.Baseline)
	is, err2 := parseCopies(after.Baseline)
	changes := networkacl.Differences(was, is)
	if err != nil || err2 != nil || len(changes) == 0 {
		return ""
	}
	return fmt.Sprintf("clone %s was updated from network ACL %s: %s", after.ID, after.OriginalID, strings.Join(changes, "; "))
}
