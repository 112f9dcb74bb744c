// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"errors"
	"time"

	"agentdisconnect.dev/agentdisconnect/controllers/evidence/probe"
	"agentdisconnect.dev/agentdisconnect/controllers/pass"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// runProbe calls RunTask if that is due, and else has the tasks of earlier attempts stopped, within
// the time that a look may take.
func (r *reconciliation) runProbe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pass.ObserveTimeout)
	defer cancel()
	if r.isDisconnectedByRules() && r.probe.IsDue() {
		return r.probe.Attempt(ctx)
	}
	return r.probe.StopTasks(ctx)
}

// isDisconnectedByRules reports whether all tracked agents are disconnected by the rules of the run,
// as far as looks show that are not too old: AgentsDisconnected is True then.
func (r *reconciliation) isDisconnectedByRules() bool {
	return run.DisconnectedByRules(r.Status(), r.aclSeen(), r.agentsSeen(), r.enforcement.Readings().EnforcedSince, r.Now)
}

// finishProbe has the tasks of the probe stopped, within the time that a look may take: the rules
// come first.
func (r *reconciliation) finishProbe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pass.ObserveTimeout)
	defer cancel()
	err := r.probe.Finish(ctx)
	if problem.IsStoreError(err) || r.Phase != run.Deleting || r.isUndone() {
		return err
	}
	return errors.Join(err, r.probe.Left())
}

// probeWakes are what the probe of a run that is on leaves to the next pass.
func (r *reconciliation) probeWakes() []run.Wake {
	var wakes []run.Wake
	if run.HasTasksLeft(r.Status()) {
		wakes = append(wakes, run.Wake{At: r.Now.Add(probe.LookInterval), Why: "tasks of the probe are to stop"})
	}
	if due := run.NextAttempt(r.Status()); !due.IsZero() && r.isDisconnectedByRules() && !run.HasTasksLeft(r.Status()) {
		wakes = append(wakes, run.Wake{At: run.Latest(due, r.Now.Add(time.Second)), Why: "RunTask is to be called"})
	}
	return wakes
}
