// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

const (
	noACL    = "acl-0123456789abcdef0"
	otherVPC = "vpc-0123456789abcdef0"
)

func association(s *Simulator, subnetID string) string {
	a, _ := s.Region().SubnetACL(subnetID)
	for _, assoc := range a.Associations {
		if assoc.SubnetID == subnetID {
			return assoc.ID
		}
	}
	return ""
}

func swap(t *testing.T, s *Simulator, associationID, aclID string) (string, error) {
	t.Helper()
	out, err := ec2Client(s).ReplaceNetworkAclAssociation(t.Context(), &ec2.ReplaceNetworkAclAssociationInput{
		AssociationId: aws.String(associationID), NetworkAclId: aws.String(aclID),
	})
	if err != nil {
		return "", err
	}
	return *out.NewAssociationId, nil
}

// Every action tells a dry run whether it would be permitted, and does nothing.
func TestDryRunsOfNetworkACLActions(t *testing.T) {
	s, g := start(t)
	ctx, client, yes := t.Context(), ec2Client(s), aws.Bool(true)
	id, tags := aws.String(dedicatedACL), []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}
	before := s.Region().View(zero).NetworkACLs()
	actions := map[string]func() error{
		"CreateNetworkAcl": func() error {
			_, err := client.CreateNetworkAcl(ctx, &ec2.CreateNetworkAclInput{VpcId: aws.String(vpcID), ClientToken: aws.String("t"), DryRun: yes})
			return err
		},
		"DeleteNetworkAcl": func() error {
			_, err := client.DeleteNetworkAcl(ctx, &ec2.DeleteNetworkAclInput{NetworkAclId: id, DryRun: yes})
			return err
		},
		"ReplaceNetworkAclAssociation": func() error {
			_, err := client.ReplaceNetworkAclAssociation(ctx, &ec2.ReplaceNetworkAclAssociationInput{
				AssociationId: aws.String(association(s, dedicated)), NetworkAclId: aws.String(defaultACL), DryRun: yes,
			})
			return err
		},
		"ReplaceNetworkAclEntry": func() error {
			_, err := client.ReplaceNetworkAclEntry(ctx, &ec2.ReplaceNetworkAclEntryInput{
				NetworkAclId: id, RuleNumber: aws.Int32(100), Egress: yes, Protocol: aws.String("-1"), RuleAction: types.RuleActionDeny,
				CidrBlock: aws.String("0.0.0.0/0"), DryRun: yes,
			})
			return err
		},
		"DeleteNetworkAclEntry": func() error {
			_, err := client.DeleteNetworkAclEntry(ctx, &ec2.DeleteNetworkAclEntryInput{NetworkAclId: id, RuleNumber: aws.Int32(100), Egress: yes, DryRun: yes})
			return err
		},
		"CreateTags": func() error {
			_, err := client.CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{dedicatedACL}, Tags: tags, DryRun: yes})
			return err
		},
		"DeleteTags": func() error {
			_, err := client.DeleteTags(ctx, &ec2.DeleteTagsInput{Resources: []string{dedicatedACL}, DryRun: yes})
			return err
		},
	}
	for action, call := range actions {
		g.Expect(code(call())).To(Equal("DryRunOperation"), action)
		remove := s.Faults().Add(faults.Fault{Action: "ec2:" + action, Denied: true})
		g.Expect(code(call())).To(Equal("UnauthorizedOperation"), action)
		remove()
	}
	g.Expect(s.Region().View(zero).NetworkACLs()).To(Equal(before))

	// Neither did it use the client token up.
	_, err := client.CreateNetworkAcl(ctx, &ec2.CreateNetworkAclInput{VpcId: aws.String(vpcID), ClientToken: aws.String("t"), TagSpecifications: nameTag("x")})
	g.Expect(err).NotTo(HaveOccurred())
}

func TestAssociationErrors(t *testing.T) {
	s, g := start(t)
	g.Expect(s.Region().AddVPC(region.VPC{ID: otherVPC, CIDR: netip.MustParsePrefix("10.9.0.0/16")}, region.ACL{ID: noACL})).To(Succeed())
	mine := association(s, dedicated)
	for name, tc := range map[string]struct{ association, acl, want string }{
		"unknown ACL":           {mine, "acl-0ffffffffffffffff", "InvalidNetworkAclID.NotFound"},
		"malformed ACL":         {mine, "acl-1", "InvalidNetworkAclId.Malformed"},
		"unknown association":   {"aclassoc-0ffffffffffffffff", dedicatedACL, "InvalidAssociationID.NotFound"},
		"malformed association": {"nonsense", dedicatedACL, "InvalidAssociationID.NotFound"},
		"another VPC's":         {mine, noACL, "InvalidParameterValue"},
	} {
		_, err := swap(t, s, tc.association, tc.acl)
		g.Expect(code(err)).To(Equal(tc.want), name)
	}
	g.Expect(association(s, dedicated)).To(Equal(mine))
	g.Expect(association(s, shared1)).NotTo(Equal(mine))
}

// A retry of a call whose answer was lost meets what the call did.
func TestLostAnswersOfACLActions(t *testing.T) {
	s, g := start(t)
	ctx, client := t.Context(), ec2Client(s)
	s.Faults().Add(faults.Fault{Action: "ec2:*", Lost: true, Times: 1})
	in := &ec2.CreateNetworkAclInput{VpcId: aws.String(vpcID), ClientToken: aws.String("uid-1"), TagSpecifications: nameTag("clone")}
	_, err := client.CreateNetworkAcl(ctx, in)
	g.Expect(code(err)).To(HavePrefix("no API error"))
	again, err := client.CreateNetworkAcl(ctx, in)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.Region().View(zero).NetworkACLs()).To(HaveLen(3), "the token found the first one")
	clone := *again.NetworkAcl.NetworkAclId

	old := association(s, dedicated)
	s.Faults().Add(faults.Fault{Action: "ec2:ReplaceNetworkAclAssociation", Lost: true, Times: 1})
	_, err = swap(t, s, old, clone)
	g.Expect(code(err)).To(HavePrefix("no API error"))
	_, err = swap(t, s, old, clone)
	g.Expect(code(err)).To(Equal("InvalidAssociationID.NotFound"))
	again, err = client.CreateNetworkAcl(ctx, in)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*again.NetworkAcl.Associations[0].SubnetId).To(Equal(dedicated), "the token gives the ACL as it is now")

	remove := s.Faults().Add(faults.Fault{Action: "ec2:DescribeNetworkAcls", Frozen: true})
	_, err = swap(t, s, association(s, dedicated), dedicatedACL)
	g.Expect(err).NotTo(HaveOccurred())
	s.Faults().Add(faults.Fault{Action: "ec2:DeleteNetworkAcl", ErrorAfter: "InternalError", Times: 1})
	_, err = client.DeleteNetworkAcl(ctx, &ec2.DeleteNetworkAclInput{NetworkAclId: aws.String(clone)})
	g.Expect(code(err)).To(Equal("InternalError"))
	_, err = client.DeleteNetworkAcl(ctx, &ec2.DeleteNetworkAclInput{NetworkAclId: aws.String(clone)})
	g.Expect(code(err)).To(Equal("InvalidNetworkAclID.NotFound"))
	seen, err := client.DescribeNetworkAcls(ctx, &ec2.DescribeNetworkAclsInput{NetworkAclIds: []string{clone}})
	g.Expect(err).NotTo(HaveOccurred(), "a stale read still has it")
	g.Expect(seen.NetworkAcls[0].Associations).To(HaveLen(1))
	remove()
	_, err = client.DescribeNetworkAcls(ctx, &ec2.DescribeNetworkAclsInput{NetworkAclIds: []string{clone}})
	g.Expect(code(err)).To(Equal("InvalidNetworkAclID.NotFound"))

	in.ClientToken = aws.String(strings.Repeat("x", 65))
	_, err = client.CreateNetworkAcl(ctx, in)
	g.Expect(code(err)).To(Equal("InvalidParameterValue"), "64 characters at most")
}

// What the Region's own methods do is a third party's doing: no fault is in its way and no call is logged.
func TestAThirdParty(t *testing.T) {
	s, g := start(t)
	r := s.Region()
	s.Faults().Add(faults.Fault{Action: "*", Error: "InternalError"})
	made, err := r.CreateNetworkACL(vpcID, "", "", map[string]string{"managedByFIS": "true"})
	g.Expect(err).NotTo(HaveOccurred())
	entry := region.AllowAll(50, true)
	g.Expect(r.CreateNetworkACLEntry(made.ID, entry)).To(Succeed())
	entry.Allow = false
	g.Expect(r.ReplaceNetworkACLEntry(made.ID, entry)).To(Succeed())
	newID, err := r.ReplaceNetworkACLAssociation(association(s, shared1), made.ID)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(r.CreateTags([]string{made.ID}, map[string]string{"FMManaged": "true"})).To(Succeed())
	g.Expect(r.DeleteTags([]string{made.ID}, []region.Deletion{{Key: "managedByFIS"}})).To(Succeed())
	now, _ := r.NetworkACL(made.ID)
	g.Expect(now.Tags).To(Equal(map[string]string{"FMManaged": "true"}))
	g.Expect(now.Entries[0]).To(Equal(entry))
	g.Expect(now.Associations).To(ConsistOf(region.Association{ID: newID, NetworkACLID: made.ID, SubnetID: shared1}))
	g.Expect(r.DeleteNetworkACLEntry(made.ID, 50, true)).To(Succeed())
	g.Expect(code(r.DeleteNetworkACL(made.ID))).To(ContainSubstring("DependencyViolation"))
	g.Expect(r.MoveSubnet(shared1, defaultACL)).To(Succeed())
	g.Expect(r.DeleteNetworkACL(made.ID)).To(Succeed())
	g.Expect(s.Calls()).To(BeEmpty())
}
