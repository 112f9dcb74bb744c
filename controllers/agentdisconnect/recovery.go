// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"slices"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// recover waits for the agents of a run whose rules are gone, and then ends it: when all agents are back, or after 10
// minutes. The verdict is made from two polls that are made for it.
func (r *Reconciler) recover(ctx context.Context, s *scope) error {
	s.seen.attend(s.now, r.judgeWithin())
	err := r.enter(ctx, s)
	clusterGone := false
	if err == nil {
		clusterGone, err = r.watchAgents(ctx, s, s.status().RestoredTime.Time)
	}
	agents, unsure := s.status().Agents, s.unsure()
	switch settled := err == nil && len(unsure) == 0; {
	case settled && clusterGone:
		unsure = arnsOf(agents) // they went with the cluster
	case settled && s.allBack():
		if agents != nil {
			agents.ReconnectedTime = stamp(s.now)
		}
	case s.now.Before(recoveryDeadline(s.status())):
		return err
	case len(unsure) > 0 && s.now.Before(latest(s.seen.recovering, recoveryDeadline(s.status())).Add(r.judgeWithin())):
		return err // a manager that was away, or to which ECS did not answer, polls twice before it judges
	}
	forgetAgents(agents, unsure)
	s.status().CompletionTime = stamp(s.now)
	return nil
}

// judgeWithin is how long the manager goes on asking ECS about agents after the time for them to come back, where it could not
// ask before. It is also the longest break between two passes after which it counts as having been away.
func (r *Reconciler) judgeWithin() time.Duration {
	return lookedAt(time.Time{}, r.options.AgentPollInterval).goodFor
}

// unsure are the agents that count and of which ECS did not say the same on two polls, made lately and after the rules were
// gone.
func (s *scope) unsure() []string {
	restored := s.status().RestoredTime.Time
	fresh := lookedAt(s.seen.lastPoll(), s.options.AgentPollInterval).fresh(s.now)
	return selectARNs(s.status().Agents, func(i v1alpha1.ContainerInstance) bool {
		_, _, agreed := s.seen.agreed(i.ARN, restored)
		return !agreed || !fresh
	})
}

// allBack reports whether two polls since the rules were gone agree of every agent that counts that it is connected, or that
// its container instance left.
func (s *scope) allBack() bool {
	away := selectARNs(s.status().Agents, func(i v1alpha1.ContainerInstance) bool {
		connected, left, agreed := s.seen.agreed(i.ARN, s.status().RestoredTime.Time)
		return !agreed || !connected && !left
	})
	return len(away) == 0
}

// forgetAgents has the status say nothing of the given agents.
func forgetAgents(agents *v1alpha1.Agents, arns []string) {
	if agents == nil || len(arns) == 0 {
		return
	}
	for i := range agents.ContainerInstances {
		if slices.Contains(arns, agents.ContainerInstances[i].ARN) {
			agents.ContainerInstances[i].Connected = nil
		}
	}
	count(agents)
}
