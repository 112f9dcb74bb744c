// SPDX-License-Identifier: Apache-2.0

package run

import (
	"net/netip"
	"slices"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// IsPathKnown reports whether there is evidence that the agents' own path is denied, against which
// no guess by the names of hosts stands: an agent was seen disconnected, or each session has
// addresses that are private to the network.
func IsPathKnown(status *v1alpha1.AgentDisconnectStatus, spec *v1alpha1.AgentDisconnectSpec) bool {
	if status.Agents != nil && slices.ContainsFunc(status.Agents.ContainerInstances, func(i v1alpha1.ContainerInstance) bool { return i.DisconnectedTime != nil }) {
		return true
	}

	for _, session := range []v1alpha1.Session{v1alpha1.SessionACS, v1alpha1.SessionTCS} {
		wanted := len(spec.Sessions) == 0 || slices.Contains(spec.Sessions, session)
		if wanted && !slices.ContainsFunc(status.Endpoints, func(e v1alpha1.Endpoint) bool {
			return e.Session == v1alpha1.EndpointSession(session) && hasOnlyPrivateAddresses(e)
		}) {
			return false
		}
	}
	return true
}

func hasOnlyPrivateAddresses(endpoint v1alpha1.Endpoint) bool {
	addresses := ParseAddresses(endpoint.Addresses)
	return len(addresses) > 0 && !slices.ContainsFunc(addresses, func(a netip.Addr) bool { return !a.IsPrivate() })
}
