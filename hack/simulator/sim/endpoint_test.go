// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"net/netip"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

// endpoint puts an interface endpoint with private DNS into subnets of the default world's VPC.
func endpoint(s *Simulator, g *WithT, service string, subnets ...string) region.VPCEndpoint {
	e := region.VPCEndpoint{VPCID: vpcID, ServiceName: s.Region().EndpointService(service), PrivateDNS: true}
	for _, sub := range subnets {
		e.Interfaces = append(e.Interfaces, region.NetworkInterface{SubnetID: sub})
	}
	e, err := s.Region().AddVPCEndpoint(e)
	g.Expect(err).NotTo(HaveOccurred())
	return e
}

func TestDescribeVPCEndpoints(t *testing.T) {
	s, g := start(t, withIPv6)
	ctx, client := t.Context(), ec2Client(s)
	agent := endpoint(s, g, region.ServiceAgent, dedicated, shared1)
	telemetry := endpoint(s, g, region.ServiceTelemetry, shared1)

	out, err := client.DescribeVpcEndpoints(ctx, &ec2.DescribeVpcEndpointsInput{VpcEndpointIds: []string{agent.ID}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.VpcEndpoints).To(HaveLen(1))
	e := out.VpcEndpoints[0]
	g.Expect(*e.ServiceName).To(Equal("com.amazonaws.ap-northeast-1.ecs-agent"))
	g.Expect(e.VpcEndpointType).To(Equal(types.VpcEndpointTypeInterface))
	g.Expect(*e.VpcId).To(Equal(vpcID))
	g.Expect(e.SubnetIds).To(Equal([]string{dedicated, shared1}))
	g.Expect(e.NetworkInterfaceIds).To(Equal([]string{agent.Interfaces[0].ID, agent.Interfaces[1].ID}))
	g.Expect(*e.PrivateDnsEnabled).To(BeTrue())
	g.Expect(string(e.State)).To(Equal("available"), "the API's word, not the SDK's constant")
	g.Expect(e.IpAddressType).To(Equal(types.IpAddressTypeDualstack))
	g.Expect(e.DnsEntries).To(HaveLen(4), "the Region's, each zone's and the private name")
	g.Expect(*e.DnsEntries[3].DnsName).To(Equal("ecs-a.ap-northeast-1.amazonaws.com"))
	g.Expect(*e.CreationTimestamp).To(BeTemporally("~", time.Now(), time.Hour))

	for name, tc := range map[string]struct{ value, want string }{
		"service-name":        {"com.amazonaws.*.ecs-telemetry", telemetry.ID},
		"vpc-endpoint-id":     {telemetry.ID, telemetry.ID},
		"vpc-endpoint-state":  {"pending", ""},
		"vpc-endpoint-type":   {"Gateway", ""},
		"vpc-id":              {"vpc-0123456789abcdef0", ""},
		"ip-address-type":     {"ipv4", telemetry.ID},
		"tag:Name":            {"x", ""},
		"service-region":      {"us-east-1", ""},
		"vpc-endpoint-region": {"x", "InvalidParameterValue"},
	} {
		out, err := client.DescribeVpcEndpoints(ctx, &ec2.DescribeVpcEndpointsInput{
			Filters: []types.Filter{{Name: aws.String(name), Values: []string{tc.value}}},
		})
		got := code(err)
		if err == nil {
			for _, e := range out.VpcEndpoints {
				got += *e.VpcEndpointId
			}
		}
		g.Expect(got).To(Equal(tc.want), name)
	}

	var pages []int
	for p := ec2.NewDescribeVpcEndpointsPaginator(client, &ec2.DescribeVpcEndpointsInput{MaxResults: aws.Int32(1)}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		g.Expect(err).NotTo(HaveOccurred())
		pages = append(pages, len(page.VpcEndpoints))
	}
	g.Expect(pages).To(Equal([]int{1, 1}))
	_, err = client.DescribeVpcEndpoints(ctx, &ec2.DescribeVpcEndpointsInput{MaxResults: aws.Int32(5000)})
	g.Expect(err).NotTo(HaveOccurred(), "more than 1000 counts as 1000")

	for id, want := range map[string]string{"vpce-0123456789abcdef0": "InvalidVpcEndpointId.NotFound", "vpce-x": "InvalidVpcEndpointId.Malformed"} {
		_, err = client.DescribeVpcEndpoints(ctx, &ec2.DescribeVpcEndpointsInput{VpcEndpointIds: []string{id}})
		g.Expect(code(err)).To(Equal(want))
	}
	_, err = client.DescribeVpcEndpoints(ctx, &ec2.DescribeVpcEndpointsInput{DryRun: aws.Bool(true)})
	g.Expect(code(err)).To(Equal("DryRunOperation"))
}

func TestDescribeNetworkInterfaces(t *testing.T) {
	s, g := start(t, withIPv6)
	ctx, client := t.Context(), ec2Client(s)
	e := endpoint(s, g, region.ServiceAgent, dedicated, shared1)

	out, err := client.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{
		NetworkInterfaceIds: []string{e.Interfaces[0].ID, e.Interfaces[1].ID},
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.NetworkInterfaces).To(HaveLen(2))
	for _, n := range out.NetworkInterfaces {
		g.Expect(n.InterfaceType).To(Equal(types.NetworkInterfaceTypeVpcEndpoint))
		g.Expect(n.PrivateIpAddresses).To(HaveLen(1))
		g.Expect(n.PrivateIpAddresses[0].PrivateIpAddress).To(Equal(n.PrivateIpAddress))
		g.Expect(*n.Description).To(Equal("VPC Endpoint Interface " + e.ID))
		if *n.SubnetId == dedicated {
			g.Expect(n.Ipv6Addresses).To(HaveLen(1))
			g.Expect(netip.MustParsePrefix(dedicatedIPv6).Contains(netip.MustParseAddr(*n.Ipv6Addresses[0].Ipv6Address))).To(BeTrue())
			continue
		}
		g.Expect(*n.SubnetId).To(Equal(shared1))
		g.Expect(*n.PrivateIpAddress).To(Equal("10.0.2.254"), "the last that is free")
		g.Expect(n.Ipv6Addresses).To(BeEmpty())
	}

	ask := func(name, value string) int {
		out, err := client.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{
			Filters: []types.Filter{{Name: aws.String(name), Values: []string{value}}},
		})
		g.Expect(err).NotTo(HaveOccurred(), name)
		return len(out.NetworkInterfaces)
	}
	g.Expect(ask("vpc-id", vpcID)).To(Equal(6), "instances have an interface too")
	g.Expect(ask("interface-type", "vpc_endpoint")).To(Equal(2))
	g.Expect(ask("subnet-id", shared1)).To(Equal(3))
	g.Expect(ask("network-interface-id", e.Interfaces[0].ID)).To(Equal(1))
	g.Expect(ask("attachment.instance-id", "i-0a1b2c3d4e5f60718")).To(Equal(1))
	_, err = client.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{
		Filters: []types.Filter{{Name: aws.String("vpc"), Values: []string{"x"}}},
	})
	g.Expect(code(err)).To(Equal("InvalidParameterValue"))
	subnets, err := client.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{SubnetIds: []string{shared1}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*subnets.Subnets[0].AvailableIpAddressCount).To(BeNumerically("==", 256-5-3))

	for id, want := range map[string]string{"eni-0123456789abcdef0": "InvalidNetworkInterfaceID.NotFound", "eni": "InvalidNetworkInterfaceId.Malformed"} {
		_, err = client.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{id}})
		g.Expect(code(err)).To(Equal(want))
	}
	_, err = client.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{MaxResults: aws.Int32(4)})
	g.Expect(code(err)).To(Equal("InvalidParameterValue"))
	_, err = client.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{DryRun: aws.Bool(true)})
	g.Expect(code(err)).To(Equal("DryRunOperation"))
	page, err := client.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{MaxResults: aws.Int32(5)})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(page.NetworkInterfaces).To(HaveLen(5))
	page, err = client.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{MaxResults: aws.Int32(5), NextToken: page.NextToken})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(page.NetworkInterfaces).To(HaveLen(1))
}

// Endpoints come and go as other things do: reads may lag, ids are gone at once.
func TestRemoveVPCEndpoint(t *testing.T) {
	s, g := start(t)
	ctx, client := t.Context(), ec2Client(s)
	e := endpoint(s, g, region.ServiceAgent, shared1)
	lagging, err := faults.Parse("ec2:DescribeVpcEndpoints stale=1h")
	g.Expect(err).NotTo(HaveOccurred())
	s.Faults().Add(lagging)
	out, err := client.DescribeVpcEndpoints(ctx, &ec2.DescribeVpcEndpointsInput{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.VpcEndpoints).To(BeEmpty())
	s.Faults().Clear()

	g.Expect(s.Region().RemoveVPCEndpoint(e.ID)).To(Succeed())
	g.Expect(s.Region().RemoveVPCEndpoint(e.ID)).To(MatchError(ContainSubstring("does not exist")))
	g.Expect(s.Region().VPCEndpoints()).To(BeEmpty())
	_, err = client.DescribeVpcEndpoints(ctx, &ec2.DescribeVpcEndpointsInput{VpcEndpointIds: []string{e.ID}})
	g.Expect(code(err)).To(Equal("InvalidVpcEndpointId.NotFound"))
	_, err = client.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{e.Interfaces[0].ID}})
	g.Expect(code(err)).To(Equal("InvalidNetworkInterfaceID.NotFound"))
}

func TestMistakesInVPCEndpoints(t *testing.T) {
	s, g := start(t)
	endpoint(s, g, region.ServiceAgent, shared1)
	add := func(change func(*region.VPCEndpoint)) error {
		e := region.VPCEndpoint{
			VPCID: vpcID, ServiceName: s.Region().EndpointService(region.ServiceAgent), Interfaces: []region.NetworkInterface{{SubnetID: shared2}},
		}
		change(&e)
		_, err := s.Region().AddVPCEndpoint(e)
		return err
	}
	g.Expect(add(func(e *region.VPCEndpoint) { e.PrivateDNS = true })).To(MatchError(ContainSubstring("conflicting DNS domain")))
	g.Expect(add(func(e *region.VPCEndpoint) { e.ServiceName = "ecs-agent" })).To(MatchError(ContainSubstring("com.amazonaws.ap-northeast-1.ecs-agent")))
	g.Expect(add(func(e *region.VPCEndpoint) { e.VPCID = "vpc-0123456789abcdef0" })).To(MatchError(ContainSubstring("does not exist")))
	g.Expect(add(func(e *region.VPCEndpoint) { e.Interfaces = nil })).To(MatchError(ContainSubstring("name a subnet")))
	g.Expect(add(func(e *region.VPCEndpoint) { e.Interfaces = append(e.Interfaces, e.Interfaces...) })).To(MatchError(ContainSubstring("one Availability Zone")))
	for ip, want := range map[string]string{"10.0.3.77": "", "10.0.2.254": "in use", "10.0.1.11": "in use", "10.0.9.9": "outside"} {
		err := add(func(e *region.VPCEndpoint) { e.Interfaces[0].PrivateIP = netip.MustParseAddr(ip) })
		if want == "" {
			g.Expect(err).NotTo(HaveOccurred())
			continue
		}
		g.Expect(err).To(MatchError(ContainSubstring(want)))
	}
	g.Expect(s.Region().VPCEndpoints()).To(HaveLen(2), "an endpoint that was refused leaves nothing behind")
}

func TestVPCEndpointOfAWorld(t *testing.T) {
	s, g := start(t, func(o *Options) {
		withIPv6(o)
		o.World.VPCEndpoints = []world.VPCEndpoint{{
			ID: "vpce-0123456789abcdef0", VPC: vpcID, Service: "ecs-agent", PrivateDNS: aws.Bool(false),
			Interfaces: []world.NetworkInterface{
				{Subnet: dedicated, ID: "eni-0123456789abcdef0", PrivateIP: "10.0.1.200", IPv6: "2406:da14:1:1101::200"}, {Subnet: shared1},
			},
			Tags: map[string]string{"Name": "agents"},
		}}
	})
	out, err := ec2Client(s).DescribeVpcEndpoints(t.Context(), &ec2.DescribeVpcEndpointsInput{
		Filters: []types.Filter{{Name: aws.String("tag:Name"), Values: []string{"agents"}}},
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.VpcEndpoints).To(HaveLen(1))
	g.Expect(*out.VpcEndpoints[0].VpcEndpointId).To(Equal("vpce-0123456789abcdef0"))
	g.Expect(*out.VpcEndpoints[0].PrivateDnsEnabled).To(BeFalse())
	e := s.Region().VPCEndpoints()[0]
	g.Expect(e.Addresses()).To(ConsistOf(
		netip.MustParseAddr("10.0.1.200"), netip.MustParseAddr("2406:da14:1:1101::200"), netip.MustParseAddr("10.0.2.254")))
}
