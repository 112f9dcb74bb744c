// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/utils/ptr"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/evidence/probetasks"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
)

// What probes start, and what is stopped.

// isManagers reports whether a manager or a sweep made a call: others call ECS too.
func isManagers(c call.Call) bool { return strings.Contains(c.UserAgent, "agentdisconnect/") }

// starting: a task is started by an attempt that the status of a run names, in its subnet and while
// it is on.
func (a *Audit) starting(c call.Call, runs []*v1alpha1.AgentDisconnect) {
	if !isManagers(c) {
		return
	}

	identity, err := probetasks.ParseGroup(c.Param("group"))
	if err != nil || c.Param("startedBy") != probetasks.StartedBy {
		a.violated(Unclaimed, "RunTask was called with startedBy %q and group %q, by which no sweep finds the task", c.Param("startedBy"), c.Param("group"))
		return
	}

	i := slices.IndexFunc(runs, func(o *v1alpha1.AgentDisconnect) bool { return string(o.UID) == identity.UID })
	if i < 0 || runs[i].Status.Probe == nil || runs[i].Status.Probe.Attempts != identity.Attempt || !ptr.Deref(runs[i].Status.Probe.Unanswered, false) {
		a.violated(Recorded, "RunTask was called for attempt %d of object %s, which its status does not name", identity.Attempt, identity.UID)
		return
	}

	a.checkInTime(runs[i], "a task")
	if pinned := "attribute:ecs.subnet-id == " + runs[i].Spec.SubnetID; !strings.Contains(fmt.Sprint(c.Params["placementConstraints"]), pinned) || c.Param("launchType") != "EC2" {
		a.violated(Permitted, "RunTask was called without the constraint %s: it may start a task elsewhere", pinned)
	}
}

// stopping: only tasks of probes are stopped. A call about none checks a permission.
func (a *Audit) stopping(c call.Call, _ []*v1alpha1.AgentDisconnect) {
	if !isManagers(c) {
		return
	}

	view := a.region.View(time.Time{})
	for _, cluster := range view.Clusters() {
		task, known := view.FindTask(cluster, c.Param("task"))
		if !known {
			continue
		}
		if _, err := probetasks.ParseGroup(task.Group); err != nil || task.StartedBy != probetasks.StartedBy {
			a.violated(Foreign, "task %s of a third party was stopped", task.ARN)
		}
	}
}
