// SPDX-License-Identifier: Apache-2.0

package run

import (
	"testing"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

func TestAGuessAtThePathGivesWayToEvidence(t *testing.T) {
	endpointAt := func(host string, session v1alpha1.EndpointSession, addresses ...string) v1alpha1.Endpoint {
		return v1alpha1.Endpoint{Hostname: host, Session: session, Addresses: addresses}
	}
	public := []v1alpha1.Endpoint{endpointAt("ecs-a-4.example.com", v1alpha1.EndpointACS, "52.119.223.69"), endpointAt("ecs-t-4.example.com", v1alpha1.EndpointTCS, "52.119.221.107")}
	hub := []v1alpha1.Endpoint{endpointAt("ecs-a.example.com", v1alpha1.EndpointACS, "10.9.0.7"), endpointAt("ecs-t.example.com", v1alpha1.EndpointTCS, "fd00::7")}
	for name, tc := range map[string]struct {
		endpoints    []v1alpha1.Endpoint
		sessions     []v1alpha1.Session
		disconnected bool
		want         bool
	}{
		"nothing known":                         {},
		"public addresses":                      {endpoints: public},
		"an agent was seen disconnected":        {endpoints: public, disconnected: true, want: true},
		"hosts with private addresses":          {endpoints: hub, want: true},
		"interfaces of the VPC beside them":     {endpoints: append([]v1alpha1.Endpoint{endpointAt("vpce-1", v1alpha1.EndpointACS, "10.0.1.5"), endpointAt("vpce-2", v1alpha1.EndpointTCS, "10.0.1.6")}, public...), want: true},
		"an interface for one session alone":    {endpoints: append([]v1alpha1.Endpoint{endpointAt("vpce-1", v1alpha1.EndpointACS, "10.0.1.5")}, public...)},
		"for the one session that is asked for": {endpoints: append([]v1alpha1.Endpoint{endpointAt("vpce-1", v1alpha1.EndpointACS, "10.0.1.5")}, public...), sessions: []v1alpha1.Session{v1alpha1.SessionACS}, want: true},
		"a host without an address":             {endpoints: []v1alpha1.Endpoint{endpointAt("ecs-a.example.com", v1alpha1.EndpointACS), hub[1]}},
		"a host with an address of each kind":   {endpoints: []v1alpha1.Endpoint{endpointAt("ecs-a.example.com", v1alpha1.EndpointACS, "10.9.0.7", "52.119.223.69"), hub[1]}},
	} {
		t.Run(name, func(t *testing.T) {
			status := &v1alpha1.AgentDisconnectStatus{Endpoints: tc.endpoints, Agents: &v1alpha1.Agents{ContainerInstances: []v1alpha1.ContainerInstance{{ARN: "a"}}}}
			if tc.disconnected {
				status.Agents.ContainerInstances[0].DisconnectedTime = at(5)
			}
			NewWithT(t).Expect(IsPathKnown(status, &v1alpha1.AgentDisconnectSpec{Sessions: tc.sessions})).To(Equal(tc.want))
		})
	}
}
