// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// callers counts those that met AGENT, and what became of them. Until when CloudTrail is known moves
// with each read: the log does not hear of that.
func callers(obj *v1alpha1.AgentDisconnect, _ time.Time) Line {
	status := &obj.Status
	seen := status.Callers
	switch {
	case run.StartedCallers(status) == nil, status.CompletionTime != nil && seen == nil:
		return Line{}
	case status.RecoveredTime == nil && seen == nil:
		return Line{Label: "Callers", Text: "read from CloudTrail once the agents are back"}
	case seen == nil:
		return Line{Label: "Callers", Text: "CloudTrail was not read yet"}
	}

	line := Line{Label: "Callers", Wrapped: true}
	var parts []string
	if seen.ObservedTime != nil {
		parts = met(status)
		line.Tone = toneOfCallers(status)
	}
	if seen.Message != "" {
		parts = append(parts, "CloudTrail could not be read: "+seen.Message)
	}
	line.Text = strings.Join(parts, "; ")
	line.Log = "Callers: " + line.Text
	if run.IsVerifying(status) && status.StartTime.Before(seen.CompleteUntil) {
		line.Text += "; known until " + clock(seen.CompleteUntil.Time)
	}
	return line
}

// met says what became of the callers, and what else they must survive.
func met(status *v1alpha1.AgentDisconnectStatus) []string {
	seen, soFar, yet := status.Callers, "", ""
	if run.IsVerifying(status) {
		soFar, yet = " so far", " yet"
	} else if !run.KnowsCallers(status) {
		soFar = ", as far as CloudTrail is known"
	}

	parts := []string{"none met AGENT" + soFar}
	if seen.Met > 0 {
		parts = []string{fmt.Sprintf("%d met AGENT: %s", seen.Met, strings.Join(counts(
			count{seen.Recovered, "recovered"}, count{seen.NotRecovered, "did not recover"}, count{seen.NotKnown, "not known" + yet}), ", "))}
	}
	parts = append(parts, counts(count{seen.StartedTwice, "started twice"})...)
	if window := seen.Window; window != nil {
		hung := "tasks hung in PENDING"
		if window.Tasks == 1 {
			hung = "task hung in PENDING"
		}
		parts = append(parts, counts(count{window.Tasks, hung})...)
	}
	return parts
}

type count struct {
	n    int32
	what string
}

// counts leaves out what there is none of.
func counts(all ...count) []string {
	var texts []string
	for _, each := range all {
		if each.n > 0 {
			texts = append(texts, fmt.Sprintf("%d %s", each.n, each.what))
		}
	}
	return texts
}

func toneOfCallers(status *v1alpha1.AgentDisconnectStatus) Tone {
	switch seen := status.Callers; {
	case seen.NotRecovered > 0, seen.StartedTwice > 0:
		return Bad
	case seen.Met > 0 && seen.NotKnown == 0 && run.KnowsCallers(status):
		return Good
	}
	return Plain
}
