// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"errors"
	"slices"
	"strings"

	"k8s.io/utils/ptr"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/nacl"
)

// maxDriftRepairs is how often rules that someone removed or overrode are put back: a fourth time is a quarrel with
// another tool, which nobody wants in a network.
const maxDriftRepairs = 3

// repair compares the network ACL with what the run needs: it adds what is missing, puts back what two reads say that
// someone changed, and ends the run where that is out of its hands.
func (r *Reconciler) repair(ctx context.Context, s *scope, sound []v1alpha1.Rule) error {
	if !s.aclRead {
		if !needsEntry(s, sound) {
			return nil
		}
		// What to add is decided on the network ACL as it is now.
		if err := r.readACL(ctx, s); err != nil {
			return err
		}
	}
	switch r.judge(s, sound) {
	case asItShould:
		return r.fill(ctx, s, sound, false)
	case drifted:
		return r.fill(ctx, s, sound, true)
	default:
		return nil
	}
}

// judgement is what reads of the network ACL come to.
type judgement int

const (
	// asItShould: the last read showed nothing odd.
	asItShould judgement = iota
	// odd: it did, and another one decides, or the run was aborted.
	odd
	// drifted: two reads showed that someone changed our rules, and they are to be put back.
	drifted
)

// judge holds the network ACL as last read against what the run began with. What two reads in a row show ends the run,
// unless it can be put back.
func (r *Reconciler) judge(s *scope, sound []v1alpha1.Rule) judgement {
	reason, oddity := r.oddity(s, sound)
	switch {
	case reason == "":
		s.seen.network = suspicion{}
		return asItShould
	case !s.seen.network.confirmed(reason, s.now):
		return odd
	case reason != v1alpha1.AbortDriftDetected || s.status().DriftRepairs >= maxDriftRepairs:
		s.abort(reason, "%s", oddity)
		return odd
	}
	return drifted
}

// oddity says what is not as it should be on the network ACL, and with which reason the run ends if it stays so; empty:
// nothing is.
func (r *Reconciler) oddity(s *scope, sound []v1alpha1.Rule) (reason, message string) {
	acl, recorded, subnetID := s.seen.acl, s.status().NetworkACL, s.obj.Spec.SubnetID
	switch {
	case acl == nil:
		return v1alpha1.AbortNetworkACLDeleted, "network ACL " + recorded.ID + " was deleted"
	case !slices.Contains(acl.SubnetIDs, subnetID):
		return v1alpha1.AbortSubnetLeft, "subnet " + subnetID + " is no longer on network ACL " + recorded.ID
	}
	if others := otherSubnets(acl, subnetID); len(others) > 0 && !ptr.Deref(recorded.Sharing, false) {
		return v1alpha1.AbortNetworkACLShared, "network ACL " + acl.ID + " serves " + subnetNames(others) + " too, which the run did not begin with"
	}
	// First whether there is room at all: without it no repair helps.
	if _, err := r.plan(s, sound); err != nil {
		return v1alpha1.AbortPlanDoesNotFit, err.Error()
	}
	if drift := nacl.Drift(sound, acl.Entries, s.now); len(drift) > 0 {
		return v1alpha1.AbortDriftDetected, "someone changes network ACL " + acl.ID + ", again after " +
			plural(maxDriftRepairs, "repair", "repairs") + ": " + strings.Join(drift, "; ")
	}
	return "", ""
}

func (r *Reconciler) plan(s *scope, sound []v1alpha1.Rule) (nacl.Plan, error) {
	return nacl.NewPlan(nacl.PlanInput{
		NetworkACLID: s.status().NetworkACL.ID, Desired: desired(s.status()), Observed: s.seen.acl.Entries,
		Owned: sound, Quota: r.options.EntryQuota,
	})
}

// fill creates the entries that the run still needs. drifted says that the ledger's lines are known not to do their work
// where the network ACL says so; before that, a line that the read contradicts may only be one that the read lags behind.
func (r *Reconciler) fill(ctx context.Context, s *scope, sound []v1alpha1.Rule, drifted bool) error {
	observed := s.seen.acl.Entries
	now := stamp(r.clock.Now())
	err := r.record(ctx, s, func(status *v1alpha1.AgentDisconnectStatus) {
		if drifted {
			status.DriftRepairs++
		}
		for _, line := range sound {
			switch {
			case drifted && nacl.Lost(line, observed):
				// Reads may lag for longer than thought: that an entry is gone is AWS's to say, when it is created again or
				// at the end.
				setState(status, line, lostState(line, observed))
				setAttempt(status, line, now) // the time that reads must lack it begins anew
			case line.State == v1alpha1.RuleCreating && nacl.AtWork(line, observed):
				setState(status, line, v1alpha1.RuleInstalled)
			}
		}
	})
	if err != nil {
		return err
	}
	sound, _ = s.ledger()
	plan, err := r.plan(s, sound)
	if err != nil {
		return err
	}
	lines := retried(plan.Keep, observed)
	for _, line := range plan.Create {
		if drifted || !acknowledged(sound, line.CIDR) {
			lines = append(lines, line)
		}
	}
	if room := v1alpha1.MaxRules - len(s.status().Rules); len(plan.Create) > room {
		s.abort(v1alpha1.AbortPlanDoesNotFit, "the ledger holds no more than %d lines", v1alpha1.MaxRules)
		return nil
	}
	trouble := r.create(ctx, s, lines)
	if len(lines) > 0 {
		trouble = errors.Join(trouble, r.readACL(ctx, s))
	}
	if drifted && trouble == nil && s.seen.acl != nil {
		trouble = r.destroy(ctx, s, atWork(plan.Delete, s.seen.acl.Entries))
	}
	return r.fits(s, trouble)
}

// lostState is what becomes of a line whose entry someone removed or replaced: it is created again at its number, or given
// up where a stranger's entry stands there.
func lostState(line v1alpha1.Rule, observed []nacl.Entry) v1alpha1.RuleState {
	if _, taken := nacl.At(observed, line.RuleNumber); taken {
		return v1alpha1.RuleDeleting
	}
	return v1alpha1.RuleCreating
}

// fits ends the run where AWS says that the rules don't fit: half of them would disconnect nobody.
func (r *Reconciler) fits(s *scope, trouble error) error {
	if trouble == nil {
		return nil
	}
	for _, err := range flatten(trouble) {
		if aws.HasCode(err, aws.CodeEntryLimitExceeded) {
			s.abort(v1alpha1.AbortPlanDoesNotFit, "%s", explain(err).message)
			return nil
		}
	}
	return trouble
}

// needsEntry says whether the network ACL as last read lets through what no acknowledged line denies, or a line was never
// acknowledged.
func needsEntry(s *scope, sound []v1alpha1.Rule) bool {
	if slices.ContainsFunc(sound, func(l v1alpha1.Rule) bool { return l.State == v1alpha1.RuleCreating }) {
		return true
	}
	return s.seen.acl != nil && slices.ContainsFunc(s.seen.open(s.status()), func(d nacl.Destination) bool {
		return !acknowledged(sound, d.CIDR.String())
	})
}

// acknowledged says whether the ledger has a line for a range of which AWS said that its entry is there.
func acknowledged(sound []v1alpha1.Rule, cidr string) bool {
	return slices.ContainsFunc(sound, func(l v1alpha1.Rule) bool {
		return l.CIDR == cidr && l.State == v1alpha1.RuleInstalled
	})
}

// retried are the lines whose creation was never answered and whose entry a read lacks.
func retried(lines []v1alpha1.Rule, observed []nacl.Entry) []v1alpha1.Rule {
	return slices.DeleteFunc(slices.Clone(lines), func(l v1alpha1.Rule) bool {
		return l.State != v1alpha1.RuleCreating || nacl.AtWork(l, observed)
	})
}

// atWork are the lines whose entry is there, exactly as the ledger has it.
func atWork(lines []v1alpha1.Rule, observed []nacl.Entry) []v1alpha1.Rule {
	return slices.DeleteFunc(slices.Clone(lines), func(l v1alpha1.Rule) bool { return !nacl.AtWork(l, observed) })
}

// denied says whether every destination of the run is denied on the network ACL as last read.
func (m *memory) denied(status *v1alpha1.AgentDisconnectStatus) bool {
	return m.acl != nil && len(m.open(status)) == 0
}

// open are the destinations that the network ACL as last read lets through.
func (m *memory) open(status *v1alpha1.AgentDisconnectStatus) []nacl.Destination {
	return slices.DeleteFunc(desired(status), func(d nacl.Destination) bool {
		_, denied := nacl.Denied(m.acl.Entries, d.CIDR)
		return denied
	})
}
