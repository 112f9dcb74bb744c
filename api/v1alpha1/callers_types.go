// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Bounds of the lists in status.callers.
const (
	// MaxCallers bounds status.callers.callers. The totals count the others too.
	MaxCallers = 20
	// MaxCallerErrors bounds status.callers.errors.
	MaxCallerErrors = 10
)

// Requirement is what the verdict of a run asks of callers.
// +kubebuilder:validation:Enum=Recovery
type Requirement string

// RequireRecovery has the run succeed only if a caller met AGENT and all that did recovered.
const RequireRecovery Requirement = "Recovery"

// Callers has the manager read from CloudTrail, after the run, who called RunTask, who met AGENT and who recovered.
type Callers struct {
	// recoverWithin is how long after its first AGENT a caller may take to have a task started: 1m to 1h, in whole hours, minutes
	// and seconds. The run is in the state Verifying for up to 25 minutes longer than that, unless the manager has another
	// --cloudtrail-delay than 15m. Unset: 10m.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=18
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,5}s)?$') && self.size() > 0 && duration(self) >= duration('1m') && duration(self) <= duration('1h')",message="must be from 1m to 1h in whole hours, minutes and seconds, such as 10m or 1m30s"
	RecoverWithin *metav1.Duration `json:"recoverWithin,omitempty"`

	// require makes what callers did part of the verdict. Recovery: the run succeeds only if a caller met AGENT, and all that did
	// recovered. Unset: the condition CallersRecovered reports it, and the verdict does not depend on it.
	// +optional
	Require Requirement `json:"require,omitempty"`
}

// CallersStatus is what CloudTrail shows of the callers of a run. All counts are of the run's cluster.
type CallersStatus struct {
	// observedTime is when the read of CloudTrail began that this rests on, written once a minute at most. Unset: CloudTrail was
	// not read since the run.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`
	ObservedTime *metav1.Time `json:"observedTime,omitempty"`

	// completeSince is from when on the calls are all known. It is later than startTime where there were more calls than the
	// manager remembers. Unset: CloudTrail was not read since the run.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`
	CompleteSince *metav1.Time `json:"completeSince,omitempty"`

	// completeUntil is until when they are: before observedTime by what CloudTrail may be late, 15 minutes unless the manager
	// has another --cloudtrail-delay. Unset: CloudTrail was not read since the run.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`
	CompleteUntil *metav1.Time `json:"completeUntil,omitempty"`

	// message is why CloudTrail could not be read when the manager last tried. Unset: it could.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`

	// calls counts the calls of RunTask and StartTask from enforcedTime until the agents were back. Unset: none.
	// +optional
	// +kubebuilder:validation:Minimum=1
	Calls int32 `json:"calls,omitempty"`

	// metCalls counts those of them that were answered with AGENT for a tracked container instance. Unset: none.
	// +optional
	// +kubebuilder:validation:Minimum=1
	MetCalls int32 `json:"metCalls,omitempty"`

	// met counts the callers that met AGENT: recovered, notRecovered and notKnown together. Unset: none.
	// +optional
	// +kubebuilder:validation:Minimum=1
	Met int32 `json:"met,omitempty"`

	// recovered counts the callers that had a task started in time. Unset: none.
	// +optional
	// +kubebuilder:validation:Minimum=1
	Recovered int32 `json:"recovered,omitempty"`

	// notRecovered counts the callers that certainly had none. Unset: none.
	// +optional
	// +kubebuilder:validation:Minimum=1
	NotRecovered int32 `json:"notRecovered,omitempty"`

	// notKnown counts the callers of which CloudTrail does not show enough yet. Unset: none.
	// +optional
	// +kubebuilder:validation:Minimum=1
	NotKnown int32 `json:"notKnown,omitempty"`

	// startedTwice counts the callers that started more tasks than they asked for, whatever else became of them. Unset: none.
	// +optional
	// +kubebuilder:validation:Minimum=1
	StartedTwice int32 `json:"startedTwice,omitempty"`

	// errors count the calls that failed as a whole, by code, the most frequent ones. They started nothing and met nothing.
	// Unset: none.
	// +optional
	// +listType=map
	// +listMapKey=code
	// +kubebuilder:validation:MaxItems=10
	Errors []CallerError `json:"errors,omitempty"`

	// otherErrors counts the calls that failed with codes for which errors has no room. Unset: none.
	// +optional
	// +kubebuilder:validation:Minimum=1
	OtherErrors int32 `json:"otherErrors,omitempty"`

	// window counts what was started after enforcedTime and before ECS was seen to report the agent there as disconnected: such
	// tasks hang in PENDING until the agent is back. Unset: nothing.
	// +optional
	Window *CallerWindow `json:"window,omitempty"`

	// unreadable counts the events of the account and Region, since the run began, that could not be understood. Unset: none.
	// +optional
	// +kubebuilder:validation:Minimum=1
	Unreadable int32 `json:"unreadable,omitempty"`

	// withheld counts the calls of which CloudTrail does not show on which cluster they were made. Unset: none.
	// +optional
	// +kubebuilder:validation:Minimum=1
	Withheld int32 `json:"withheld,omitempty"`

	// callers are those that met AGENT, the worst first: 20 at most, and the totals count the others too. Unset: none.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	Callers []Caller `json:"callers,omitempty"`
}

// CallerError counts the calls that failed as a whole with the same code.
type CallerError struct {
	// code is AWS's, such as ThrottlingException.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Code string `json:"code,omitempty"`

	// calls is how many.
	// +required
	// +kubebuilder:validation:Minimum=1
	Calls int32 `json:"calls,omitempty"`
}

// CallerWindow counts what was started on container instances whose agents did not hear of it.
type CallerWindow struct {
	// calls is how many calls were answered with such tasks.
	// +required
	// +kubebuilder:validation:Minimum=1
	Calls int32 `json:"calls,omitempty"`

	// tasks is how many tasks those are.
	// +required
	// +kubebuilder:validation:Minimum=1
	Tasks int32 `json:"tasks,omitempty"`
}

// CallerOutcome is what became of a caller that met AGENT.
// +kubebuilder:validation:Enum=NotRecovered;StartedTwice;NotKnown;Recovered
type CallerOutcome string

const (
	// CallerNotRecovered: CloudTrail is known for the whole time that the caller had, and shows no task.
	CallerNotRecovered CallerOutcome = "NotRecovered"
	// CallerStartedTwice: it started more tasks than it asked for.
	CallerStartedTwice CallerOutcome = "StartedTwice"
	// CallerNotKnown: no task was seen, and not all of the time that the caller has is known.
	CallerNotKnown CallerOutcome = "NotKnown"
	// CallerRecovered: it had a task started in time.
	CallerRecovered CallerOutcome = "Recovered"
)

// Caller is a principal that starts tasks of a family, and met AGENT.
type Caller struct {
	// principal is the ARN of the role, without its session, or of the user. Unset: a service that acts by itself.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Principal string `json:"principal,omitempty"`

	// service is the AWS service that made the calls for the principal, such as states.amazonaws.com. Unset: none.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Service string `json:"service,omitempty"`

	// family is that of the task definition, without the revision. Unset: CloudTrail does not show it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Family string `json:"family,omitempty"`

	// outcome is what became of it: NotRecovered, StartedTwice, NotKnown or Recovered.
	// +required
	Outcome CallerOutcome `json:"outcome,omitempty"`

	// calls counts its calls from enforcedTime until the agents were back.
	// +required
	// +kubebuilder:validation:Minimum=1
	Calls int32 `json:"calls,omitempty"`

	// metCalls counts those of them that were answered with AGENT.
	// +required
	// +kubebuilder:validation:Minimum=1
	MetCalls int32 `json:"metCalls,omitempty"`

	// startedTasks counts the tasks that were started in time after the first AGENT. Unset: none.
	// +optional
	// +kubebuilder:validation:Minimum=1
	StartedTasks int32 `json:"startedTasks,omitempty"`

	// extraTasks is how many tasks more than it asked for it started. Unset: none.
	// +optional
	// +kubebuilder:validation:Minimum=1
	ExtraTasks int32 `json:"extraTasks,omitempty"`

	// firstAgentTime is when it met AGENT first.
	// +required
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`
	FirstAgentTime metav1.Time `json:"firstAgentTime,omitempty,omitzero"`

	// lastAgentTime is when it met AGENT last.
	// +required
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`
	LastAgentTime metav1.Time `json:"lastAgentTime,omitempty,omitzero"`

	// recoveredTime is when the first task after its first AGENT was started. Unset: none was.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`
	RecoveredTime *metav1.Time `json:"recoveredTime,omitempty"`
}
