// SPDX-License-Identifier: Apache-2.0

package ec2acl_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	. "agentdisconnect.dev/agentdisconnect/controllers/networkacl/acltest"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

const missingACL = "acl-0fedcba9876543210"

// smallPages has AWS give the smallest pages that it gives.
type smallPages struct{ aws.EC2 }

func (c smallPages) DescribeNetworkAcls(ctx context.Context, in *ec2.DescribeNetworkAclsInput, o ...func(*ec2.Options)) (*ec2.DescribeNetworkAclsOutput, error) {
	small := *in
	small.MaxResults = awssdk.Int32(5)
	return c.EC2.DescribeNetworkAcls(ctx, &small, o...)
}

func TestReadGivesAllOfANetworkACL(t *testing.T) {
	g := NewWithT(t)
	s, client := simulate(t)
	all := netip.MustParsePrefix("0.0.0.0/0")
	g.Expect(s.Region().SetEntries(simACL,
		region.AllowAll(100, false),
		acl.Entry{RuleNumber: 9, Egress: true, Protocol: 1, CIDR: all, Type: 8, Code: -1},
		acl.Entry{RuleNumber: 8, Egress: true, Allow: true, Protocol: 6, CIDR: netip.MustParsePrefix("10.0.0.0/8"), From: 443, To: 444},
		acl.Entry{RuleNumber: 7, Egress: true, Protocol: acl.All, CIDR: netip.MustParsePrefix("2001:db8::/32")},
	)).To(Succeed())
	icmp := DenyOut(9, "0.0.0.0/0")
	icmp.Protocol, icmp.ICMP = "1", &networkacl.ICMP{Type: 8, Code: -1}
	g.Expect(s.Region().SetTags(simACL, map[string]string{"Name": "dedicated", "aws:cloudformation:stack-name": "net"})).To(Succeed())
	want := &networkacl.ACL{ID: simACL, VPCID: simVPC, SubnetIDs: []string{simSubnet}, Entries: []networkacl.Entry{
		DenyOut(7, "2001:db8::/32"), TCP(AllowOut(8, "10.0.0.0/8"), 443, 444), icmp, DenyOut(networkacl.DefaultIPv4, "0.0.0.0/0"),
		Ingress(AllowOut(100, "0.0.0.0/0")), Ingress(DenyOut(networkacl.DefaultIPv4, "0.0.0.0/0")),
	}, Associations: map[string]string{simSubnet: associationOf(s, simSubnet)},
		Tags: map[string]string{"Name": "dedicated", "aws:cloudformation:stack-name": "net"}}
	byID, err := ec2acl.Read(t.Context(), client, simACL)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(byID).To(Equal(want))
	bySubnet, err := ec2acl.ReadOfSubnet(t.Context(), client, simSubnet)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(bySubnet).To(Equal(want))
}

func TestReadOfASubnetThatSharesItsNetworkACL(t *testing.T) {
	g := NewWithT(t)
	s, client := simulate(t)
	for _, subnetID := range []string{simShared1, simShared2} {
		found, err := ec2acl.ReadOfSubnet(t.Context(), client, subnetID)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(found.ID).To(Equal(simSharedACL))
		g.Expect(found.SubnetIDs).To(Equal([]string{simShared1, simShared2}))
	}
	g.Expect(s.Region().MoveSubnet(simShared1, simACL)).To(Succeed())
	found, err := ec2acl.ReadOfSubnet(t.Context(), client, simShared1)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found.ID).To(Equal(simACL))
	g.Expect(found.SubnetIDs).To(Equal([]string{simSubnet, simShared1}))
}

func TestReadTellsAbsenceFromFailure(t *testing.T) {
	g := NewWithT(t)
	s, client := simulate(t)
	found, err := ec2acl.Read(t.Context(), client, "acl-0fedcba9876543210")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(BeNil())
	found, err = ec2acl.ReadOfSubnet(t.Context(), client, "subnet-0fedcba9876543210")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(BeNil())

	s.Faults().Add(faults.Fault{Action: "ec2:DescribeNetworkAcls", Denied: true})
	for _, id := range []string{simACL, "acl-0fedcba9876543210"} {
		_, err = ec2acl.Read(t.Context(), client, id)
		g.Expect(aws.Classify(err)).To(Equal(aws.Denied), "%v", err)
	}
	_, err = ec2acl.ReadOfSubnet(t.Context(), client, simSubnet)
	g.Expect(aws.Action(err)).To(Equal("ec2:DescribeNetworkAcls"))
}

func TestReadAll(t *testing.T) {
	g := NewWithT(t)
	s, client := simulate(t)
	found, err := ec2acl.ReadAll(t.Context(), client, simACL, missingACL, simSharedACL)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(HaveLen(2), "one that isn't there is no error")
	for _, id := range []string{simACL, simSharedACL} {
		one, err := ec2acl.Read(t.Context(), client, id)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(found[id]).To(Equal(one))
	}
	g.Expect(found[simACL].Default).To(BeFalse())
	g.Expect(found[simSharedACL].Default).To(BeTrue())
	g.Expect(found[simSharedACL].Associations).To(Equal(map[string]string{
		simShared1: associationOf(s, simShared1), simShared2: associationOf(s, simShared2),
	}))
	g.Expect(attempts(s, "ec2:DescribeNetworkAcls")).To(Equal(3), "one for all, one each")

	found, err = ec2acl.ReadAll(t.Context(), client)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(BeEmpty(), "none asked for is not all of them")
	g.Expect(attempts(s, "ec2:DescribeNetworkAcls")).To(Equal(3))
}

func TestReadsFollowPages(t *testing.T) {
	g := NewWithT(t)
	s, whole := simulate(t)
	client := smallPages{whole}
	before, err := ec2acl.CountInVPC(t.Context(), client, simVPC)
	g.Expect(err).NotTo(HaveOccurred())
	var ids []string
	for n := range 12 {
		made, err := s.Region().CreateNetworkACL(simVPC, "", "", map[string]string{fmt.Sprintf("agentdisconnect.dev/%d", n): ""})
		g.Expect(err).NotTo(HaveOccurred())
		ids = append(ids, made.ID)
	}
	count, err := ec2acl.CountInVPC(t.Context(), client, simVPC)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(count).To(Equal(before + len(ids)))
	count, err = ec2acl.CountInVPC(t.Context(), client, "vpc-0fedcba9876543210")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(count).To(BeZero())

	all, err := ec2acl.ReadAll(t.Context(), client, append(ids, missingACL)...)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(all).To(HaveLen(len(ids)))

	tagged, err := ec2acl.FindByTag(t.Context(), client, "agentdisconnect.dev/*")
	g.Expect(err).NotTo(HaveOccurred())
	var found []string
	for _, acl := range tagged {
		found = append(found, acl.ID)
	}
	g.Expect(found).To(ConsistOf(ids))
	g.Expect(found).To(Equal(sorted(found)))
}

func TestFindByTag(t *testing.T) {
	g := NewWithT(t)
	s, client := simulate(t)
	found, err := ec2acl.FindByTag(t.Context(), client, cloneKey)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(BeEmpty())
	tags := map[string]string{cloneKey: "of", "Name": "x"}
	made, err := s.Region().CreateNetworkACL(simVPC, "", "", tags)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.Region().SetTags(simACL, map[string]string{"agentdisconnect.dev/clones": ""})).To(Succeed())
	found, err = ec2acl.FindByTag(t.Context(), client, cloneKey)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(HaveLen(1), "the whole key")
	g.Expect(found[0].ID).To(Equal(made.ID))
	g.Expect(found[0].VPCID).To(Equal(simVPC))
	g.Expect(found[0].Tags).To(Equal(tags))
	g.Expect(found[0].Associations).To(BeEmpty())
}

// After an error nothing is known, not even what was read before it.
func TestReadsThatFailGiveNothing(t *testing.T) {
	for _, fault := range []faults.Fault{{Error: "UnauthorizedOperation"}, {Error: "UnauthorizedOperation", Skip: 1}} {
		g := NewWithT(t)
		s, client := simulate(t)
		for range 6 {
			_, err := s.Region().CreateNetworkACL(simVPC, "", "", map[string]string{cloneKey: ""})
			g.Expect(err).NotTo(HaveOccurred())
		}
		fault.Action = "ec2:DescribeNetworkAcls"
		remove := func() {}
		again := func() { remove(); remove = s.Faults().Add(fault) }
		again()
		tagged, err := ec2acl.FindByTag(t.Context(), smallPages{client}, cloneKey)
		g.Expect(aws.Classify(err)).To(Equal(aws.Denied), "%v", err)
		g.Expect(tagged).To(BeEmpty())
		again()
		count, err := ec2acl.CountInVPC(t.Context(), smallPages{client}, simVPC)
		g.Expect(aws.Classify(err)).To(Equal(aws.Denied), "%v", err)
		g.Expect(count).To(BeZero())
	}
	g := NewWithT(t)
	s, client := simulate(t)
	s.Faults().Add(faults.Fault{Action: "ec2:DescribeNetworkAcls", Denied: true})
	found, err := ec2acl.ReadAll(t.Context(), client, simACL)
	g.Expect(aws.Classify(err)).To(Equal(aws.Denied), "%v", err)
	g.Expect(found).To(BeEmpty())
}

func TestFindClonesOf(t *testing.T) {
	g := NewWithT(t)
	s, client := simulate(t)
	var ids []string
	for _, original := range []string{simACL, simACL, "acl-0123456789abcdef0"} {
		made, err := s.Region().CreateNetworkACL(simVPC, "", "", map[string]string{ownership.TagOriginal: original})
		g.Expect(err).NotTo(HaveOccurred())
		ids = append(ids, made.ID)
	}
	found, err := ec2acl.FindClonesOf(t.Context(), client, simACL)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(ConsistOf(HaveField("ID", ids[0]), HaveField("ID", ids[1])))
	s.Faults().Add(faults.Fault{Action: "ec2:DescribeNetworkAcls", Denied: true})
	_, err = ec2acl.FindClonesOf(t.Context(), client, simACL)
	g.Expect(aws.Classify(err)).To(Equal(aws.Denied))
}
