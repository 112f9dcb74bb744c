// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// shortDurationBelow is the duration under which a run proves little: agents take up to 4 minutes to notice.
const shortDurationBelow = 5 * time.Minute

func (f facts) shortDuration() string {
	if f.obj.Spec.Duration.Duration >= shortDurationBelow {
		return ""
	}
	return fmt.Sprintf("a run of less than %s proves little, since agents take 1 to 4 minutes to notice", minutes(shortDurationBelow))
}

// changedSpec names what was changed in the spec since the run began and takes no effect on it.
func (f facts) changedSpec() string {
	if changed := changedFields(f.obj); len(changed) > 0 {
		return "changed after the start and without effect on this run: " + strings.Join(changed, ", ")
	}
	return ""
}

// because adds why a run was aborted.
func (f facts) because(message string) string {
	if abort := f.obj.Status.Abort; abort != nil {
		return abort.Reason + ": " + abort.Message + "; " + message
	}
	return message
}

func (f facts) withTrouble(message string) string {
	if f.trouble == nil {
		return message
	}
	return message + "; " + f.trouble.message
}

func aclID(status *v1alpha1.AgentDisconnectStatus) string {
	if status.NetworkACL == nil {
		return "(unknown)"
	}
	return cmp.Or(status.NetworkACL.ID, "(not known yet)")
}

func minutes(d time.Duration) string { return fmt.Sprintf("%d minutes", int(d/time.Minute)) }

// list names the first few of several things.
func list(names []string) string {
	const most = 3
	if len(names) == 0 {
		return "unknown"
	}
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
