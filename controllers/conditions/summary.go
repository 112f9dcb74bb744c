// SPDX-License-Identifier: Apache-2.0

package conditions

import (
	"k8s.io/apimachinery/pkg/api/meta"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// summarize says in fields of their own, for tables and for tools that read no list, what the run is
// as one word and how many agents it reached. Of a run that is over it leaves out what nobody asks for any more.
func (f Input) summarize() {
	status := &f.Object.Status
	if succeeded := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionSucceeded); succeeded != nil {
		status.State = succeeded.Reason
	}
	if status.Agents != nil {
		status.Agents.Reached = run.Reached(status)
		if run.IsOver(status) {
			run.OmitAgents(status.Agents)
		}
	}
}

// why is the reason for the state as one word; empty: the state says it.
func (f Input) why(succeeded Value) string {
	status := &f.Object.Status
	switch {
	case succeeded.reason == v1alpha1.StatePlanRefused && status.Plan != nil && len(status.Plan.Refusals) > 0:
		return status.Plan.Refusals[0].Reason
	case succeeded.reason == v1alpha1.StateCompleted:
		return shownByCallers(status)
	case succeeded.status != unknown:
		return ""
	case f.Problem != nil && (f.Problem.Stalled || succeeded.reason == v1alpha1.StateWaiting):
		return f.Problem.Reason
	case f.Phase == run.Waiting:
		return v1alpha1.ReasonNotYet
	case status.Abort != nil:
		return status.Abort.Reason
	}
	return ""
}
