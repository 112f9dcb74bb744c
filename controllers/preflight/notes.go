// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"context"
	"fmt"
	"slices"

	"agentdisconnect.dev/agentdisconnect/controllers/conditions"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// addNotes notes what is worth knowing of the target. It asks ECS whether it manages instances
// there.
func (p *Preflight) addNotes(ctx context.Context, r *Report) (err error) {
	if r.cluster.ARN == "" {
		return nil // nothing is known of it
	}
	latest, _ := r.polls.Latest()
	providers := latest.Providers()
	r.managed, err = p.Cache.ManagedProviders.Get(p.Now, fmt.Sprint(providers), func() ([]string, error) {
		return discovery.ManagedInstances(ctx, p.Clients.ECS, r.cluster.ARN, providers)
	})
	r.note(targetNotes(r.Findings)...)
	return err
}

// targetNotes are what is worth knowing of a target.
func targetNotes(f *Findings) []string {
	var notes []string
	note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	telemetryAlone := run.DeniesTelemetryAlone(f.spec().Sessions)
	if len(f.tenants) > 0 {
		note("subnet %s is shared with other accounts, which have network interfaces in it (%s): their ECS clusters can't be seen from account %s, and their agents would be cut off as well",
			f.spec().SubnetID, problem.List(f.tenants), f.accountID)
	}

	if len(f.managed) > 0 {
		note("the target has ECS Managed Instances (capacity provider %s): ECS may repair or replace an instance whose agent is disconnected", problem.List(f.managed))
	}

	// In such a cluster RunTask without a launch type doesn't fail with AGENT.
	if providers := f.cluster.DefaultProviders; !telemetryAlone && len(providers) > 0 {
		note("the cluster has a default capacity provider strategy (%s): RunTask without a launch type uses it, and the failure appears as the stopped task's reason instead of AGENT. To have RunTask fail with AGENT, call it with launch type EC2", problem.List(providers))
	}

	if n := f.cluster.FargateTasks; n > 0 {
		note("%s of the cluster on Fargate: these have no agent in the subnet, and are not tracked", problem.Plural(n, "task", "tasks"))
	}

	if n := f.cluster.ExternalTasks; n > 0 {
		note("%s of the cluster on external instances: these are in no subnet, and are not tracked", problem.Plural(n, "task", "tasks"))
	}

	latest, _ := f.polls.Latest()
	if draining := draining(latest, f.instances); !telemetryAlone && len(draining) > 0 {
		note("%d of %s %s (status DRAINING): RunTask does not place on them, so it does not fail with AGENT for them",
			len(draining), problem.Plural(len(f.instances), "container instance", "container instances"), problem.Choose(draining, "drains", "drain"))
	}

	if telemetryAlone {
		notes = append(notes, conditions.TelemetryNote)
	}

	if without := f.noTelemetry; len(without) > 0 {
		note("ECS names no TCS endpoint for %s (%s): only their ACS sessions are denied",
			problem.Plural(len(without), "container instance", "container instances"), problem.List(run.InstanceIDs(without)))
	}
	notes = append(notes, probeNotes(f)...)
	notes = append(notes, callersNotes(f)...)
	return append(notes, f.mismatch)
}

// draining are those of the container instances that had the status DRAINING in a poll.
func draining(latest discovery.Poll, instances []string) []string {
	return slices.DeleteFunc(slices.Clone(instances), func(arn string) bool { return !latest.IsDraining(arn) })
}
