// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"context"
	"fmt"

	"agentdisconnect.dev/agentdisconnect/controllers/conditions"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// listNotes gives what is worth knowing of a target that nothing stands against.
func (p *Preflight) listNotes(ctx context.Context, t *Findings) ([]string, error) {
	if t.cluster.ARN == "" {
		return nil, nil // nothing is known of it
	}
	var notes []string
	telemetryAlone := run.DeniesTelemetryAlone(p.Object.Spec.Sessions)
	latest, _ := p.History.Polls.Latest()
	providers := latest.Providers()
	managed, err := p.Cache.ManagedProviders.Get(p.Now, fmt.Sprint(providers), func() ([]string, error) {
		return discovery.ManagedInstances(ctx, p.Clients.ECS, t.cluster.ARN, providers)
	})
	if shared := p.sharedNote(t); shared != "" {
		notes = append(notes, shared)
	}
	if len(managed) > 0 {
		notes = append(notes, fmt.Sprintf("the target has ECS Managed Instances (capacity provider %s): ECS may repair or replace an instance whose agent is disconnected", problem.List(managed)))
	}
	if providers := t.cluster.DefaultProviders; !telemetryAlone && len(providers) > 0 {
		notes = append(notes, strategyNote(providers))
	}
	if n := t.cluster.FargateTasks; n > 0 {
		notes = append(notes, problem.Plural(n, "task", "tasks")+" of the cluster on Fargate: these have no agent in the subnet, and are not tracked")
	}
	if n := t.cluster.ExternalTasks; n > 0 {
		notes = append(notes, problem.Plural(n, "task", "tasks")+" of the cluster on external instances: these are in no subnet, and are not tracked")
	}
	if draining := draining(latest, t.instances); !telemetryAlone && len(draining) > 0 {
		notes = append(notes, drainingNote(draining, len(t.instances)))
	}
	if telemetryAlone {
		notes = append(notes, conditions.TelemetryNote)
	}
	if without := p.WithoutTelemetry(t.instances); len(without) > 0 {
		notes = append(notes, noTelemetryNote(without))
	}
	if mismatch := p.Mismatch(); mismatch != "" {
		notes = append(notes, mismatch)
	}
	return notes, err
}

// strategyNote is what to know of a cluster in which RunTask without a launch type doesn't fail
// with AGENT.
func strategyNote(providers []string) string {
	return fmt.Sprintf("the cluster has a default capacity provider strategy (%s): RunTask without a launch type uses it, and the failure appears as the stopped task's reason instead of AGENT. To have RunTask fail with AGENT, call it with launch type EC2", problem.List(providers))
}
