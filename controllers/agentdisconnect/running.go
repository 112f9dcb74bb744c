// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"slices"

	"k8s.io/utils/ptr"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// lastReadBlocking reports whether the rules were in place when the network ACL was last read.
func (f facts) lastReadBlocking() bool { return f.elsewhere == "" && len(f.open) == 0 && f.own > 0 }

// suspicions says what reads show that is not acted on yet.
func (f facts) suspicions() string {
	if len(f.suspected) == 0 {
		return ""
	}
	return "suspected: " + list(f.suspected)
}

// window says what RunTask does while agents have not noticed the rules yet. ECS goes by the session of ACS alone.
func (f facts) window(state string) string {
	with := f.obj.Status.StartedWith
	acs := with == nil || slices.Contains(wanted(with.Sessions), v1alpha1.SessionACS)
	if state != v1alpha1.StateBlocking || !acs || f.agentsDisconnected().status == yes {
		return ""
	}
	return "until AgentsDisconnected is True, RunTask still answers with a task, which hangs in PENDING"
}

// repairs says how often rules were put back, for the verdict.
func (f facts) repairs() string {
	if n := int(f.obj.Status.DriftRepairs); n > 0 {
		return "; " + plural(n, "repair", "repairs") + " of rules that a third party removed or overrode"
	}
	return ""
}

// leftInstances names the container instances that counted and left the cluster during the run.
func (f facts) leftInstances(before string) string {
	var gone []string
	if agents := f.obj.Status.Agents; agents != nil {
		for _, instance := range agents.ContainerInstances {
			if ptr.Deref(instance.Gone, false) {
				gone = append(gone, instance.ARN)
			}
		}
	}
	if len(gone) == 0 {
		return ""
	}
	slices.Sort(gone)
	return before + plural(len(gone), "container instance", "container instances") + " left the cluster during the run: " + list(instanceIDs(gone))
}
