// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"slices"

	"k8s.io/utils/ptr"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// changedFields names the fields of the spec that differ from what the run began with, and that it doesn't follow.
func changedFields(obj *v1alpha1.AgentDisconnect) []string {
	spec, status := &obj.Spec, &obj.Status
	var changed []string
	if !slices.Equal(wantedSessions(spec), runSessions(status)) {
		changed = append(changed, "sessions")
	}
	inPlace := spec.NetworkACLMode == v1alpha1.NetworkACLModeInPlace
	if status.NetworkACL != nil && inPlace != ptr.Deref(status.NetworkACL.Sharing, false) {
		changed = append(changed, "networkACLMode")
	}
	var hostnames, cidrs []string
	if more := spec.AdditionalEndpoints; more != nil {
		hostnames, cidrs = slices.Sorted(slices.Values(more.Hostnames)), slices.Sorted(slices.Values(more.CIDRs))
	}
	if !slices.Equal(hostnames, runHostnames(status)) || !slices.Equal(cidrs, status.CIDRs) {
		changed = append(changed, "additionalEndpoints")
	}
	return changed
}

// wantedSessions are the sessions that the spec asks for, sorted.
func wantedSessions(spec *v1alpha1.AgentDisconnectSpec) []v1alpha1.EndpointSession {
	if len(spec.Sessions) == 0 {
		return []v1alpha1.EndpointSession{v1alpha1.EndpointACS, v1alpha1.EndpointTCS}
	}
	var sessions []v1alpha1.EndpointSession
	for _, session := range spec.Sessions {
		sessions = append(sessions, v1alpha1.EndpointSession(session))
	}
	slices.Sort(sessions)
	return sessions
}

// runSessions are the sessions whose hosts the run denies, sorted.
func runSessions(status *v1alpha1.AgentDisconnectStatus) []v1alpha1.EndpointSession {
	var sessions []v1alpha1.EndpointSession
	for _, endpoint := range status.Endpoints {
		if endpoint.Session != v1alpha1.EndpointAdditional {
			sessions = append(sessions, endpoint.Session)
		}
	}
	slices.Sort(sessions)
	return slices.Compact(sessions)
}

// runHostnames are the hosts of the spec that the run denies, sorted.
func runHostnames(status *v1alpha1.AgentDisconnectStatus) []string {
	var hostnames []string
	for _, endpoint := range status.Endpoints {
		if endpoint.Session == v1alpha1.EndpointAdditional {
			hostnames = append(hostnames, endpoint.Hostname)
		}
	}
	slices.Sort(hostnames)
	return hostnames
}
