// SPDX-License-Identifier: Apache-2.0

package discovery_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
)

func TestPathShape(t *testing.T) {
	for hostname, want := range map[string]discovery.Path{
		"ecs-a-4.ap-northeast-1.amazonaws.com":                  discovery.PathPublic,
		"ecs-t-12.us-east-1.amazonaws.com":                      discovery.PathPublic,
		"ecs-a-1.cn-north-1.amazonaws.com.cn":                   discovery.PathPublic,
		"ecs-a.ap-northeast-1.amazonaws.com":                    discovery.PathPrivateLink,
		"ecs-t.cn-north-1.amazonaws.com.cn":                     discovery.PathPrivateLink,
		"vpce-0a1b-c2d3.ecs-agent.eu-west-1.vpce.amazonaws.com": discovery.PathPrivateLink,
		"ecs-a-.eu-west-1.amazonaws.com":                        discovery.PathUnknown,
		"agents.example.com":                                    discovery.PathUnknown,
		"ecs.eu-west-1.amazonaws.com":                           discovery.PathUnknown,
		"proxy.ecs-a-4.ap-northeast-1.amazonaws.com":            discovery.PathUnknown,
		"": discovery.PathUnknown,
	} {
		NewWithT(t).Expect(discovery.PathShape(discovery.Host{Hostname: hostname, Session: acs})).To(Equal(want), hostname)
	}
}

func TestPathMismatch(t *testing.T) {
	hosts := func(names ...string) []discovery.Host {
		var all []discovery.Host
		for _, name := range names {
			all = append(all, discovery.Host{Hostname: name, Session: acs})
		}
		return all
	}
	const public, private = "ecs-a-4.ap-northeast-1.amazonaws.com", "ecs-a.ap-northeast-1.amazonaws.com"
	api := discovery.VPCEndpoint{ID: "vpce-00000000000000001", Service: "ecs", PrivateDNS: true}
	plain := discovery.VPCEndpoint{ID: "vpce-00000000000000002", Service: "ecs"}
	agent := discovery.VPCEndpoint{ID: "vpce-00000000000000003", Service: "ecs-agent", PrivateDNS: true}
	const agentsPrivate = "ECS named the public host ecs-a-4.ap-northeast-1.amazonaws.com to the manager, while the agents' VPC has the endpoint vpce-00000000000000001 for ECS with private DNS: ECS probably names PrivateLink hosts, which the manager does not know, to agents that start there. " +
		"The addresses of the VPC's endpoints for ecs-agent and ecs-telemetry are denied as far as there are any; if agents stay connected, name the hosts in their log in spec.additionalEndpoints, or run the manager in the agents' VPC"
	const managerPrivate = "ECS named the PrivateLink host ecs-a.ap-northeast-1.amazonaws.com to the manager, while the agents' VPC has no endpoint for ECS with private DNS: the answer depends on the manager's own network path, and agents probably connect to public hosts, which are not denied. " +
		"Run the manager where it reaches ECS on the path of the agents, or name the hosts in their log in spec.additionalEndpoints"
	for name, tc := range map[string]struct {
		hosts     []discovery.Host
		endpoints []discovery.VPCEndpoint
		want      string
	}{
		"public, and no endpoint":                  {hosts: hosts(public)},
		"public, and an endpoint without DNS":      {hosts: hosts(public), endpoints: []discovery.VPCEndpoint{plain}},
		"public, and an endpoint for agents alone": {hosts: hosts(public), endpoints: []discovery.VPCEndpoint{agent}},
		"public, and an endpoint":                  {hosts: hosts(public), endpoints: []discovery.VPCEndpoint{plain, api, agent}, want: agentsPrivate},
		"PrivateLink, and an endpoint":             {hosts: hosts(private), endpoints: []discovery.VPCEndpoint{api}},
		"PrivateLink, and no endpoint":             {hosts: hosts(private), want: managerPrivate},
		"PrivateLink, and an endpoint without DNS": {hosts: hosts(private), endpoints: []discovery.VPCEndpoint{plain, agent}, want: managerPrivate},
		"the spec names the other path's host":     {hosts: append(hosts(public), discovery.Host{Hostname: private, Session: additional}), endpoints: []discovery.VPCEndpoint{api}},
		"the spec names the other path's host too": {hosts: append(hosts(private), discovery.Host{Hostname: public, Session: additional})},
		"names that say nothing":                   {hosts: hosts("agents.example.com"), endpoints: []discovery.VPCEndpoint{api}},
		"names that say nothing, and no endpoint":  {hosts: hosts("agents.example.com")},
		"no host": {endpoints: []discovery.VPCEndpoint{api}},
		"the first of several hosts is the example": {hosts: hosts(public, "ecs-a-9.ap-northeast-1.amazonaws.com"), endpoints: []discovery.VPCEndpoint{api}, want: agentsPrivate},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			text := discovery.PathMismatch(tc.hosts, tc.endpoints)
			g.Expect(text).To(Equal(tc.want))
			g.Expect(len(text)).To(BeNumerically("<", 1024), "a note of a plan holds no more")
		})
	}
}
