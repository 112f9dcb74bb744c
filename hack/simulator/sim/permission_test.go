// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

const cloneTag = "agentdisconnect.dev/clone"

// grantOnlyTagged is a policy that allows changes to network ACLs that carry a tag alone.
func grantOnlyTagged(g *WithT, s *Simulator) {
	for _, action := range []string{"*NetworkAclEntry", "DeleteNetworkAcl", "CreateTags", "DeleteTags"} {
		f, err := faults.Parse("ec2:" + action + " denied missingTag=" + cloneTag)
		g.Expect(err).NotTo(HaveOccurred())
		s.Faults().Add(f)
	}
}

func TestPermissionByTag(t *testing.T) {
	s, g := start(t)
	ctx, client := t.Context(), ec2Client(s)
	grantOnlyTagged(g, s)

	g.Expect(code(create(s, deny(80, "52.119.223.69/32")))).To(Equal("UnauthorizedOperation"))
	dry := deny(80, "52.119.223.69/32")
	dry.DryRun = aws.Bool(true)
	g.Expect(code(create(s, dry))).To(Equal("UnauthorizedOperation"), "a dry run is judged too")
	mark := func(ids ...string) error {
		_, err := client.CreateTags(ctx, &ec2.CreateTagsInput{Resources: ids, Tags: []types.Tag{{Key: aws.String(cloneTag), Value: aws.String("")}}})
		return err
	}
	g.Expect(code(mark(dedicatedACL))).To(Equal("UnauthorizedOperation"), "no caller can make an ACL one of theirs")

	// With tags at its creation: CreateTags is judged by ec2:CreateAction then.
	made, err := client.CreateNetworkAcl(ctx, &ec2.CreateNetworkAclInput{VpcId: aws.String(vpcID), TagSpecifications: []types.TagSpecification{{
		ResourceType: types.ResourceTypeNetworkAcl, Tags: []types.Tag{{Key: aws.String(cloneTag), Value: aws.String("x")}},
	}}})
	g.Expect(err).NotTo(HaveOccurred())
	clone := *made.NetworkAcl.NetworkAclId
	in := deny(80, "52.119.223.69/32")
	in.NetworkAclId, in.DryRun = aws.String(clone), aws.Bool(true)
	g.Expect(code(create(s, in))).To(Equal("DryRunOperation"))
	in.DryRun = nil
	g.Expect(create(s, in)).To(Succeed())
	g.Expect(mark(clone)).To(Succeed())
	g.Expect(code(mark(clone, dedicatedACL))).To(Equal("UnauthorizedOperation"), "all resources of the call are judged")
	_, err = client.DescribeNetworkAcls(ctx, &ec2.DescribeNetworkAclsInput{})
	g.Expect(err).NotTo(HaveOccurred())
	_, err = client.DeleteNetworkAclEntry(ctx, &ec2.DeleteNetworkAclEntryInput{NetworkAclId: aws.String(clone), RuleNumber: aws.Int32(80), Egress: aws.Bool(true)})
	g.Expect(err).NotTo(HaveOccurred())

	// Once the tag is stripped nothing goes any more.
	_, err = client.DeleteTags(ctx, &ec2.DeleteTagsInput{Resources: []string{clone}, Tags: []types.Tag{{Key: aws.String(cloneTag)}}})
	g.Expect(err).NotTo(HaveOccurred())
	for _, id := range []string{clone, "acl-0123456789abcdef0"} {
		_, err = client.DeleteNetworkAcl(ctx, &ec2.DeleteNetworkAclInput{NetworkAclId: aws.String(id)})
		g.Expect(code(err)).To(Equal("UnauthorizedOperation"), id)
	}
	s.Faults().Clear()
	_, err = client.DeleteNetworkAcl(ctx, &ec2.DeleteNetworkAclInput{NetworkAclId: aws.String(clone)})
	g.Expect(err).NotTo(HaveOccurred())
}

// Who tags what it creates needs the permission to tag as well.
func TestPermissionToTagAtCreation(t *testing.T) {
	s, g := start(t, func(o *Options) {
		o.World = world.Default()
		o.World.AccessKeys = []world.AccessKey{{ID: "AKIAONE", Secret: "x"}, {ID: "AKIATWO", Secret: "x", Deny: []string{"ec2:CreateTags"}}}
	})
	in := &ec2.CreateNetworkAclInput{VpcId: aws.String(vpcID), TagSpecifications: nameTag("x"), DryRun: aws.Bool(true)}
	_, err := ec2.NewFromConfig(s.ConfigFor("AKIATWO")).CreateNetworkAcl(t.Context(), in)
	g.Expect(code(err)).To(Equal("UnauthorizedOperation"))
	g.Expect(err).To(MatchError(ContainSubstring("ec2:CreateTags on resource: arn:aws:ec2:ap-northeast-1:123456789012:network-acl/*")))
	_, err = ec2.NewFromConfig(s.ConfigFor("AKIATWO")).CreateNetworkAcl(t.Context(), &ec2.CreateNetworkAclInput{VpcId: aws.String(vpcID)})
	g.Expect(err).NotTo(HaveOccurred(), "without tags")

	s.Faults().Add(faults.Fault{Action: "ec2:CreateTags", Denied: true, Times: 1})
	_, err = ec2Client(s).CreateNetworkAcl(t.Context(), in)
	g.Expect(code(err)).To(Equal("UnauthorizedOperation"))
	g.Expect(s.Faults().List()).To(BeEmpty(), "it was used up")
	_, err = ec2Client(s).CreateNetworkAcl(t.Context(), in)
	g.Expect(code(err)).To(Equal("DryRunOperation"))
}
