// SPDX-License-Identifier: Apache-2.0

package target

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/answers"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/pass"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// LookForOthers looks for other clusters in the subnets that a run which is on hits, about once a
// minute, and at once when they are others than before. It writes to what is remembered of the
// answer alone.
func (t *Target) LookForOthers(ctx context.Context, hit []string) (answers.OtherClusters, error) {
	if run.StartSpec(t.Object).OtherClusters == v1alpha1.OtherClustersAllow {
		return answers.OtherClusters{}, nil
	}

	about := strings.Join(hit, " ")
	if t.unseen.err != nil && t.unseen.about == about {
		return answers.OtherClusters{}, t.unseen.err // a look that fails is not repeated in the same pass
	}

	ctx, cancel := context.WithTimeout(ctx, othersTimeout)
	defer cancel()
	found, err := t.Cache.Others.Get(t.Now, about, func() (answers.OtherClusters, error) {
		arns, complete, err := discovery.OtherClusters(ctx, t.slow(t.Cache.Others.AnsweredAt()).ECS, t.Status().Target.ClusterARN, hit...)
		return answers.OtherClusters{ARNs: arns, Truncated: err == nil && !complete}, err
	})
	t.unseen.about, t.unseen.err = about, err
	return found, err
}

// ForgetLook has the same pass look for other clusters again, after a look that was stopped.
func (t *Target) ForgetLook() { t.unseen.about, t.unseen.err = "", nil }

// BesideSubnets are the subnets that the denies of a run act on beside its own, as one look found
// them: id to subnet. One that is gone has no entry.
type BesideSubnets struct {
	known map[string]Subnet
	err   error
}

// LookBeside looks at the subnets hit beside the run's own. acl is the network ACL as read in this
// pass; nil: it was not read or not found, and nothing is asked.
func (t *Target) LookBeside(ctx context.Context, acl *networkacl.ACL) (beside BesideSubnets) {
	if acl == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, pass.ObserveTimeout)
	defer cancel()
	beside.known, beside.err = DescribeSubnets(ctx, t.Clients.Polled(t.since).EC2, t.hitBeside(acl))
	return
}

// Hit are the subnets that the denies of a run which is on act on, given the network ACL as last
// read.
func (t *Target) Hit(acl *networkacl.ACL) []string {
	return networkacl.SubnetsHit(acl, t.Object.Spec.SubnetID)
}

// hitBeside are the subnets hit beside the run's own, whose consent is judged with the rest of the
// target.
func (t *Target) hitBeside(acl *networkacl.ACL) []string {
	return slices.DeleteFunc(t.Hit(acl), func(id string) bool { return id == t.Object.Spec.SubnetID })
}

// LackingConsent are the subnets hit beside the run's own that a look showed not to consent.
func (t *Target) LackingConsent(acl *networkacl.ACL, beside BesideSubnets) []string {
	if acl == nil || beside.err != nil {
		return nil
	}
	return t.Consent().LackedBy(t.hitBeside(acl), beside.known)
}

// JudgeHit holds the subnets that the denies act on, after a read of the network ACL and a look at
// them, against what lets them: the consent of each, and no other cluster's agents. What is wrong
// is said at once, and ends the run when two reads agree. Consent is judged by the subnets alone:
// that ECS can't be asked about clusters must not keep an owner's word from counting.
func (t *Target) JudgeHit(ctx context.Context, acl *networkacl.ACL, beside BesideSubnets) error {
	if acl == nil {
		return t.seen.suspected.AsError()
	}

	if t.seen.lookFailed.beside = beside.err != nil; beside.err != nil {
		return errors.Join(t.seen.suspected.AsError(), beside.err)
	}

	if lacking := t.LackingConsent(acl, beside); len(lacking) > 0 {
		return t.suspectHit(t.consentTrouble(acl.ID, lacking), lacking)
	}

	t.noteConsent(maps.Keys(beside.known))
	if t.Status().Abort != nil || t.seen.changed.IsPending() {
		return t.seen.suspected.AsError() // it ends, or another read decides: nothing is added meanwhile
	}

	hit := t.Hit(acl)
	others, err := t.LookForOthers(ctx, hit)
	if err != nil {
		// Rules in these subnets stay, and are kept up, on the last answer about them. Without any
		// there are no new ones.
		t.seen.lookFailed.beside = !t.Cache.Others.IsAbout(strings.Join(hit, " "))
		if t.seen.suspected != nil && t.seen.suspected.Reason != v1alpha1.AbortOtherClusters {
			t.clearHit()
		}
		return errors.Join(t.seen.suspected.AsError(), err)
	}

	if len(others.ARNs) > 0 {
		t.Cache.Others.Expire() // the next look must not be this one's answer
		return t.suspectHit(problem.Wait(v1alpha1.AbortOtherClusters, "%s container instances in %s now, whose agents the rules cut off as well, and spec.otherClusters does not allow that",
			problem.Subjects(others.ARNs, "cluster", "has", "have"), problem.Subnets(hit)), others.ARNs)
	}

	t.clearHit()
	return nil
}

// clearHit notes that nothing is wrong with the subnets hit.
func (t *Target) clearHit() {
	t.seen.hit.Clear()
	t.seen.suspected, t.seen.evidence = nil, nil
}

// suspectHit notes what a read showed to be wrong with the subnets hit, and by which subnets or
// clusters. The run ends when one of them was so on two reads: others may join meanwhile, and the
// last read is the one that is told.
func (t *Target) suspectHit(found *problem.Problem, evidence []string) error {
	lasting := slices.DeleteFunc(slices.Clone(t.seen.evidence), func(id string) bool { return !slices.Contains(evidence, id) })
	if len(lasting) == 0 {
		t.seen.hit.Clear()
		lasting = evidence
	}
	t.seen.evidence = lasting
	if t.seen.hit.Observe("amiss", "", t.Now) {
		t.Abort(found.Reason, "%s", found.Message)
	}
	t.seen.suspected = problem.Wait(found.Reason, "%s: if another read shows the same, the run ends", found.Message)
	return t.seen.suspected
}

// consentTrouble is why a run may not go on hitting subnets that lack consent.
func (t *Target) consentTrouble(aclID string, lacking []string) *problem.Problem {
	if t.IsCloned() { // with their consent it would end too
		return problem.Wait(v1alpha1.AbortNetworkACLShared, "%s", DescribeOthersOn(aclID, lacking))
	}

	withdrawn := slices.DeleteFunc(slices.Clone(lacking), func(id string) bool { return !t.seen.consented[id] })
	if len(withdrawn) > 0 {
		return problem.Wait(v1alpha1.AbortConsentWithdrawn, "%s of network ACL %s, which the rules act on too, no longer %s to namespace %s (tag %s)",
			problem.Subnets(withdrawn), aclID, problem.Choose(withdrawn, "consents", "consent"), t.Object.Namespace, t.Options.ConsentTagKey)
	}
	return problem.Wait(v1alpha1.AbortNetworkACLShared, "network ACL %s serves %s too, and %s not consent to namespace %s (tag %s)",
		aclID, problem.Subnets(lacking), problem.Choose(lacking, "it does", "they do"), t.Object.Namespace, t.Options.ConsentTagKey)
}

// DescribeOthersOn says that a network ACL serves subnets that a run did not begin with.
func DescribeOthersOn(aclID string, others []string) string {
	return "network ACL " + aclID + " serves " + problem.List(others) + " too, which the run did not begin with"
}

// noteConsent notes which subnets were seen to consent: of those, a lack later is a consent
// withdrawn.
func (t *Target) noteConsent(ids func(func(string) bool)) {
	t.seen.consented = map[string]bool{}
	for id := range ids {
		t.seen.consented[id] = true
	}
}

// MayHit reports whether nothing known forbids new denies: what one read shows is no
// ground to end a run, but to add nothing until another one decides.
func (t *Target) MayHit() bool { return !t.seen.hit.IsPending() && !t.seen.changed.IsPending() }

// MaySpread reports whether new denies may be made, or lost ones made again: only where the last
// look at the subnets they act on was answered, the run's own included. Where one was not, the
// rules in place stay, and everything but new rules goes on. That lasts until a look succeeds: the
// next regular one, a poll interval later at most, so a call that AWS throttles sometimes delays
// a repair by that much and no more.
func (t *Target) MaySpread() bool {
	return t.MayHit() && !t.seen.lookFailed.own && !t.seen.lookFailed.beside
}
