// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

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

// askForHosts asks ECS which hosts the agents of container instances connect to: of those of which
// it never said so, and again of those of which it said so long ago.
func (r *Reconciler) askForHosts(ctx context.Context, s *scope, clusterARN string, instances []string) error {
	if s.status().StartTime == nil && run.UnresolvedHost(s.status().Endpoints) != "" && s.now.Sub(s.seen.history.Hosts.AnsweredAt()) >= endpointTTL {
		s.seen.history.Hosts.Forget()
	}
	s.seen.history.Hosts.AskFor(run.StartSpec(s.obj).Sessions)

	var unknown, old []string
	for _, arn := range instances {
		switch answered, tried := s.seen.history.Hosts.AnsweredFor(arn), s.seen.history.Hosts.TriedFor(arn); {
		case answered.IsZero():
			unknown = append(unknown, arn)
		case s.now.Sub(answered) >= discovery.HostsInterval && s.now.Sub(tried) >= hostsRetry:
			old = append(old, arn)
		}
	}
	return r.poll(ctx, s, clusterARN, append(unknown, s.oldest(old)...))
}

// askAgain asks ECS again for the hosts of tracked agents, a few in a pass: of those that it was
// asked for longest ago, and at once of one that stays connected though the rules have been in
// force for longer than agents take to notice. The error is that of the last time, as long as one
// of them was not answered.
func (r *Reconciler) askAgain(ctx context.Context, s *scope) ([]discovery.Host, error) {
	agents, noticed := s.status().Agents, s.seen.enforcedSince.Add(conditions.NoticeWithin)
	due := run.SelectAgents(agents, func(i v1alpha1.ContainerInstance) bool {
		answered, tried := s.seen.history.Hosts.AnsweredFor(i.ARN), s.seen.history.Hosts.TriedFor(i.ARN)
		stays := ptr.Deref(i.Connected, false) && !s.seen.enforcedSince.IsZero() && !s.now.Before(noticed) && answered.Before(noticed)
		return (stays || s.now.Sub(answered) >= discovery.HostsInterval) && s.now.Sub(tried) >= hostsRetry
	})
	if len(due) > 0 {
		s.seen.unanswered = r.poll(ctx, s, s.status().Target.ClusterARN, s.oldest(due))
	}
	failed := run.SelectAgents(agents, func(i v1alpha1.ContainerInstance) bool {
		return s.seen.history.Hosts.AnsweredFor(i.ARN).Before(s.seen.history.Hosts.TriedFor(i.ARN))
	})
	if len(failed) == 0 {
		s.seen.unanswered = nil
	}
	return wantedHosts(run.StartSpec(s.obj), s.seen.history.Hosts.Of(due)), s.seen.unanswered
}

// oldest picks those container instances that ECS was asked for longest ago, as many as a pass may
// ask for.
func (s *scope) oldest(arns []string) []string {
	slices.SortStableFunc(arns, func(a, b string) int {
		return s.seen.history.Hosts.TriedFor(a).Compare(s.seen.history.Hosts.TriedFor(b))
	})
	return arns[:min(len(arns), hostsAPass)]
}

// poll asks ECS for the hosts of container instances, and adds what it names. An agent may hold on
// to an earlier answer for 12 hours, so nothing is taken away.
func (r *Reconciler) poll(ctx context.Context, s *scope, clusterARN string, arns []string) error {
	if len(arns) == 0 {
		return nil
	}
	found, err := discovery.PollEndpoints(ctx, s.clients.ECS, clusterARN, run.StartSpec(s.obj).Sessions, arns)
	s.seen.history.Hosts.Note(arns, found, s.now)
	return err
}

// hostsKnown reports whether ECS named the hosts of every container instance.
func (s *scope) hostsKnown(t *target) bool {
	return len(t.instances) > 0 && !slices.ContainsFunc(t.instances, func(arn string) bool { return s.seen.history.Hosts.AnsweredFor(arn).IsZero() })
}

// unasked are the tracked agents whose hosts ECS was not asked for lately, or did not
// answer.
func (s *scope) unasked() []string {
	return run.SelectAgents(s.status().Agents, func(i v1alpha1.ContainerInstance) bool {
		at := s.seen.history.Hosts.AnsweredFor(i.ARN)
		return at.IsZero() || s.now.Sub(at) >= discovery.HostsLately
	})
}
