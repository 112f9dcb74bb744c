// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/preflight"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

const (
	// subnetBatch is how many subnets are asked for at once: a filter of EC2 takes 200 values.
	subnetBatch = 200
	// othersTimeout bounds one look for other clusters: 300 with container instances take 15 s at
	// the pace that ECS allows.
	othersTimeout = 20 * time.Second
)

// hitSubnets are the subnets that the denies of a run act on, sorted: in place all that have the
// network ACL, on a clone the run's own.
func hitSubnets(acl *networkacl.ACL, mode v1alpha1.NetworkACLMode, subnetID string) []string {
	if acl == nil || mode == v1alpha1.NetworkACLModeClone {
		return []string{subnetID}
	}
	hit := append(otherSubnets(acl, subnetID), subnetID)
	slices.Sort(hit)
	return slices.Compact(hit)
}

// hit are the subnets that the denies of a run that has not begun would act on.
func (t *target) hit(spec *v1alpha1.AgentDisconnectSpec) []string {
	if t.acl == nil {
		return []string{spec.SubnetID}
	}
	mode, _ := t.chooseMode(spec)
	return hitSubnets(t.acl, mode, spec.SubnetID)
}

// hit are the subnets that the denies of a run that is on act on, as the network ACL was last read.
func (s *scope) hit() []string {
	mode := v1alpha1.NetworkACLModeInPlace
	if s.cloned() {
		mode = v1alpha1.NetworkACLModeClone
	}
	return hitSubnets(s.seen.acl, mode, s.obj.Spec.SubnetID)
}

// describeSubnets looks several subnets up: id to subnet. One that is gone has no entry.
func describeSubnets(ctx context.Context, client aws.EC2, ids []string) (map[string]subnet, error) {
	found := make(map[string]subnet, len(ids))
	for batch := range slices.Chunk(ids, subnetBatch) {
		pages := ec2.NewDescribeSubnetsPaginator(client, &ec2.DescribeSubnetsInput{
			Filters: []types.Filter{{Name: awssdk.String("subnet-id"), Values: batch}},
		})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, err
			}
			for i := range page.Subnets {
				found[awssdk.ToString(page.Subnets[i].SubnetId)] = readSubnet(&page.Subnets[i])
			}
		}
	}
	return found, nil
}

// withoutConsent are those of the subnets whose tags, as far as they are known, do not allow runs
// of a namespace.
func (r *Reconciler) withoutConsent(ids []string, known map[string]subnet, namespace string) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return r.consents(known[id].tags, namespace) })
}

// gatherHit looks at what a run in place would hit: the other subnets, if there are any, and, if
// the mode was asked for by name, the other clusters in all of them. In any other mode no subnet
// but the run's own is hit: that is asked about earlier.
func (r *Reconciler) gatherHit(ctx context.Context, s *scope, t *target) error {
	hit, spec := t.hit(&s.obj.Spec), &s.obj.Spec
	return together(
		func() error {
			if len(hit) > 1 {
				t.shared, t.unshared = describeSubnets(ctx, s.clients.EC2, otherSubnets(t.acl, spec.SubnetID))
			}
			return t.unshared
		},
		func() (err error) {
			if spec.NetworkACLMode == v1alpha1.NetworkACLModeInPlace {
				t.others, err = r.otherClusters(ctx, s, hit)
			}
			return
		},
	)
}

// checkHit refuses a run in place whose denies would act on a subnet that does not consent.
func (r *Reconciler) checkHit(s *scope, t *target) error {
	spec, hit := &s.obj.Spec, t.hit(&s.obj.Spec)
	if known := t.unshared == nil; len(hit) == 1 || !known {
		return nil // said by what kept them from being known
	}
	others := otherSubnets(t.acl, spec.SubnetID)
	for _, id := range others {
		if _, known := t.shared[id]; !known {
			return problem.Wait(v1alpha1.ReasonAWSUnavailable, "subnet %s was associated with network ACL %s just now: the run is prepared again", id, t.acl.ID)
		}
	}
	lacking := r.withoutConsent(others, t.shared, s.obj.Namespace)
	if len(lacking) == 0 {
		return nil
	}
	return problem.Refuse(v1alpha1.ReasonNoConsent, "with spec.networkACLMode InPlace the rules act on all %d subnets of network ACL %s, and %s consent to runs of this namespace (tag %s): set spec.networkACLMode to Clone, which acts on subnet %s alone, or have their owners consent",
		len(hit), t.acl.ID, problem.Subjects(lacking, "subnet", "does not", "do not"), r.options.ConsentTagKey, spec.SubnetID)
}

// lookForOthers looks for other clusters in the subnets that a run which is on hits, about once a
// minute, and at once when they are others than before. It writes to what is remembered of the
// answer alone.
func (r *Reconciler) lookForOthers(ctx context.Context, s *scope, hit []string) (preflight.OtherClusters, error) {
	if run.StartSpec(s.obj).OtherClusters == v1alpha1.OtherClustersAllow {
		return preflight.OtherClusters{}, nil
	}
	about := strings.Join(hit, " ")
	if s.unseen.err != nil && s.unseen.about == about {
		return preflight.OtherClusters{}, s.unseen.err // a look that fails is not repeated in the same pass
	}
	ctx, cancel := context.WithTimeout(ctx, othersTimeout)
	defer cancel()
	found, err := s.seen.cache.Others.Get(s.now, about, func() (preflight.OtherClusters, error) {
		arns, complete, err := discovery.OtherClusters(ctx, s.clients.ECS, s.status().Target.ClusterARN, hit...)
		return preflight.OtherClusters{ARNs: arns, Truncated: err == nil && !complete}, err
	})
	s.unseen.about, s.unseen.err = about, err
	return found, err
}

// besideSubnets are the subnets that the denies of a run act on beside its own, as one look found
// them: id to subnet. One that is gone has no entry.
type besideSubnets struct {
	known map[string]subnet
	err   error
}

// lookBeside looks at the subnets hit beside the run's own, after a read of the network ACL in this
// pass. Without such a read it asks nothing.
func (r *Reconciler) lookBeside(ctx context.Context, s *scope) (beside besideSubnets) {
	if !s.aclRead || s.seen.acl == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, observeTimeout)
	defer cancel()
	beside.known, beside.err = describeSubnets(ctx, s.clients.EC2, s.hitBeside())
	return
}

// hitBeside are the subnets hit beside the run's own, whose consent is judged with the rest of the
// target.
func (s *scope) hitBeside() []string {
	return slices.DeleteFunc(s.hit(), func(id string) bool { return id == s.obj.Spec.SubnetID })
}

// lacking are the subnets hit beside the run's own that a look showed not to consent.
func (r *Reconciler) lacking(s *scope, beside besideSubnets) []string {
	if !s.aclRead || s.seen.acl == nil || beside.err != nil {
		return nil
	}
	return r.withoutConsent(s.hitBeside(), beside.known, s.obj.Namespace)
}

// judgeHit holds the subnets that the denies act on, after a read of the network ACL and a look at
// them, against what lets them: the consent of each, and no other cluster's agents. What is wrong
// is said at once, and ends the run when two reads agree. Consent is judged by the subnets alone:
// that ECS can't be asked about clusters must not keep an owner's word from counting.
func (r *Reconciler) judgeHit(ctx context.Context, s *scope, beside besideSubnets) error {
	if !s.aclRead || s.seen.acl == nil {
		return s.seen.amiss.AsError()
	}
	if s.seen.lookFailed.beside = beside.err != nil; beside.err != nil {
		return errors.Join(s.seen.amiss.AsError(), beside.err)
	}
	if lacking := r.lacking(s, beside); len(lacking) > 0 {
		return s.suspectHit(r.consentTrouble(s, lacking), lacking)
	}
	s.seen.noteConsent(maps.Keys(beside.known))
	if s.status().Abort != nil || s.seen.target.IsPending() {
		return s.seen.amiss.AsError() // it ends, or another read decides: nothing is added meanwhile
	}

	hit := s.hit()
	others, err := r.lookForOthers(ctx, s, hit)
	if err != nil {
		// Rules in these subnets stay, and are kept up, on the last answer about them. Without any
		// there are no new ones.
		s.seen.lookFailed.beside = !s.seen.cache.Others.IsAbout(strings.Join(hit, " "))
		if s.seen.amiss != nil && s.seen.amiss.Reason != v1alpha1.AbortOtherClusters {
			s.seen.clearHit()
		}
		return errors.Join(s.seen.amiss.AsError(), err)
	}
	if len(others.ARNs) > 0 {
		s.seen.cache.Others.Expire() // the next look must not be this one's answer
		return s.suspectHit(problem.Wait(v1alpha1.AbortOtherClusters, "%s container instances in %s now, whose agents the rules cut off as well, and spec.otherClusters does not allow that",
			problem.Subjects(others.ARNs, "cluster", "has", "have"), subnetsOf(hit)), others.ARNs)
	}
	s.seen.clearHit()
	return nil
}

// clearHit notes that nothing is wrong with the subnets hit.
func (m *memory) clearHit() {
	m.hit.Clear()
	m.amiss, m.evidence = nil, nil
}

// suspectHit notes what a read showed to be wrong with the subnets hit, and by which subnets or
// clusters. The run ends when one of them was so on two reads: others may join meanwhile, and the
// last read is the one that is told.
func (s *scope) suspectHit(found *problem.Problem, evidence []string) error {
	lasting := slices.DeleteFunc(slices.Clone(s.seen.evidence), func(id string) bool { return !slices.Contains(evidence, id) })
	if len(lasting) == 0 {
		s.seen.hit.Clear()
		lasting = evidence
	}
	s.seen.evidence = lasting
	if s.seen.hit.Observe("amiss", "", s.now) {
		s.abort(found.Reason, "%s", found.Message)
	}
	s.seen.amiss = problem.Wait(found.Reason, "%s: if another read shows the same, the run ends", found.Message)
	return s.seen.amiss
}

// consentTrouble is why a run may not go on hitting subnets that lack consent.
func (r *Reconciler) consentTrouble(s *scope, lacking []string) *problem.Problem {
	aclID := s.seen.acl.ID
	withdrawn := slices.DeleteFunc(slices.Clone(lacking), func(id string) bool { return !s.seen.consented[id] })
	if len(withdrawn) > 0 {
		return problem.Wait(v1alpha1.AbortConsentWithdrawn, "%s of network ACL %s, which the rules act on too, no longer %s to namespace %s (tag %s)",
			subnetsOf(withdrawn), aclID, problem.Choose(withdrawn, "consents", "consent"), s.obj.Namespace, r.options.ConsentTagKey)
	}
	return problem.Wait(v1alpha1.AbortNetworkACLShared, "network ACL %s serves %s too, and %s not consent to namespace %s (tag %s)",
		aclID, subnetsOf(lacking), problem.Choose(lacking, "it does", "they do"), s.obj.Namespace, r.options.ConsentTagKey)
}

// noteConsent notes which subnets were seen to consent: of those, a lack later is a consent
// withdrawn.
func (m *memory) noteConsent(ids func(func(string) bool)) {
	m.consented = map[string]bool{}
	for id := range ids {
		m.consented[id] = true
	}
}

// mayHit reports whether nothing known forbids new denies: what one read shows is no
// ground to end a run, but to add nothing until another one decides.
func (s *scope) mayHit() bool { return !s.seen.hit.IsPending() && !s.seen.target.IsPending() }

// maySpread reports whether new denies may be made, or lost ones made again: only where the last
// look at the subnets they act on was answered, the run's own included. Where one was not, the
// rules in place stay, and everything but new rules goes on. That lasts until a look succeeds: the
// next regular one, a poll interval later at most, so a call that AWS throttles sometimes delays
// a repair by that much and no more.
func (s *scope) maySpread() bool {
	return s.mayHit() && !s.seen.lookFailed.own && !s.seen.lookFailed.beside
}

// subnetsOf names subnets: "subnet a", "subnets a, b".
func subnetsOf(ids []string) string {
	return problem.Choose(ids, "subnet ", "subnets ") + problem.List(ids)
}
