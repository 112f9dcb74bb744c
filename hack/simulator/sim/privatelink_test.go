// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"net/netip"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/agents"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

const (
	privateACS = "ecs-a.ap-northeast-1.amazonaws.com"
	noVPC      = "vpc-0123456789abcdef0"
)

// withEndpoints is the default world with all three endpoints of ECS in subnets, and ready-made addresses.
func withEndpoints(subnets ...string) func(*Options) {
	return func(o *Options) {
		if o.World == nil {
			o.World = world.Default()
		}
		for _, service := range []string{region.ServiceAgent, region.ServiceTelemetry, region.ServiceECS} {
			e := world.VPCEndpoint{VPC: vpcID, Service: service}
			for _, sub := range subnets {
				e.Interfaces = append(e.Interfaces, world.NetworkInterface{Subnet: sub})
			}
			o.World.VPCEndpoints = append(o.World.VPCEndpoints, e)
		}
	}
}

// addressesOf are the addresses of endpoints for services, in their order, as CIDR blocks.
func addressesOf(s *Simulator, services ...string) []string {
	var out []string
	for _, service := range services {
		for _, e := range s.Region().VPCEndpoints() {
			if e.Service() != service {
				continue
			}
			for _, a := range e.Addresses() {
				out = append(out, netip.PrefixFrom(a, a.BitLen()).String())
			}
		}
	}
	return out
}

func discover(t *testing.T, s *Simulator) []string {
	t.Helper()
	out, err := ecsClient(s).DiscoverPollEndpoint(t.Context(), &ecs.DiscoverPollEndpointInput{
		Cluster: aws.String("demo"), ContainerInstance: aws.String(dedicated1),
	})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return []string{*out.Endpoint, *out.TelemetryEndpoint}
}

// The answer follows the path of the call, not the instance that it is about.
func TestDiscoverPollEndpointByPath(t *testing.T) {
	s, g := start(t, withEndpoints(shared1))
	public := []string{"https://ecs-a-4.ap-northeast-1.amazonaws.com/", "https://ecs-t-4.ap-northeast-1.amazonaws.com/"}
	private := []string{"https://ecs-a.ap-northeast-1.amazonaws.com/acs/1/", "https://ecs-t.ap-northeast-1.amazonaws.com/tcs/1/"}
	g.Expect(discover(t, s)).To(Equal(public))
	g.Expect(s.Region().SetCallerVPC(vpcID)).To(Succeed())
	g.Expect(discover(t, s)).To(Equal(private))
	for _, e := range s.Region().VPCEndpoints() {
		if e.Service() == region.ServiceECS {
			g.Expect(s.Region().RemoveVPCEndpoint(e.ID)).To(Succeed())
		}
	}
	g.Expect(discover(t, s)).To(Equal(public), "the endpoint for the API decides, not those for agents")
	g.Expect(s.Region().SetCallerVPC("")).To(Succeed())
	g.Expect(s.Region().SetCallerVPC(noVPC)).To(MatchError(ContainSubstring("does not exist")))
	_, err := Start(t.Context(), Options{CallerVPC: noVPC})
	g.Expect(err).To(MatchError(ContainSubstring("does not exist")))
}

// Private names resolve within the VPC alone, and to all interfaces at once.
func TestPrivateDNS(t *testing.T) {
	s, g := start(t, withEndpoints(shared1, shared2))
	_, err := lookUp(s.DNSAddr(), privateACS, "ip")
	g.Expect(err).To(MatchError(ContainSubstring("no such host")))
	g.Expect(s.SetResolverVPC(vpcID)).To(Succeed())
	addrs, err := lookUp(s.DNSAddr(), privateACS, "ip")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(addrs).To(ConsistOf(netip.MustParseAddr("10.0.2.254"), netip.MustParseAddr("10.0.3.254")))
	addrs, err = lookUp(s.DNSAddr(), world.ACSHost, "ip")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(addrs).To(HaveLen(1), "public names are as outside")

	for _, e := range s.Region().VPCEndpoints() {
		g.Expect(s.Region().RemoveVPCEndpoint(e.ID)).To(Succeed())
	}
	_, err = lookUp(s.DNSAddr(), privateACS, "ip")
	g.Expect(err).To(MatchError(ContainSubstring("no such host")))
	g.Expect(s.SetResolverVPC(noVPC)).To(MatchError(ContainSubstring("does not exist")))
}

// Interfaces in another subnet are denied like any address.
func TestDenyingInterfacesOfAnotherSubnet(t *testing.T) {
	// Slow enough for a busy machine: no session may end by chance.
	s, g := withAgents(t, withEndpoints(shared1, shared2), func(o *Options) { o.Scale = 30 })
	log := s.Agent(dedicated1).Log()
	g.Expect(log).To(ContainElement(HaveField("Fields", ContainSubstring("https://ecs-a.ap-northeast-1.amazonaws.com/acs/1/ws"))))
	// Public addresses are not on the way.
	for n, a := range addresses {
		g.Expect(create(s, deny(int32(10+n), a))).To(Succeed())
	}
	g.Consistently(func() []string { return connected(s) }, 2*time.Second).Should(HaveLen(4))
	for n, a := range addressesOf(s, region.ServiceAgent, region.ServiceTelemetry) {
		g.Expect(create(s, deny(int32(80+n), a))).To(Succeed())
	}
	g.Eventually(func() []string { return connected(s) }).Should(ConsistOf(elsewhere, otherARN))
	g.Expect(s.Region().SetEntries(dedicatedACL, region.AllowAll(100, true), region.AllowAll(100, false))).To(Succeed())
	g.Eventually(func() []string { return connected(s) }).Should(HaveLen(4))
}

// An interface within the subnet is reached without passing any network ACL.
func TestInterfaceInTheSubnetCannotBeDenied(t *testing.T) {
	s, g := withAgents(t, withEndpoints(dedicated))
	g.Expect(s.Region().SetEntries(dedicatedACL)).To(Succeed()) // nothing passes
	s.Agent(dedicated1).Restart(t.Context())
	g.Eventually(func() bool { return s.Agent(dedicated1).Connected(agents.ACS) }).Should(BeTrue())
	// Agents of other subnets go through the ACL of the interface's subnet.
	g.Eventually(func() []string { return connected(s) }).Should(ConsistOf(dedicated1, dedicated2))
}

// The answer is cached: an endpoint that is new changes nothing for an agent that runs, only for those that start.
func TestEndpointAddedLater(t *testing.T) {
	s, g := withAgents(t)
	for _, service := range []string{region.ServiceECS, region.ServiceAgent, region.ServiceTelemetry} {
		endpoint(s, g, service, shared2)
	}
	private := ContainElement(HaveField("Fields", ContainSubstring(`url="https://ecs-a.ap-northeast-1`)))
	s.ControlPlane().Disconnect(agents.ACS, dedicated1, 1000)
	arn, err := s.Region().AddContainerInstance("demo", "", region.ContainerInstance{SubnetID: shared1, PrivateIP: netip.MustParseAddr("10.0.2.99")})
	g.Expect(err).NotTo(HaveOccurred())
	g.Eventually(func() []string { return connected(s) }).Should(HaveLen(5))
	g.Expect(s.Agent(arn).Log()).To(private)
	g.Expect(s.Agent(dedicated1).Log()).NotTo(private)
	s.Agent(dedicated1).Restart(t.Context())
	g.Eventually(func() []agents.Line { return s.Agent(dedicated1).Log() }).Should(private)

	// Without its endpoints nothing answers any more.
	for _, e := range s.Region().VPCEndpoints() {
		g.Expect(s.Region().RemoveVPCEndpoint(e.ID)).To(Succeed())
	}
	g.Eventually(func() []string { return connected(s) }).ShouldNot(ContainElements(arn))
}

// With IPv6 in both subnets an interface has an address of each family, and each needs its own rule.
func TestDualStackInterface(t *testing.T) {
	s, g := withAgents(t, withIPv6, func(o *Options) {
		o.World.Subnets[1].IPv6CIDR = "2406:da14:1:1102::/64"
		for _, egress := range []string{"egress", "ingress"} {
			o.World.NetworkACLs[1].Entries = append(o.World.NetworkACLs[1].Entries, world.Entry{Rule: 101, Direction: egress, Action: "allow", CIDR: "::/0"})
		}
	}, withEndpoints(shared1))
	n := int32(80)
	for _, a := range addressesOf(s, region.ServiceAgent, region.ServiceTelemetry) {
		in := deny(n, a)
		if netip.MustParsePrefix(a).Addr().Is6() {
			in = denyIPv6(n, a)
		}
		g.Expect(create(s, in)).To(Succeed())
		n++
	}
	g.Expect(n).To(BeEquivalentTo(84))
	g.Eventually(func() []string { return connected(s) }).Should(ConsistOf(elsewhere, otherARN))
	g.Expect(s.Region().DeleteNetworkACLEntry(dedicatedACL, 80, true)).To(Succeed()) // one family is enough
	g.Eventually(func() []string { return connected(s) }).Should(HaveLen(4))
}
