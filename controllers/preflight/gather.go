// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/answers"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/clones"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/parallel"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/controllers/target"
)

// aclQuota is how many network ACLs a VPC has room for unless AWS was asked for more.
const aclQuota = 200

// Placement is how the rules of a run would be put on a network ACL.
type Placement struct {
	mode   v1alpha1.NetworkACLMode
	reason v1alpha1.NetworkACLModeReason
	// rules are new ledger lines. Those of a clone name no network ACL yet.
	rules []v1alpha1.Rule
	// copies are the entries that a clone begins with.
	copies []clones.Copy
	// renumbered says that the copies have other numbers than their originals.
	renumbered bool
}

// gather reads all that a start needs. The error joins everything that stands against a start,
// so that a person can fix it all at once; what the first look refuses a run for comes alone. A
// pass asks for the rest only once the first look allows the run: a run that can't begin costs
// little. Where the first look of the pass before did, both are made side by side.
func (p *Preflight) gather(ctx context.Context) (*Findings, error) {
	region, err := p.region(&p.Object.Spec)
	if err != nil {
		t := &Findings{}
		return t, errors.Join(err, p.check(t))
	}
	p.UseRegion(region)

	about := strings.Join([]string{region, p.Object.Spec.SubnetID, p.Object.Spec.Cluster}, " ")
	t := &Findings{firstLook: p.seen.passedLook.Value()}
	var looked lookResult
	if p.seen.passedLook.IsKnown(p.Now, about, answers.AnswerTTL) {
		rest, stop := context.WithCancel(ctx)
		defer stop()
		_ = parallel.Do(
			func() error {
				if looked = p.lookFirst(ctx); looked.settles {
					stop()
				}
				return nil
			},
			func() error { err = p.gatherRest(rest, t); return nil },
		)
	} else if looked = p.lookFirst(ctx); !looked.settles {
		t.firstLook = looked.found
		err = p.gatherRest(ctx, t)
	}

	t.firstLook = looked.found
	if looked.settles {
		p.seen.passedLook = answers.Answer[firstLook]{}
		return t, looked.err
	}
	p.seen.passedLook.Keep(p.Now, about, looked.found)
	p.KeepRanges(t.subnet.Ranges)
	err = errors.Join(looked.err, explainNotFound(err, &p.Object.Spec, t.accountID, region))
	if p.HostsKnown(t.instances) {
		err = errors.Join(err, p.AdoptHosts(t.instances, t.endpoints, t.subnet.IPv6), p.LookUp(ctx, t.subnet.IPv6))
	}
	return t, errors.Join(err, p.check(t))
}

// gatherRest reads what the first look doesn't tell, side by side where nothing depends on
// anything else. It takes the first look for granted that the target holds.
func (p *Preflight) gatherRest(ctx context.Context, t *Findings) error {
	return parallel.Do(
		func() error { return p.gatherEndpoints(ctx, t) },
		func() error { return p.gatherNetworkACL(ctx, t) },
		func() error { return p.gatherAgents(ctx, t) },
		func() error {
			_, t.unprotected = p.LookUpProtected(ctx)
			return nil // said with what the run would deny
		},
		func() (err error) {
			if spec := &p.Object.Spec; spec.NetworkACLMode != v1alpha1.NetworkACLModeInPlace {
				t.others, err = p.otherClusters(ctx, []string{spec.SubnetID}) // no other is hit; else gatherHit asks
			}
			return
		},
		func() (err error) { t.tenants, err = p.otherAccounts(ctx, t); return },
		func() error { return p.LearnQuota(ctx, answers.QuotaTTL) },
	)
}

// lookResult is what came of the first look of a pass.
type lookResult struct {
	found firstLook
	// err is what stands against the run, and settles reports whether nothing further need be
	// asked.
	err     error
	settles bool
}

// lookFirst asks each service for what takes one call, unless the Region is known not to answer.
func (p *Preflight) lookFirst(ctx context.Context) lookResult {
	t := &Findings{}
	silent, err := p.Outages.Look(ctx, p.Clients.Region, p.Now, func(ctx context.Context) error { return p.lookAtTarget(ctx, &t.firstLook) })
	err = explainNotFound(err, &p.Object.Spec, t.accountID, p.Clients.Region)
	// First of all: AWS tells of another account's cluster only that it isn't there, or that the
	// caller may not see it.
	foreign := foreignCluster(p.Object.Spec.Cluster, t.accountID, t.subnet)
	refused := errors.Join(p.checkDuration(), p.checkSubnet(t))
	if silent != nil {
		return lookResult{t.firstLook, errors.Join(silent, foreign, refused, err), true}
	}
	if all := errors.Join(foreign, refused, err); p.isSettledBy(all) {
		return lookResult{t.firstLook, all, true}
	}
	return lookResult{t.firstLook, errors.Join(foreign, err), false} // check tells what else it refused
}

// lookAtTarget asks whose account it is, and for the subnet with its consent, and the cluster.
func (p *Preflight) lookAtTarget(ctx context.Context, found *firstLook) error {
	return parallel.Do(
		func() (err error) { found.accountID, err = p.Clients.AccountID(ctx, p.Now); return },
		func() (err error) {
			found.subnet, err = target.DescribeSubnet(ctx, p.Clients.EC2, p.Object.Spec.SubnetID)
			return
		},
		func() (err error) {
			found.cluster, err = discovery.DescribeCluster(ctx, p.Clients.ECS, p.Object.Spec.Cluster)
			return
		},
	)
}

// isSettledBy reports whether what the first look found settles the pass. A plan goes on, since it
// lists all that stands against a run, and so does a run that lacks permissions, since the message
// names all of them. Without credentials there is nothing more to find.
func (p *Preflight) isSettledBy(err error) bool {
	for _, each := range problem.Flatten(err) {
		switch {
		case each == nil:
		case aws.Classify(each) == aws.NoCredentials:
			return true
		case aws.Classify(each) != aws.Denied && !p.IsDraft():
			return true
		}
	}
	return false
}

// gatherEndpoints looks the VPC's endpoints of ECS up.
func (p *Preflight) gatherEndpoints(ctx context.Context, t *Findings) (err error) {
	if t.subnet.VPCID == "" {
		return nil
	}
	t.endpoints, err = p.Endpoints(ctx, t.subnet.VPCID)
	return err
}

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

// gatherAgents looks the cluster's container instances up, and asks about their agents and
// endpoints.
func (p *Preflight) gatherAgents(ctx context.Context, t *Findings) error {
	spec := &p.Object.Spec
	before := p.History.Polls
	latest, _ := before.Latest()
	known := latest.Instances()
	var unlisted, unpolled error
	_ = parallel.Do(
		func() error {
			t.instances, unlisted = discovery.ListContainerInstances(ctx, p.Clients.ECS, spec.Cluster, spec.SubnetID, v1alpha1.MaxContainerInstances)
			return nil
		},
		func() error {
			if len(known) > 0 { // as a rule those of the pass before are the target's still: that saves waiting for the list
				unpolled = p.PollAgents(ctx, spec.Cluster, known)
			}
			return nil
		},
	)
	if !slices.Equal(known, t.instances) {
		p.History.Polls.ForgetSince(before)
		unpolled = nil // they are not: the ones listed are polled below
	}
	if t.cluster.ARN == "" && aws.HasCode(unlisted, aws.CodeClusterNotFound) {
		return nil // the first look says more of the same
	}
	if unlisted != nil || t.cluster.ARN == "" || len(t.instances) == 0 || len(t.instances) > v1alpha1.MaxContainerInstances {
		return unlisted
	}
	return parallel.Do(
		func() error {
			if unpolled != nil {
				return unpolled
			}
			return p.PollAgents(ctx, t.cluster.ARN, t.instances)
		},
		func() error { return p.AskForHosts(ctx, t.cluster.ARN, t.instances) },
	)
}

// otherClusters finds the other clusters with container instances in the subnets that would be hit,
// unless they are allowed.
func (p *Preflight) otherClusters(ctx context.Context, hit []string) (answers.OtherClusters, error) {
	if p.Object.Spec.OtherClusters == v1alpha1.OtherClustersAllow {
		return answers.OtherClusters{}, nil
	}
	return p.Cache.Others.Get(p.Now, strings.Join(hit, " "), func() (answers.OtherClusters, error) {
		about := strings.Join(append([]string{p.Clients.Region, p.Object.Spec.Cluster}, hit...), " ")
		return p.Searches.Find(ctx, p.Now, about, func(ctx context.Context) (answers.OtherClusters, error) {
			arns, complete, err := discovery.OtherClusters(ctx, p.Clients.ECS, p.Object.Spec.Cluster, hit...)
			return answers.OtherClusters{ARNs: arns, Truncated: err == nil && !complete}, err
		})
	})
}

// chooseMode decides which network ACL a run uses, and says why.
func (t *Findings) chooseMode(spec *v1alpha1.AgentDisconnectSpec) (v1alpha1.NetworkACLMode, v1alpha1.NetworkACLModeReason) {
	switch {
	case spec.NetworkACLMode != "":
		return spec.NetworkACLMode, v1alpha1.NetworkACLModeRequested
	case len(t.acl.OtherSubnets(spec.SubnetID)) > 0 || t.subnetOnClone || len(t.foreign) > 0:
		return v1alpha1.NetworkACLModeClone, v1alpha1.NetworkACLModeShared
	default:
		return v1alpha1.NetworkACLModeInPlace, v1alpha1.NetworkACLModeOnlySubnet
	}
}

// choosePlacement is how the rules of a run that owns nothing yet would be put on the subnet's
// network ACL.
func (p *Preflight) choosePlacement(t *Findings) (Placement, error) {
	mode, reason := t.chooseMode(&p.Object.Spec)
	if mode == v1alpha1.NetworkACLModeClone {
		plan, err := clones.NewPlan(t.acl.Entries, run.Desired(p.Object), p.Quota.Value)
		if err == nil {
			err = p.checkRules(t, plan.Rules)
		}
		return Placement{mode, reason, plan.Rules, plan.Copies, plan.Renumbered}, p.Quota.Explain(err)
	}
	plan, err := networkacl.NewPlan(networkacl.PlanInput{
		NetworkACLID: t.acl.ID, Desired: run.Desired(p.Object), Observed: t.acl.Entries, Quota: p.Quota.Value,
	})
	if err == nil {
		err = p.checkRules(t, plan.Create)
	}
	return Placement{mode: mode, reason: reason, rules: plan.Create}, p.Quota.Explain(err)
}
