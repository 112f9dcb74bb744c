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

// Whatever an object has, each format is written, and XML is XML.
func TestAnyObjectHasAReport(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		obj := runtest.DrawObject(t)
		obj.Status.Timeline = drawTimeline(t)
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
