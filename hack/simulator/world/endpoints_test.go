// SPDX-License-Identifier: Apache-2.0

package world

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

const endpoints = `
vpcEndpoints:
- vpc: vpc-0a7c1e5f3b9d24680
  service: ecs-agent
  interfaces: [{subnet: subnet-0e8d6c4b2a9f71350}, {subnet: subnet-0f9b7d5c3e1a86420, privateIP: 10.0.3.200}]
`

// dualStack is the default world with endpoints and with IPv6 in the VPC and its first subnet.
func dualStack() string {
	text := strings.Replace(string(DefaultYAML()), "  cidr: 10.0.0.0/16\n", "  cidr: 10.0.0.0/16\n  ipv6CIDR: 2406:da14:1:1100::/56\n", 1)
	return strings.Replace(text, "  cidr: 10.0.1.0/24\n", "  cidr: 10.0.1.0/24\n  ipv6CIDR: 2406:da14:1:1101::/64\n", 1) + endpoints
}

func TestDualStackWorld(t *testing.T) {
	g := gomega.NewWithT(t)
	w, err := Parse([]byte(dualStack()))
	g.Expect(err).NotTo(gomega.HaveOccurred())
	r, err := w.Build(region.Options{}, true)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	e := r.VPCEndpoints()[0]
	g.Expect(e.PrivateDNS).To(gomega.BeTrue(), "unless the world says otherwise")
	g.Expect(e.ServiceName).To(gomega.Equal("com.amazonaws.ap-northeast-1.ecs-agent"))
	g.Expect(e.Addresses()).To(gomega.Equal([]netip.Addr{netip.MustParseAddr("10.0.2.254"), netip.MustParseAddr("10.0.3.200")}))
	for _, i := range r.ContainerInstances() {
		g.Expect(i.IPv6.IsValid()).To(gomega.Equal(i.SubnetID == DedicatedSubnet), i.ARN)
	}
}

func TestMistakesInEndpointsAndIPv6(t *testing.T) {
	for name, tc := range map[string]struct{ old, replacement, want string }{
		"VPC's block too short":  {"1100::/56", "1100::/64", "vpcs[0].ipv6CIDR: 2406:da14:1:1100::/64: AWS takes /44 to /60, in steps of 4"},
		"IPv4 as IPv6":           {"2406:da14:1:1100::/56", "10.0.0.0/16", "vpcs[0].ipv6CIDR: 10.0.0.0/16 is no IPv6 CIDR block"},
		"outside the VPC":        {"2406:da14:1:1101::/64", "2406:da14:2:1101::/64", "subnets[0].ipv6CIDR: 2406:da14:2:1101::/64 lies outside of 2406:da14:1:1100::/56"},
		"overlap":                {"  cidr: 10.0.2.0/24\n", "  cidr: 10.0.2.0/24\n  ipv6CIDR: 2406:da14:1:1101::/64\n", "subnets[1].ipv6CIDR: 2406:da14:1:1101::/64 overlaps"},
		"address of no subnet":   {"privateIP: 10.0.1.11", "privateIP: 10.0.1.11\n    ipv6: 2001:db8::1", "containerInstances[0].ipv6: 2001:db8::1 lies outside"},
		"no IPv6 address":        {"privateIP: 10.0.1.11", "privateIP: 10.0.1.11\n    ipv6: 10.0.1.12", `containerInstances[0].ipv6: "10.0.1.12" is no IPv6 address`},
		"unknown VPC":            {"- vpc: vpc-0a7c1e5f3b9d24680\n  service", "- vpc: vpc-00000000000000000\n  service", "vpcEndpoints[0].vpc: there is no VPC"},
		"whole name of service":  {"service: ecs-agent", "service: com.amazonaws.ecs-agent", "vpcEndpoints[0].service"},
		"unknown subnet":         {"{subnet: subnet-0e8d6c4b2a9f71350}", "{subnet: subnet-00000000000000000}", "vpcEndpoints[0].interfaces[0].subnet: there is no subnet"},
		"two in a zone":          {"{subnet: subnet-0e8d6c4b2a9f71350}", "{subnet: subnet-0f9b7d5c3e1a86420}", "interfaces[1].subnet: interfaces[0] is in ap-northeast-1d already"},
		"address elsewhere":      {"privateIP: 10.0.3.200", "privateIP: 10.0.2.200", "interfaces[1].privateIP: 10.0.2.200 lies outside of 10.0.3.0/24"},
		"address of an instance": {"subnet-0f9b7d5c3e1a86420, privateIP: 10.0.3.200", "subnet-0c2e4a6b8d1f35790, privateIP: 10.0.1.11", `private IP "10.0.1.11" is at`},
		"no interface":           {"interfaces: [{subnet: subnet-0e8d6c4b2a9f71350}, {subnet: subnet-0f9b7d5c3e1a86420, privateIP: 10.0.3.200}]", "interfaces: []", "vpcEndpoints[0].interfaces: is empty"},
		"no state":               {"service: ecs-agent", "service: ecs-agent\n  state: Available", `vpcEndpoints[0].state: "Available" is no state`},
		"private DNS twice":      {endpoints, endpoints + strings.TrimPrefix(strings.Replace(endpoints, ", privateIP: 10.0.3.200", "", 1), "\nvpcEndpoints:\n"), "vpcEndpoints[1].privateDNS"},
	} {
		t.Run(name, func(t *testing.T) {
			text := dualStack()
			if !strings.Contains(text, tc.old) {
				t.Fatal("the world has no " + tc.old)
			}
			_, err := Parse([]byte(strings.Replace(text, tc.old, tc.replacement, 1)))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error:\n%v\nwant in it:\n%s", err, tc.want)
			}
		})
	}
}
