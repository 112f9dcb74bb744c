// SPDX-License-Identifier: Apache-2.0

package entries

import (
	"context"
	"errors"
	"slices"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// Maintain keeps the entries in force, once the network ACL was read.
func (e *Entries) Maintain(ctx context.Context, valid []v1alpha1.Rule) error {
	if e.seen.readAt.IsZero() {
		return nil
	}
	repaired := e.repair(ctx, valid)
	return errors.Join(repaired, e.seen.switchFailure)
}

// repair compares the network ACL with what the run needs: it adds what is missing, restores what
// two reads say that a third party changed, and ends the run where that is out of its hands.
func (e *Entries) repair(ctx context.Context, valid []v1alpha1.Rule) error {
	if err := e.mode.CheckClaim(); err != nil {
		return err
	}

	if !e.hasRead || e.readAt.IsZero() {
		idle := !e.needsEntry(valid) && len(run.UnneededLines(valid, run.Desired(e.Object))) == 0 && e.seen.repair.what == ""
		if idle && !e.hasRead {
			return nil
		}
		if !idle {
			if err := e.readAnew(ctx); err != nil {
				return err
			}
		}
	}

	e.compareTags()
	switch e.ConfirmDrift(valid) {
	case InSync:
		return e.maintainInSync(ctx, valid)
	case Drifted:
		return e.CreateMissing(ctx, valid, Drifted)
	default:
		return nil
	}
}

// readAnew reads the network ACL, and looks at the subnets that it acts on, in this pass: what to add
// or remove is decided on both as they are now.
func (e *Entries) readAnew(ctx context.Context) error {
	e.target.LookAnew()
	if err := e.ReadACL(ctx); err != nil {
		return err
	}
	if err := e.mode.CheckClaim(); err != nil {
		return err
	}
	return e.target.JudgeHit(ctx, e.ACLOfPass(), e.target.LookBeside(ctx, e.ACLOfPass())) // it may serve other subnets than before
}

// maintainInSync does what is due on a network ACL that is as it should be: it follows the
// original, adds rules, and has tags and switch say so. A copy must not get the number of a
// schedule, nor an entry be made without one; the rest goes on.
func (e *Entries) maintainInSync(ctx context.Context, valid []v1alpha1.Rule) error {
	stale, unseen := e.deadManSwitch.DisarmStale(ctx), e.deadManSwitch.Look(ctx)
	unarmed := e.deadManSwitch.ArmLeft(ctx, valid)
	if err := errors.Join(stale, unarmed); problem.IsStoreError(err) {
		return err
	}

	e.seen.switchFailure = errors.Join(stale, unseen, unarmed)

	var err error
	if stale == nil {
		err = e.mode.SyncFromOriginal(ctx)
	}

	if err == nil && e.Status().Abort == nil && e.seen.acl != nil {
		err = e.DeleteUnneeded(ctx, valid)
		valid, _ = ledger.Valid(e.Object)
	}

	if err == nil && unarmed == nil && e.Status().Abort == nil && e.seen.acl != nil {
		err = e.CreateMissing(ctx, valid, e.repairState())
	}

	if err == nil && e.seen.tags != nil && e.Phase == run.Active && e.Status().Abort == nil {
		err = e.AbortIfQuotaExceeded(e.EnsureOwnershipTags(ctx)) // a third party removed the tags, or the run's end moved
	}
	return err
}

// repairState is Drifted while a repair is under way.
func (e *Entries) repairState() DriftState {
	if e.seen.repair.what != "" {
		return Drifted
	}
	return InSync
}

// DeleteUnneeded deletes the entries that nothing to be denied needs any more, given a read, while
// the run stays on: those of addresses that were found to be protected, or that were released.
func (e *Entries) DeleteUnneeded(ctx context.Context, valid []v1alpha1.Rule) error {
	lines := run.UnneededLines(valid, run.Desired(e.Object))
	if len(lines) == 0 || e.Phase != run.Active {
		return nil
	}
	destroy, gone := e.sortForUndo(lines, e.seen.acl.Entries)
	deleted, failure := e.deleteEntries(ctx, destroy)
	return errors.Join(failure, e.releaseLines(ctx, append(gone, deleted...)))
}

// CreateMissing creates the entries that the run still needs. Where they Drifted, the ledger's
// lines are known not to do their work where the network ACL says so; before that, a line that the
// read contradicts may only be one that the read lags behind.
func (e *Entries) CreateMissing(ctx context.Context, valid []v1alpha1.Rule, state DriftState) error {
	drifted := state == Drifted
	if !e.target.MaySpread() {
		return nil
	}

	if err := e.dropReleasedLines(ctx); err != nil {
		return e.AbortIfQuotaExceeded(err)
	}

	observed := e.seen.acl.Entries
	if err := e.Ledger.SettleByRead(ctx, valid, observed, drifted); err != nil {
		return err
	}

	valid, _ = ledger.Valid(e.Object)
	plan, err := e.replan(valid)
	if err != nil {
		return err
	}

	lines := linesToRetry(plan.Keep, observed)
	for _, line := range plan.Create {
		if drifted || !hasAcknowledgedLine(valid, line.CIDR) {
			lines = append(lines, line)
		}
	}

	if room := v1alpha1.MaxRules - len(e.Status().Rules); len(plan.Create) > room {
		e.Abort(v1alpha1.AbortPlanDoesNotFit, "the ledger holds no more than %d lines", v1alpha1.MaxRules)
		return nil
	}

	failure := e.CreateEntries(ctx, lines)
	if drifted {
		overridden := slices.DeleteFunc(slices.Clone(valid), func(l v1alpha1.Rule) bool { return !networkacl.Overridden(l, observed, run.Desired(e.Object)) })
		failure = e.finishRepair(ctx, lines, overridden, failure)
	}

	if len(lines) > 0 {
		failure = errors.Join(failure, e.ReadACL(ctx))
	}

	if drifted && failure == nil && e.seen.acl != nil {
		gone, err := e.deleteEntries(ctx, LinesAtWork(plan.Delete, e.seen.acl.Entries))
		failure = errors.Join(err, e.releaseLines(ctx, gone))
	}
	return e.AbortIfQuotaExceeded(failure)
}

// needsEntry reports whether the network ACL as last read lets through what no acknowledged line
// denies, or a line was never acknowledged, or not yet dropped.
func (e *Entries) needsEntry(valid []v1alpha1.Rule) bool {
	if _, released, _ := ledger.Lines(e.Object); len(released) > 0 {
		return true
	}
	if slices.ContainsFunc(valid, func(l v1alpha1.Rule) bool { return l.State == v1alpha1.RuleCreating }) {
		return true
	}
	return e.seen.acl != nil && slices.ContainsFunc(e.OpenDestinations(), func(d networkacl.Destination) bool {
		return !hasAcknowledgedLine(valid, d.CIDR.String())
	})
}

// hasAcknowledgedLine reports whether the ledger has a line for a range of which AWS said that its
// entry is there.
func hasAcknowledgedLine(valid []v1alpha1.Rule, cidr string) bool {
	return slices.ContainsFunc(valid, func(l v1alpha1.Rule) bool {
		return l.CIDR == cidr && l.State == v1alpha1.RuleInstalled
	})
}

// linesToRetry are the lines whose creation was never answered and whose entry a read lacks.
func linesToRetry(lines []v1alpha1.Rule, observed []networkacl.Entry) []v1alpha1.Rule {
	return slices.DeleteFunc(slices.Clone(lines), func(l v1alpha1.Rule) bool {
		return l.State != v1alpha1.RuleCreating || networkacl.AtWork(l, observed)
	})
}

// LinesAtWork are the lines whose entry is there, exactly as the ledger has it.
func LinesAtWork(lines []v1alpha1.Rule, observed []networkacl.Entry) []v1alpha1.Rule {
	return slices.DeleteFunc(slices.Clone(lines), func(l v1alpha1.Rule) bool { return !networkacl.AtWork(l, observed) })
}
