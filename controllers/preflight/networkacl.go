// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"context"
	"slices"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/answers"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/parallel"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// aclQuota is how many network ACLs a VPC has room for unless AWS was asked for more.
const aclQuota = 200

// gatherNetworkACL reads the subnet's network ACL, and asks AWS whether all that the run writes
// would be allowed.
func (p *Preflight) gatherNetworkACL(ctx context.Context, t *Findings) (err error) {
	expected := p.Original.ID() // as a rule the pass before saw the same: that saves waiting for its id
	var foreign []foreignClone
	if err := parallel.Do(
		func() (err error) {
			t.acl, err = ec2acl.ReadOfSubnet(ctx, p.Clients.EC2, p.Object.Spec.SubnetID)
			return
		},
		func() (err error) {
			if expected != "" {
				foreign, err = p.findForeignClones(ctx, expected)
			}
			return
		},
	); err != nil {
		return err
	}
	p.Original.Observe(t.acl, p.Now)
	if t.aclRead = true; t.acl == nil {
		return nil
	}
	if err := parallel.Do(
		func() (err error) { t.subnetOnClone, err = p.hasSubnetOnClone(ctx, t.acl.ID); return },
		func() (err error) {
			if t.foreign = foreign; t.acl.ID != expected {
				t.foreign, err = p.findForeignClones(ctx, t.acl.ID)
			}
			return
		},
	); err != nil {
		return err
	}
	mode, _ := t.chooseMode(&p.Object.Spec)
	return parallel.Do(
		func() error { return p.gatherHit(ctx, t) },
		func() error {
			return p.checkPermissions(ctx, t, permittedTTL)
		},
		func() error {
			if mode == v1alpha1.NetworkACLModeClone {
				return p.deadManSwitch.Check(ctx)
			}
			return nil
		},
		func() (err error) {
			if mode == v1alpha1.NetworkACLModeClone {
				t.cloneRoom, err = p.Cache.CloneRoom.Get(p.Now, t.acl.VPCID, func() (int, error) { return p.roomForClone(ctx, t.acl.VPCID) })
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
func (p *Preflight) checkPermissions(ctx context.Context, t *Findings, ttl time.Duration) error {
	mode, _ := t.chooseMode(&p.Object.Spec)
	_, err := p.Cache.Permitted.GetWithin(ttl, p.Now, string(mode)+t.acl.ID, func() (bool, error) {
		if mode == v1alpha1.NetworkACLModeClone {
			return true, ec2acl.CheckCloning(ctx, p.Fenced().EC2, t.acl, p.Object.Spec.SubnetID)
		}
		return true, ec2acl.CheckInPlace(ctx, p.Fenced().EC2, t.acl)
	})
	return err
}

// roomForClone is how many more network ACLs the VPC has room for. Where the quota can't be read,
// it is taken for what AWS grants each account.
func (p *Preflight) roomForClone(ctx context.Context, vpcID string) (int, error) {
	quota, have := aclQuota, 0
	err := parallel.Do(
		func() error {
			ctx, cancel := context.WithTimeout(ctx, answers.QuotaTimeout)
			defer cancel()
			if granted, err := discovery.NetworkACLQuota(ctx, p.Clients.ServiceQuotas); err == nil {
				quota = granted
			}
			return nil
		},
		func() (err error) { have, err = ec2acl.CountInVPC(ctx, p.Clients.EC2, vpcID); return },
	)
	return quota - have, err
}

// hasSubnetOnClone reports whether another run has a subnet of the network ACL on a clone of it:
// that subnet comes back.
func (p *Preflight) hasSubnetOnClone(ctx context.Context, aclID string) (bool, error) {
	var all v1alpha1.AgentDisconnectList
	if err := p.Reader.List(ctx, &all); err != nil {
		return false, problem.FromStore(err)
	}
	return slices.ContainsFunc(all.Items, func(o v1alpha1.AgentDisconnect) bool {
		acl := o.Status.NetworkACL
		return o.UID != p.Object.UID && run.IsOn(&o.Status) && acl != nil && acl.OriginalID == aclID &&
			o.Spec.SubnetID != p.Object.Spec.SubnetID && run.HasCloneLeft(acl)
	}), nil
}
