// SPDX-License-Identifier: Apache-2.0

package target

import (
	"context"
	"slices"
	"time"

	"k8s.io/utils/ptr"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/conditions"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

const (
	// endpointTTL is how soon ECS is asked again for the endpoints of a run that can't begin since
	// a host isn't resolved: by then it may name another. With many container instances it is many
	// calls.
	endpointTTL = time.Minute

	// hostsAPass bounds the calls that ask again in one pass. With a pass every 5 seconds it is 4 a
	// second, which takes all agents that a run can count within the interval.
	hostsAPass = 20
	// hostsRetry is how soon an agent is asked for again of which ECS gave no usable answer.
	hostsRetry = 30 * time.Second
)

// AskForHosts asks ECS which hosts the agents of container instances connect to: of those of which
// it never said so, and again of those of which it said so long ago.
func (t *Target) AskForHosts(ctx context.Context, clusterARN string, instances []string) error {
	if t.Status().StartTime == nil && run.UnresolvedHost(t.Status().Endpoints) != "" && t.Now.Sub(t.History.Hosts.AnsweredAt()) >= endpointTTL {
		t.History.Hosts.Forget()
	}

	t.History.Hosts.AskFor(run.StartSpec(t.Object).Sessions)

	var unknown, old []string
	for _, arn := range instances {
		switch answered, tried := t.History.Hosts.AnsweredFor(arn), t.History.Hosts.TriedFor(arn); {
		case answered.IsZero():
			unknown = append(unknown, arn)
		case t.Now.Sub(answered) >= discovery.HostsInterval && t.Now.Sub(tried) >= hostsRetry:
			old = append(old, arn)
		}
	}
	return t.poll(ctx, clusterARN, append(unknown, t.oldest(old)...))
}

// askAgain asks ECS again for the hosts of tracked agents, a few in a pass: at once of one that stays
// connected though the rules have been in force for longer than agents take to notice, and of those
// that it was asked for longest ago, as many as all runs of the account may. The error is that of the last time, as long as one
// of them was not answered.
func (t *Target) askAgain(ctx context.Context, enforcedSince time.Time) ([]discovery.Host, error) {
	agents, noticed := t.Status().Agents, enforcedSince.Add(conditions.NoticeWithin)
	stays := func(i v1alpha1.ContainerInstance) bool {
		return ptr.Deref(i.Connected, false) && !enforcedSince.IsZero() && !t.Now.Before(noticed) && t.History.Hosts.AnsweredFor(i.ARN).Before(noticed)
	}
	retried := func(i v1alpha1.ContainerInstance) bool {
		return t.Now.Sub(t.History.Hosts.TriedFor(i.ARN)) >= hostsRetry
	}
	staying := run.SelectAgents(agents, func(i v1alpha1.ContainerInstance) bool { return stays(i) && retried(i) })
	regular := run.SelectAgents(agents, func(i v1alpha1.ContainerInstance) bool {
		return !stays(i) && retried(i) && t.Now.Sub(t.History.Hosts.AnsweredFor(i.ARN)) >= discovery.HostsInterval
	})
	regular = t.oldest(regular)
	due := append(t.oldest(staying), regular[:t.Clients.AllowRepeats(t.Now, len(regular))]...)
	due = due[:min(len(due), hostsAPass)]
	if len(due) > 0 {
		t.seen.unanswered = t.poll(ctx, t.Status().Target.ClusterARN, due)
	}

	failed := run.SelectAgents(agents, func(i v1alpha1.ContainerInstance) bool {
		return t.History.Hosts.AnsweredFor(i.ARN).Before(t.History.Hosts.TriedFor(i.ARN))
	})
	if len(failed) == 0 {
		t.seen.unanswered = nil
	}
	return wantedHosts(run.StartSpec(t.Object), t.History.Hosts.Of(due)), t.seen.unanswered
}

// oldest picks those container instances that ECS was asked for longest ago, as many as a pass may
// ask for.
func (t *Target) oldest(arns []string) []string {
	slices.SortStableFunc(arns, func(a, b string) int {
		return t.History.Hosts.TriedFor(a).Compare(t.History.Hosts.TriedFor(b))
	})
	return arns[:min(len(arns), hostsAPass)]
}

// poll asks ECS for the hosts of container instances, and adds what it names. An agent may hold on
// to an earlier answer for 12 hours, so nothing is taken away.
func (t *Target) poll(ctx context.Context, clusterARN string, arns []string) error {
	if len(arns) == 0 {
		return nil
	}
	found, err := discovery.PollEndpoints(ctx, t.Clients.ECS, clusterARN, run.StartSpec(t.Object).Sessions, arns)
	t.History.Hosts.Note(arns, found, t.Now)
	return err
}

// HostsKnown reports whether ECS named the hosts of all of several container instances.
func (t *Target) HostsKnown(instances []string) bool {
	return len(instances) > 0 && !slices.ContainsFunc(instances, func(arn string) bool { return t.History.Hosts.AnsweredFor(arn).IsZero() })
}

// unasked are the tracked agents whose hosts ECS was not asked for lately, or did not
// answer.
func (t *Target) unasked() []string {
	return run.SelectAgents(t.Status().Agents, func(i v1alpha1.ContainerInstance) bool {
		at := t.History.Hosts.AnsweredFor(i.ARN)
		return at.IsZero() || t.Now.Sub(at) >= discovery.HostsLately
	})
}
