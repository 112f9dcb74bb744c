// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// probe counts the calls of RunTask by the run's probe. The log hears of the first that failed with
// AGENT, and of each change of the condition, not of each call.
func probe(obj *v1alpha1.AgentDisconnect, _ time.Time) Line {
	status := obj.Status.Probe
	if status == nil {
		return Line{}
	}

	var all, agent int32
	for _, outcome := range status.Outcomes {
		all += outcome.Count
	}
	if outcome := run.ProbeOutcomeOf(status, v1alpha1.ProbeAgent); outcome != nil {
		agent = outcome.Count
	}

	line := Line{Label: "RunTask", Text: fmt.Sprintf("%d of %d calls of the probe failed with AGENT", agent, all)}
	switch {
	case all == 0:
		line.Text = "not called by the probe yet"
	case agent > 0:
		line.Tone = Good
	}

	if c := meta.FindStatusCondition(obj.Status.Conditions, v1alpha1.ConditionRunTaskFails); c != nil && all > 0 {
		line.Log = fmt.Sprintf("%s: %s, %s", c.Type, c.Status, c.Reason)
	}
	if left := len(status.Tasks); left > 0 {
		line.Text += fmt.Sprintf("; %d started and not stopped yet", left)
	}
	return line
}
