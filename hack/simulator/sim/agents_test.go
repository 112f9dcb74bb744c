// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"context"
	"net/netip"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gleak"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/agents"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

// patience bounds what would never come. No test depends on how fast the machine is.
const patience = 5 * time.Minute

func TestMain(m *testing.M) {
	SetDefaultEventuallyTimeout(patience)
	m.Run()
}

var addresses = []string{
	"52.119.223.69/32", "52.119.219.115/32", "52.119.220.39/32", "52.119.221.107/32", "52.119.223.82/32", "52.119.219.118/32",
}

// withAgents runs a simulator with agents, fast, and waits until all are connected.
func withAgents(t *testing.T, change ...func(*Options)) (*Simulator, *WithT) {
	t.Helper()
	s, g := start(t, append([]func(*Options){func(o *Options) { o.NoAgents, o.Scale = false, 300 }}, change...)...)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	g.Expect(s.WaitForAgents(ctx)).To(Succeed())
	return s, g
}

func connected(s *Simulator) []string {
	var arns []string
	for _, i := range s.Region().ContainerInstances() {
		if i.AgentConnected {
			arns = append(arns, i.ARN)
		}
	}
	return arns
}

const otherARN = "arn:aws:ecs:ap-northeast-1:123456789012:container-instance/other/" + world.OtherInstance

// The hand-made procedure: deny all six addresses, the agents of that subnet and no others disconnect, and return.
func TestDenyingAllAddressesDisconnectsTheSubnet(t *testing.T) {
	s, g := withAgents(t)
	for n, a := range addresses {
		g.Expect(create(s, deny(int32(80+n), a))).To(Succeed())
	}
	g.Eventually(func() []string { return connected(s) }).Should(ConsistOf(elsewhere, otherARN))
	for n := range addresses {
		g.Expect(s.Region().DeleteNetworkACLEntry(dedicatedACL, 80+n, true)).To(Succeed())
	}
	g.Eventually(func() []string { return connected(s) }).Should(ConsistOf(dedicated1, dedicated2, elsewhere, otherARN))
}

// An allow at a smaller number lifts the denies, without their being removed.
func TestSmallerAllowBringsAgentsBack(t *testing.T) {
	s, g := withAgents(t)
	for n, a := range addresses {
		g.Expect(create(s, deny(int32(80+n), a))).To(Succeed())
	}
	g.Eventually(func() []string { return connected(s) }).Should(HaveLen(2))
	g.Expect(s.Region().CreateNetworkACLEntry(dedicatedACL, region.AllowAll(10, true))).To(Succeed())
	g.Eventually(func() []string { return connected(s) }).Should(HaveLen(4))
}

func TestStoppedAgents(t *testing.T) {
	s, g := withAgents(t)
	g.Expect(s.Agent(dedicated1)).NotTo(BeNil())
	s.SetAgentRunning(dedicated1, false)
	g.Eventually(func() []string { return connected(s) }).ShouldNot(ContainElement(dedicated1))
	s.SetAgentRunning(dedicated1, true)
	g.Eventually(func() []string { return connected(s) }).Should(ContainElement(dedicated1))

	// Agents come and go with their container instances.
	arn, err := s.Region().AddContainerInstance("demo", "", region.ContainerInstance{SubnetID: shared2, PrivateIP: netip.MustParseAddr("10.0.3.9")})
	g.Expect(err).NotTo(HaveOccurred())
	g.Eventually(func() []string { return connected(s) }).Should(ContainElement(arn))
	g.Expect(s.Region().RemoveContainerInstance(arn)).To(Succeed())
	g.Eventually(func() *agents.Agent { return s.Agent(arn) }).Should(BeNil())
}

func TestStoppedInstanceOfAWorldNeverConnects(t *testing.T) {
	s, g := withAgents(t, func(o *Options) {
		o.World = world.Default()
		o.World.Clusters[0].ContainerInstances[0].Stopped = true
	})
	g.Expect(connected(s)).To(ConsistOf(dedicated2, elsewhere, otherARN))
	g.Expect(s.Agent(dedicated1)).To(BeNil())
}

// A host that gets a further address lets agents return through it.
func TestNewAddressOfAHost(t *testing.T) {
	s, g := withAgents(t)
	for n, a := range addresses {
		g.Expect(create(s, deny(int32(80+n), a))).To(Succeed())
	}
	g.Eventually(func() []string { return connected(s) }).Should(HaveLen(2))
	s.SetHost(agents.ACS, world.ACSHost, netip.MustParseAddr("52.119.200.1"))
	g.Eventually(func() []string { return connected(s) }).Should(HaveLen(4))
}

func TestStartAndClose(t *testing.T) {
	g := NewWithT(t)
	before := gleak.Goroutines()
	s, err := Start(t.Context(), Options{Scale: 60})
	g.Expect(err).NotTo(HaveOccurred())
	waiting, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	g.Expect(s.WaitForAgents(waiting)).To(Succeed())
	s.Close()
	s.Close() // again does nothing
	g.Eventually(gleak.Goroutines).ShouldNot(gleak.HaveLeaked(before))

	_, err = Start(t.Context(), Options{Listen: "256.0.0.1:1"})
	g.Expect(err).To(HaveOccurred())
	w := world.Default()
	w.Subnets[0].VPC = "vpc-0123456789abcdef0"
	_, err = Start(t.Context(), Options{World: w})
	g.Expect(err).To(MatchError(ContainSubstring("subnets[0].vpc")))
}
