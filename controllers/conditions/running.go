// SPDX-License-Identifier: Apache-2.0

package conditions

import (
	"slices"

	"k8s.io/utils/ptr"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// lastReadBlocking reports whether the rules were in place when the network ACL was last read.
func (f Input) lastReadBlocking() bool { return f.Elsewhere == "" && len(f.Open) == 0 && f.Own > 0 }

// suspicions says what reads show that is not acted on yet.
func (f Input) suspicions() string {
	if len(f.Suspected) == 0 {
		return ""
	}
	return "suspected: " + problem.List(f.Suspected)
}

// window says what RunTask does while agents have not noticed the rules yet. ECS goes by the
// session of ACS alone.
func (f Input) window(state string) string {
	with := f.Object.Status.StartedWith
	acs := with == nil || slices.Contains(run.WantedSessions(with.Sessions), v1alpha1.SessionACS)
	if state != v1alpha1.StateBlocking || !acs || f.agentsDisconnected().status == yes {
		return ""
	}
	return "until AgentsDisconnected is True, RunTask still answers with a task, which hangs in PENDING"
}

// repairs says how often rules were put back, for the verdict.
func (f Input) repairs() string {
	if n := int(f.Object.Status.DriftRepairs); n > 0 {
		return "; " + problem.Plural(n, "repair", "repairs") + " of rules that a third party removed or overrode"
	}
	return ""
}

// leftInstances names the tracked container instances that left the cluster during the run.
func (f Input) leftInstances(before string) string {
	var gone []string
	if agents := f.Object.Status.Agents; agents != nil {
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
	return before + problem.Plural(len(gone), "container instance", "container instances") + " left the cluster during the run: " + problem.List(run.InstanceIDs(gone))
}
