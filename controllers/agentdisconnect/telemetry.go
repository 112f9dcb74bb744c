// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"fmt"
	"slices"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// withoutTelemetry are those of the container instances to which ECS names no TCS endpoint, where
// both sessions are denied.
func (s *scope) withoutTelemetry(instances []string) []string {
	if sessions := run.StartSpec(s.obj).Sessions; len(sessions) > 0 && !slices.Contains(sessions, v1alpha1.SessionTCS) || run.DeniesTelemetryAlone(sessions) {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(instances), func(arn string) bool {
		known := s.seen.history.Hosts.Of([]string{arn})[arn]
		return s.seen.history.Hosts.AnsweredFor(arn).IsZero() || slices.ContainsFunc(known, func(h discovery.Host) bool { return h.Session == v1alpha1.EndpointTCS })
	})
}

// noTelemetryNote is what to know of agents that have no TCS session to deny.
func noTelemetryNote(instances []string) string {
	return fmt.Sprintf("ECS names no TCS endpoint for %s (%s): only their ACS sessions are denied",
		problem.Plural(len(instances), "container instance", "container instances"), problem.List(run.InstanceIDs(instances)))
}

// noteEnforced keeps when the rules of the run were first read back in force: a run of which ECS
// shows nothing goes by it.
func (s *scope) noteEnforced() {
	if status := s.status(); s.phase == run.Active && status.EnforcedTime == nil && !s.seen.enforcedSince.IsZero() {
		status.EnforcedTime = run.Stamp(s.seen.enforcedSince)
	}
}
