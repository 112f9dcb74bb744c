// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 is the API of agentdisconnect: the kinds AgentDisconnect, AgentDisconnectSchedule and AgentDisconnectHalt, their
// conditions and reasons.
//
// It promises that whatever the API server accepts decodes into these types, that a field which an object leaves out
// keeps the meaning its comment gives, and that the ledger in the status is enough to undo what a run did.
//
// +kubebuilder:object:generate=true
// +groupName=chaos.agentdisconnect.dev
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var (
	// GroupVersion is the group and version of this API.
	GroupVersion = schema.GroupVersion{Group: "chaos.agentdisconnect.dev", Version: "v1alpha1"}

	schemeBuilder = runtime.NewSchemeBuilder(func(scheme *runtime.Scheme) error {
		scheme.AddKnownTypes(GroupVersion, &AgentDisconnect{}, &AgentDisconnectList{}, &AgentDisconnectSchedule{}, &AgentDisconnectScheduleList{},
			&AgentDisconnectHalt{}, &AgentDisconnectHaltList{})
		metav1.AddToGroupVersion(scheme, GroupVersion)
		return nil
	})

	// AddToScheme adds the types of this API to a scheme.
	AddToScheme = schemeBuilder.AddToScheme
)
