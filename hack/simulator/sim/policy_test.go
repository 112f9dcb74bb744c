// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"encoding/json"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

const (
	arnACLs    = "arn:aws:ec2:ap-northeast-1:123456789012:network-acl/*"
	arnSubnets = "arn:aws:ec2:ap-northeast-1:123456789012:subnet/*"
	arnVPC     = "arn:aws:ec2:ap-northeast-1:123456789012:vpc/" + vpcID
	inTheVPC   = `"ArnEquals":{"ec2:Vpc":"` + arnVPC + `"}`
)

// What isn't there is in no VPC: either IAM is asked about it all the same, or EC2 looks for it first.
func TestPolicyOnWhatIsNotThere(t *testing.T) {
	for denied, want := range map[bool]string{false: "InvalidNetworkAclID.NotFound", true: "UnauthorizedOperation"} {
		s, g := under(t, allow("ec2:CreateNetworkAclEntry", arnACLs, inTheVPC), func(o *Options) { o.DenyAbsent = denied })
		absent := deny(81, "52.119.223.69/32")
		absent.NetworkAclId = aws.String("acl-0123456789abcdef0")
		g.Expect(code(create(s, absent))).To(Equal(want))
	}
}

// allow is a statement; condition is what stands between the braces.
func allow(action, resource, condition string) string {
	return `{"Effect":"Allow","Action":"` + action + `","Resource":"` + resource + `","Condition":{` + condition + `}}`
}

// under is a simulator whose only access key has a policy of statements.
func under(t *testing.T, statements string, change ...func(*Options)) (*Simulator, *WithT) {
	t.Helper()
	return start(t, append(change, func(o *Options) {
		o.NoAgents = true
		withScheduler(o)
		o.World.AccessKeys = []world.AccessKey{{ID: "AKIABOUND", Secret: "x", Policies: []json.RawMessage{
			json.RawMessage(`{"Version":"2012-10-17","Statement":[` + statements + `]}`),
		}}}
	})...)
}

func TestPolicyOnEntries(t *testing.T) {
	s, g := under(t, allow("ec2:CreateNetworkAclEntry", arnACLs, inTheVPC+`,"Null":{"aws:ResourceTag/managedByFIS":"true"}`))
	g.Expect(create(s, deny(80, "52.119.223.69/32"))).To(Succeed())
	_, err := ec2Client(s).DeleteNetworkAclEntry(t.Context(), &ec2.DeleteNetworkAclEntryInput{
		NetworkAclId: aws.String(dedicatedACL), RuleNumber: aws.Int32(80), Egress: aws.Bool(true),
	})
	g.Expect(code(err)).To(Equal("UnauthorizedOperation"))
	g.Expect(err).To(MatchError(ContainSubstring("ec2:DeleteNetworkAclEntry on resource: arn:aws:ec2:ap-northeast-1:123456789012:network-acl/" + dedicatedACL)))

	g.Expect(s.Region().CreateTags([]string{dedicatedACL}, map[string]string{"managedByFIS": "true"})).To(Succeed())
	g.Expect(code(create(s, deny(81, "52.119.223.69/32")))).To(Equal("UnauthorizedOperation"), "tags are those of now")
}

func TestPolicyOnTags(t *testing.T) {
	keys := `"ForAllValues:StringLike":{"aws:TagKeys":"ours/*"},"Null":{"aws:TagKeys":"false"}`
	s, g := under(t, allow("ec2:CreateTags", arnACLs, keys+","+inTheVPC)+","+allow("ec2:DeleteTags", arnACLs, keys))
	client := ec2Client(s)
	tag := func(id, key string) error {
		_, err := client.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{id}, Tags: []types.Tag{{Key: aws.String(key), Value: aws.String("x")}}})
		return err
	}
	untag := func(tags ...types.Tag) error {
		_, err := client.DeleteTags(t.Context(), &ec2.DeleteTagsInput{Resources: []string{dedicatedACL}, Tags: tags})
		return err
	}
	g.Expect(tag(dedicatedACL, "ours/1")).To(Succeed())
	g.Expect(code(tag(dedicatedACL, "Name"))).To(Equal("UnauthorizedOperation"))
	g.Expect(code(tag(dedicated, "ours/1"))).To(Equal("UnauthorizedOperation"), "another kind of resource")
	g.Expect(untag(types.Tag{Key: aws.String("ours/1")})).To(Succeed())
	g.Expect(code(untag(types.Tag{Key: aws.String("ours/1")}, types.Tag{Key: aws.String("Name")}))).To(Equal("UnauthorizedOperation"))
	g.Expect(code(untag())).To(Equal("UnauthorizedOperation"), "no key named means all of them")

	// EC2 has no condition on the VPC for DeleteTags.
	s, g = under(t, allow("ec2:DeleteTags", arnACLs, inTheVPC))
	client = ec2Client(s)
	g.Expect(code(untag(types.Tag{Key: aws.String("ours/1")}))).To(Equal("UnauthorizedOperation"))
}

func TestPolicyOnWhatIsCreated(t *testing.T) {
	s, g := under(t, allow("ec2:CreateNetworkAcl", arnVPC, `"StringEquals":{"ec2:Region":"ap-northeast-1"}`)+","+
		allow("ec2:CreateNetworkAcl", arnACLs, `"Null":{"aws:RequestTag/Name":"false"}`)+","+
		allow("ec2:CreateTags", arnACLs, `"StringEquals":{"ec2:CreateAction":"CreateNetworkAcl"}`))
	made, err := ec2Client(s).CreateNetworkAcl(t.Context(), &ec2.CreateNetworkAclInput{VpcId: aws.String(vpcID), TagSpecifications: nameTag("x")})
	g.Expect(err).NotTo(HaveOccurred())
	_, err = ec2Client(s).CreateNetworkAcl(t.Context(), &ec2.CreateNetworkAclInput{VpcId: aws.String(vpcID)})
	g.Expect(code(err)).To(Equal("UnauthorizedOperation"), "without the tag")
	_, err = ec2Client(s).CreateNetworkAcl(t.Context(), &ec2.CreateNetworkAclInput{VpcId: aws.String("vpc-0123456789abcdef0"), TagSpecifications: nameTag("x")})
	g.Expect(code(err)).To(Equal("UnauthorizedOperation"), "in another VPC")
	_, err = ec2Client(s).CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{*made.NetworkAcl.NetworkAclId}, Tags: []types.Tag{{Key: aws.String("more")}}})
	g.Expect(code(err)).To(Equal("UnauthorizedOperation"), "later")
}

// Swapping a subnet's network ACL takes both.
func TestPolicyOnAssociations(t *testing.T) {
	swap := func(s *Simulator) error {
		_, err := ec2Client(s).ReplaceNetworkAclAssociation(t.Context(), &ec2.ReplaceNetworkAclAssociationInput{
			AssociationId: aws.String("aclassoc-0f1a2b3c4d5e60718"), NetworkAclId: aws.String(defaultACL),
		})
		return err
	}
	s, g := under(t, allow("ec2:ReplaceNetworkAclAssociation", arnACLs, inTheVPC))
	g.Expect(swap(s)).To(MatchError(ContainSubstring("subnet/" + dedicated)))
	s, g = under(t, allow("ec2:ReplaceNetworkAclAssociation", arnACLs, inTheVPC)+","+
		allow("ec2:ReplaceNetworkAclAssociation", arnSubnets, `"StringEquals":{"ec2:SubnetID":"`+dedicated+`"}`))
	g.Expect(swap(s)).To(Succeed())
	g.Expect(code(swap(s))).To(Equal("InvalidAssociationID.NotFound"), "an association has no ARN")
}

func TestPolicyOnOtherServices(t *testing.T) {
	const instances, clusters = "arn:aws:ecs:ap-northeast-1:123456789012:container-instance/*", "arn:aws:ecs:ap-northeast-1:123456789012:cluster/"
	s, g := under(t, allow("ecs:DescribeContainerInstances", instances, `"ArnEquals":{"ecs:cluster":"`+clusters+`demo"}`)+","+
		allow("ecs:ListContainerInstances", clusters+"demo", `"StringEquals":{"aws:RequestedRegion":"ap-northeast-1"}`)+","+
		allow("scheduler:CreateSchedule", scheduleARN+"*", `"Null":{"aws:TagKeys":"true"}`)+","+
		allow("iam:PassRole", switchRole, `"StringEquals":{"iam:PassedToService":"scheduler.amazonaws.com"}`))
	client := ecs.NewFromConfig(s.Config())
	for _, tc := range []struct {
		cluster string
		allowed bool
	}{{"demo", true}, {clusters + "demo", true}, {"other", false}} {
		listed, err := client.ListContainerInstances(t.Context(), &ecs.ListContainerInstancesInput{Cluster: aws.String(tc.cluster)})
		ids := []string{world.DedicatedInstance1}
		if tc.allowed {
			g.Expect(err).NotTo(HaveOccurred(), tc.cluster)
			ids = listed.ContainerInstanceArns
		} else {
			g.Expect(code(err)).To(Equal("AccessDeniedException"), tc.cluster)
		}
		_, err = client.DescribeContainerInstances(t.Context(), &ecs.DescribeContainerInstancesInput{Cluster: aws.String(tc.cluster), ContainerInstances: ids})
		if tc.allowed {
			g.Expect(err).NotTo(HaveOccurred(), tc.cluster)
		} else {
			g.Expect(code(err)).To(Equal("AccessDeniedException"), tc.cluster)
		}
	}
	_, err := client.ListClusters(t.Context(), &ecs.ListClustersInput{})
	g.Expect(code(err)).To(Equal("AccessDeniedException"))

	in := deletion("one", 80, s.Region().Now().AddDate(0, 0, 1))
	g.Expect(arm(s, in)).To(Succeed())
	in.Name, in.Target.RoleArn = aws.String("two"), aws.String("arn:aws:iam::123456789012:role/admin")
	g.Expect(arm(s, in)).To(MatchError(ContainSubstring("iam:PassRole on resource: arn:aws:iam::123456789012:role/admin")))
}
