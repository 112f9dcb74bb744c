// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"fmt"
	"slices"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// draining are those of the container instances that had the status DRAINING when ECS was last asked about agents.
func (m *memory) draining(instances []string) []string {
	if len(m.polls) == 0 {
		return nil
	}
	latest := m.polls[len(m.polls)-1]
	return slices.DeleteFunc(slices.Clone(instances), func(arn string) bool { return !latest.draining[arn] })
}

// drainingNote is what to know of container instances on which RunTask doesn't place tasks anyway.
func drainingNote(draining []string, total int) string {
	return fmt.Sprintf("%d of %s %s (status DRAINING): RunTask does not place on them, so it does not fail with AGENT for them",
		len(draining), problem.Plural(total, "container instance", "container instances"), problem.Choose(draining, "drains", "drain"))
}

// admitDraining refuses a run where every container instance with a connected agent drains: RunTask would never fail with
// AGENT because of it. A run that denies TCS alone doesn't have RunTask fail anyway.
func admitDraining(s *scope, t *target) error {
	if len(s.seen.polls) == 0 || run.DeniesTelemetryAlone(run.StartSpec(s.obj).Sessions) {
		return nil
	}
	latest, draining := s.seen.polls[len(s.seen.polls)-1], 0
	for _, arn := range t.instances {
		switch {
		case latest.connected[arn] && !latest.draining[arn]:
			return nil
		case latest.connected[arn]:
			draining++
		}
	}
	if draining == 0 {
		return nil // without a connected agent another reason stands against the run
	}
	return problem.Refuse(v1alpha1.ReasonAgentsDraining, "all container instances of cluster %s in subnet %s with a connected agent drain (status DRAINING; %d of %d): RunTask does not place on them, so it would not fail with AGENT because of the run. Set one to ACTIVE (aws ecs update-container-instances-state --status ACTIVE), or choose another subnet",
		s.obj.Spec.Cluster, s.obj.Spec.SubnetID, draining, len(t.instances))
}
