// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"net"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
)

// printGuide prints what to set and what to try. What is not a shell command is a comment, so that all of it can be
// pasted into a shell.
func printGuide(w io.Writer, s *sim.Simulator) {
	wd := s.World()
	key := wd.Keys()[0]
	fmt.Fprintf(w, `export AWS_ENDPOINT_URL=%s
export AWS_REGION=%s AWS_DEFAULT_REGION=%s
export AWS_ACCESS_KEY_ID=%s
export AWS_SECRET_ACCESS_KEY=%s
# DNS server: %s
`, s.URL(), wd.Region, wd.Region, key.ID, key.Secret, s.DNSAddr())
	if s.AgentURL() != "" {
		fmt.Fprintf(w, "# Endpoint for agents of your own: %s\n", s.AgentURL())
	}
	fmt.Fprintf(w, "\n# Try:\n#   aws sts get-caller-identity\n")
	if len(wd.Clusters) > 0 {
		cluster := wd.Clusters[0]
		fmt.Fprintf(w, "#   aws ecs list-container-instances --cluster %s\n", cluster.Name)
		if len(cluster.ContainerInstances) > 0 && len(wd.TaskDefinitions) > 0 {
			subnet := cluster.ContainerInstances[0].Subnet
			fmt.Fprintf(w, "#   aws ecs run-task --cluster %s --task-definition %s \\\n"+
				"#     --placement-constraints 'type=memberOf,expression=attribute:ecs.subnet-id == %s'\n",
				cluster.Name, wd.TaskDefinitions[0].Family, subnet)
			if acl, ok := s.Region().SubnetACL(subnet); ok {
				fmt.Fprintf(w, "#   aws ec2 describe-network-acls --network-acl-ids %s\n", acl.ID)
				fmt.Fprintf(w, "#   aws ec2 create-network-acl-entry --network-acl-id %s --egress --rule-number 80 \\\n"+
					"#     --protocol -1 --rule-action deny --cidr-block 52.119.223.69/32\n", acl.ID)
			}
		}
	}
	fmt.Fprintf(w, "#   aws scheduler list-schedules\n")
	fmt.Fprintf(w, "#   aws cloudtrail lookup-events --lookup-attributes AttributeKey=EventName,AttributeValue=RunTask\n")
	if host, port, err := net.SplitHostPort(s.DNSAddr()); err == nil && len(wd.Hosts) > 0 {
		fmt.Fprintf(w, "#   dig @%s -p %s +short %s\n", host, port, wd.Hosts[0].Name)
	}
	fmt.Fprintf(w, "#   go run ./hack/simulator fault add 'ec2:CreateNetworkAclEntry error=RequestLimitExceeded times=2'\n\n")
}
