// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"fmt"
	"slices"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
)

// telemetryNote is what to know of a run that denies TCS alone.
const telemetryNote = "spec.sessions is TCS alone, and ECS shows the ACS sessions of agents alone: whether agents lose their telemetry session can't be seen. The result of the run rests on its rules being read back, and RunTask goes on working"

// telemetryAlone reports whether the sessions leave ACS out.
func telemetryAlone(sessions []v1alpha1.Session) bool {
	return len(sessions) > 0 && !slices.Contains(sessions, v1alpha1.SessionACS)
}

// withoutTelemetry are those of the container instances to which ECS names no TCS endpoint, where both sessions are denied.
func (s *scope) withoutTelemetry(instances []string) []string {
	if sessions := s.startSpec().Sessions; len(sessions) > 0 && !slices.Contains(sessions, v1alpha1.SessionTCS) || telemetryAlone(sessions) {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(instances), func(arn string) bool {
		known := s.seen.hosts[arn]
		return known.at.IsZero() || slices.ContainsFunc(known.hosts, func(h discovery.Host) bool { return h.Session == v1alpha1.EndpointTCS })
	})
}

// noTelemetryNote is what to know of agents that have no TCS session to deny.
func noTelemetryNote(instances []string) string {
	return fmt.Sprintf("ECS names no TCS endpoint to %s (%s): their ACS sessions alone are denied",
		plural(len(instances), "container instance", "container instances"), list(instanceIDs(instances)))
}

// telemetryRun reports whether the run that the status is about denies TCS alone.
func telemetryRun(status *v1alpha1.AgentDisconnectStatus) bool {
	return status.StartedWith != nil && telemetryAlone(status.StartedWith.Sessions)
}

// noteEnforced keeps when the rules of the run were first read back in force: a run of which ECS shows nothing goes by it.
func (s *scope) noteEnforced() {
	if status := s.status(); s.mode == ModeActive && status.EnforcedTime == nil && !s.seen.inForce.IsZero() {
		status.EnforcedTime = stamp(s.seen.inForce)
	}
}

// telemetryOutcome is what a run that denied TCS alone came to.
func telemetryOutcome(status *v1alpha1.AgentDisconnectStatus) verdict {
	if status.EnforcedTime == nil {
		return verdict{no, v1alpha1.StateNotEnforced, "the rules of the run were never read back in force; they are gone"}
	}
	return verdict{yes, v1alpha1.StateCompleted, fmt.Sprintf("the rules were read back in force from %s on, and are gone. ECS shows ACS sessions alone: whether agents lost their TCS session is not known",
		status.EnforcedTime.UTC().Format(time.RFC3339))}
}
