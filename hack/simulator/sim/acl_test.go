// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

func nameTag(value string) []types.TagSpecification {
	return []types.TagSpecification{{
		ResourceType: types.ResourceTypeNetworkAcl, Tags: []types.Tag{{Key: aws.String("Name"), Value: aws.String(value)}},
	}}
}

func TestCreateNetworkACL(t *testing.T) {
	s, g := start(t)
	ctx, client := t.Context(), ec2Client(s)

	first, err := client.CreateNetworkAcl(ctx, &ec2.CreateNetworkAclInput{
		VpcId: aws.String(vpcID), ClientToken: aws.String("token"), TagSpecifications: nameTag("clone"),
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*first.ClientToken).To(Equal("token"))
	g.Expect(*first.NetworkAcl.IsDefault).To(BeFalse())
	g.Expect(first.NetworkAcl.Associations).To(BeEmpty())
	g.Expect(first.NetworkAcl.Entries).To(HaveLen(2), "a new ACL denies everything")
	g.Expect(*first.NetworkAcl.Tags[0].Value).To(Equal("clone"))

	again, err := client.CreateNetworkAcl(ctx, &ec2.CreateNetworkAclInput{
		VpcId: aws.String(vpcID), ClientToken: aws.String("token"), TagSpecifications: nameTag("clone"),
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(again.NetworkAcl.NetworkAclId).To(Equal(first.NetworkAcl.NetworkAclId))
	_, err = client.CreateNetworkAcl(ctx, &ec2.CreateNetworkAclInput{
		VpcId: aws.String(vpcID), ClientToken: aws.String("token"), TagSpecifications: nameTag("other"),
	})
	g.Expect(code(err)).To(Equal("IdempotentParameterMismatch"))
	other, err := client.CreateNetworkAcl(ctx, &ec2.CreateNetworkAclInput{VpcId: aws.String(vpcID), ClientToken: aws.String("token2")})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(other.NetworkAcl.NetworkAclId).NotTo(Equal(first.NetworkAcl.NetworkAclId))

	_, err = client.CreateNetworkAcl(ctx, &ec2.CreateNetworkAclInput{VpcId: aws.String("vpc-0123456789abcdef0")})
	g.Expect(code(err)).To(Equal("InvalidVpcID.NotFound"))
	wrong := nameTag("x")
	wrong[0].ResourceType = types.ResourceTypeVpc
	_, err = client.CreateNetworkAcl(ctx, &ec2.CreateNetworkAclInput{VpcId: aws.String(vpcID), TagSpecifications: wrong})
	g.Expect(code(err)).To(Equal("InvalidParameterValue"))
}

func TestReplaceNetworkACLAssociation(t *testing.T) {
	s, g := start(t)
	ctx, client := t.Context(), ec2Client(s)
	made, err := client.CreateNetworkAcl(ctx, &ec2.CreateNetworkAclInput{VpcId: aws.String(vpcID)})
	g.Expect(err).NotTo(HaveOccurred())
	clone := *made.NetworkAcl.NetworkAclId
	sub, _ := s.Region().SubnetACL(dedicated)
	old := sub.Associations[0].ID

	out, err := client.ReplaceNetworkAclAssociation(ctx, &ec2.ReplaceNetworkAclAssociationInput{
		AssociationId: aws.String(old), NetworkAclId: aws.String(clone),
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*out.NewAssociationId).NotTo(Equal(old))
	now, _ := s.Region().SubnetACL(dedicated)
	g.Expect(now.ID).To(Equal(clone))
	g.Expect(now.Associations[0].ID).To(Equal(*out.NewAssociationId))

	_, err = client.ReplaceNetworkAclAssociation(ctx, &ec2.ReplaceNetworkAclAssociationInput{
		AssociationId: aws.String(old), NetworkAclId: aws.String(dedicatedACL),
	})
	g.Expect(code(err)).To(Equal("InvalidAssociationID.NotFound"), "the old id is gone")

	_, err = client.DeleteNetworkAcl(ctx, &ec2.DeleteNetworkAclInput{NetworkAclId: aws.String(clone)})
	g.Expect(code(err)).To(Equal("DependencyViolation"))
	_, err = client.DeleteNetworkAcl(ctx, &ec2.DeleteNetworkAclInput{NetworkAclId: aws.String(defaultACL)})
	g.Expect(code(err)).To(Equal("InvalidParameterValue"))
	g.Expect(s.Region().MoveSubnet(dedicated, dedicatedACL)).To(Succeed())
	_, err = client.DeleteNetworkAcl(ctx, &ec2.DeleteNetworkAclInput{NetworkAclId: aws.String(clone)})
	g.Expect(err).NotTo(HaveOccurred())
	_, err = client.DeleteNetworkAcl(ctx, &ec2.DeleteNetworkAclInput{NetworkAclId: aws.String(clone)})
	g.Expect(code(err)).To(Equal("InvalidNetworkAclID.NotFound"))
}

func TestNetworkACLQuotaAndPages(t *testing.T) {
	s, g := start(t)
	ctx, client := t.Context(), ec2Client(s)
	for range region.ACLsPerVPC - 2 {
		_, err := s.Region().CreateNetworkACL(vpcID, "", "", nil)
		g.Expect(err).NotTo(HaveOccurred())
	}
	_, err := client.CreateNetworkAcl(ctx, &ec2.CreateNetworkAclInput{VpcId: aws.String(vpcID)})
	g.Expect(code(err)).To(Equal("NetworkAclLimitExceeded"))

	var sizes []int
	seen := map[string]bool{}
	pages := ec2.NewDescribeNetworkAclsPaginator(client, &ec2.DescribeNetworkAclsInput{MaxResults: aws.Int32(90)})
	for pages.HasMorePages() {
		p, err := pages.NextPage(ctx)
		g.Expect(err).NotTo(HaveOccurred())
		sizes = append(sizes, len(p.NetworkAcls))
		for _, a := range p.NetworkAcls {
			seen[*a.NetworkAclId] = true
		}
	}
	g.Expect(sizes).To(Equal([]int{90, 90, 20}))
	g.Expect(seen).To(HaveLen(region.ACLsPerVPC))

	for _, n := range []int32{1, 4, 1001} {
		_, err = client.DescribeNetworkAcls(ctx, &ec2.DescribeNetworkAclsInput{MaxResults: aws.Int32(n)})
		g.Expect(code(err)).To(Equal("InvalidParameterValue"), "%d", n)
	}
	_, err = client.DescribeNetworkAcls(ctx, &ec2.DescribeNetworkAclsInput{MaxResults: aws.Int32(5), NetworkAclIds: []string{defaultACL}})
	g.Expect(code(err)).To(Equal("InvalidParameterCombination"))
	_, err = client.DescribeNetworkAcls(ctx, &ec2.DescribeNetworkAclsInput{NextToken: aws.String("nonsense")})
	g.Expect(code(err)).To(Equal("InvalidNextToken"))
}

func TestTags(t *testing.T) {
	s, g := start(t)
	ctx, client := t.Context(), ec2Client(s)
	put := func(key, value string, ids ...string) error {
		_, err := client.CreateTags(ctx, &ec2.CreateTagsInput{Resources: ids, Tags: []types.Tag{{Key: &key, Value: &value}}})
		return err
	}
	remove := func(id string, tags ...types.Tag) error {
		_, err := client.DeleteTags(ctx, &ec2.DeleteTagsInput{Resources: []string{id}, Tags: tags})
		return err
	}
	tags := func() map[string]string {
		a, _ := s.Region().NetworkACL(dedicatedACL)
		return a.Tags
	}

	g.Expect(put("a", "1", dedicatedACL, dedicated, vpcID)).To(Succeed())
	g.Expect(put("a", "2", dedicatedACL)).To(Succeed())
	g.Expect(tags()).To(Equal(map[string]string{"Name": "dedicated", "a": "2"}))
	g.Expect(code(put("b", "1", dedicatedACL, "acl-0123456789abcdef0"))).To(Equal("InvalidNetworkAclID.NotFound"))
	g.Expect(tags()).NotTo(HaveKey("b"), "all resources or none")
	g.Expect(code(put("b", "1", "nonsense"))).To(Equal("InvalidID"))
	g.Expect(code(put("aws:b", "1", dedicatedACL))).To(Equal("InvalidParameterValue"))
	g.Expect(code(put("b", strings.Repeat("x", 257), dedicatedACL))).To(Equal("InvalidParameterValue"))
	g.Expect(code(put(strings.Repeat("x", 129), "", dedicatedACL))).To(Equal("InvalidParameterValue"))

	g.Expect(remove(dedicatedACL, types.Tag{Key: aws.String("a"), Value: aws.String("1")})).To(Succeed())
	g.Expect(tags()).To(HaveKey("a"), "the value is another")
	g.Expect(remove(dedicatedACL, types.Tag{Key: aws.String("a")})).To(Succeed())
	g.Expect(tags()).NotTo(HaveKey("a"))
	g.Expect(remove(dedicatedACL, types.Tag{Key: aws.String("never there")})).To(Succeed())

	for n := range region.TagsPerResource - 1 {
		g.Expect(put(fmt.Sprintf("k%d", n), "", dedicatedACL)).To(Succeed())
	}
	g.Expect(code(put("one more", "", dedicatedACL))).To(Equal("TagLimitExceeded"))

	out, err := client.DescribeTags(ctx, &ec2.DescribeTagsInput{
		Filters: []types.Filter{{Name: aws.String("resource-type"), Values: []string{"network-acl"}}}, MaxResults: aws.Int32(5),
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.Tags).To(HaveLen(5))
	g.Expect(out.NextToken).NotTo(BeNil())
	out, err = client.DescribeTags(ctx, &ec2.DescribeTagsInput{
		Filters: []types.Filter{{Name: aws.String("resource-id"), Values: []string{dedicatedACL}}}, MaxResults: aws.Int32(5),
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.Tags).To(HaveLen(50), "with a resource-id the page size doesn't count")
	g.Expect(out.Tags[0].ResourceType).To(Equal(types.ResourceTypeNetworkAcl))
}
