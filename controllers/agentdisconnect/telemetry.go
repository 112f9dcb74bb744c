// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"fmt"
	"slices"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// telemetryNote is what to know of a run that denies TCS alone.
const telemetryNote = "spec.sessions is TCS alone, and ECS shows the ACS sessions of agents alone: whether agents lose their telemetry session can't be seen. The result of the run rests on its rules being read back, and RunTask goes on working"

// telemetryAlone reports whether the sessions leave ACS out.
func telemetryAlone(sessions []v1alpha1.Session) bool {
	return len(sessions) > 0 && !slices.Contains(sessions, v1alpha1.SessionACS)
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
