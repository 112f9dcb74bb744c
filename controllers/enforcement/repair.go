// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"context"
	"errors"
	"slices"
	"strings"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/answers"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// removeUnneeded deletes the entries that nothing to be denied needs any more, given a read, while
// the run stays on: those of addresses that were found to be protected, or that were released.
func (e *Enforcement) removeUnneeded(ctx context.Context, valid []v1alpha1.Rule) error {
	lines := run.UnneededLines(valid, run.Desired(e.Object))
	if len(lines) == 0 || e.Phase != run.Active {
		return nil
	}
	destroy, gone := e.undo(lines, e.seen.acl.Entries)
	deleted, trouble := e.destroy(ctx, destroy)
	return errors.Join(trouble, e.giveUp(ctx, append(gone, deleted...)))
}

// maxDriftRepairs is how often rules that a third party removed or overrode are restored: a fourth
// time is a conflict with another tool, which does harm in a network.
const maxDriftRepairs = 3

// Repair compares the network ACL with what the run needs: it adds what is missing, restores what
// two reads say that a third party changed, and ends the run where that is out of its hands.
func (e *Enforcement) Repair(ctx context.Context, valid []v1alpha1.Rule) error {
	if e.IsCloned() {
		if _, err := e.baseline(); err != nil {
			return err
		}
		if err := e.proveClone(); err != nil {
			return err
		}
	}
	if !e.aclRead {
		if !e.needsEntry(valid) && len(run.UnneededLines(valid, run.Desired(e.Object))) == 0 && e.seen.repair.what == "" {
			return nil
		}
		// What to add is decided on the network ACL as it is now.
		if err := e.ReadACL(ctx); err != nil {
			return err
		}
		if e.IsCloned() {
			if err := e.proveClone(); err != nil {
				return err
			}
		}
		if err := e.target.JudgeHit(ctx, e.ACL(), e.target.LookBeside(ctx, e.ACL())); err != nil {
			return err // it may serve other subnets than before
		}
	}
	e.noteTags()
	switch e.confirmDrift(valid) {
	case inSync:
		return e.maintainNetworkACL(ctx, valid)
	case drifted:
		return e.createMissing(ctx, valid, true)
	default:
		return nil
	}
}

// maintainNetworkACL does what is due on a network ACL that is as it should be: it follows the
// original, adds rules, and has tags and switch say so. A copy must not get the number of a
// schedule, nor an entry be made without one; the rest goes on.
func (e *Enforcement) maintainNetworkACL(ctx context.Context, valid []v1alpha1.Rule) error {
	stale, unseen := e.deadManSwitch.DisarmStale(ctx), e.deadManSwitch.Look(ctx)
	unarmed := e.deadManSwitch.ArmLeft(ctx, valid)
	if err := errors.Join(stale, unarmed); problem.IsStoreError(err) {
		return err
	}
	e.seen.switchFailure = errors.Join(stale, unseen, unarmed)
	var err error
	if stale == nil {
		err = e.syncFromOriginal(ctx)
	}
	if err == nil && e.Status().Abort == nil && e.seen.acl != nil {
		err = e.removeUnneeded(ctx, valid)
		valid, _ = ledger.Valid(e.Object)
	}
	if err == nil && unarmed == nil && e.Status().Abort == nil && e.seen.acl != nil {
		err = e.createMissing(ctx, valid, e.seen.repair.what != "")
	}
	if err == nil && e.seen.tags != nil && e.Phase == run.Active && e.Status().Abort == nil {
		err = e.AbortIfQuotaExceeded(e.ensureOwnershipTags(ctx)) // a third party removed the tags, or the run's end moved
	}
	return err
}

// driftState is what reads of the network ACL come to.
type driftState int

const (
	// inSync: the last read showed nothing odd, or what a repair under way puts right.
	inSync driftState = iota
	// unconfirmed: it did, and another one decides, or the run was aborted.
	unconfirmed
	// drifted: two reads showed that a third party changed the run's rules, which are to be
	// restored.
	drifted
)

// confirmDrift holds the network ACL as last read against what the run began with. What two reads
// in a row show ends the run, unless it can be put back.
func (e *Enforcement) confirmDrift(valid []v1alpha1.Rule) driftState {
	reason, oddity := e.findDrift(valid)
	underway := e.seen.repair.what != "" && reason == v1alpha1.AbortDriftDetected
	if reason == "" || underway {
		e.seen.network.Clear()
		return inSync
	}
	confirmed := e.seen.network.Observe(reason, oddity, e.Now)
	switch {
	case !confirmed:
		return unconfirmed
	case reason != v1alpha1.AbortDriftDetected:
		e.Abort(reason, "%s", oddity)
		return unconfirmed
	case e.onDrift() == v1alpha1.OnDriftAbort:
		e.Abort(reason, "%s, and spec.onDrift is Abort", oddity)
		return unconfirmed
	case e.Status().DriftRepairs >= maxDriftRepairs:
		e.Abort(reason, "%s, again after %s", oddity, problem.Plural(maxDriftRepairs, "repair", "repairs"))
		return unconfirmed
	}
	e.seen.repair = repairUnderway{what: oddity}
	return drifted
}

// NoteDrift notes what the last read shows to differ from what the run began with, for the next one
// to confirm.
func (e *Enforcement) NoteDrift(valid []v1alpha1.Rule) { e.confirmDrift(valid) }

// onDrift is what the run does about drift, as the spec had it when it began.
func (e *Enforcement) onDrift() v1alpha1.OnDrift {
	if with := e.Status().StartedWith; with != nil {
		return with.OnDrift
	}
	return v1alpha1.OnDriftReapply
}

// findDrift says what is not as it should be on the network ACL, and with which reason the run ends
// if it stays so; empty: nothing is.
func (e *Enforcement) findDrift(valid []v1alpha1.Rule) (reason, message string) {
	if reason, message := e.associationDrift(); reason != "" {
		return reason, message
	}
	if e.seen.acl == nil {
		return "", "" // a read that lags
	}
	if e.IsCloned() {
		if reason, message := e.cloneOddity(); reason != "" || !e.IsCutOver() {
			return reason, message
		}
	}
	// First whether there is room at all: without it no repair helps.
	if _, err := e.replan(valid); err != nil {
		return v1alpha1.AbortPlanDoesNotFit, err.Error()
	}
	if drift := networkacl.Drift(valid, e.seen.acl.Entries, run.Desired(e.Object), e.Now); len(drift) > 0 {
		return v1alpha1.AbortDriftDetected, "a third party changed network ACL " + e.seen.acl.ID + ": " + strings.Join(drift, "; ")
	}
	return "", ""
}

// associationDrift reports whether the subnet is no longer where it should be, or another one is
// where it should be alone.
func (e *Enforcement) associationDrift() (reason, message string) {
	acl, recorded, subnetID := e.seen.acl, e.Status().NetworkACL, e.Object.Spec.SubnetID
	place := acl
	if !e.IsCutOver() {
		place = e.seen.original // it goes to the clone from there
	}
	lagging := e.IsCloned() && e.sinceWrite() < networkacl.SettleFor && e.Phase == run.Active
	switch {
	case lagging && (acl == nil || place != nil && !slices.Contains(place.SubnetIDs, subnetID)):
		return "", "" // a read that lags behind our own move of the subnet
	case acl == nil:
		return v1alpha1.AbortNetworkACLDeleted, "network ACL " + recorded.ID + " was deleted"
	case place != nil && !slices.Contains(place.SubnetIDs, subnetID):
		return v1alpha1.AbortSubnetLeft, "subnet " + subnetID + " is no longer on network ACL " + place.ID
	}
	// Whether the others consent is judged with all that the denies act on.
	shared := recorded.Mode == v1alpha1.NetworkACLModeInPlace && recorded.ModeReason == v1alpha1.NetworkACLModeRequested
	if others := acl.OtherSubnets(subnetID); len(others) > 0 && !shared {
		return v1alpha1.AbortNetworkACLShared, "network ACL " + acl.ID + " serves " + problem.FirstFew(others) + " too, which the run did not begin with"
	}
	return "", ""
}

func (e *Enforcement) replan(valid []v1alpha1.Rule) (networkacl.Plan, error) {
	_, released, _ := ledger.Lines(e.Object)
	return networkacl.NewPlan(networkacl.PlanInput{
		NetworkACLID: e.Status().NetworkACL.ID, Desired: run.Desired(e.Object), Observed: e.seen.acl.Entries,
		Owned: append(slices.Clip(valid), released...), Quota: e.Quota.Value,
	})
}

// createMissing creates the entries that the run still needs. drifted says that the ledger's lines
// are known not to do their work where the network ACL says so; before that, a line that the read
// contradicts may only be one that the read lags behind.
func (e *Enforcement) createMissing(ctx context.Context, valid []v1alpha1.Rule, drifted bool) error {
	if !e.target.MaySpread() {
		return nil
	}
	if err := e.dropReleased(ctx); err != nil {
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
	lines := retried(plan.Keep, observed)
	for _, line := range plan.Create {
		if drifted || !acknowledged(valid, line.CIDR) {
			lines = append(lines, line)
		}
	}
	if room := v1alpha1.MaxRules - len(e.Status().Rules); len(plan.Create) > room {
		e.Abort(v1alpha1.AbortPlanDoesNotFit, "the ledger holds no more than %d lines", v1alpha1.MaxRules)
		return nil
	}
	trouble := e.Create(ctx, lines)
	if drifted {
		overridden := slices.DeleteFunc(slices.Clone(valid), func(l v1alpha1.Rule) bool { return !networkacl.Overridden(l, observed, run.Desired(e.Object)) })
		trouble = e.finishRepair(ctx, lines, overridden, trouble)
	}
	if len(lines) > 0 {
		trouble = errors.Join(trouble, e.ReadACL(ctx))
	}
	if drifted && trouble == nil && e.seen.acl != nil {
		gone, err := e.destroy(ctx, atWork(plan.Delete, e.seen.acl.Entries))
		trouble = errors.Join(err, e.giveUp(ctx, gone))
	}
	return e.AbortIfQuotaExceeded(trouble)
}

// AbortIfQuotaExceeded ends the run where AWS says that the rules don't fit: half of them would
// disconnect no agent.
func (e *Enforcement) AbortIfQuotaExceeded(trouble error) error {
	if trouble == nil {
		return nil
	}
	for _, err := range problem.Flatten(trouble) {
		switch aws.Code(err) {
		case aws.CodeEntryLimitExceeded:
			e.Abort(v1alpha1.AbortPlanDoesNotFit, "%s", problem.Explain(err).Message)
			return nil
		case aws.CodeACLLimitExceeded, aws.CodeTagLimitExceeded:
			e.Abort(v1alpha1.AbortQuotaExceeded, "%s", problem.Explain(err).Message)
			return nil
		}
	}
	return trouble
}

// needsEntry reports whether the network ACL as last read lets through what no acknowledged line
// denies, or a line was never acknowledged, or not yet dropped.
func (e *Enforcement) needsEntry(valid []v1alpha1.Rule) bool {
	if _, released, _ := ledger.Lines(e.Object); len(released) > 0 {
		return true
	}
	if slices.ContainsFunc(valid, func(l v1alpha1.Rule) bool { return l.State == v1alpha1.RuleCreating }) {
		return true
	}
	return e.seen.acl != nil && slices.ContainsFunc(e.open(), func(d networkacl.Destination) bool {
		return !acknowledged(valid, d.CIDR.String())
	})
}

// acknowledged reports whether the ledger has a line for a range of which AWS said that its entry
// is there.
func acknowledged(valid []v1alpha1.Rule, cidr string) bool {
	return slices.ContainsFunc(valid, func(l v1alpha1.Rule) bool {
		return l.CIDR == cidr && l.State == v1alpha1.RuleInstalled
	})
}

// retried are the lines whose creation was never answered and whose entry a read lacks.
func retried(lines []v1alpha1.Rule, observed []networkacl.Entry) []v1alpha1.Rule {
	return slices.DeleteFunc(slices.Clone(lines), func(l v1alpha1.Rule) bool {
		return l.State != v1alpha1.RuleCreating || networkacl.AtWork(l, observed)
	})
}

// atWork are the lines whose entry is there, exactly as the ledger has it.
func atWork(lines []v1alpha1.Rule, observed []networkacl.Entry) []v1alpha1.Rule {
	return slices.DeleteFunc(slices.Clone(lines), func(l v1alpha1.Rule) bool { return !networkacl.AtWork(l, observed) })
}

// Denied reports whether the network ACL that the subnet has, as last read, denies every
// destination of the run.
func (e *Enforcement) Denied() bool {
	return e.seen.acl != nil && e.onSubnet() && len(run.Desired(e.Object)) > 0 && len(e.open()) == 0
}

// onSubnet reports whether the network ACL that carries the rules is the subnet's, as last read.
func (e *Enforcement) onSubnet() bool {
	return e.seen.acl != nil && slices.Contains(e.seen.acl.SubnetIDs, e.Object.Spec.SubnetID)
}

// open are the destinations that the network ACL as last read lets through.
func (e *Enforcement) open() []networkacl.Destination {
	return slices.DeleteFunc(run.Desired(e.Object), func(d networkacl.Destination) bool {
		_, denied := networkacl.Denied(e.seen.acl.Entries, d)
		return denied
	})
}

// RelearnQuota asks for the quota again before a run that is on fails by it: it may have been
// raised meanwhile, or the manager was restarted and never asked.
func (e *Enforcement) RelearnQuota(ctx context.Context, valid []v1alpha1.Rule) error {
	if e.seen.acl == nil {
		return nil
	}
	if _, err := e.replan(valid); err == nil {
		return nil
	} else if _, byQuota := errors.AsType[*networkacl.QuotaError](err); !byQuota {
		return nil
	}
	return e.LearnQuota(ctx, answers.QuotaTTL)
}
