// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"context"
	"errors"
	"slices"
	"strings"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/answers"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/parallel"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/target"
)

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
