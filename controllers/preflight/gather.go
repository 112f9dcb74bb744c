// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/answers"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/brakes"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/parallel"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/target"
)

// gather reads all that a start needs, and reports everything that stands against one, so that a
// person can fix it all at once; what the first look refuses a run for comes alone.
func (p *Preflight) gather(ctx context.Context) *Report {
	r := &Report{Findings: p.newFindings()}
	r.settledEarly = p.look(ctx, r)
	p.learn(r.Findings)
	if !r.settledEarly {
		r.add(r.apply(targetChecks))
	}
	return r
}

// look asks AWS and the DNS. It asks for the rest only once the first look allows the run: a run
// that can't begin costs little. Where the first look of the pass before did, both are made side by
// side. It reports whether the first look settles the pass.
func (p *Preflight) look(ctx context.Context, r *Report) (settled bool) {
	if held := brakes.CheckHalts(p.Halts.Look(ctx)); held != nil {
		r.add(held)
		if !p.IsDraft() {
			return true
		}
	}

	spec := r.spec()
	region, err := chooseRegion(spec, p.Sessions.DefaultRegion())
	if err != nil {
		r.add(err)
		return false
	}

	p.UseRegion(region)

	about := strings.Join([]string{region, spec.SubnetID, spec.Cluster}, " ")
	var looked lookResult
	if p.seen.passedLook.IsKnown(p.Now, about, answers.AnswerTTL) {
		r.firstLook = p.seen.passedLook.Value()
		rest, stop := context.WithCancel(ctx)
		defer stop()
		_ = parallel.Do(
			func() error {
				if looked = p.lookFirst(ctx); looked.settles {
					stop()
				}
				return nil
			},
			func() error { err = p.gatherRest(rest, r.Findings); return nil },
		)
	} else if looked = p.lookFirst(ctx); !looked.settles {
		r.firstLook = looked.found
		err = p.gatherRest(ctx, r.Findings)
	}

	r.firstLook = looked.found
	r.add(looked.err)
	if looked.settles {
		p.seen.passedLook = answers.Answer[firstLook]{}
		return true
	}

	p.seen.passedLook.Keep(p.Now, about, looked.found)
	p.KeepRanges(r.subnet.Ranges)
	r.add(explainNotFound(err, spec, r.accountID, region))
	if p.HostsKnown(r.instances) {
		r.add(p.AdoptHosts(r.instances, r.endpoints, r.subnet.IPv6), p.LookUp(ctx, r.subnet.IPv6))
	}
	return false
}

// chooseRegion is where a run that has not begun will work: spec.region, else the one in the
// cluster's ARN, else the manager's.
func chooseRegion(spec *v1alpha1.AgentDisconnectSpec, managers string) (string, error) {
	parts := strings.Split(spec.Cluster, ":")
	switch {
	case spec.Region != "":
		return spec.Region, nil
	case len(parts) > 3:
		return parts[3], nil
	case managers != "":
		return managers, nil
	}
	return "", problem.Refuse(v1alpha1.ReasonNoRegion, "neither the spec nor the manager names a Region: give the manager one (AWS_REGION), or create the object again with spec.region or with the cluster's ARN")
}

// gatherRest reads what the first look doesn't tell, side by side where nothing depends on
// anything else. It takes the first look for granted that the target holds.
func (p *Preflight) gatherRest(ctx context.Context, f *Findings) error {
	return parallel.Do(
		func() error { return p.gatherEndpoints(ctx, f) },
		func() error { return p.gatherNetworkACL(ctx, f) },
		func() error { return p.gatherAgents(ctx, f) },
		func() error {
			_, f.unprotected = p.LookUpProtected(ctx)
			return nil // said with what the run would deny
		},
		func() (err error) {
			if !f.mayHitOthers() {
				f.others, err = p.otherClusters(ctx, []string{f.spec().SubnetID}) // else gatherHit asks
			}
			return
		},
		func() (err error) { f.tenants, err = p.otherAccounts(ctx, f); return },
		func() error { return p.LearnQuota(ctx, answers.QuotaTTL) },
		func() error { return p.gatherProbe(ctx, f) },
		func() error { return p.gatherCallers(ctx, f) },
		func() error { return p.gatherBrakes(ctx, f) },
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
	f := p.newFindings()
	silent, err := p.Outages.Look(ctx, p.Clients.Place(), p.Now, func(ctx context.Context) error { return p.lookAtTarget(ctx, &f.firstLook) })
	err = explainNotFound(err, f.spec(), f.accountID, p.Clients.Region)
	// First of all what the checks say: AWS tells of another account's cluster only that it isn't
	// there, or that the caller may not see it.
	refused := f.apply(firstChecks)
	if silent != nil {
		return lookResult{f.firstLook, errors.Join(silent, refused, err), true}
	}

	if all := errors.Join(refused, err); p.isSettledBy(all) {
		return lookResult{f.firstLook, all, true}
	}
	return lookResult{f.firstLook, errors.Join(checkClusterAccount(f), err), false} // targetChecks tell the others
}

// lookAtTarget asks whose account it is, and for the subnet with its consent, and the cluster.
func (p *Preflight) lookAtTarget(ctx context.Context, found *firstLook) error {
	found.region = p.Clients.Region
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
func (p *Preflight) gatherEndpoints(ctx context.Context, f *Findings) (err error) {
	if f.subnet.VPCID == "" {
		return nil
	}
	f.endpoints, err = p.Endpoints(ctx, f.subnet.VPCID)
	return err
}

// gatherAgents looks the cluster's container instances up, and asks about their agents and
// endpoints.
func (p *Preflight) gatherAgents(ctx context.Context, f *Findings) error {
	spec := &p.Object.Spec
	before := p.History.Polls
	latest, _ := before.Latest()
	known := latest.Instances()
	var unlisted, unpolled error
	_ = parallel.Do(
		func() error {
			f.instances, unlisted = discovery.ListContainerInstances(ctx, p.Clients.ECS, spec.Cluster, spec.SubnetID, v1alpha1.MaxContainerInstances)
			return nil
		},
		func() error {
			if len(known) > 0 { // as a rule those of the pass before are the target's still: that saves waiting for the list
				unpolled = p.PollAgents(ctx, spec.Cluster, known)
			}
			return nil
		},
	)
	if !slices.Equal(known, f.instances) {
		p.History.Polls.ForgetSince(before)
		unpolled = nil // they are not: the ones listed are polled below
	}

	if f.cluster.ARN == "" && aws.HasCode(unlisted, aws.CodeClusterNotFound) {
		return nil // the first look says more of the same
	}

	if unlisted != nil || f.cluster.ARN == "" || len(f.instances) == 0 || len(f.instances) > v1alpha1.MaxContainerInstances {
		return unlisted
	}

	return parallel.Do(
		func() error {
			if unpolled != nil {
				return unpolled
			}
			return p.PollAgents(ctx, f.cluster.ARN, f.instances)
		},
		func() error { return p.AskForHosts(ctx, f.cluster.ARN, f.instances) },
	)
}

// otherClusters finds the other clusters with container instances in the subnets that would be hit,
// unless they are allowed.
func (p *Preflight) otherClusters(ctx context.Context, hit []string) (answers.OtherClusters, error) {
	if p.Object.Spec.OtherClusters == v1alpha1.OtherClustersAllow {
		return answers.OtherClusters{}, nil
	}
	return p.Cache.Others.Get(p.Now, strings.Join(hit, " "), func() (answers.OtherClusters, error) {
		about := strings.Join(append([]string{p.Clients.Place(), p.Object.Spec.Cluster}, hit...), " ")
		return p.Searches.Find(ctx, p.Now, about, func(ctx context.Context) (answers.OtherClusters, error) {
			arns, complete, err := discovery.OtherClusters(ctx, p.Clients.ECS, p.Object.Spec.Cluster, hit...)
			return answers.OtherClusters{ARNs: arns, Truncated: err == nil && !complete}, err
		})
	})
}

// tenantsTTL is how long it is taken for granted which other accounts have network interfaces in a
// subnet: it is worth a note, and keeps no run from beginning.
const tenantsTTL = 10 * time.Minute

// otherAccounts finds the other accounts with network interfaces in the subnet.
func (p *Preflight) otherAccounts(ctx context.Context, f *Findings) ([]string, error) {
	if f.accountID == "" {
		return nil, nil // said by the first look
	}
	subnetID := f.spec().SubnetID
	return p.Cache.Tenants.GetWithin(tenantsTTL, p.Now, subnetID+" "+f.accountID, func() ([]string, error) {
		return discovery.OtherAccounts(ctx, p.Clients.EC2, subnetID, f.accountID)
	})
}

// explainNotFound has errors that say that the target isn't there name it, with the account and the
// Region that were asked.
func explainNotFound(err error, spec *v1alpha1.AgentDisconnectSpec, accountID, region string) error {
	var explained []error
	for _, each := range problem.Flatten(err) {
		explained = append(explained, explainMissing(each, spec, cmp.Or(accountID, "(id not known)"), region))
	}
	return errors.Join(explained...)
}

func explainMissing(err error, spec *v1alpha1.AgentDisconnectSpec, accountID, region string) error {
	if known, ok := errors.AsType[*discovery.ClusterNotFoundError](err); ok {
		return problem.Refuse(v1alpha1.ReasonClusterNotFound, "%s in account %s, Region %s: check spec.cluster and spec.region", known, accountID, region)
	}
	if known, ok := errors.AsType[*discovery.TaskDefinitionNotFoundError](err); ok {
		return problem.Refuse(v1alpha1.ReasonTaskDefinitionNotUsable, "%s in account %s, Region %s: register it, or check spec.probe.taskDefinition", known, accountID, region)
	}

	switch {
	case aws.HasCode(err, aws.CodeSubnetNotFound):
		return problem.Refuse(v1alpha1.ReasonSubnetNotFound, "subnet %s does not exist in account %s, Region %s: check spec.subnetID and spec.region", spec.SubnetID, accountID, region)
	case aws.HasCode(err, aws.CodeClusterNotFound):
		return problem.Refuse(v1alpha1.ReasonClusterNotFound, "cluster %s does not exist in account %s, Region %s: check spec.cluster and spec.region", spec.Cluster, accountID, region)
	}
	return err
}
