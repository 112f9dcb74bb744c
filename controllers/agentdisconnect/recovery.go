// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// attend notes that the manager waits for the agents. A break longer than judgeWithin begins the
// wait anew: the manager was away.
func (r *reconciliation) attend() {
	if r.seen.recovering.IsZero() || r.Now.Sub(r.seen.recoveredAt) > r.judgeWithin() {
		r.seen.recovering = r.Now
	}
	r.seen.recoveredAt = r.Now
}

// recover waits for the agents of a run whose rules are gone: until all are back, or for 10 minutes,
// and until the tasks of its probe are stopped. The verdict is made from two polls that are made for
// it. The run is over then, or looks at its callers.
func (r *reconciliation) recover(ctx context.Context) error {
	r.attend()
	err := r.VerifyAccount(ctx)
	clusterGone := false
	if err == nil {
		clusterGone, err = r.target.WatchAgents(ctx, r.Status().RestoredTime.Time)
	}

	agents, unsure := r.Status().Agents, r.unsure()
	switch settled := err == nil && len(unsure) == 0; {
	case settled && clusterGone:
		unsure = run.AgentARNs(agents) // they went with the cluster
	case settled && r.allBack():
		if agents != nil && agents.ReconnectedTime == nil {
			agents.ReconnectedTime = run.Stamp(r.Now)
		}
	case r.Now.Before(run.RecoveryDeadline(r.Status())):
		return err
	case len(unsure) > 0 && r.Now.Before(run.Latest(r.seen.recovering, run.RecoveryDeadline(r.Status())).Add(r.judgeWithin())):
		return err // a manager that was away, or to which ECS did not answer, polls twice before it judges
	}

	if left := r.probe.Left(); left != nil {
		return left
	}

	run.ForgetAgents(agents, unsure)
	r.recovered()
	return nil
}

// judgeWithin is how long the manager goes on asking ECS about agents after the time for them to
// come back, where it could not ask before. It is also the longest break between two passes after
// which it counts as having been away.
func (r *reconciliation) judgeWithin() time.Duration {
	return run.LookedAt(time.Time{}, r.Options.AgentPollInterval).GoodFor
}

// unsure are the tracked agents of which ECS did not report the same on two polls, made lately
// and after the rules were gone.
func (r *reconciliation) unsure() []string {
	restored := r.Status().RestoredTime.Time
	fresh := run.LookedAt(r.History.Polls.LatestAt(), r.Options.AgentPollInterval).Fresh(r.Now)
	return run.SelectAgents(r.Status().Agents, func(i v1alpha1.ContainerInstance) bool {
		_, _, agreed := r.History.Polls.Agreed(i.ARN, restored)
		return !agreed || !fresh
	})
}

// allBack reports whether two polls since the rules were gone agree of every tracked agent that
// it is connected, or that its container instance left.
func (r *reconciliation) allBack() bool {
	away := run.SelectAgents(r.Status().Agents, func(i v1alpha1.ContainerInstance) bool {
		connected, left, agreed := r.History.Polls.Agreed(i.ARN, r.Status().RestoredTime.Time)
		return !agreed || !connected && !left
	})
	return len(away) == 0
}
