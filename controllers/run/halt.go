// SPDX-License-Identifier: Apache-2.0

package run

import "agentdisconnect.dev/agentdisconnect/api/v1alpha1"

// ByWhom says who asked for a halt and why, as the end of a sentence that names it; empty: it does not
// say.
func ByWhom(halt *v1alpha1.AgentDisconnectHalt) string {
	if halt.Spec == nil {
		return ""
	}
	text := ""
	if who := halt.Spec.RequestedBy; who != "" {
		text += ", requested by " + who
	}
	if why := halt.Spec.Reason; why != "" {
		text += ": " + why
	}
	return text
}
