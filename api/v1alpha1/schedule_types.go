// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What a schedule writes on the AgentDisconnects that it creates.
const (
	// LabelSchedule is the label with the name of the schedule.
	LabelSchedule = "chaos.agentdisconnect.dev/schedule"
	// AnnotationScheduleTime is the annotation with the time of the schedule, in RFC 3339.
	AnnotationScheduleTime = "chaos.agentdisconnect.dev/schedule-time"
)

// Condition types of an AgentDisconnectSchedule, beside ConditionReconciling and ConditionStalled.
const (
	// ConditionReady is True while the schedule works, or is suspended.
	ConditionReady = "Ready"
	// ConditionLastRunSucceeded is about the newest run: Unknown while it is not over. Its reason is the state of that run.
	ConditionLastRunSucceeded = "LastRunSucceeded"
)

// Reasons of ConditionReady: the STATE column.
const (
	// ReasonScheduled: runs begin at the times of the schedule.
	ReasonScheduled = "Scheduled"
	// ReasonScheduleSuspended: no run begins until suspend is false.
	ReasonScheduleSuspended = "Suspended"
	// ReasonReplacing: a run is being ended, so that the next one can begin.
	ReasonReplacing = "Replacing"
	// ReasonInvalidSchedule: the schedule or its time zone can't be understood.
	ReasonInvalidSchedule = "InvalidSchedule"
	// ReasonNeverDue: the schedule has no time in the next years, such as February 30.
	ReasonNeverDue = "NeverDue"
	// ReasonRunNotCreated: the API server refused to create the newest run.
	ReasonRunNotCreated = "RunNotCreated"
	// ReasonRunStalled: a run that is on can't end until a person acts.
	ReasonRunStalled = "RunStalled"
	// ReasonClockSetBack: a run was created for a time that is far ahead of the manager's clock by now.
	ReasonClockSetBack = "ClockSetBack"
	// ReasonRunDeleted is one of ConditionLastRunSucceeded: the newest run was deleted before it was over.
	ReasonRunDeleted = "Deleted"
)

// MaxActiveRuns bounds status.active of a schedule.
const MaxActiveRuns = 10

// ConcurrencyPolicy says what to do at a time at which another run of the schedule is not over.
// +kubebuilder:validation:Enum=Forbid;Replace
type ConcurrencyPolicy string

const (
	// ConcurrencyPolicyForbid skips the time. It is what an unset concurrencyPolicy means.
	ConcurrencyPolicyForbid ConcurrencyPolicy = "Forbid"
	// ConcurrencyPolicyReplace deletes the other run's object, and begins once everything of it is restored.
	ConcurrencyPolicyReplace ConcurrencyPolicy = "Replace"
)

// AgentDisconnectScheduleSpec says when runs begin, and what they are.
type AgentDisconnectScheduleSpec struct {
	// schedule is when runs begin, as five fields of cron: minute, hour, day of the month, month, day of the week, with one space
	// between them, such as 0 2 * * 1-5. As in cron, a day matches if either of the two fields of days does, where neither is *.
	// A change counts from when the manager sees it: no run begins for a time before that.
	// +required
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^[^ ]+( [^ ]+){4}$')",message="must have five fields with one space between them: minute, hour, day of the month, month, day of the week, such as 0 2 * * 1-5"
	// +kubebuilder:validation:XValidation:rule="self.split(' ').size() != 5 || self.split(' ')[0].matches('^(([*]|[0-5]?[0-9](-[0-5]?[0-9])?)(/[1-9][0-9]?)?(,|$))+$') && !self.split(' ')[0].endsWith(',')",message="the first field, the minute, must be *, or numbers from 0 to 59, ranges and steps of them, such as 0,30 or */15"
	// +kubebuilder:validation:XValidation:rule="self.split(' ').size() != 5 || self.split(' ')[1].matches('^(([*]|([01]?[0-9]|2[0-3])(-([01]?[0-9]|2[0-3]))?)(/[1-9][0-9]?)?(,|$))+$') && !self.split(' ')[1].endsWith(',')",message="the second field, the hour, must be *, or numbers from 0 to 23, ranges and steps of them, such as 9-17 or */6"
	// +kubebuilder:validation:XValidation:rule="self.split(' ').size() != 5 || self.split(' ')[2].matches('^(([*]|(0?[1-9]|[12][0-9]|3[01])(-(0?[1-9]|[12][0-9]|3[01]))?)(/[1-9][0-9]?)?(,|$))+$') && !self.split(' ')[2].endsWith(',')",message="the third field, the day of the month, must be *, or numbers from 1 to 31, ranges and steps of them, such as 1,15"
	// +kubebuilder:validation:XValidation:rule="self.split(' ').size() != 5 || self.split(' ')[3].matches('(?i)^(([*]|(0?[1-9]|1[0-2]|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)(-(0?[1-9]|1[0-2]|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec))?)(/[1-9][0-9]?)?(,|$))+$') && !self.split(' ')[3].endsWith(',')",message="the fourth field, the month, must be *, or numbers from 1 to 12 or names such as jan, ranges and steps of them, such as 1-6"
	// +kubebuilder:validation:XValidation:rule="self.split(' ').size() != 5 || self.split(' ')[4].matches('(?i)^(([*]|([0-6]|sun|mon|tue|wed|thu|fri|sat)(-([0-6]|sun|mon|tue|wed|thu|fri|sat))?)(/[1-9][0-9]?)?(,|$))+$') && !self.split(' ')[4].endsWith(',')",message="the fifth field, the day of the week, must be *, or numbers from 0 for Sunday to 6 or names such as mon, ranges and steps of them, such as 1-5"
	Schedule string `json:"schedule,omitempty"`

	// timeZone is the time zone of the schedule by its name in the IANA database, such as Europe/Berlin. When clocks are put forward,
	// times in the hour that does not exist are left out; when they are put back, times in the hour that comes twice come twice.
	// A change counts as one of schedule does. Unset: UTC.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9][A-Za-z0-9_+-]*)*$') && self != 'Local'",message="must be the name of a time zone in the IANA database, such as Europe/Berlin"
	TimeZone string `json:"timeZone,omitempty"`

	// startingDeadline is how late a run may begin, counted from its time in the schedule: 1m to 12h, in whole hours, minutes and
	// seconds. A time that is missed by more, such as while the manager was away, is skipped; of several that are not, the
	// newest alone is run. It is the startDeadline of each run as well. Unset: 10m.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=18
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,5}s)?$') && self.size() > 0 && duration(self) >= duration('1m') && duration(self) <= duration('12h')",message="must be from 1m to 12h in whole hours, minutes and seconds, such as 10m or 1h30m"
	StartingDeadline *metav1.Duration `json:"startingDeadline,omitempty"`

	// concurrencyPolicy says what to do at a time at which another run of this schedule is not over. Forbid skips the time. Replace
	// deletes the other run's object, waits until everything of it is restored, and then begins, within startingDeadline.
	// Unset: Forbid.
	// +optional
	ConcurrencyPolicy ConcurrencyPolicy `json:"concurrencyPolicy,omitempty"`

	// suspend keeps new runs from beginning while it is true. A run that is on goes on; delete its object to end it. Times that fall
	// into the pause are skipped, those of an absence of the manager before it included. Unset: false.
	// +optional
	Suspend *bool `json:"suspend,omitempty"`

	// successfulRunsHistoryLimit is how many runs that succeeded are kept, the newest ones. Unset: 3.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	SuccessfulRunsHistoryLimit *int32 `json:"successfulRunsHistoryLimit,omitempty"`

	// failedRunsHistoryLimit is how many other runs that are over are kept, the newest ones. Unset: 3.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	FailedRunsHistoryLimit *int32 `json:"failedRunsHistoryLimit,omitempty"`

	// template is the AgentDisconnect that each run is created from.
	// +required
	Template AgentDisconnectTemplate `json:"template,omitempty,omitzero"`
}

// AgentDisconnectTemplate is what AgentDisconnects are created from.
type AgentDisconnectTemplate struct {
	// metadata has labels and annotations of the AgentDisconnects. Unset: they have those alone that the schedule writes.
	// +optional
	Metadata *TemplateMetadata `json:"metadata,omitempty"`

	// spec is the spec of the AgentDisconnects. The schedule sets startAfter and startDeadline itself, and deletes runs by its own limits.
	// +required
	// +kubebuilder:validation:XValidation:rule="!has(self.startAfter)",message="is set by the schedule for each run: leave it out",fieldPath=".startAfter"
	// +kubebuilder:validation:XValidation:rule="!has(self.startDeadline)",message="is set by the schedule for each run: leave it out, and set startingDeadline of the schedule",fieldPath=".startDeadline"
	// +kubebuilder:validation:XValidation:rule="!has(self.suspend) || !self.suspend",message="would keep every run from beginning: suspend the schedule instead",fieldPath=".suspend"
	// +kubebuilder:validation:XValidation:rule="!has(self.ttlSecondsAfterFinished)",message="would delete runs before the schedule has seen what became of them: leave it out, and set successfulRunsHistoryLimit and failedRunsHistoryLimit of the schedule",fieldPath=".ttlSecondsAfterFinished"
	Spec AgentDisconnectSpec `json:"spec,omitempty,omitzero"`
}

// TemplateMetadata are labels and annotations.
// +kubebuilder:validation:MinProperties=1
type TemplateMetadata struct {
	// labels are further labels. Unset: none.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=32
	Labels map[string]string `json:"labels,omitempty"`

	// annotations are further annotations. Unset: none.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=32
	Annotations map[string]string `json:"annotations,omitempty"`
}

// AgentDisconnectScheduleStatus is what became of the schedule's times.
type AgentDisconnectScheduleStatus struct {
	// conditions report whether the schedule works. Ready is True while it does or is suspended. LastRunSucceeded is about the
	// newest run, with its state as the reason. Reconciling is there while a run is being replaced, Stalled while a person must act.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:XValidation:rule="self.lastTransitionTime >= timestamp('2000-01-01T00:00:00Z') && self.lastTransitionTime < timestamp('3000-01-01T00:00:00Z')",message="must be a time of the years 2000 to 2999 as RFC 3339 writes it, such as 2026-01-02T15:04:05Z",fieldPath=".lastTransitionTime"
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the generation of the spec that this status is about. -1: the controller has not processed the object yet.
	// +optional
	// +kubebuilder:validation:Minimum=-1
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// observedSchedule is the schedule that decidedTime is about, with its time zone, and whether it was suspended.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	ObservedSchedule string `json:"observedSchedule,omitempty"`

	// decidedTime is the time until which each time of the schedule was decided: run, or skipped. Unset: none was.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`
	DecidedTime *metav1.Time `json:"decidedTime,omitempty"`

	// nextScheduleTime is the next time at which a run may begin. Unset: there is none, as in a schedule that is suspended.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`
	NextScheduleTime *metav1.Time `json:"nextScheduleTime,omitempty"`

	// lastScheduleTime is the newest time that a run was created for, or was to be. It is stored before the run is created, and no
	// time until then is run again. Unset: none was.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`
	LastScheduleTime *metav1.Time `json:"lastScheduleTime,omitempty"`

	// lastSuccessfulTime is when the newest run that succeeded was over. Unset: none has.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`
	LastSuccessfulTime *metav1.Time `json:"lastSuccessfulTime,omitempty"`

	// starting is the run that is being created for lastScheduleTime. Unset: it was created, or given up.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Starting string `json:"starting,omitempty"`

	// active are the runs that are not over, the oldest first, 10 at most.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=10
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	Active []string `json:"active,omitempty"`

	// missed counts the times at which no run began. Unset: there were none.
	// +optional
	Missed *MissedRuns `json:"missed,omitempty"`
}

// MissedReason is why no run began at a time of the schedule.
// +kubebuilder:validation:Enum=TooLate;RunIsOn;NotReplaced;NotCreated;Interrupted
type MissedReason string

const (
	// MissedTooLate: the manager saw the time only after startingDeadline, or a newer one was due by then.
	MissedTooLate MissedReason = "TooLate"
	// MissedRunIsOn: another run was not over, and concurrencyPolicy is Forbid.
	MissedRunIsOn MissedReason = "RunIsOn"
	// MissedNotReplaced: the run that was on was not restored within startingDeadline, or before a newer time was due.
	MissedNotReplaced MissedReason = "NotReplaced"
	// MissedNotCreated: the API server refused the run, and will until a person changes something.
	MissedNotCreated MissedReason = "NotCreated"
	// MissedInterrupted: the manager was stopped while it created the run, or the API server failed. It may have been created and
	// deleted again, so it is not created another time.
	MissedInterrupted MissedReason = "Interrupted"
)

// MissedRuns are times of a schedule at which no run began. Times in a pause are not among them.
type MissedRuns struct {
	// count is how many there were. The times of one absence of the manager count as 1000 at most.
	// +required
	// +kubebuilder:validation:Minimum=1
	Count int32 `json:"count,omitempty"`

	// lastTime is the newest of them.
	// +required
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`
	LastTime metav1.Time `json:"lastTime,omitempty,omitzero"`

	// lastReason is why no run began at lastTime.
	// +required
	LastReason MissedReason `json:"lastReason,omitempty"`

	// observedGeneration is the generation of the schedule's spec at that time.
	// +required
	// +kubebuilder:validation:Minimum=1
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// message says more of it. Unset: there is no more.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// AgentDisconnectSchedule creates AgentDisconnects at times, one after the other.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=agentdisconnectschedules,scope=Namespaced,shortName=agds,categories=chaos
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 52",message="metadata.name must have at most 52 characters: the names of runs are made from it"
// +kubebuilder:printcolumn:name="SCHEDULE",type=string,JSONPath=`.spec.schedule`,description="Minute, hour, day of the month, month, day of the week"
// +kubebuilder:printcolumn:name="STATE",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`,description="Whether the schedule works"
// +kubebuilder:printcolumn:name="LAST",type=string,JSONPath=`.status.conditions[?(@.type=="LastRunSucceeded")].reason`,description="The state of the newest run"
// +kubebuilder:printcolumn:name="NEXT",type=string,JSONPath=`.status.nextScheduleTime`,description="The next time (UTC)"
// +kubebuilder:printcolumn:name="ZONE",type=string,priority=1,JSONPath=`.spec.timeZone`,description="The time zone of the schedule"
// +kubebuilder:printcolumn:name="ACTIVE",type=string,priority=1,JSONPath=`.status.active[*]`,description="Runs that are not over"
// +kubebuilder:printcolumn:name="MISSED",type=integer,priority=1,JSONPath=`.status.missed.count`,description="Times at which no run began"
// +kubebuilder:printcolumn:name="SUCCESS",type=string,priority=1,JSONPath=`.status.lastSuccessfulTime`,description="When a run last succeeded (UTC)"
// +kubebuilder:printcolumn:name="AGE",type=date,priority=1,JSONPath=`.metadata.creationTimestamp`
type AgentDisconnectSchedule struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec says when runs begin, and what they are.
	// +required
	Spec AgentDisconnectScheduleSpec `json:"spec,omitempty,omitzero"`

	// status is what became of the schedule's times.
	// +optional
	// +default={"observedGeneration":-1}
	Status AgentDisconnectScheduleStatus `json:"status,omitempty,omitzero"`
}

// AgentDisconnectScheduleList is a list of AgentDisconnectSchedule objects.
// +kubebuilder:object:root=true
type AgentDisconnectScheduleList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []AgentDisconnectSchedule `json:"items"`
}
