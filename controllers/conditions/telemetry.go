// SPDX-License-Identifier: Apache-2.0

package conditions

import (
	"fmt"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// TelemetryNote is what to know of a run that denies TCS alone.
const TelemetryNote = "spec.sessions is only TCS, and ECS shows only the ACS sessions of agents: whether agents lose their TCS session can't be seen. The result of the run depends only on reading its rules back, and RunTask keeps working"

// telemetryOutcome is what a run that denied TCS alone came to.
func telemetryOutcome(status *v1alpha1.AgentDisconnectStatus) Value {
	if status.EnforcedTime == nil {
		return Value{no, v1alpha1.StateNotEnforced, "the rules of the run were never read back in force; they are gone"}
	}
	return Value{yes, v1alpha1.StateCompleted, fmt.Sprintf("the rules were read back in force from %s on, and are gone. ECS shows only ACS sessions: whether agents lost their TCS session is not known",
		status.EnforcedTime.UTC().Format(time.RFC3339))}
}
