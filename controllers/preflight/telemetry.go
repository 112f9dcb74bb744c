// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"fmt"

	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// noTelemetryNote is what to know of agents that have no TCS session to deny.
func noTelemetryNote(instances []string) string {
	return fmt.Sprintf("ECS names no TCS endpoint for %s (%s): only their ACS sessions are denied",
		problem.Plural(len(instances), "container instance", "container instances"), problem.List(run.InstanceIDs(instances)))
}
