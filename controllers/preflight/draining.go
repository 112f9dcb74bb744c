// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"fmt"
	"slices"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// draining are those of the container instances that had the status DRAINING in a poll.
func draining(latest discovery.Poll, instances []string) []string {
	return slices.DeleteFunc(slices.Clone(instances), func(arn string) bool { return !latest.IsDraining(arn) })
}

// drainingNote is what to know of container instances on which RunTask doesn't place tasks anyway.
func drainingNote(draining []string, total int) string {
	return fmt.Sprintf("%d of %s %s (status DRAINING): RunTask does not place on them, so it does not fail with AGENT for them",
		len(draining), problem.Plural(total, "container instance", "container instances"), problem.Choose(draining, "drains", "drain"))
}

// checkDraining refuses a run where every container instance with a connected agent drains: RunTask
// would never fail with AGENT because of it. A run that denies TCS alone doesn't have RunTask fail
// anyway.
func (p *Preflight) checkDraining(t *Findings) error {
	latest, polled := p.History.Polls.Latest()
	if !polled || run.DeniesTelemetryAlone(run.StartSpec(p.Object).Sessions) {
		return nil
	}
	draining := 0
	for _, arn := range t.instances {
		switch {
		case latest.IsConnected(arn) && !latest.IsDraining(arn):
			return nil
		case latest.IsConnected(arn):
			draining++
		}
	}
	if draining == 0 {
		return nil // without a connected agent another reason stands against the run
	}
	return problem.Refuse(v1alpha1.ReasonAgentsDraining, "all container instances of cluster %s in subnet %s with a connected agent drain (status DRAINING; %d of %d): RunTask does not place on them, so it would not fail with AGENT because of the run. Set one to ACTIVE (aws ecs update-container-instances-state --status ACTIVE), or choose another subnet",
		p.Object.Spec.Cluster, p.Object.Spec.SubnetID, draining, len(t.instances))
}
