// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Agents counts the agents of the target.
type Agents struct {
	// total is how many agents the run tracks: those that were connected on two polls before the start and whose container
	// instance is still in the cluster.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Total *int32 `json:"total,omitempty"`

	// disconnected is how many of them ECS reported as disconnected, on two polls in a row. Unset: of some of them ECS reported
	// nothing lately.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Disconnected *int32 `json:"disconnected,omitempty"`

	// reached is how many of the tracked agents were seen disconnected by the run so far, of those and of all that are still there, such
	// as 2/2. It stays when the agents are connected again. It is for tables: disconnectedTime of containerInstances says the same.
	// Unset: the run has not begun, tracks no agent, or denies TCS alone, of which ECS shows nothing.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=16
	Reached string `json:"reached,omitempty"`

	// observedTime is when ECS last answered about them while the run was on. It is written once a minute at most, and when
	// the status is written anyway. Unset: not yet.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`
	ObservedTime *metav1.Time `json:"observedTime,omitempty"`

	// disconnectedTime is when all of them were first seen disconnected. Unset: they never were, all at once.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`
	DisconnectedTime *metav1.Time `json:"disconnectedTime,omitempty"`

	// reconnectedTime is when all of them were seen connected again after the rules were gone. Unset: not yet.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`
	ReconnectedTime *metav1.Time `json:"reconnectedTime,omitempty"`

	// uncounted is how many untracked container instances the cluster has in the subnet: those that were not connected before
	// the start, and those that joined since. What they connect to is denied too.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Uncounted *int32 `json:"uncounted,omitempty"`

	// omitted is how many tracked agents containerInstances leaves out since the run is over. Each of them was seen disconnected by the
	// run, and connected again after it. The other counts include them. Unset: none.
	// +optional
	// +kubebuilder:validation:Minimum=1
	Omitted int32 `json:"omitted,omitempty"`

	// containerInstances are the tracked agents. Of a run that is over, they are those that stayed connected, stayed away, left the cluster
	// or were not seen at the end, and ten of the others: omitted counts the rest.
	// +optional
	// +listType=map
	// +listMapKey=arn
	// +kubebuilder:validation:MaxItems=1000
	ContainerInstances []ContainerInstance `json:"containerInstances,omitempty"`
}

// ContainerInstance is a tracked agent: it was connected before the start.
type ContainerInstance struct {
	// arn is the ARN of the container instance.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=400
	ARN string `json:"arn,omitempty"`

	// connected is what ECS reported of the agent on the last two polls that agreed. Unset: ECS was not asked lately, or no
	// longer knows the container instance.
	// +optional
	Connected *bool `json:"connected,omitempty"`

	// disconnectedTime is when the agent was first seen disconnected in this run. Unset: never.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`
	DisconnectedTime *metav1.Time `json:"disconnectedTime,omitempty"`

	// gone says that the container instance left the cluster during the run. The run does not wait for it.
	// +optional
	Gone *bool `json:"gone,omitempty"`
}
