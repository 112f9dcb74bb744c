// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// AgentDisconnectHaltSpec says why runs are halted, and who asked for it.
type AgentDisconnectHaltSpec struct {
	// reason says why runs are halted. The status of every run that the halt ends or holds back repeats it. Unset: nothing is said.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Reason string `json:"reason,omitempty"`

	// requestedBy names who asked for the halt. The kubectl plugin writes the user as the API server knows it. Nothing checks it: the
	// audit log of the API server is the proof. Unset: nothing is said.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	RequestedBy string `json:"requestedBy,omitempty"`
}

// AgentDisconnectHalt ends all runs of the Kubernetes cluster and lets none start, for as long as it exists. Several may exist, one for
// each person who wants runs to stand still: runs start again when the last is deleted.
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=agentdisconnecthalts,scope=Cluster,shortName=agdh
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 63",message="metadata.name must have at most 63 characters: the status of runs names the halt"
// +kubebuilder:printcolumn:name="REASON",type=string,JSONPath=`.spec.reason`,description="Why runs are halted"
// +kubebuilder:printcolumn:name="BY",type=string,JSONPath=`.spec.requestedBy`,description="Who asked for it"
// +kubebuilder:printcolumn:name="AGE",type=date,JSONPath=`.metadata.creationTimestamp`
type AgentDisconnectHalt struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec says why runs are halted, and who asked for it.
	// +optional
	Spec *AgentDisconnectHaltSpec `json:"spec,omitempty"`
}

// AgentDisconnectHaltList is a list of AgentDisconnectHalt objects.
// +kubebuilder:object:root=true
type AgentDisconnectHaltList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []AgentDisconnectHalt `json:"items"`
}
