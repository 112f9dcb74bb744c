// SPDX-License-Identifier: Apache-2.0

package discovery_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

const (
	tokyo   = world.DefaultRegion
	vpcID   = world.DefaultVPC
	thirdID = world.PlainSubnet
)

// endpoint gives the VPC an endpoint with one interface a subnet.
func endpoint(t *testing.T, s *sim.Simulator, e region.VPCEndpoint, interfaces ...region.NetworkInterface) region.VPCEndpoint {
	t.Helper()
	e.VPCID, e.ServiceName, e.Interfaces = vpcID, s.Region().EndpointService(e.ServiceName), interfaces
	made, err := s.Region().AddVPCEndpoint(e)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return made
}

func TestVPCEndpointsGivesThoseForECSWithTheirAddresses(t *testing.T) {
	g := NewWithT(t)
	s, clients := simulate(t)
	g.Expect(s.Region().AssociateVPCIPv6(vpcID, netip.MustParsePrefix("2600:1f14:abc::/56"))).To(Succeed())
	g.Expect(s.Region().AssociateSubnetIPv6(otherID, netip.MustParsePrefix("2600:1f14:abc:1::/64"))).To(Succeed())
	in := func(subnet, id, ip string) region.NetworkInterface {
		return region.NetworkInterface{SubnetID: subnet, ID: id, PrivateIP: netip.MustParseAddr(ip)}
	}
	two := in(otherID, "eni-00000000000000002", "10.0.2.200")
	two.IPv6 = netip.MustParseAddr("2600:1f14:abc:1::200")
	endpoint(t, s, region.VPCEndpoint{ID: "vpce-00000000000000005", ServiceName: "ecs", PrivateDNS: true}, in(thirdID, "eni-00000000000000005", "10.0.3.210"))
	endpoint(t, s, region.VPCEndpoint{ID: "vpce-00000000000000004", ServiceName: "ecs-telemetry", State: "pending"}, in(thirdID, "eni-00000000000000004", "10.0.3.201"))
	endpoint(t, s, region.VPCEndpoint{ID: "vpce-00000000000000003", ServiceName: "ecs-agent"}, in(thirdID, "eni-00000000000000003", "10.0.3.203"))
	endpoint(t, s, region.VPCEndpoint{ID: "vpce-00000000000000002", ServiceName: "ecs-agent", PrivateDNS: true},
		two, in(thirdID, "eni-00000000000000001", "10.0.3.200"))
	endpoint(t, s, region.VPCEndpoint{ID: "vpce-00000000000000006", ServiceName: "ecs-agent", State: "deleting"}, in(thirdID, "", "10.0.3.206"))
	endpoint(t, s, region.VPCEndpoint{ID: "vpce-00000000000000007", ServiceName: "logs"}, in(thirdID, "", "10.0.3.207"))

	found, err := discovery.VPCEndpoints(t.Context(), clients.EC2, tokyo, vpcID)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(Equal([]discovery.VPCEndpoint{
		{ID: "vpce-00000000000000005", Service: "ecs", PrivateDNS: true, Interfaces: []discovery.Interface{
			{ID: "eni-00000000000000005", SubnetID: thirdID, Addresses: addresses("10.0.3.210")},
		}},
		{ID: "vpce-00000000000000002", Service: "ecs-agent", PrivateDNS: true, Interfaces: []discovery.Interface{
			{ID: "eni-00000000000000001", SubnetID: thirdID, Addresses: addresses("10.0.3.200")},
			{ID: "eni-00000000000000002", SubnetID: otherID, Addresses: addresses("10.0.2.200", "2600:1f14:abc:1::200")},
		}},
		{ID: "vpce-00000000000000003", Service: "ecs-agent", Interfaces: []discovery.Interface{
			{ID: "eni-00000000000000003", SubnetID: thirdID, Addresses: addresses("10.0.3.203")},
		}},
		{ID: "vpce-00000000000000004", Service: "ecs-telemetry", Interfaces: []discovery.Interface{
			{ID: "eni-00000000000000004", SubnetID: thirdID, Addresses: addresses("10.0.3.201")},
		}},
	}))
	g.Expect(countCalls(s, "ec2:DescribeVpcEndpoints")).To(Equal(1))
	g.Expect(countCalls(s, "ec2:DescribeNetworkInterfaces")).To(Equal(1))
}

func TestVPCEndpointsOfAVPCWithoutAnyAsksNoFurther(t *testing.T) {
	g := NewWithT(t)
	s, clients := simulate(t)
	found, err := discovery.VPCEndpoints(t.Context(), clients.EC2, tokyo, vpcID)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(BeEmpty())

	g.Expect(countCalls(s, "ec2:DescribeNetworkInterfaces")).To(BeZero())

	found, err = discovery.VPCEndpoints(t.Context(), clients.EC2, tokyo, "vpc-0fedcba9876543210")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(BeEmpty())
}

func TestProtectedInterfacesAreThoseOfTheAPIs(t *testing.T) {
	g := NewWithT(t)
	s, clients := simulate(t)
	for service, address := range map[string]string{"ecs": "10.0.2.1", "ec2": "10.0.2.2", "sts-fips": "10.0.2.3", "ecs-agent": "10.0.2.4", "logs": "10.0.2.5"} {
		endpoint(t, s, region.VPCEndpoint{ServiceName: service}, region.NetworkInterface{SubnetID: otherID, PrivateIP: netip.MustParseAddr(address)})
	}
	found, err := discovery.VPCEndpoints(t.Context(), clients.EC2, tokyo, vpcID)
	g.Expect(err).NotTo(HaveOccurred())
	protected := discovery.ProtectedInterfaces(found)
	discovery.SortProtected(protected)
	var named []string
	for _, p := range protected {
		named = append(named, p.Address.String()+" "+p.API)
	}
	g.Expect(named).To(Equal([]string{"10.0.2.1 the ECS API", "10.0.2.2 the EC2 API", "10.0.2.3 the STS API"}))
}

func TestVPCEndpointsLeavesOutAnInterfaceThatIsGoneMeanwhile(t *testing.T) {
	g := NewWithT(t)
	s, clients := simulate(t)
	gone := endpoint(t, s, region.VPCEndpoint{ServiceName: "ecs-agent"}, region.NetworkInterface{SubnetID: otherID})
	stays := endpoint(t, s, region.VPCEndpoint{ServiceName: "ecs-telemetry"}, region.NetworkInterface{SubnetID: otherID})
	s.Faults().Add(faults.Fault{Action: "ec2:DescribeVpcEndpoints", Frozen: true})
	g.Expect(s.Region().RemoveVPCEndpoint(gone.ID)).To(Succeed())
	found, err := discovery.VPCEndpoints(t.Context(), clients.EC2, tokyo, vpcID)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(Equal([]discovery.VPCEndpoint{
		{ID: gone.ID, Service: "ecs-agent"},
		{ID: stays.ID, Service: "ecs-telemetry", Interfaces: []discovery.Interface{
			{ID: stays.Interfaces[0].ID, SubnetID: otherID, Addresses: stays.Addresses()},
		}},
	}))
}

func TestVPCEndpointsWithMoreInterfacesThanAFilterTakes(t *testing.T) {
	g := NewWithT(t)
	s, clients := simulate(t)
	for range 70 {
		endpoint(t, s, region.VPCEndpoint{ServiceName: "ecs-agent"},
			region.NetworkInterface{SubnetID: subnetID}, region.NetworkInterface{SubnetID: otherID}, region.NetworkInterface{SubnetID: thirdID})
	}
	found, err := discovery.VPCEndpoints(t.Context(), clients.EC2, tokyo, vpcID)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(HaveLen(70))
	seen := map[netip.Addr]bool{}
	for _, each := range found {
		g.Expect(each.Interfaces).To(HaveLen(3))
		for _, i := range each.Interfaces {
			seen[i.Addresses[0]] = true
		}
	}
	g.Expect(seen).To(HaveLen(210))
	g.Expect(countCalls(s, "ec2:DescribeNetworkInterfaces")).To(Equal(2))
}

func TestVPCEndpointsSaysWhatAWSRefused(t *testing.T) {
	for _, action := range []string{"ec2:DescribeVpcEndpoints", "ec2:DescribeNetworkInterfaces"} {
		t.Run(action, func(t *testing.T) {
			g := NewWithT(t)
			s, clients := simulate(t)
			endpoint(t, s, region.VPCEndpoint{ServiceName: "ecs-agent"}, region.NetworkInterface{SubnetID: otherID})
			s.Faults().Add(faults.Fault{Action: action, Denied: true})
			_, err := discovery.VPCEndpoints(t.Context(), clients.EC2, tokyo, vpcID)
			g.Expect(aws.Classify(err)).To(Equal(aws.Denied), "%v", err)
			g.Expect(aws.Action(err)).To(Equal(action))
		})
	}
}

func TestVPCEndpointsAsksByTheNamesThatServicesHaveInARegion(t *testing.T) {
	for name, prefixes := range map[string][]string{
		"eu-west-1":  {"com.amazonaws.eu-west-1."},
		"cn-north-1": {"cn.com.amazonaws.cn-north-1.", "com.amazonaws.cn-north-1."},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s, clients := simulate(t)
			_, err := discovery.VPCEndpoints(t.Context(), clients.EC2, name, vpcID)
			g.Expect(err).NotTo(HaveOccurred())
			params := s.Calls()[len(s.Calls())-1].Params
			g.Expect(params).To(HaveKeyWithValue("Filter.2.Name", "service-name"))
			var asked []string
			for i := 1; params[fmt.Sprintf("Filter.2.Value.%d", i)] != nil; i++ {
				asked = append(asked, params[fmt.Sprintf("Filter.2.Value.%d", i)].(string))
			}
			for _, prefix := range prefixes {
				for _, service := range []string{"ecs-agent", "ecs-telemetry", "ecs", "ecs-fips", "ec2", "ec2-fips", "sts", "scheduler", "cloudtrail", "monitoring", "eks-auth"} {
					g.Expect(asked).To(ContainElement(prefix + service))
				}
			}
			g.Expect(slices.IsSorted(asked)).To(BeTrue(), "the same call every time")
			for _, each := range asked {
				g.Expect(slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(each, prefix) })).To(BeTrue(), "%s", each)
			}
		})
	}
}

func TestSessionOfAService(t *testing.T) {
	g := NewWithT(t)
	session, ok := discovery.Session(discovery.ServiceAgent)
	g.Expect(ok).To(BeTrue())
	g.Expect(session).To(Equal(acs))
	session, ok = discovery.Session(discovery.ServiceTelemetry)
	g.Expect(ok).To(BeTrue())
	g.Expect(session).To(Equal(tcs))
	for _, service := range []string{discovery.ServiceAPI, "ecr.api", ""} {
		_, ok = discovery.Session(service)
		g.Expect(ok).To(BeFalse(), service)
	}
}
