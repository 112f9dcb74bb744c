// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/utils/ptr"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
)

// pollAgents asks ECS about the agents of the given container instances, if that is due.
func (r *Reconciler) pollAgents(ctx context.Context, s *scope, clusterARN string, arns []string) error {
	if s.now.Sub(s.seen.lastPoll()) < r.options.AgentPollInterval {
		return nil
	}
	agents, err := discovery.PollAgents(ctx, s.clients.ECS, clusterARN, arns)
	if err != nil {
		return err
	}
	latest := poll{at: s.now, connected: make(map[string]bool, len(agents)), draining: map[string]bool{}, providers: map[string]bool{}}
	for arn, agent := range agents {
		latest.connected[arn] = agent.Connected
		if agent.Draining {
			latest.draining[arn] = true
		}
		if agent.CapacityProvider != "" {
			latest.providers[agent.CapacityProvider] = true
		}
	}
	s.seen.addPoll(latest)
	return nil
}

// watchAgents polls the agents that count and brings status.agents in line with what two polls agree on, both made since
// the given time. gone says that the cluster itself is gone, and with it its agents.
func (r *Reconciler) watchAgents(ctx context.Context, s *scope, since time.Time) (gone bool, err error) {
	status := s.status()
	err = r.pollAgents(ctx, s, status.Target.ClusterARN, arnsOf(status.Agents))
	if aws.HasCode(err, aws.CodeClusterNotFound) {
		s.seen.addPoll(poll{at: s.now}) // an answer too: without its cluster, ECS knows no agent
		return true, nil
	}
	if s.mode == ModeActive {
		s.seen.watchedAt = s.seen.polledAt
	}
	if err != nil || status.Agents == nil {
		return false, err // without status.agents, which someone removed, there is none to speak of
	}
	for i := range status.Agents.ContainerInstances {
		instance := &status.Agents.ContainerInstances[i]
		connected, left, ok := s.seen.agreed(instance.ARN, since)
		if !ok {
			continue
		}
		instance.Connected = new(connected)
		if left {
			instance.Connected = nil
		}
		if s.mode == ModeActive {
			// Whoever leaves later was there for the whole run, and the verdict is about it too.
			instance.Gone = new(left)
		}
	}
	count(status.Agents)
	return false, nil
}

// clusterGone says whether the cluster of a run is gone or no longer active.
func clusterGone(ctx context.Context, client aws.ECS, arn string) (bool, error) {
	_, err := discovery.DescribeCluster(ctx, client, arn)
	if _, ok := errors.AsType[*discovery.ClusterNotFoundError](err); ok {
		return true, nil
	}
	return false, err
}

// count brings the totals in line with the instances. Of how many are disconnected nothing is said as long as one of them
// was not looked at.
func count(agents *v1alpha1.Agents) {
	total, disconnected, unobserved := int32(0), int32(0), false
	for _, instance := range agents.ContainerInstances {
		if ptr.Deref(instance.Gone, false) {
			continue
		}
		total++
		unobserved = unobserved || instance.Connected == nil
		if instance.Connected != nil && !*instance.Connected {
			disconnected++
		}
	}
	agents.Total, agents.Disconnected = &total, &disconnected
	if unobserved {
		agents.Disconnected = nil
	}
}

// noteObserved has the status say nothing of agents that ECS was not asked about lately, and notes when it last was.
func (s *scope) noteObserved() {
	agents := s.status().Agents
	if agents == nil || s.status().StartTime == nil || s.status().CompletionTime != nil {
		return
	}
	if !lookedAt(s.seen.polledAt, s.options.AgentPollInterval).fresh(s.now) {
		forgetAgents(agents, arnsOf(agents))
	}
	written := !equality.Semantic.DeepEqual(s.obj.Status, s.stored.Status)
	if at := s.seen.watchedAt; !at.IsZero() && (agents.ObservedTime == nil || written || at.Sub(agents.ObservedTime.Time) >= noteEvery) {
		agents.ObservedTime = stamp(at)
	}
}

// instanceIDs are the last parts of ARNs: what tells container instances of one cluster apart.
func instanceIDs(arns []string) []string {
	ids := make([]string, 0, len(arns))
	for _, arn := range arns {
		ids = append(ids, arn[strings.LastIndex(arn, "/")+1:])
	}
	return ids
}

// allLeft says whether no container instance that counted is in the cluster any more.
func allLeft(agents *v1alpha1.Agents) bool {
	return agents != nil && len(agents.ContainerInstances) > 0 && ptr.Deref(agents.Total, 0) == 0
}

// allDisconnected reports whether every agent that counts is disconnected, and was seen so under the run's rules.
func allDisconnected(agents *v1alpha1.Agents) bool {
	return agents != nil && ptr.Deref(agents.Total, 0) > 0 && len(neverDisconnected(agents)) == 0 &&
		len(stillDisconnected(agents)) == int(*agents.Total)
}

// neverDisconnected are the agents that count, are still there and were not seen disconnected under the run's rules.
func neverDisconnected(agents *v1alpha1.Agents) []string {
	return selectARNs(agents, func(i v1alpha1.ContainerInstance) bool { return i.DisconnectedTime == nil })
}

// stillConnected are the agents that count and that ECS says are connected.
func stillConnected(agents *v1alpha1.Agents) []string {
	return selectARNs(agents, func(i v1alpha1.ContainerInstance) bool { return ptr.Deref(i.Connected, false) })
}

// stillDisconnected are the agents that count and that ECS says are disconnected.
func stillDisconnected(agents *v1alpha1.Agents) []string {
	return selectARNs(agents, func(i v1alpha1.ContainerInstance) bool { return !ptr.Deref(i.Connected, true) })
}

// unobserved are the agents that count and of which ECS did not say the same lately on two polls in a row.
func unobserved(agents *v1alpha1.Agents) []string {
	return selectARNs(agents, func(i v1alpha1.ContainerInstance) bool { return i.Connected == nil })
}

func selectARNs(agents *v1alpha1.Agents, take func(v1alpha1.ContainerInstance) bool) []string {
	var arns []string
	if agents == nil {
		return nil
	}
	for _, instance := range agents.ContainerInstances {
		if !ptr.Deref(instance.Gone, false) && take(instance) {
			arns = append(arns, instance.ARN)
		}
	}
	slices.Sort(arns)
	return arns
}

func arnsOf(agents *v1alpha1.Agents) []string {
	if agents == nil {
		return nil
	}
	arns := make([]string, 0, len(agents.ContainerInstances))
	for _, instance := range agents.ContainerInstances {
		arns = append(arns, instance.ARN)
	}
	return arns
}
