// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"fmt"
	"regexp"
	"strings"
)

// Path is the network path for which ECS names a host.
type Path string

const (
	// PathUnknown: the name has neither shape, or the spec names it.
	PathUnknown Path = ""
	// PathPublic: over the internet.
	PathPublic Path = "Public"
	// PathPrivateLink: through VPC endpoints.
	PathPrivateLink Path = "PrivateLink"
)

// publicLabel is the first label of a host that ECS names over the public path: ecs-a-4, ecs-t-4.
var publicLabel = regexp.MustCompile(`^ecs-[a-z]+-[0-9]+$`)

// PathShape tells by its name for which path ECS names a host: ecs-a-N.REGION… for the public one,
// ecs-a.REGION… through PrivateLink, where the agent's own source has the URLs. It is a guess at
// what is not documented: good for a hint, never for a decision.
func PathShape(h Host) Path {
	label, _, _ := strings.Cut(h.Hostname, ".")
	switch {
	case publicLabel.MatchString(label):
		return PathPublic
	case label == "ecs-a" || label == "ecs-t" || strings.HasPrefix(label, "vpce-"):
		return PathPrivateLink
	default:
		return PathUnknown
	}
}

// PathMismatch says where the hosts that ECS named to the manager are probably not those that it
// names to the agents, since ECS answers by the path that the caller comes on; empty where nothing
// speaks for that. endpoints are those of the agents' VPC. hosts may hold those of the spec: once
// it names a host of the other path, there is nothing left to say.
func PathMismatch(hosts []Host, endpoints []VPCEndpoint) string {
	example := map[Path]string{} // the first host of each shape, in the order of Union
	for _, host := range hosts {
		if shape := PathShape(host); example[shape] == "" {
			example[shape] = host.Hostname
		}
	}

	var private *VPCEndpoint // one whose answer the agents get
	for i := range endpoints {
		if endpoints[i].Service == ServiceAPI && endpoints[i].PrivateDNS && private == nil {
			private = &endpoints[i]
		}
	}

	switch {
	case private != nil && example[PathPublic] != "" && example[PathPrivateLink] == "":
		return fmt.Sprintf("ECS named the public host %s to the manager, while the agents' VPC has the endpoint %s for ECS with private DNS: ECS probably names PrivateLink hosts, which the manager does not know, to agents that start there. "+
			"The addresses of the VPC's endpoints for ecs-agent and ecs-telemetry are denied as far as there are any; if agents stay connected, name the hosts in their log in spec.additionalEndpoints, or run the manager in the agents' VPC",
			example[PathPublic], private.ID)
	case private == nil && example[PathPrivateLink] != "" && example[PathPublic] == "":
		return fmt.Sprintf("ECS named the PrivateLink host %s to the manager, while the agents' VPC has no endpoint for ECS with private DNS: the answer depends on the manager's own network path, and agents probably connect to public hosts, which are not denied. "+
			"Run the manager where it reaches ECS on the path of the agents, or name the hosts in their log in spec.additionalEndpoints",
			example[PathPrivateLink])
	default:
		return ""
	}
}
