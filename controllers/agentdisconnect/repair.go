// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"errors"
	"slices"
	"strings"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// maxDriftRepairs is how often rules that a third party removed or overrode are restored: a fourth time
// is a conflict with another tool, which does harm in a network.
const maxDriftRepairs = 3

// repair compares the network ACL with what the run needs: it adds what is missing, restores what
// two reads say that a third party changed, and ends the run where that is out of its hands.
func (r *Reconciler) repair(ctx context.Context, s *scope, valid []v1alpha1.Rule) error {
	if s.cloned() {
		if _, err := s.baseline(); err != nil {
			return err
		}
		if err := s.proveClone(); err != nil {
			return err
		}
	}
	if !s.aclRead {
		if !needsEntry(s, valid) && len(run.UnneededLines(valid, run.Desired(s.obj))) == 0 && s.seen.repair.what == "" {
			return nil
		}
		// What to add is decided on the network ACL as it is now.
		if err := r.readACL(ctx, s); err != nil {
			return err
		}
		if s.cloned() {
			if err := s.proveClone(); err != nil {
				return err
			}
		}
		if err := r.judgeHit(ctx, s, r.lookBeside(ctx, s)); err != nil {
			return err // it may serve other subnets than before
		}
	}
	r.noteTags(s)
	switch r.confirmDrift(s, valid) {
	case inSync:
		return r.maintainNetworkACL(ctx, s, valid)
	case drifted:
		return r.createMissing(ctx, s, valid, true)
	default:
		return nil
	}
}

// maintainNetworkACL does what is due on a network ACL that is as it should be: it follows the
// original, adds rules, and has tags and switch say so. A copy must not get the number of a
// schedule, nor an entry be made without one; the rest goes on.
func (r *Reconciler) maintainNetworkACL(ctx context.Context, s *scope, valid []v1alpha1.Rule) error {
	stale, unseen := r.disarmStale(ctx, s), r.lookAtSwitch(ctx, s)
	unarmed := r.armLeft(ctx, s, valid)
	if _, fatal := errors.AsType[*problem.StoreError](unarmed); fatal {
		return unarmed
	}
	s.seen.switchFailure = errors.Join(unseen, unarmed)
	var err error
	if stale == nil {
		err = r.syncFromOriginal(ctx, s)
	}
	if err == nil && s.status().Abort == nil && s.seen.acl != nil {
		err = r.removeUnneeded(ctx, s, valid)
		valid, _ = ledger.Valid(s.obj)
	}
	if err == nil && unarmed == nil && s.status().Abort == nil && s.seen.acl != nil {
		err = r.createMissing(ctx, s, valid, s.seen.repair.what != "")
	}
	if err == nil && s.seen.tags != nil && s.phase == run.Active && s.status().Abort == nil {
		err = r.abortIfQuotaExceeded(s, r.ensureOwnershipTags(ctx, s)) // a third party removed the tags, or the run's end moved
	}
	return errors.Join(err, stale)
}

// driftState is what reads of the network ACL come to.
type driftState int

const (
	// inSync: the last read showed nothing odd, or what a repair under way puts right.
	inSync driftState = iota
	// unconfirmed: it did, and another one decides, or the run was aborted.
	unconfirmed
	// drifted: two reads showed that a third party changed the run's rules, which are to be restored.
	drifted
)

// confirmDrift holds the network ACL as last read against what the run began with. What two reads
// in a row show ends the run, unless it can be put back.
func (r *Reconciler) confirmDrift(s *scope, valid []v1alpha1.Rule) driftState {
	reason, oddity := r.findDrift(s, valid)
	underway := s.seen.repair.what != "" && reason == v1alpha1.AbortDriftDetected
	if reason == "" || underway {
		s.seen.network.Clear()
		return inSync
	}
	confirmed := s.seen.network.Observe(reason, oddity, s.now)
	switch {
	case !confirmed:
		return unconfirmed
	case reason != v1alpha1.AbortDriftDetected:
		s.abort(reason, "%s", oddity)
		return unconfirmed
	case s.onDrift() == v1alpha1.OnDriftAbort:
		s.abort(reason, "%s, and spec.onDrift is Abort", oddity)
		return unconfirmed
	case s.status().DriftRepairs >= maxDriftRepairs:
		s.abort(reason, "%s, again after %s", oddity, problem.Plural(maxDriftRepairs, "repair", "repairs"))
		return unconfirmed
	}
	s.seen.repair = repairUnderway{what: oddity}
	return drifted
}

// onDrift is what the run does about drift, as the spec had it when it began.
func (s *scope) onDrift() v1alpha1.OnDrift {
	if with := s.status().StartedWith; with != nil {
		return with.OnDrift
	}
	return v1alpha1.OnDriftReapply
}

// findDrift says what is not as it should be on the network ACL, and with which reason the run ends
// if it stays so; empty: nothing is.
func (r *Reconciler) findDrift(s *scope, valid []v1alpha1.Rule) (reason, message string) {
	if reason, message := s.associationDrift(); reason != "" {
		return reason, message
	}
	if s.seen.acl == nil {
		return "", "" // a read that lags
	}
	if s.cloned() {
		if reason, message := r.cloneOddity(s); reason != "" || !s.isCutOver() {
			return reason, message
		}
	}
	// First whether there is room at all: without it no repair helps.
	if _, err := r.replan(s, valid); err != nil {
		return v1alpha1.AbortPlanDoesNotFit, err.Error()
	}
	if drift := networkacl.Drift(valid, s.seen.acl.Entries, run.Desired(s.obj), s.now); len(drift) > 0 {
		return v1alpha1.AbortDriftDetected, "a third party changed network ACL " + s.seen.acl.ID + ": " + strings.Join(drift, "; ")
	}
	return "", ""
}

// associationDrift reports whether the subnet is no longer where it should be, or another one is
// where it should be alone.
func (s *scope) associationDrift() (reason, message string) {
	acl, recorded, subnetID := s.seen.acl, s.status().NetworkACL, s.obj.Spec.SubnetID
	place := acl
	if !s.isCutOver() {
		place = s.seen.original // it goes to the clone from there
	}
	lagging := s.cloned() && s.sinceWrite() < networkacl.SettleFor && s.phase == run.Active
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
	if others := otherSubnets(acl, subnetID); len(others) > 0 && !shared {
		return v1alpha1.AbortNetworkACLShared, "network ACL " + acl.ID + " serves " + subnetNames(others) + " too, which the run did not begin with"
	}
	return "", ""
}

func (r *Reconciler) replan(s *scope, valid []v1alpha1.Rule) (networkacl.Plan, error) {
	_, released, _ := ledger.Lines(s.obj)
	return networkacl.NewPlan(networkacl.PlanInput{
		NetworkACLID: s.status().NetworkACL.ID, Desired: run.Desired(s.obj), Observed: s.seen.acl.Entries,
		Owned: append(slices.Clip(valid), released...), Quota: s.quota.value,
	})
}

// createMissing creates the entries that the run still needs. drifted says that the ledger's lines
// are known not to do their work where the network ACL says so; before that, a line that the read
// contradicts may only be one that the read lags behind.
func (r *Reconciler) createMissing(ctx context.Context, s *scope, valid []v1alpha1.Rule, drifted bool) error {
	if !s.maySpread() {
		return nil
	}
	if err := r.dropReleased(ctx, s); err != nil {
		return r.abortIfQuotaExceeded(s, err)
	}
	observed := s.seen.acl.Entries
	if err := s.ledger.SettleByRead(ctx, valid, observed, drifted); err != nil {
		return err
	}
	valid, _ = ledger.Valid(s.obj)
	plan, err := r.replan(s, valid)
	if err != nil {
		return err
	}
	lines := retried(plan.Keep, observed)
	for _, line := range plan.Create {
		if drifted || !acknowledged(valid, line.CIDR) {
			lines = append(lines, line)
		}
	}
	if room := v1alpha1.MaxRules - len(s.status().Rules); len(plan.Create) > room {
		s.abort(v1alpha1.AbortPlanDoesNotFit, "the ledger holds no more than %d lines", v1alpha1.MaxRules)
		return nil
	}
	trouble := r.create(ctx, s, lines)
	if drifted {
		overridden := slices.DeleteFunc(slices.Clone(valid), func(l v1alpha1.Rule) bool { return !networkacl.Overridden(l, observed, run.Desired(s.obj)) })
		trouble = r.finishRepair(ctx, s, lines, overridden, trouble)
	}
	if len(lines) > 0 {
		trouble = errors.Join(trouble, r.readACL(ctx, s))
	}
	if drifted && trouble == nil && s.seen.acl != nil {
		gone, err := r.destroy(ctx, s, atWork(plan.Delete, s.seen.acl.Entries))
		trouble = errors.Join(err, r.giveUp(ctx, s, gone))
	}
	return r.abortIfQuotaExceeded(s, trouble)
}

// abortIfQuotaExceeded ends the run where AWS says that the rules don't fit: half of them would
// disconnect no agent.
func (r *Reconciler) abortIfQuotaExceeded(s *scope, trouble error) error {
	if trouble == nil {
		return nil
	}
	for _, err := range problem.Flatten(trouble) {
		switch aws.Code(err) {
		case aws.CodeEntryLimitExceeded:
			s.abort(v1alpha1.AbortPlanDoesNotFit, "%s", problem.Explain(err).Message)
			return nil
		case aws.CodeACLLimitExceeded, aws.CodeTagLimitExceeded:
			s.abort(v1alpha1.AbortQuotaExceeded, "%s", problem.Explain(err).Message)
			return nil
		}
	}
	return trouble
}

// needsEntry reports whether the network ACL as last read lets through what no acknowledged line
// denies, or a line was never acknowledged, or not yet dropped.
func needsEntry(s *scope, valid []v1alpha1.Rule) bool {
	if _, released, _ := ledger.Lines(s.obj); len(released) > 0 {
		return true
	}
	if slices.ContainsFunc(valid, func(l v1alpha1.Rule) bool { return l.State == v1alpha1.RuleCreating }) {
		return true
	}
	return s.seen.acl != nil && slices.ContainsFunc(s.seen.open(s.obj), func(d networkacl.Destination) bool {
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

// denied reports whether the network ACL that the subnet has, as last read, denies every
// destination of the run.
func (m *memory) denied(obj *v1alpha1.AgentDisconnect) bool {
	return m.acl != nil && m.onSubnet(obj) && len(run.Desired(obj)) > 0 && len(m.open(obj)) == 0
}

// onSubnet reports whether the network ACL that carries the rules is the subnet's, as last read.
func (m *memory) onSubnet(obj *v1alpha1.AgentDisconnect) bool {
	return m.acl != nil && slices.Contains(m.acl.SubnetIDs, obj.Spec.SubnetID)
}

// open are the destinations that the network ACL as last read lets through.
func (m *memory) open(obj *v1alpha1.AgentDisconnect) []networkacl.Destination {
	return slices.DeleteFunc(run.Desired(obj), func(d networkacl.Destination) bool {
		_, denied := networkacl.Denied(m.acl.Entries, d)
		return denied
	})
}
