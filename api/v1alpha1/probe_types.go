// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Bounds of the lists in status.probe.
const (
	// MaxProbeOutcomes bounds status.probe.outcomes: RunTask has about ten reasons for a failure, and calls fail with few codes.
	MaxProbeOutcomes = 16
	// MaxProbeTasks is with how many tasks no further attempt is made. status.probe.tasks takes twice as many, for those of lost
	// answers.
	MaxProbeTasks = 16
)

// Probe calls RunTask while the agents are disconnected, and sees whether it fails with AGENT.
type Probe struct {
	// taskDefinition is the task definition that RunTask is called with: a family, family:revision or an ARN. It must be registered
	// and active, and allow the launch type EC2. If an agent is connected after all, one task of it starts, and is stopped
	// at once. Of a family, the latest active revision when the run begins is used for all attempts.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=400
	// +kubebuilder:validation:XValidation:rule="self.matches('^(arn:aws(-[a-z]{1,8}){0,2}:ecs:[a-z]{2,8}(-[a-z]{1,16}){1,3}-[0-9]{1,2}:[0-9]{12}:task-definition/)?[A-Za-z0-9_-]{1,255}(:[0-9]{1,9})?$') && (!self.startsWith('arn:') || self.matches(':[0-9]{1,9}$'))",message="must be a family, family:revision or the ARN of a task definition, such as canary, canary:3 or arn:aws:ecs:ap-northeast-1:123456789012:task-definition/canary:3"
	TaskDefinition string `json:"taskDefinition,omitempty"`

	// interval is how often RunTask is called: 10s to 10m, in whole hours, minutes and seconds. Unset: 30s.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=18
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,5}s)?$') && self.size() > 0 && duration(self) >= duration('10s') && duration(self) <= duration('10m')",message="must be from 10s to 10m in whole minutes and seconds, such as 30s or 1m30s"
	Interval *metav1.Duration `json:"interval,omitempty"`
}

// ProbeStatus is what the probe of a run saw.
type ProbeStatus struct {
	// taskDefinitionARN is the task definition of all attempts, with its revision.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=400
	TaskDefinitionARN string `json:"taskDefinitionARN,omitempty"`

	// awsvpc says that tasks of the task definition get a network interface in the subnet. Unset: they do not.
	// +optional
	AWSVPC *bool `json:"awsvpc,omitempty"`

	// attempts is how many calls of RunTask were begun. The last one is stored before the call. Unset: none.
	// +optional
	// +kubebuilder:validation:Minimum=1
	Attempts int32 `json:"attempts,omitempty"`

	// lastAttemptTime is when the last of them was begun, or was repeated since its answer was lost.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`
	LastAttemptTime *metav1.Time `json:"lastAttemptTime,omitempty"`

	// unanswered says that the answer to the last attempt is not known. It may have started a task. Unset: it was answered.
	// +optional
	Unanswered *bool `json:"unanswered,omitempty"`

	// lastOutcome is the reason in outcomes of the last attempt that was answered. Unset: none was.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	LastOutcome string `json:"lastOutcome,omitempty"`

	// outcomes count the attempts that were answered, by what came of them.
	// +optional
	// +listType=map
	// +listMapKey=reason
	// +kubebuilder:validation:MaxItems=16
	Outcomes []ProbeOutcome `json:"outcomes,omitempty"`

	// tasks are those that attempts started and that are not known to be stopped.
	// +optional
	// +listType=map
	// +listMapKey=arn
	// +kubebuilder:validation:MaxItems=32
	Tasks []ProbeTask `json:"tasks,omitempty"`
}

// Reasons of outcomes that are not RunTask's own.
const (
	// ProbeAgent is RunTask's own reason: the agent of a tracked container instance is disconnected.
	ProbeAgent = "AGENT"
	// ProbeStarted: RunTask started a task, which was stopped at once.
	ProbeStarted = "Started"
	// ProbeUntracked: RunTask failed with AGENT, but for no container instance that the run tracks.
	ProbeUntracked = "UntrackedAgent"
	// ProbeNoReason: RunTask neither started a task nor gave a reason.
	ProbeNoReason = "NoReason"
	// ProbeNoAnswer: the answer was lost, and no task of the attempt was found afterwards.
	ProbeNoAnswer = "NoAnswer"
	// ProbeOther: another outcome than those that are listed, since the list is full.
	ProbeOther = "Other"
)

// ProbeOutcome counts the attempts of a probe that had the same outcome.
type ProbeOutcome struct {
	// reason is the reason of the failure as RunTask gave it, such as AGENT or RESOURCE:MEMORY; the code of a call that failed as
	// a whole, such as AccessDeniedException; or Started, UntrackedAgent, NoReason,
	// NoAnswer or Other.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`

	// count is how many attempts had this outcome.
	// +required
	// +kubebuilder:validation:Minimum=1
	Count int32 `json:"count,omitempty"`

	// firstTime is when the first of them was made.
	// +required
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`
	FirstTime metav1.Time `json:"firstTime,omitempty,omitzero"`

	// lastTime is when the last of them was made.
	// +required
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`
	LastTime metav1.Time `json:"lastTime,omitempty,omitzero"`

	// message is what RunTask said the last time: the container instance that failed, or the error. Unset: there is no more to
	// say.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Message string `json:"message,omitempty"`
}

// ProbeTask is a task that an attempt started.
type ProbeTask struct {
	// arn is the ARN of the task.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=400
	ARN string `json:"arn,omitempty"`

	// containerInstanceARN is where it was placed. Unset: not known.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=400
	ContainerInstanceARN string `json:"containerInstanceARN,omitempty"`

	// stopping says that ECS acknowledged that the task is to stop. The agent has to hear of it. Unset: it has not been asked, or
	// its answer was lost.
	// +optional
	Stopping *bool `json:"stopping,omitempty"`
}
