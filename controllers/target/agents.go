// SPDX-License-Identifier: Apache-2.0

package target

import (
	"context"
	"time"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// PollAgents asks ECS about the agents of the given container instances, if that is due.
func (t *Target) PollAgents(ctx context.Context, clusterARN string, arns []string) error {
	if t.Now.Sub(t.History.Polls.LatestAt()) < t.Options.AgentPollInterval {
		return nil
	}
	var since time.Time
	if latest := t.History.Polls.LatestAt(); !latest.IsZero() {
		since = latest.Add(t.Options.AgentPollInterval / 2) // or two polls could be one answer of ECS
	}

	reads := t.Clients.Polled(since)
	agents, err := discovery.PollAgents(ctx, reads.ECS, clusterARN, arns)
	if err != nil {
		return err
	}

	at := reads.SentAt() // also where that was later in the pass: the next poll is to be another answer
	if at.IsZero() {
		at = t.Now
	}
	t.History.Polls.Add(discovery.NewPoll(at, agents))
	return nil
}

// WatchAgents polls the tracked agents and brings status.agents in line with what two polls
// agree on, both made since the given time. gone says that the cluster itself is gone, and with it
// its agents.
func (t *Target) WatchAgents(ctx context.Context, since time.Time) (gone bool, err error) {
	status := t.Status()
	err = t.PollAgents(ctx, status.Target.ClusterARN, run.AgentARNs(status.Agents))
	if aws.HasCode(err, aws.CodeClusterNotFound) {
		t.History.Polls.Add(discovery.NewPoll(t.Now, nil)) // an answer too: without its cluster, ECS knows no agent
		return true, nil
	}

	if t.Phase == run.Active && err == nil {
		t.seen.watchedAt = t.History.Polls.LatestAt() // of this run: its start forgets those before it
	}

	if err != nil || status.Agents == nil {
		return false, err // status.agents was removed, so no agent is tracked
	}

	for i := range status.Agents.ContainerInstances {
		instance := &status.Agents.ContainerInstances[i]
		connected, left, ok := t.History.Polls.Agreed(instance.ARN, since)
		if !ok {
			continue
		}
		instance.Connected = new(connected)
		if left {
			instance.Connected = nil
		}
		if t.Phase == run.Active {
			// An agent that leaves later was there for the whole run, and the verdict is about it
			// too.
			instance.Gone = new(left)
		}
	}

	run.CountAgents(status.Agents)
	return false, nil
}

// NoteObserved has the status say nothing of agents that ECS was not asked about lately, and notes
// when it last was.
func (t *Target) NoteObserved() {
	agents := t.Status().Agents
	if agents == nil || t.Status().StartTime == nil || t.Status().CompletionTime != nil || run.IsVerifying(t.Status()) {
		return
	}
	if !run.LookedAt(t.History.Polls.AnsweredAt(), t.Options.AgentPollInterval).Fresh(t.Now) {
		run.ForgetAgents(agents, run.AgentARNs(agents))
	}
	written := t.Ledger.HasChanges()
	if at := t.seen.watchedAt; !at.IsZero() && (agents.ObservedTime == nil || written || at.Sub(agents.ObservedTime.Time) >= run.NoteInterval) {
		agents.ObservedTime = run.Stamp(at)
	}
}
