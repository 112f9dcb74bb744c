// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"context"
	"errors"
	"slices"
	"time"

	"agentdisconnect.dev/agentdisconnect/controllers/answers"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/objects"
	"agentdisconnect.dev/agentdisconnect/controllers/parallel"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/controllers/target"
)

// gatherNetworkACL reads the subnet's network ACL, by which the mode is chosen, then what a run in
// that mode would hit and needs, and asks AWS whether all that it writes would be allowed.
func (p *Preflight) gatherNetworkACL(ctx context.Context, f *Findings) error {
	clonesKnown, err := p.readNetworkACL(ctx, f)
	f.chooseMode()
	switch {
	case err != nil || f.acl == nil:
		return err
	case clonesKnown:
		return p.gatherForMode(ctx, f)
	}

	// As a rule no other manager has a clone of it, and the mode stays: that saves waiting.
	expected := f.mode
	var foreign []foreignClone
	var unknown, lacking error
	_ = parallel.Do(
		func() error { foreign, unknown = p.findForeignClones(ctx, f.acl.ID); return nil },
		func() error { lacking = p.gatherForMode(ctx, f); return nil },
	)
	f.foreign = foreign
	if f.chooseMode(); f.mode != expected {
		lacking = p.gatherForMode(ctx, f)
	}
	return errors.Join(unknown, lacking)
}

// readNetworkACL reads the subnet's network ACL, and reports whether the clones that other managers
// have of it are known too.
func (p *Preflight) readNetworkACL(ctx context.Context, f *Findings) (clonesKnown bool, err error) {
	expected := p.Original.ID() // as a rule the pass before saw the same: that saves waiting for its id
	var foreign []foreignClone
	if err := parallel.Do(
		func() (err error) {
			f.acl, err = ec2acl.ReadOfSubnet(ctx, p.Clients.EC2, f.spec().SubnetID)
			return
		},
		func() (err error) {
			if expected != "" {
				foreign, err = p.findForeignClones(ctx, expected)
			}
			return
		},
	); err != nil {
		return false, err
	}

	p.Original.Observe(f.acl, p.Now)
	if f.aclRead = true; f.acl == nil {
		return false, nil
	}

	if clonesKnown = f.acl.ID == expected; clonesKnown {
		f.foreign = foreign
	}

	f.subnetOnClone, err = p.hasSubnetOnClone(ctx, f.acl.ID)
	return clonesKnown, err
}

// gatherForMode looks at what a run in the chosen mode would hit and needs, and asks AWS whether all
// that it writes would be allowed.
func (p *Preflight) gatherForMode(ctx context.Context, f *Findings) error {
	return parallel.Do(
		func() error { return p.gatherHit(ctx, f) },
		func() error { return p.checkPermissions(ctx, f, permittedTTL) },
		func() error { return f.mode.gather(ctx, p, f) },
	)
}

// gatherHit looks at what a run in place would hit: the other subnets, if there are any, and, if
// the mode was asked for by name, the other clusters in all of them. In any other mode no subnet
// but the run's own is hit: that is asked about earlier.
func (p *Preflight) gatherHit(ctx context.Context, f *Findings) error {
	hit := f.hit()
	return parallel.Do(
		func() error {
			if len(hit) > 1 {
				f.shared, f.unshared = target.DescribeSubnets(ctx, p.Clients.EC2, f.acl.OtherSubnets(f.spec().SubnetID))
			}
			return f.unshared
		},
		func() (err error) {
			if f.mayHitOthers() {
				f.others, err = p.otherClusters(ctx, hit)
			}
			return
		},
	)
}

// permittedTTL is how long a run that can't begin yet takes for granted that AWS allows its writes.
// One that begins asks once more where the answer is older than others are.
const permittedTTL = 10 * time.Minute

// checkPermissions asks AWS by dry runs whether it allows all that the run writes and undoes,
// unless it said so within the ttl.
func (p *Preflight) checkPermissions(ctx context.Context, f *Findings, ttl time.Duration) error {
	_, err := p.Cache.Permitted.GetWithin(ttl, p.Now, string(f.mode.name())+f.acl.ID, func() (bool, error) {
		return true, f.mode.checkPermissions(ctx, p.Fenced().EC2, f)
	})
	return err
}

// aclQuota is how many network ACLs a VPC has room for unless AWS was asked for more.
const aclQuota = 200

// roomForClone is how many more network ACLs the VPC has room for. Where the quota can't be read,
// it is taken for what AWS grants each account.
func roomForClone(ctx context.Context, clients *aws.Clients, vpcID string) (int, error) {
	quota, have := aclQuota, 0
	err := parallel.Do(
		func() error {
			ctx, cancel := context.WithTimeout(ctx, answers.QuotaTimeout)
			defer cancel()
			if granted, err := discovery.NetworkACLQuota(ctx, clients.ServiceQuotas); err == nil {
				quota = granted
			}
			return nil
		},
		func() (err error) { have, err = ec2acl.CountInVPC(ctx, clients.EC2, vpcID); return },
	)
	return quota - have, err
}

// hasSubnetOnClone reports whether another run has a subnet of the network ACL on a clone of it:
// that subnet comes back. It is known from the informer: the mode that comes of it is held against the
// other runs again where the run begins.
func (p *Preflight) hasSubnetOnClone(ctx context.Context, aclID string) (bool, error) {
	all, err := p.Objects.Known(ctx)
	if err != nil {
		return false, problem.FromStore(err)
	}
	return slices.ContainsFunc(all, func(o objects.Object) bool {
		acl := o.Status.NetworkACL
		return o.UID != p.Object.UID && run.IsOn(&o.Status) && acl != nil && acl.OriginalID == aclID &&
			o.Spec.SubnetID != p.Object.Spec.SubnetID && run.HasCloneLeft(acl)
	}), nil
}

// findForeignClones asks AWS for the clones of a network ACL that runs of other Kubernetes clusters
// have.
func (p *Preflight) findForeignClones(ctx context.Context, aclID string) ([]foreignClone, error) {
	clones, err := ec2acl.FindClonesOf(ctx, p.Clients.EC2, aclID)
	return foreignClones(clones, p.Options.ClusterID, p.Now), err
}

// foreignClones are the clones of a network ACL that runs of other Kubernetes clusters have and
// that are not over: the subnet that such a clone serves comes back to the network ACL.
func foreignClones(clones []*networkacl.ACL, clusterID string, now time.Time) []foreignClone {
	var found []foreignClone
	for _, clone := range clones {
		claims, _ := ownership.ParseClaims(clone.Tags)
		for _, claim := range claims {
			if claim.UID == clone.Tags[ownership.TagClone] && claim.ClusterID != clusterID && now.Before(claim.Expires) {
				found = append(found, foreignClone{clone.ID, clone.Tags[ownership.TagSubnet], claim})
			}
		}
	}
	return found
}

// foreignClone is one of them: its id, the subnet that it is for, and what its tags say of the run.
type foreignClone struct {
	id, subnetID string
	claim        ownership.Claim
}
