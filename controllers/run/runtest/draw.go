// SPDX-License-Identifier: Apache-2.0

package runtest

import (
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// DrawTime draws a time around the start of a run, or none.
func DrawTime(t *rapid.T, name string) *metav1.Time {
	if !rapid.Bool().Draw(t, "has "+name) {
		return nil
	}
	return At(float64(rapid.IntRange(-30, 30).Draw(t, name)))
}

// DrawObject draws an object in any state, those included that only a person's edit of the status
// can make.
func DrawObject(t *rapid.T) *v1alpha1.AgentDisconnect {
	obj := &v1alpha1.AgentDisconnect{}
	obj.CreationTimestamp = *At(float64(rapid.IntRange(-90, 0).Draw(t, "creationTimestamp")))
	obj.DeletionTimestamp = DrawTime(t, "deletionTimestamp")
	drawSpec(t, &obj.Spec)
	status := &obj.Status
	status.RunID = rapid.SampledFrom([]string{"", "one"}).Draw(t, "status.runID")
	status.RequestTime = DrawTime(t, "requestTime")
	status.StartTime, status.ExpirationTime = DrawTime(t, "startTime"), DrawTime(t, "expirationTime")
	status.RestoredTime, status.CompletionTime = DrawTime(t, "restoredTime"), DrawTime(t, "completionTime")
	status.RecoveredTime, status.EnforcedTime = DrawTime(t, "recoveredTime"), DrawTime(t, "enforcedTime")
	if rapid.Bool().Draw(t, "has callers") {
		status.StartedWith = &v1alpha1.StartedWith{Callers: &v1alpha1.Callers{}}
	}
	if abort := DrawTime(t, "abort"); abort != nil {
		reason := rapid.SampledFrom([]string{v1alpha1.AbortSubnetLeft, v1alpha1.AbortStartDeadlineExceeded}).Draw(t, "abort.reason")
		status.Abort = &v1alpha1.Abort{Reason: reason, Message: "this was seen", Time: *abort}
	}

	if rapid.Bool().Draw(t, "has rules") {
		status.Rules = []v1alpha1.Rule{{NetworkACLID: ACL, RuleNumber: 80, CIDR: "192.0.2.1/32", State: v1alpha1.RuleInstalled}}
	}

	if rapid.Bool().Draw(t, "has a plan") {
		status.Plan = &v1alpha1.Plan{ObservedGeneration: int64(rapid.IntRange(2, 3).Draw(t, "plan.observedGeneration"))}
	}

	drawProbe(t, obj)
	switch rapid.IntRange(0, 2).Draw(t, "network ACL") {
	case 1:
		status.NetworkACL = &v1alpha1.NetworkACL{ID: ACL, Mode: v1alpha1.NetworkACLModeInPlace}
	case 2:
		status.NetworkACL = &v1alpha1.NetworkACL{
			ID: rapid.SampledFrom([]string{"", ACL}).Draw(t, "clone"), OriginalID: Original, Mode: v1alpha1.NetworkACLModeClone,
			State: rapid.SampledFrom([]v1alpha1.CloneState{
				"", v1alpha1.CloneCreating, v1alpha1.CloneReady, v1alpha1.CloneAssociating, v1alpha1.CloneServing, v1alpha1.CloneAdopted,
			}).Draw(t, "clone state"),
		}
	}
	return obj
}

// drawSpec draws what of a spec decides about the phase.
func drawSpec(t *rapid.T, spec *v1alpha1.AgentDisconnectSpec) {
	spec.Mode = rapid.SampledFrom([]v1alpha1.Mode{"", v1alpha1.ModeRun, v1alpha1.ModePlan}).Draw(t, "mode")
	spec.RunID = rapid.SampledFrom([]string{"", "one", "two"}).Draw(t, "runID")
	spec.Suspend = rapid.SampledFrom([]*bool{nil, new(false), new(true)}).Draw(t, "suspend")
	spec.StartAfter, spec.StartDeadline = DrawTime(t, "startAfter"), DrawTime(t, "startDeadline")
	if rapid.Bool().Draw(t, "has ttl") {
		spec.TTLSecondsAfterFinished = new(int32(rapid.IntRange(0, 3600).Draw(t, "ttl")))
	}
}

// drawProbe draws what the spec and the status say of a probe, each with and without the other.
func drawProbe(t *rapid.T, obj *v1alpha1.AgentDisconnect) {
	asked := &v1alpha1.Probe{TaskDefinition: "canary"}
	if rapid.Bool().Draw(t, "spec.probe") {
		obj.Spec.Probe = asked
	}
	if rapid.Bool().Draw(t, "started with a probe") {
		obj.Status.StartedWith = &v1alpha1.StartedWith{Probe: asked}
	}
	if !rapid.Bool().Draw(t, "status.probe") {
		return
	}

	probe := &v1alpha1.ProbeStatus{TaskDefinitionARN: "canary:1", LastAttemptTime: DrawTime(t, "lastAttemptTime")}
	for i := range rapid.IntRange(0, v1alpha1.MaxProbeOutcomes).Draw(t, "outcomes") {
		reason := rapid.SampledFrom([]string{v1alpha1.ProbeAgent, v1alpha1.ProbeStarted, "RESOURCE:MEMORY"}).Draw(t, "outcome")
		if i > 2 {
			reason = strings.Repeat("R", 60) + strconv.Itoa(i)
		}
		probe.Outcomes = append(probe.Outcomes, v1alpha1.ProbeOutcome{Reason: reason, Count: 1, FirstTime: *At(1), LastTime: *At(2), Message: strings.Repeat("p", 512)})
		probe.LastOutcome = reason
	}
	probe.Unanswered = rapid.SampledFrom([]*bool{nil, new(true)}).Draw(t, "unanswered")
	if rapid.Bool().Draw(t, "a task is left") {
		probe.Tasks = []v1alpha1.ProbeTask{{ARN: "task", Stopping: rapid.SampledFrom([]*bool{nil, new(true)}).Draw(t, "stopping")}}
	}
	obj.Status.Probe = probe
}
