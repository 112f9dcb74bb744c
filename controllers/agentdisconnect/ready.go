// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/preflight"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// aclQuota is how many network ACLs a VPC has room for unless AWS was asked for more.
const aclQuota = 200

// placement is how the rules of a run would be put on a network ACL.
type placement struct {
	mode   v1alpha1.NetworkACLMode
	reason v1alpha1.NetworkACLModeReason
	// rules are new ledger lines. Those of a clone name no network ACL yet.
	rules []v1alpha1.Rule
	// copies are the entries that a clone begins with.
	copies []networkacl.Copy
	// renumbered says that the copies have other numbers than their originals.
	renumbered bool
}

// gather reads all that a start needs. The error joins everything that stands against a start,
// so that a person can fix it all at once; what the first look refuses a run for comes alone. A
// pass asks for the rest only once the first look allows the run: a run that can't begin costs
// little. Where the first look of the pass before did, both are made side by side.
func (r *Reconciler) gather(ctx context.Context, s *scope) (*target, error) {
	region, err := r.region(&s.obj.Spec)
	if err != nil {
		t := &target{}
		return t, errors.Join(err, r.check(s, t))
	}
	s.clients = r.sessions.In(region)

	about := strings.Join([]string{region, s.obj.Spec.SubnetID, s.obj.Spec.Cluster}, " ")
	t := &target{firstLook: s.seen.passedLook.Value()}
	var looked lookResult
	if s.seen.passedLook.IsKnown(s.now, about, preflight.AnswerTTL) {
		rest, stop := context.WithCancel(ctx)
		defer stop()
		_ = together(
			func() error {
				if looked = r.lookFirst(ctx, s); looked.settles {
					stop()
				}
				return nil
			},
			func() error { err = r.gatherRest(rest, s, t); return nil },
		)
	} else if looked = r.lookFirst(ctx, s); !looked.settles {
		t.firstLook = looked.found
		err = r.gatherRest(ctx, s, t)
	}

	t.firstLook = looked.found
	if looked.settles {
		s.seen.passedLook = preflight.Answer[firstLook]{}
		return t, looked.err
	}
	s.seen.passedLook.Keep(s.now, about, looked.found)
	s.seen.subnetRanges = t.subnet.ranges
	err = errors.Join(looked.err, explainNotFound(err, &s.obj.Spec, t.accountID, region))
	if s.hostsKnown(t) {
		err = errors.Join(err, r.adoptHosts(s, t), r.lookUp(ctx, s, t.subnet.ipv6))
	}
	return t, errors.Join(err, r.check(s, t))
}

// gatherRest reads what the first look doesn't tell, side by side where nothing depends on
// anything else. It takes the first look for granted that the target holds.
func (r *Reconciler) gatherRest(ctx context.Context, s *scope, t *target) error {
	return together(
		func() error { return r.gatherEndpoints(ctx, s, t) },
		func() error { return r.gatherNetworkACL(ctx, s, t) },
		func() error { return r.gatherAgents(ctx, s, t) },
		func() error {
			s.seen.protected, t.unprotected = r.lookUpProtected(ctx, s)
			return nil // said with what the run would deny
		},
		func() (err error) {
			if spec := &s.obj.Spec; spec.NetworkACLMode != v1alpha1.NetworkACLModeInPlace {
				t.others, err = r.otherClusters(ctx, s, []string{spec.SubnetID}) // no other is hit; else gatherHit asks
			}
			return
		},
		func() (err error) { t.tenants, err = r.otherAccounts(ctx, s, t); return },
		func() error { return r.learnQuota(ctx, s, quotaTTL) },
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
func (r *Reconciler) lookFirst(ctx context.Context, s *scope) lookResult {
	t := &target{}
	silent, err := r.lookOnce(ctx, s, func(ctx context.Context) error { return r.lookAtTarget(ctx, s, &t.firstLook) })
	err = explainNotFound(err, &s.obj.Spec, t.accountID, s.clients.Region)
	// First of all: AWS tells of another account's cluster only that it isn't there, or that the
	// caller may not see it.
	foreign := foreignCluster(s.obj.Spec.Cluster, t.accountID, t.subnet)
	refused := errors.Join(r.checkDuration(s), r.checkSubnet(s, t))
	if silent != nil {
		return lookResult{t.firstLook, errors.Join(silent, foreign, refused, err), true}
	}
	if all := errors.Join(foreign, refused, err); s.isSettledBy(all) {
		return lookResult{t.firstLook, all, true}
	}
	return lookResult{t.firstLook, errors.Join(foreign, err), false} // check tells what else it refused
}

// lookAtTarget asks whose account it is, and for the subnet with its consent, and the cluster.
func (r *Reconciler) lookAtTarget(ctx context.Context, s *scope, found *firstLook) error {
	return together(
		func() (err error) { found.accountID, err = s.clients.AccountID(ctx, s.now); return },
		func() (err error) {
			found.subnet, err = describeSubnet(ctx, s.clients.EC2, s.obj.Spec.SubnetID)
			return
		},
		func() (err error) {
			found.cluster, err = discovery.DescribeCluster(ctx, s.clients.ECS, s.obj.Spec.Cluster)
			return
		},
	)
}

// isSettledBy reports whether what the first look found settles the pass. A plan goes on, since it
// lists all that stands against a run, and so does a run that lacks permissions, since the message
// names all of them. Without credentials there is nothing more to find.
func (s *scope) isSettledBy(err error) bool {
	for _, each := range problem.Flatten(err) {
		switch {
		case each == nil:
		case aws.Classify(each) == aws.NoCredentials:
			return true
		case aws.Classify(each) != aws.Denied && !s.planning:
			return true
		}
	}
	return false
}

// gatherEndpoints looks the VPC's endpoints of ECS up.
func (r *Reconciler) gatherEndpoints(ctx context.Context, s *scope, t *target) (err error) {
	if t.subnet.vpcID == "" {
		return nil
	}
	t.endpoints, err = s.seen.cache.Endpoints.Get(s.now, t.subnet.vpcID, func() ([]discovery.VPCEndpoint, error) {
		return discovery.VPCEndpoints(ctx, s.clients.EC2, s.clients.Region, t.subnet.vpcID)
	})
	return err
}

// gatherNetworkACL reads the subnet's network ACL, and asks AWS whether all that the run writes
// would be allowed.
func (r *Reconciler) gatherNetworkACL(ctx context.Context, s *scope, t *target) (err error) {
	expected := s.seen.originalReads.id // as a rule the pass before saw the same: that saves waiting for its id
	var foreign []foreignClone
	if err := together(
		func() (err error) {
			t.acl, err = ec2acl.ReadOfSubnet(ctx, s.clients.EC2, s.obj.Spec.SubnetID)
			return
		},
		func() (err error) {
			if expected != "" {
				foreign, err = r.findForeignClones(ctx, s, expected)
			}
			return
		},
	); err != nil {
		return err
	}
	s.seen.originalReads.observe(t.acl, s.now)
	if t.aclRead = true; t.acl == nil {
		return nil
	}
	if err := together(
		func() (err error) { t.subnetOnClone, err = r.hasSubnetOnClone(ctx, s, t.acl.ID); return },
		func() (err error) {
			if t.foreign = foreign; t.acl.ID != expected {
				t.foreign, err = r.findForeignClones(ctx, s, t.acl.ID)
			}
			return
		},
	); err != nil {
		return err
	}
	mode, _ := t.chooseMode(&s.obj.Spec)
	return together(
		func() error { return r.gatherHit(ctx, s, t) },
		func() error {
			return r.checkPermissions(ctx, s, t, permittedTTL)
		},
		func() error {
			if mode == v1alpha1.NetworkACLModeClone {
				return r.checkSwitch(ctx, s)
			}
			return nil
		},
		func() (err error) {
			if mode == v1alpha1.NetworkACLModeClone {
				t.cloneRoom, err = s.seen.cache.CloneRoom.Get(s.now, t.acl.VPCID, func() (int, error) { return r.roomForClone(ctx, s, t.acl.VPCID) })
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
func (r *Reconciler) checkPermissions(ctx context.Context, s *scope, t *target, ttl time.Duration) error {
	mode, _ := t.chooseMode(&s.obj.Spec)
	_, err := s.seen.cache.Permitted.GetWithin(ttl, s.now, string(mode)+t.acl.ID, func() (bool, error) {
		if mode == v1alpha1.NetworkACLModeClone {
			return true, ec2acl.CheckCloning(ctx, s.fenced().EC2, t.acl, s.obj.Spec.SubnetID)
		}
		return true, ec2acl.CheckInPlace(ctx, s.fenced().EC2, t.acl)
	})
	return err
}

// roomForClone is how many more network ACLs the VPC has room for. Where the quota can't be read,
// it is taken for what AWS grants everybody.
func (r *Reconciler) roomForClone(ctx context.Context, s *scope, vpcID string) (int, error) {
	quota, have := aclQuota, 0
	err := together(
		func() error {
			ctx, cancel := context.WithTimeout(ctx, quotaTimeout)
			defer cancel()
			if granted, err := discovery.NetworkACLQuota(ctx, s.clients.ServiceQuotas); err == nil {
				quota = granted
			}
			return nil
		},
		func() (err error) { have, err = ec2acl.CountInVPC(ctx, s.clients.EC2, vpcID); return },
	)
	return quota - have, err
}

// hasSubnetOnClone reports whether another run has a subnet of the network ACL on a clone of it:
// that subnet comes back.
func (r *Reconciler) hasSubnetOnClone(ctx context.Context, s *scope, aclID string) (bool, error) {
	var all v1alpha1.AgentDisconnectList
	if err := r.reader.List(ctx, &all); err != nil {
		return false, problem.FromStore(err)
	}
	return slices.ContainsFunc(all.Items, func(o v1alpha1.AgentDisconnect) bool {
		acl := o.Status.NetworkACL
		return o.UID != s.obj.UID && run.IsOn(&o.Status) && acl != nil && acl.OriginalID == aclID &&
			o.Spec.SubnetID != s.obj.Spec.SubnetID && run.HasCloneLeft(acl)
	}), nil
}

// gatherAgents looks the cluster's container instances up, and asks about their agents and
// endpoints.
func (r *Reconciler) gatherAgents(ctx context.Context, s *scope, t *target) error {
	spec := &s.obj.Spec
	before := s.seen.history.Polls
	latest, _ := before.Latest()
	known := latest.Instances()
	var unlisted, unpolled error
	_ = together(
		func() error {
			t.instances, unlisted = discovery.ListContainerInstances(ctx, s.clients.ECS, spec.Cluster, spec.SubnetID, v1alpha1.MaxContainerInstances)
			return nil
		},
		func() error {
			if len(known) > 0 { // as a rule those of the pass before are the target's still: that saves waiting for the list
				unpolled = r.pollAgents(ctx, s, spec.Cluster, known)
			}
			return nil
		},
	)
	if !slices.Equal(known, t.instances) {
		s.seen.history.Polls.ForgetSince(before)
		unpolled = nil // they are not: the ones listed are polled below
	}
	if t.cluster.ARN == "" && aws.HasCode(unlisted, aws.CodeClusterNotFound) {
		return nil // the first look says more of the same
	}
	if unlisted != nil || t.cluster.ARN == "" || len(t.instances) == 0 || len(t.instances) > v1alpha1.MaxContainerInstances {
		return unlisted
	}
	return together(
		func() error {
			if unpolled != nil {
				return unpolled
			}
			return r.pollAgents(ctx, s, t.cluster.ARN, t.instances)
		},
		func() error { return r.askForHosts(ctx, s, t.cluster.ARN, t.instances) },
	)
}

// otherClusters finds the other clusters with container instances in the subnets that would be hit,
// unless they are allowed.
func (r *Reconciler) otherClusters(ctx context.Context, s *scope, hit []string) (preflight.OtherClusters, error) {
	if s.obj.Spec.OtherClusters == v1alpha1.OtherClustersAllow {
		return preflight.OtherClusters{}, nil
	}
	return s.seen.cache.Others.Get(s.now, strings.Join(hit, " "), func() (preflight.OtherClusters, error) {
		about := strings.Join(append([]string{s.clients.Region, s.obj.Spec.Cluster}, hit...), " ")
		return r.searches.Find(ctx, s.now, about, func(ctx context.Context) (preflight.OtherClusters, error) {
			arns, complete, err := discovery.OtherClusters(ctx, s.clients.ECS, s.obj.Spec.Cluster, hit...)
			return preflight.OtherClusters{ARNs: arns, Truncated: err == nil && !complete}, err
		})
	})
}

// chooseMode decides which network ACL a run uses, and says why.
func (t *target) chooseMode(spec *v1alpha1.AgentDisconnectSpec) (v1alpha1.NetworkACLMode, v1alpha1.NetworkACLModeReason) {
	switch {
	case spec.NetworkACLMode != "":
		return spec.NetworkACLMode, v1alpha1.NetworkACLModeRequested
	case len(otherSubnets(t.acl, spec.SubnetID)) > 0 || t.subnetOnClone || len(t.foreign) > 0:
		return v1alpha1.NetworkACLModeClone, v1alpha1.NetworkACLModeShared
	default:
		return v1alpha1.NetworkACLModeInPlace, v1alpha1.NetworkACLModeOnlySubnet
	}
}

// choosePlacement is how the rules of a run that owns nothing yet would be put on the subnet's
// network ACL.
func (r *Reconciler) choosePlacement(s *scope, t *target) (placement, error) {
	mode, reason := t.chooseMode(&s.obj.Spec)
	if mode == v1alpha1.NetworkACLModeClone {
		plan, err := networkacl.PlanClone(t.acl.Entries, run.Desired(s.obj), s.quota.value)
		if err == nil {
			err = checkRules(s, t, plan.Rules)
		}
		return placement{mode, reason, plan.Rules, plan.Copies, plan.Renumbered}, s.explainQuota(err)
	}
	plan, err := networkacl.NewPlan(networkacl.PlanInput{
		NetworkACLID: t.acl.ID, Desired: run.Desired(s.obj), Observed: t.acl.Entries, Quota: s.quota.value,
	})
	if err == nil {
		err = checkRules(s, t, plan.Create)
	}
	return placement{mode: mode, reason: reason, rules: plan.Create}, s.explainQuota(err)
}
