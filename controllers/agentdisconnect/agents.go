// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"errors"
	"time"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// pollAgents asks ECS about the agents of the given container instances, if that is due.
func (r *Reconciler) pollAgents(ctx context.Context, s *scope, clusterARN string, arns []string) error {
	if s.now.Sub(s.seen.history.Polls.LatestAt()) < r.options.AgentPollInterval {
		return nil
	}
	agents, err := discovery.PollAgents(ctx, s.clients.ECS, clusterARN, arns)
	if err != nil {
		return err
	}
	s.seen.history.Polls.Add(discovery.NewPoll(s.now, agents))
	return nil
}

// watchAgents polls the tracked agents and brings status.agents in line with what two polls
// agree on, both made since the given time. gone says that the cluster itself is gone, and with it
// its agents.
func (r *Reconciler) watchAgents(ctx context.Context, s *scope, since time.Time) (gone bool, err error) {
	status := s.status()
	err = r.pollAgents(ctx, s, status.Target.ClusterARN, run.AgentARNs(status.Agents))
	if aws.HasCode(err, aws.CodeClusterNotFound) {
		s.seen.history.Polls.Add(discovery.NewPoll(s.now, nil)) // an answer too: without its cluster, ECS knows no agent
		return true, nil
	}
	if s.phase == run.Active && err == nil {
		s.seen.watchedAt = s.seen.history.Polls.LatestAt() // of this run: its start forgets those before it
	}
	if err != nil || status.Agents == nil {
		return false, err // status.agents was removed, so no agent is tracked
	}
	for i := range status.Agents.ContainerInstances {
		instance := &status.Agents.ContainerInstances[i]
		connected, left, ok := s.seen.history.Polls.Agreed(instance.ARN, since)
		if !ok {
			continue
		}
		instance.Connected = new(connected)
		if left {
			instance.Connected = nil
		}
		if s.phase == run.Active {
			// An agent that leaves later was there for the whole run, and the verdict is about it too.
			instance.Gone = new(left)
		}
	}
	run.CountAgents(status.Agents)
	return false, nil
}

// clusterGone reports whether the cluster of a run is gone or no longer active.
func clusterGone(ctx context.Context, client aws.ECS, arn string) (bool, error) {
	_, err := discovery.DescribeCluster(ctx, client, arn)
	if _, ok := errors.AsType[*discovery.ClusterNotFoundError](err); ok {
		return true, nil
	}
	return false, err
}

// noteObserved has the status say nothing of agents that ECS was not asked about lately, and notes
// when it last was.
func (s *scope) noteObserved() {
	agents := s.status().Agents
	if agents == nil || s.status().StartTime == nil || s.status().CompletionTime != nil {
		return
	}
	if !run.LookedAt(s.seen.history.Polls.AnsweredAt(), s.options.AgentPollInterval).Fresh(s.now) {
		run.ForgetAgents(agents, run.AgentARNs(agents))
	}
	written := s.ledger.HasChanges()
	if at := s.seen.watchedAt; !at.IsZero() && (agents.ObservedTime == nil || written || at.Sub(agents.ObservedTime.Time) >= run.NoteInterval) {
		agents.ObservedTime = run.Stamp(at)
	}
}
