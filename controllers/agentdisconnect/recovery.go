// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// recover waits for the agents of a run whose rules are gone, and then ends it: when all agents are
// back, or after 10 minutes. The verdict is made from two polls that are made for it.
func (r *Reconciler) recover(ctx context.Context, s *scope) error {
	s.seen.attend(s.now, r.judgeWithin())
	err := r.verifyAccount(ctx, s)
	clusterGone := false
	if err == nil {
		clusterGone, err = r.watchAgents(ctx, s, s.status().RestoredTime.Time)
	}
	agents, unsure := s.status().Agents, s.unsure()
	switch settled := err == nil && len(unsure) == 0; {
	case settled && clusterGone:
		unsure = run.AgentARNs(agents) // they went with the cluster
	case settled && s.allBack():
		if agents != nil {
			agents.ReconnectedTime = run.Stamp(s.now)
		}
	case s.now.Before(run.RecoveryDeadline(s.status())):
		return err
	case len(unsure) > 0 && s.now.Before(run.Latest(s.seen.recovering, run.RecoveryDeadline(s.status())).Add(r.judgeWithin())):
		return err // a manager that was away, or to which ECS did not answer, polls twice before it judges
	}
	run.ForgetAgents(agents, unsure)
	s.status().CompletionTime = run.Stamp(s.now)
	return nil
}

// judgeWithin is how long the manager goes on asking ECS about agents after the time for them to
// come back, where it could not ask before. It is also the longest break between two passes after
// which it counts as having been away.
func (r *Reconciler) judgeWithin() time.Duration {
	return run.LookedAt(time.Time{}, r.options.AgentPollInterval).GoodFor
}

// unsure are the tracked agents of which ECS did not report the same on two polls, made lately
// and after the rules were gone.
func (s *scope) unsure() []string {
	restored := s.status().RestoredTime.Time
	fresh := run.LookedAt(s.seen.history.Polls.LatestAt(), s.options.AgentPollInterval).Fresh(s.now)
	return run.SelectAgents(s.status().Agents, func(i v1alpha1.ContainerInstance) bool {
		_, _, agreed := s.seen.history.Polls.Agreed(i.ARN, restored)
		return !agreed || !fresh
	})
}

// allBack reports whether two polls since the rules were gone agree of every tracked agent that
// it is connected, or that its container instance left.
func (s *scope) allBack() bool {
	away := run.SelectAgents(s.status().Agents, func(i v1alpha1.ContainerInstance) bool {
		connected, left, agreed := s.seen.history.Polls.Agreed(i.ARN, s.status().RestoredTime.Time)
		return !agreed || !connected && !left
	})
	return len(away) == 0
}
