// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/cmd/kubectl-agentdisconnect/view"
)

const (
	yes     = metav1.ConditionTrue
	no      = metav1.ConditionFalse
	unknown = metav1.ConditionUnknown
)

func TestVerdicts(t *testing.T) {
	older := func(obj *object) { obj.Generation = 2 }
	renewed := func(obj *object) { obj.Spec.RunID, obj.Status.RunID = "two", "one" }
	same := func(obj *object) { obj.Spec.RunID, obj.Status.RunID = "one", "one" }
	removed := func(obj *object) { obj.Status.RunID = "one" }
	for name, tc := range map[string]struct {
		obj    *object
		want   view.Outcome
		reason string
		over   bool
	}{
		"new":                        {obj: fresh()},
		"on":                         {obj: blocking()},
		"on, and a person must act":  {obj: blocking(isStalled(v1alpha1.ReasonAccessDenied, "x"))},
		"suspended":                  {obj: fresh(in(unknown, v1alpha1.StateSuspended, "x"))},
		"waiting":                    {obj: fresh(in(unknown, v1alpha1.StateWaiting, "x"))},
		"completed":                  {obj: fresh(in(yes, v1alpha1.StateCompleted, "x")), want: view.Succeeded, reason: "Completed", over: true},
		"planned":                    {obj: fresh(plan, in(yes, v1alpha1.StatePlanned, "x")), want: view.Succeeded, reason: "Planned", over: true},
		"planned, with a runID":      {obj: fresh(plan, in(yes, v1alpha1.StatePlanned, "x"), func(obj *object) { obj.Spec.RunID = "one" }), want: view.Succeeded, reason: "Planned", over: true},
		"refused":                    {obj: fresh(in(unknown, v1alpha1.StateRefused, "x"), isStalled(v1alpha1.ReasonNoConsent, "x")), want: view.Refused, reason: "NoConsent"},
		"a plan that is refused":     {obj: fresh(plan, in(no, v1alpha1.StatePlanRefused, "x"), isStalled(v1alpha1.StatePlanRefused, "x")), want: view.Refused, reason: "PlanRefused", over: true},
		"failed":                     {obj: fresh(in(no, v1alpha1.StateAgentsStayedConnected, "x")), want: view.Failed, reason: "AgentsStayedConnected", over: true},
		"aborted":                    {obj: fresh(in(no, v1alpha1.AbortDriftDetected, "x")), want: view.Failed, reason: "DriftDetected", over: true},
		"too late to start":          {obj: fresh(in(no, v1alpha1.AbortStartDeadlineExceeded, "x")), want: view.Failed, reason: "StartDeadlineExceeded", over: true},
		"completed, of another spec": {obj: fresh(in(yes, v1alpha1.StateCompleted, "x"), older)},
		"refused, of another spec":   {obj: fresh(in(unknown, v1alpha1.StateRefused, "x"), older)},
		"completed, of another run":  {obj: fresh(in(yes, v1alpha1.StateCompleted, "x"), renewed)},
		"failed, of another run":     {obj: fresh(in(no, v1alpha1.AbortDriftDetected, "x"), renewed)},
		"completed, of this run":     {obj: fresh(in(yes, v1alpha1.StateCompleted, "x"), same), want: view.Succeeded, reason: "Completed", over: true},
		"completed, runID removed":   {obj: fresh(in(yes, v1alpha1.StateCompleted, "x"), removed), want: view.Succeeded, reason: "Completed", over: true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			verdict := view.Judge(tc.obj)
			g.Expect(verdict.Outcome).To(Equal(tc.want))
			g.Expect(verdict.Reason).To(Or(Equal(tc.reason), WithTransform(func(string) bool { return tc.want == view.Undecided }, BeTrue())))
			if tc.want != view.Undecided {
				g.Expect(verdict.Message).To(Equal("x"))
			}
			g.Expect(view.IsOver(tc.obj)).To(Equal(tc.over))
		})
	}
}
