// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/cmd/kubectl-agentdisconnect/report"
	"agentdisconnect.dev/agentdisconnect/controllers/run/runtest"
)

// drawTimeline draws entries that need not be in order, nor make sense.
func drawTimeline(t *rapid.T) []v1alpha1.TimelineEntry {
	types := []v1alpha1.TimelineType{
		v1alpha1.TimelineState, v1alpha1.TimelineAgents, v1alpha1.TimelineRulesRepaired, v1alpha1.TimelineCarriedOver,
		v1alpha1.TimelineSuspended, v1alpha1.TimelineResumed, v1alpha1.TimelineAborted, v1alpha1.TimelineVerdict, "Later",
	}
	number := rapid.SampledFrom([]*int32{nil, new(int32(0)), new(int32(1)), new(int32(1000)), new(int32(-1))})
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) v1alpha1.TimelineEntry {
		return v1alpha1.TimelineEntry{
			Time: *runtest.At(float64(rapid.IntRange(-1e7, 1e7).Draw(t, "minute"))),
			Type: rapid.SampledFrom(types).Draw(t, "type"), Reason: rapid.String().Draw(t, "reason"), Message: rapid.String().Draw(t, "message"),
			Disconnected: number.Draw(t, "disconnected"), Total: number.Draw(t, "total"), Count: rapid.Int32().Draw(t, "count"),
		}
	}), 0, 64).Draw(t, "timeline")
}

// drawCallers draws callers that need not make sense; nil: there are none.
func drawCallers(t *rapid.T) *v1alpha1.CallersStatus {
	if rapid.Bool().Draw(t, "no callers") {
		return nil
	}

	number := func(name string) int32 { return rapid.Int32().Draw(t, name) }
	minute := func() *metav1.Time { return runtest.At(float64(rapid.IntRange(-1e7, 1e7).Draw(t, "minute"))) }
	seen := &v1alpha1.CallersStatus{
		Met: number("met"), Recovered: number("recovered"), NotRecovered: number("not"), NotKnown: number("unknown"), StartedTwice: number("twice"),
		Calls: number("calls"), Window: &v1alpha1.CallerWindow{Tasks: number("window")}, Withheld: number("withheld"), Unreadable: number("unreadable"),
		Message: rapid.String().Draw(t, "message"), Errors: []v1alpha1.CallerError{{Code: rapid.String().Draw(t, "code")}}, CompleteUntil: minute(),
	}
	if rapid.Bool().Draw(t, "read") {
		seen.ObservedTime, seen.CompleteSince = minute(), minute()
	}
	for range rapid.IntRange(0, 20).Draw(t, "listed") {
		caller := v1alpha1.Caller{
			Principal: rapid.String().Draw(t, "principal"), Service: rapid.String().Draw(t, "service"), Family: rapid.String().Draw(t, "family"),
			Outcome: v1alpha1.CallerOutcome(rapid.SampledFrom([]string{"Recovered", "NotRecovered", "StartedTwice", "NotKnown", "Later"}).Draw(t, "outcome")),
			Calls:   number("calls"), MetCalls: number("met calls"), FirstAgentTime: *minute(), LastAgentTime: *minute(),
		}
		if rapid.Bool().Draw(t, "recovered") {
			caller.RecoveredTime = minute()
		}
		seen.Callers = append(seen.Callers, caller)
	}
	return seen
}

// Whatever an object has, each format is written, and XML is XML.
func TestAnyObjectHasAReport(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		obj := runtest.DrawObject(t)
		obj.Status.Timeline = drawTimeline(t)
		obj.Status.Callers = drawCallers(t)
		if rapid.Bool().Draw(t, "looks at callers") {
			obj.Status.StartedWith = &v1alpha1.StartedWith{Callers: &v1alpha1.Callers{Require: rapid.SampledFrom([]v1alpha1.Requirement{"", v1alpha1.RequireRecovery}).Draw(t, "require")}}
		}
		obj.Status.State = rapid.String().Draw(t, "state")
		if rapid.Bool().Draw(t, "has conditions") {
			status := rapid.SampledFrom([]metav1.ConditionStatus{metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionUnknown})
			for _, of := range []string{v1alpha1.ConditionSucceeded, v1alpha1.ConditionStalled} {
				obj.Status.Conditions = append(obj.Status.Conditions, metav1.Condition{Type: of, Status: status.Draw(t, of), Reason: rapid.String().Draw(t, "reason"), Message: rapid.String().Draw(t, "message")})
			}
		}
		for _, format := range report.Formats() {
			text := written(g, obj, format)
			g.Expect(text).NotTo(BeEmpty())
			if format == report.JUnit {
				expectWellFormed(g, text)
			}
		}
	})
}
