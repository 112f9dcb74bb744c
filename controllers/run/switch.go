// SPDX-License-Identifier: Apache-2.0

package run

import (
	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// DeadManSwitch is the run's switch; nil: it has none.
func DeadManSwitch(status *v1alpha1.AgentDisconnectStatus) *v1alpha1.DeadManSwitch {
	if acl := status.NetworkACL; acl != nil && acl.DeadManSwitch != nil && acl.DeadManSwitch.ScheduleGroup != "" {
		return acl.DeadManSwitch
	}
	return nil
}

// IsArmed reports whether a run may have schedules.
func IsArmed(status *v1alpha1.AgentDisconnectStatus) bool {
	s := DeadManSwitch(status)
	return s != nil && len(s.RuleNumbers) > 0
}
