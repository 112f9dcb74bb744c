// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/agents"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

const (
	vpcIPv6       = "2406:da14:1:1100::/56"
	dedicatedIPv6 = "2406:da14:1:1101::/64"
)

// withIPv6 is the default world with IPv6 in the VPC and in the dedicated subnet, and an address of it for each host.
func withIPv6(o *Options) {
	o.World = world.Default()
	o.World.VPCs[0].IPv6CIDR = vpcIPv6
	o.World.Subnets[0].IPv6CIDR = dedicatedIPv6
	o.World.Hosts[0].Addresses = append(o.World.Hosts[0].Addresses, "2406:da14:ff::a1", "2406:da14:ff::a2")
	o.World.Hosts[1].Addresses = append(o.World.Hosts[1].Addresses, "2406:da14:ff::b1")
}

func denyIPv6(number int32, cidr string) *ec2.CreateNetworkAclEntryInput {
	in := deny(number, "")
	in.CidrBlock, in.Ipv6CidrBlock = nil, aws.String(cidr)
	return in
}

func described(a region.ACL) []string {
	var out []string
	for _, e := range a.Entries {
		out = append(out, region.DescribeEntry(e))
	}
	return out
}

func TestDescribeIPv6(t *testing.T) {
	s, g := start(t, withIPv6)
	ctx, client := t.Context(), ec2Client(s)

	vpcs, err := client.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{Filters: []types.Filter{
		{Name: aws.String("ipv6-cidr-block-association.ipv6-cidr-block"), Values: []string{vpcIPv6}},
		{Name: aws.String("ipv6-cidr-block-association.state"), Values: []string{"associated"}},
	}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(vpcs.Vpcs).To(HaveLen(1))
	six := vpcs.Vpcs[0].Ipv6CidrBlockAssociationSet
	g.Expect(six).To(HaveLen(1))
	g.Expect(*six[0].Ipv6CidrBlock).To(Equal(vpcIPv6))
	g.Expect(six[0].Ipv6CidrBlockState.State).To(Equal(types.VpcCidrBlockStateCodeAssociated))
	g.Expect(*six[0].AssociationId).NotTo(Equal(*vpcs.Vpcs[0].CidrBlockAssociationSet[0].AssociationId))

	subnets, err := client.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{})
	g.Expect(err).NotTo(HaveOccurred())
	for _, sub := range subnets.Subnets {
		if *sub.SubnetId != dedicated {
			g.Expect(sub.Ipv6CidrBlockAssociationSet).To(BeEmpty())
			continue
		}
		g.Expect(*sub.Ipv6CidrBlockAssociationSet[0].Ipv6CidrBlock).To(Equal(dedicatedIPv6))
		g.Expect(sub.Ipv6CidrBlockAssociationSet[0].Ipv6CidrBlockState.State).To(Equal(types.SubnetCidrBlockStateCodeAssociated))
	}
	none, err := client.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{Filters: []types.Filter{
		{Name: aws.String("ipv6-cidr-block-association.ipv6-cidr-block"), Values: []string{"2001:db8::/64"}},
	}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(none.Subnets).To(BeEmpty())
	_, err = client.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{Filters: []types.Filter{
		{Name: aws.String("ipv6-cidr-block-association.cidr"), Values: []string{"x"}},
	}})
	g.Expect(code(err)).To(Equal("InvalidParameterValue"))
}

// What AWS adds to network ACLs for IPv6, and where.
func TestDefaultEntriesOfIPv6(t *testing.T) {
	s, g := start(t, withIPv6)
	byDefault, _ := s.Region().NetworkACL(defaultACL)
	g.Expect(described(byDefault)).To(Equal([]string{
		"egress 100 allow -1 0.0.0.0/0", "egress 101 allow -1 ::/0", "egress 32767 deny -1 0.0.0.0/0", "egress 32768 deny -1 ::/0",
		"ingress 100 allow -1 0.0.0.0/0", "ingress 101 allow -1 ::/0", "ingress 32767 deny -1 0.0.0.0/0", "ingress 32768 deny -1 ::/0",
	}))
	custom, _ := s.Region().NetworkACL(dedicatedACL)
	g.Expect(described(custom)).To(HaveLen(6), "no rule 101: it is not the default one")

	made, err := ec2Client(s).CreateNetworkAcl(t.Context(), &ec2.CreateNetworkAclInput{VpcId: aws.String(vpcID)})
	g.Expect(err).NotTo(HaveOccurred())
	var last []string
	for _, e := range made.NetworkAcl.Entries {
		last = append(last, fmt.Sprintf("%d %s%s %s", *e.RuleNumber, aws.ToString(e.CidrBlock), aws.ToString(e.Ipv6CidrBlock), e.RuleAction))
	}
	g.Expect(last).To(Equal([]string{"32767 0.0.0.0/0 deny", "32768 ::/0 deny", "32767 0.0.0.0/0 deny", "32768 ::/0 deny"}))
	g.Expect(s.Region().SetEntries(dedicatedACL)).To(Succeed())
	custom, _ = s.Region().NetworkACL(dedicatedACL)
	g.Expect(described(custom)).To(HaveLen(4))
}

// A VPC that gets IPv6 later: only the directions of the default ACL that were not modified let it pass.
func TestAssociateIPv6(t *testing.T) {
	s, g := start(t)
	g.Expect(s.Region().CreateNetworkACLEntry(defaultACL, region.AllowAll(90, true))).To(Succeed())
	g.Expect(s.Region().AssociateVPCIPv6(vpcID, netip.MustParsePrefix(vpcIPv6))).To(Succeed())
	byDefault, _ := s.Region().NetworkACL(defaultACL)
	g.Expect(described(byDefault)).To(Equal([]string{
		"egress 90 allow -1 0.0.0.0/0", "egress 100 allow -1 0.0.0.0/0", "egress 32767 deny -1 0.0.0.0/0", "egress 32768 deny -1 ::/0",
		"ingress 100 allow -1 0.0.0.0/0", "ingress 101 allow -1 ::/0", "ingress 32767 deny -1 0.0.0.0/0", "ingress 32768 deny -1 ::/0",
	}))
	g.Expect(s.Region().AssociateSubnetIPv6(dedicated, netip.MustParsePrefix(dedicatedIPv6))).To(Succeed())
	g.Expect(s.Region().AssociateSubnetIPv6(shared1, netip.MustParsePrefix(dedicatedIPv6))).To(MatchError(ContainSubstring("overlaps")))
	g.Expect(s.Region().AssociateSubnetIPv6(shared1, netip.MustParsePrefix("2001:db8::/64"))).To(MatchError(ContainSubstring("outside")))
	i, _ := s.Region().ContainerInstance(dedicated1)
	g.Expect(i.IPv6.IsValid()).To(BeFalse(), "instances have no address by that")
	ip, err := s.Region().AssignIPv6(dedicated1, netip.Addr{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(netip.MustParsePrefix(dedicatedIPv6).Contains(ip)).To(BeTrue())
}

func TestIPv6Entries(t *testing.T) {
	s, g := start(t, withIPv6)
	ctx, client := t.Context(), ec2Client(s)
	g.Expect(create(s, denyIPv6(80, "2406:da14:ff::a1/128"))).To(Succeed())
	g.Expect(create(s, denyIPv6(81, "2406:DA14:00ff:0::7/64"))).To(Succeed())
	now, _ := s.Region().NetworkACL(dedicatedACL)
	g.Expect(described(now)[:2]).To(Equal([]string{"egress 80 deny -1 2406:da14:ff::a1/128", "egress 81 deny -1 2406:da14:ff::/64"}))

	// One space of numbers in a direction, for both families.
	g.Expect(code(create(s, deny(80, "52.119.223.69/32")))).To(Equal("NetworkAclEntryAlreadyExists"))
	g.Expect(code(create(s, denyIPv6(100, "::/0")))).To(Equal("NetworkAclEntryAlreadyExists"))
	g.Expect(code(create(s, denyIPv6(82, "52.119.223.69/32")))).To(Equal("InvalidParameterValue"))
	g.Expect(code(create(s, deny(82, "2406:da14:ff::a1/128")))).To(Equal("InvalidParameterValue"))
	g.Expect(code(create(s, denyIPv6(32768, "::/0")))).To(Equal("InvalidParameterValue"))
	_, err := client.DeleteNetworkAclEntry(ctx, &ec2.DeleteNetworkAclEntryInput{
		NetworkAclId: aws.String(dedicatedACL), RuleNumber: aws.Int32(32768), Egress: aws.Bool(true),
	})
	g.Expect(code(err)).To(Equal("InvalidParameterValue"))

	_, err = client.ReplaceNetworkAclEntry(ctx, &ec2.ReplaceNetworkAclEntryInput{
		NetworkAclId: aws.String(dedicatedACL), RuleNumber: aws.Int32(81), Egress: aws.Bool(true), Protocol: aws.String("-1"),
		RuleAction: types.RuleActionAllow, Ipv6CidrBlock: aws.String("::/0"),
	})
	g.Expect(err).NotTo(HaveOccurred())
	_, err = client.DeleteNetworkAclEntry(ctx, &ec2.DeleteNetworkAclEntryInput{
		NetworkAclId: aws.String(dedicatedACL), RuleNumber: aws.Int32(80), Egress: aws.Bool(true),
	})
	g.Expect(err).NotTo(HaveOccurred())
	acls, err := client.DescribeNetworkAcls(ctx, &ec2.DescribeNetworkAclsInput{Filters: []types.Filter{
		{Name: aws.String("entry.ipv6-cidr"), Values: []string{"::/0"}}, {Name: aws.String("network-acl-id"), Values: []string{dedicatedACL}},
	}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(acls.NetworkAcls).To(HaveLen(1))
	g.Expect(*acls.NetworkAcls[0].Entries[0].Ipv6CidrBlock).To(Equal("::/0"))
	g.Expect(acls.NetworkAcls[0].Entries[0].CidrBlock).To(BeNil())
}

// Each family has its own 20 entries in a direction, its default one included.
func TestIPv6Quota(t *testing.T) {
	s, g := start(t, withIPv6)
	for n := range int32(region.EntriesPerDirection - 1) {
		g.Expect(create(s, denyIPv6(200+n, fmt.Sprintf("2406:da14:ff::%x/128", n+1)))).To(Succeed())
	}
	g.Expect(code(create(s, denyIPv6(300, "2406:da14:ff::ffff/128")))).To(Equal("NetworkAclEntryLimitExceeded"))
	g.Expect(create(s, deny(301, "52.119.223.69/32"))).To(Succeed())
	ingress := denyIPv6(300, "2406:da14:ff::ffff/128")
	ingress.Egress = aws.Bool(false)
	g.Expect(create(s, ingress)).To(Succeed())
}

// An agent with IPv6 needs both families denied; one without is not touched by what is done to IPv6.
func TestDualStackAgents(t *testing.T) {
	s, g := withAgents(t, withIPv6)
	g.Expect(create(s, &ec2.CreateNetworkAclEntryInput{
		NetworkAclId: aws.String(dedicatedACL), RuleNumber: aws.Int32(101), Egress: aws.Bool(true), Protocol: aws.String("-1"),
		RuleAction: types.RuleActionAllow, Ipv6CidrBlock: aws.String("::/0"),
	})).To(Succeed())
	ingress := denyIPv6(101, "::/0")
	ingress.Egress, ingress.RuleAction = aws.Bool(false), types.RuleActionAllow
	g.Expect(create(s, ingress)).To(Succeed())
	s.Agent(dedicated1).Restart(t.Context())
	i, _ := s.Region().ContainerInstance(dedicated1)
	g.Eventually(func() bool { return s.Agent(dedicated1).Connected(agents.ACS) }).Should(BeTrue())
	g.Expect(i.IPv6.String()).To(HavePrefix("2406:da14:1:1101:"))

	for n, a := range addresses {
		g.Expect(create(s, deny(int32(80+n), a))).To(Succeed())
	}
	g.Consistently(func() []string { return connected(s) }, 2*time.Second).Should(ContainElement(dedicated1), "IPv6 is left")
	for n, a := range []string{"2406:da14:ff::a1/128", "2406:da14:ff::a2/128", "2406:da14:ff::b1/128"} {
		g.Expect(create(s, denyIPv6(int32(90+n), a))).To(Succeed())
	}
	g.Eventually(func() []string { return connected(s) }).Should(ConsistOf(elsewhere, otherARN))
	g.Expect(s.Region().DeleteNetworkACLEntry(dedicatedACL, 90, true)).To(Succeed())
	g.Eventually(func() []string { return connected(s) }).Should(ConsistOf(dedicated1, dedicated2, elsewhere, otherARN))
}

// DNS gives AAAA answers that rotate as A answers do.
func TestDNSOfIPv6(t *testing.T) {
	s, g := start(t, withIPv6)
	seen := map[string]bool{}
	for range 4 {
		addrs, err := lookUp(s.DNSAddr(), world.ACSHost, "ip6")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(addrs).To(HaveLen(1))
		seen[addrs[0].String()] = true
	}
	g.Expect(seen).To(HaveLen(2))
	addrs, err := lookUp(s.DNSAddr(), world.ACSHost, "ip")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(addrs).To(HaveLen(2), "one of each family")
}

// lookUp asks the DNS server at an address.
func lookUp(server, host, network string) ([]netip.Addr, error) {
	return resolverAt(server).LookupNetIP(context.Background(), network, host+".")
}
