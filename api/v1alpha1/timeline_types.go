// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// MaxTimeline bounds status.timeline.
const MaxTimeline = 64

// TimelineType is the kind of what an entry of the timeline is about.
// +kubebuilder:validation:Enum=State;Agents;RunTaskFailed;Callers;RulesRepaired;OriginalCarriedOver;Suspended;Resumed;Aborted;Verdict
type TimelineType string

const (
	// TimelineState: the state changed to the one that is the entry's reason.
	TimelineState TimelineType = "State"
	// TimelineAgents: other numbers of agents are disconnected, or tracked, than before.
	TimelineAgents TimelineType = "Agents"
	// TimelineRunTaskFailed: a call of RunTask by the probe failed with AGENT for the first time.
	TimelineRunTaskFailed TimelineType = "RunTaskFailed"
	// TimelineCallers: CloudTrail shows other numbers of callers that met AGENT, or recovered, than before.
	TimelineCallers TimelineType = "Callers"
	// TimelineRulesRepaired: the manager restored rules that a third party had removed or overridden.
	TimelineRulesRepaired TimelineType = "RulesRepaired"
	// TimelineCarriedOver: the manager made a change of the original network ACL to the clone.
	TimelineCarriedOver TimelineType = "OriginalCarriedOver"
	// TimelineSuspended: the manager saw that spec.suspend is true.
	TimelineSuspended TimelineType = "Suspended"
	// TimelineResumed: the manager saw that spec.suspend is no longer true.
	TimelineResumed TimelineType = "Resumed"
	// TimelineAborted: the run was ended before its time; the reason is that of status.abort.
	TimelineAborted TimelineType = "Aborted"
	// TimelineVerdict: the run is over; the reason is its state from then on. It is the last entry of a run.
	TimelineVerdict TimelineType = "Verdict"
)

// TimelineEntry is one thing that happened, or several of one type.
type TimelineEntry struct {
	// time is when the manager saw it, by the manager's clock; of several, the last.
	// +required
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`
	Time metav1.Time `json:"time,omitempty,omitzero"`

	// type is what kind of thing happened.
	// +required
	Type TimelineType `json:"type,omitempty"`

	// reason is the state that the run came to, or why it was aborted, as one CamelCase word. Unset: the type has none.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`

	// message says more about it; it may be cut off, which … marks. Unset: there is no more to say.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Message string `json:"message,omitempty"`

	// disconnected is how many of the tracked agents were disconnected, for the type Agents. Unset: the entry has another
	// type, or of some of them ECS reported nothing lately.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Disconnected *int32 `json:"disconnected,omitempty"`

	// total is how many agents the run tracked, for the type Agents. Unset: the entry has another type.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Total *int32 `json:"total,omitempty"`

	// count is how many things of its type the entry stands for: its own, and those before it that were left out to keep
	// the list short. Unset: its own alone.
	// +optional
	// +kubebuilder:validation:Minimum=2
	Count int32 `json:"count,omitempty"`
}
