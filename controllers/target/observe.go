// SPDX-License-Identifier: Apache-2.0

package target

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/utils/ptr"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/parallel"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// Observation is what a pass saw of the target beside the network ACL.
type Observation struct {
	// due says that subnet and cluster were looked at.
	due                       bool
	tracked                   []string
	untracked                 *int32
	subnet                    Subnet
	subnetErr                 error
	agentsGone, clusterIsGone bool
	hosts                     []discovery.Host
	// private are the VPC's endpoints for the sessions; privateRead says that AWS named them.
	private     []v1alpha1.Endpoint
	privateRead bool
}

// Observe looks at the agents, at the addresses of their hosts and at those that the run must not
// deny, and where that is due at subnet and cluster, side by side.
func (t *Target) Observe(ctx context.Context, due bool) (*Observation, error) {
	status := t.Status()
	seen := &Observation{due: due, tracked: run.AgentARNs(status.Agents)}
	err := parallel.Do(
		func() error { return t.observePlace(ctx, seen) },
		func() (err error) { seen.agentsGone, err = t.WatchAgents(ctx, status.StartTime.Time); return },
		func() error { return t.LookUp(ctx, ptr.Deref(status.Target.IPv6, false)) },
		func() error {
			if known, err := t.LookUpProtected(ctx); !known {
				return ExplainUnprotected(err)
			}
			return nil // what is missing was found by an earlier look, or is by a later one
		},
	)
	return seen, err
}

// Adopt brings the status in line with an observation, and asks ECS again for hosts where that is
// due. enforcedSince is since when the rules have been in force; zero: they are not.
func (t *Target) Adopt(ctx context.Context, seen *Observation, enforcedSince time.Time) error {
	status := t.Status()
	if seen.due {
		t.seen.lookFailed.own = seen.subnetErr != nil
	}

	if seen.untracked != nil && status.Agents != nil {
		status.Agents.Uncounted = seen.untracked
	}

	if seen.subnet.IPv6 {
		status.Target.IPv6 = new(true) // also where it was given to the subnet during the run
	}

	if len(seen.subnet.Ranges) > 0 {
		t.seen.subnetRanges = seen.subnet.Ranges
	}

	named, unanswered := t.askAgain(ctx, enforcedSince)
	t.join(append(seen.hosts, named...), seen.private)
	if seen.privateRead {
		t.releasePrivate(seen.private)
	}

	t.exempt()
	return unanswered
}

// observePlace looks at subnet and cluster, and at what joined them since the run began.
func (t *Target) observePlace(ctx context.Context, seen *Observation) error {
	if !seen.due {
		return nil
	}

	recorded, spec, reads := t.Status().Target, &t.Object.Spec, t.Clients.Polled(t.since)
	return parallel.Do(
		func() error {
			seen.subnet, seen.subnetErr = DescribeSubnet(ctx, reads.EC2, spec.SubnetID)
			return nil
		},
		func() (err error) {
			seen.clusterIsGone, err = clusterGone(ctx, reads.ECS, recorded.ClusterARN)
			return
		},
		func() (err error) { seen.hosts, err = t.observeNewInstances(ctx, seen); return },
		func() error {
			endpoints, err := t.Endpoints(ctx, recorded.VPCID)
			seen.private = privateEndpoints(run.StartSpec(t.Object), endpoints, ptr.Deref(recorded.IPv6, false))
			seen.privateRead = err == nil
			return err
		},
	)
}

// observeNewInstances counts the container instances in the subnet that are not tracked, and finds
// out what they connect to.
func (t *Target) observeNewInstances(ctx context.Context, seen *Observation) ([]discovery.Host, error) {
	clusterARN := t.Status().Target.ClusterARN
	present, err := discovery.ListContainerInstances(ctx, t.Clients.Polled(t.since).ECS, clusterARN, t.Object.Spec.SubnetID, v1alpha1.MaxContainerInstances)
	if aws.HasCode(err, aws.CodeClusterNotFound) {
		return nil, nil // said by the look at the cluster
	}

	if err != nil {
		return nil, err
	}

	untracked := slices.DeleteFunc(present, func(arn string) bool { return slices.Contains(seen.tracked, arn) })
	seen.untracked = new(int32(len(untracked)))
	unanswered := t.AskForHosts(ctx, clusterARN, untracked)
	return wantedHosts(run.StartSpec(t.Object), t.History.Hosts.Of(untracked)), unanswered
}

// Judge ends the run where two looks agree that its target is no longer what it was.
func (t *Target) Judge(ctx context.Context, seen *Observation) error {
	status, spec := t.Status(), &t.Object.Spec
	switch {
	case run.AllLeft(status.Agents): // two polls agreed
		if gone, err := clusterGone(ctx, t.Clients.ECS, status.Target.ClusterARN); err == nil && gone {
			t.Abort(v1alpha1.AbortClusterGone, clusterGoneMessage, status.Target.ClusterARN)
		}
		t.Abort(v1alpha1.AbortAgentsLeft, "none of the %d tracked container instances is in the cluster any more", len(status.Agents.ContainerInstances))
	case seen.agentsGone || seen.clusterIsGone:
		t.abortIfConfirmed(v1alpha1.AbortClusterGone, clusterGoneMessage, status.Target.ClusterARN)
	case aws.HasCode(seen.subnetErr, aws.CodeSubnetNotFound):
		t.abortIfConfirmed(v1alpha1.AbortSubnetLeft, "subnet %s was deleted", spec.SubnetID)
	case seen.subnetErr != nil:
		return seen.subnetErr
	case seen.due && !t.Consent().IsGivenBy(seen.subnet.Tags):
		t.abortIfConfirmed(v1alpha1.AbortConsentWithdrawn, "the owner of subnet %s withdrew its consent: the tag %s no longer allows namespace %s", spec.SubnetID, t.Options.ConsentTagKey, t.Object.Namespace)
	case seen.due:
		t.seen.changed.Clear()
	}
	return nil
}

const clusterGoneMessage = "cluster %s is gone or no longer active"

// clusterGone reports whether the cluster of a run is gone or no longer active.
func clusterGone(ctx context.Context, client aws.ECS, arn string) (bool, error) {
	_, err := discovery.DescribeCluster(ctx, client, arn)
	if _, ok := errors.AsType[*discovery.ClusterNotFoundError](err); ok {
		return true, nil
	}
	return false, err
}

// abortIfConfirmed ends the run once two looks at the target found the same.
func (t *Target) abortIfConfirmed(reason, format string, args ...any) {
	if t.seen.changed.Observe(reason, fmt.Sprintf(format, args...), t.Now) {
		t.Abort(reason, format, args...)
	}
}
