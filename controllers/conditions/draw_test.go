// SPDX-License-Identifier: Apache-2.0

package conditions

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// drawTime draws a time around the start of a run, or none.
func drawTime(t *rapid.T, name string) *metav1.Time {
	if !rapid.Bool().Draw(t, "has "+name) {
		return nil
	}
	return at(float64(rapid.IntRange(-30, 30).Draw(t, name)))
}

// drawObject draws an object in any state, those that only a person's edit of the status can make
// included.
func drawObject(t *rapid.T) *v1alpha1.AgentDisconnect {
	obj := &v1alpha1.AgentDisconnect{}
	obj.CreationTimestamp = *at(float64(rapid.IntRange(-90, 0).Draw(t, "creationTimestamp")))
	obj.DeletionTimestamp = drawTime(t, "deletionTimestamp")
	drawSpec(t, &obj.Spec)
	status := &obj.Status
	status.RunID = rapid.SampledFrom([]string{"", "one"}).Draw(t, "status.runID")
	status.RequestTime = drawTime(t, "requestTime")
	status.StartTime, status.ExpirationTime = drawTime(t, "startTime"), drawTime(t, "expirationTime")
	status.RestoredTime, status.CompletionTime = drawTime(t, "restoredTime"), drawTime(t, "completionTime")
	if abort := drawTime(t, "abort"); abort != nil {
		reason := rapid.SampledFrom([]string{v1alpha1.AbortSubnetLeft, v1alpha1.AbortStartDeadlineExceeded}).Draw(t, "abort.reason")
		status.Abort = &v1alpha1.Abort{Reason: reason, Message: "this was seen", Time: *abort}
	}
	if rapid.Bool().Draw(t, "has rules") {
		status.Rules = []v1alpha1.Rule{{NetworkACLID: testACL, RuleNumber: 80, CIDR: "192.0.2.1/32", State: v1alpha1.RuleInstalled}}
	}
	if rapid.Bool().Draw(t, "has a plan") {
		status.Plan = &v1alpha1.Plan{ObservedGeneration: int64(rapid.IntRange(2, 3).Draw(t, "plan.observedGeneration"))}
	}
	switch rapid.IntRange(0, 2).Draw(t, "network ACL") {
	case 1:
		status.NetworkACL = &v1alpha1.NetworkACL{ID: testACL, Mode: v1alpha1.NetworkACLModeInPlace}
	case 2:
		status.NetworkACL = &v1alpha1.NetworkACL{
			ID: rapid.SampledFrom([]string{"", testACL}).Draw(t, "clone"), OriginalID: "acl-0d5f8a2c4e6b19370", Mode: v1alpha1.NetworkACLModeClone,
			State: rapid.SampledFrom([]v1alpha1.CloneState{
				"", v1alpha1.CloneCreating, v1alpha1.CloneReady, v1alpha1.CloneAssociating, v1alpha1.CloneServing, v1alpha1.CloneAdopted,
			}).Draw(t, "clone state"),
		}
	}
	return obj
}

// drawSpec draws what of a spec decides about the mode.
func drawSpec(t *rapid.T, spec *v1alpha1.AgentDisconnectSpec) {
	spec.Mode = rapid.SampledFrom([]v1alpha1.Mode{"", v1alpha1.ModeRun, v1alpha1.ModePlan}).Draw(t, "mode")
	spec.RunID = rapid.SampledFrom([]string{"", "one", "two"}).Draw(t, "runID")
	spec.Suspend = rapid.SampledFrom([]*bool{nil, new(false), new(true)}).Draw(t, "suspend")
	spec.StartAfter, spec.StartDeadline = drawTime(t, "startAfter"), drawTime(t, "startDeadline")
	if rapid.Bool().Draw(t, "has ttl") {
		spec.TTLSecondsAfterFinished = new(int32(rapid.IntRange(0, 3600).Draw(t, "ttl")))
	}
}
