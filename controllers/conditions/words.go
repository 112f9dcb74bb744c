// SPDX-License-Identifier: Apache-2.0

package conditions

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// shortDurationBelow is the duration under which a run proves little: agents take up to 4 minutes
// to notice.
const shortDurationBelow = 5 * time.Minute

// ShortDuration warns of a run that is too short to prove much; empty: it is long enough.
func ShortDuration(obj *v1alpha1.AgentDisconnect) string {
	if obj.Spec.Duration.Duration >= shortDurationBelow {
		return ""
	}
	return fmt.Sprintf("a run of less than %s proves little, since agents take 1 to 4 minutes to notice", problem.Minutes(shortDurationBelow))
}

// changedSpec names what was changed in the spec since the run began and takes no effect on it.
func (f Input) changedSpec() string {
	if changed := run.ChangedFields(f.Object); len(changed) > 0 {
		return "changed after the start and without effect on this run: " + strings.Join(changed, ", ")
	}
	return ""
}

// because adds why a run was aborted.
func (f Input) because(message string) string {
	if abort := f.Object.Status.Abort; abort != nil {
		return abort.Reason + ": " + abort.Message + "; " + message
	}
	return message
}

func (f Input) withTrouble(message string) string {
	if f.Problem == nil {
		return message
	}
	return message + "; " + f.Problem.Message
}

func aclID(status *v1alpha1.AgentDisconnectStatus) string {
	if status.NetworkACL == nil {
		return "(missing in status.networkACL)"
	}
	return cmp.Or(status.NetworkACL.ID, "(not known yet)")
}
