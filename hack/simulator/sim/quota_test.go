// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

func quota(ctx context.Context, s *Simulator, service, code string) (*servicequotas.GetServiceQuotaOutput, error) {
	client := servicequotas.NewFromConfig(s.Config(), func(o *servicequotas.Options) { o.RetryMaxAttempts = 1 })
	return client.GetServiceQuota(ctx, &servicequotas.GetServiceQuotaInput{ServiceCode: aws.String(service), QuotaCode: aws.String(code)})
}

func TestServiceQuotas(t *testing.T) {
	s, g := start(t)
	out, err := quota(t.Context(), s, "vpc", region.QuotaEntries)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*out.Quota.Value).To(BeEquivalentTo(20))
	g.Expect(*out.Quota.QuotaName).To(Equal("Rules per network ACL"))
	g.Expect(*out.Quota.QuotaArn).To(Equal("arn:aws:servicequotas:ap-northeast-1:123456789012:vpc/L-2AEEBF1A"))
	g.Expect(out.Quota.Adjustable).To(BeTrue())
	out, err = quota(t.Context(), s, "vpc", region.QuotaACLs)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*out.Quota.Value).To(BeEquivalentTo(200))
	for _, c := range [][2]string{{"vpc", "L-00000000"}, {"ec2", region.QuotaEntries}} {
		_, err = quota(t.Context(), s, c[0], c[1])
		g.Expect(code(err)).To(Equal("NoSuchResourceException"), "%v", c)
	}
	_, err = quota(t.Context(), s, "vpc", "!")
	g.Expect(code(err)).To(Equal("IllegalArgumentException"))
	g.Expect(s.Calls()[0].Name()).To(Equal("servicequotas:GetServiceQuota"))
	g.Expect(s.Calls()[0].ReadOnly).To(BeTrue())

	remove := s.Faults().Add(faults.Fault{Action: "servicequotas:*", Denied: true})
	_, err = quota(t.Context(), s, "vpc", region.QuotaEntries)
	g.Expect(code(err)).To(Equal("AccessDeniedException"))
	remove()
	s.Faults().Add(faults.Fault{Action: "servicequotas:*", Throttle: &faults.Bucket{Burst: 1}})
	_, err = quota(t.Context(), s, "vpc", region.QuotaEntries)
	g.Expect(err).NotTo(HaveOccurred())
	_, err = quota(t.Context(), s, "vpc", region.QuotaEntries)
	g.Expect(code(err)).To(Equal("TooManyRequestsException"))
}

// What Service Quotas tells is what EC2 enforces.
func TestQuotasAreEnforced(t *testing.T) {
	s, g := start(t, func(o *Options) {
		o.World = world.Default()
		o.World.Quotas = world.Quotas{RulesPerNetworkACL: 3, NetworkACLsPerVPC: 3}
	})
	g.Expect(create(s, deny(80, "52.119.223.69/32"))).To(Succeed(), "with the allow and the default the third")
	g.Expect(code(create(s, deny(81, "52.119.223.69/32")))).To(Equal("NetworkAclEntryLimitExceeded"))
	client := ec2Client(s)
	_, err := client.CreateNetworkAcl(t.Context(), &ec2.CreateNetworkAclInput{VpcId: aws.String(vpcID)})
	g.Expect(err).NotTo(HaveOccurred())
	_, err = client.CreateNetworkAcl(t.Context(), &ec2.CreateNetworkAclInput{VpcId: aws.String(vpcID)})
	g.Expect(code(err)).To(Equal("NetworkAclLimitExceeded"))

	g.Expect(s.Region().SetQuota(region.QuotaEntries, 40)).To(Succeed())
	out, err := quota(t.Context(), s, "vpc", region.QuotaEntries)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*out.Quota.Value).To(BeEquivalentTo(40))
	for n := range int32(37) {
		g.Expect(create(s, deny(200+n, "52.119.223.69/32"))).To(Succeed())
	}
	g.Expect(code(create(s, deny(300, "52.119.223.69/32")))).To(Equal("NetworkAclEntryLimitExceeded"))

	// A replaced entry needs room in the family that it moves to; below a lowered quota all else stays as it is.
	six := deny(1, "")
	six.CidrBlock, six.Ipv6CidrBlock = nil, aws.String("2600:1f00::/24")
	g.Expect(create(s, six)).To(Succeed())
	to4 := &ec2.ReplaceNetworkAclEntryInput{
		NetworkAclId: aws.String(dedicatedACL), RuleNumber: aws.Int32(1), Egress: aws.Bool(true), Protocol: aws.String("-1"),
		RuleAction: types.RuleActionDeny, CidrBlock: aws.String("52.119.223.69/32"),
	}
	_, err = client.ReplaceNetworkAclEntry(t.Context(), to4)
	g.Expect(code(err)).To(Equal("NetworkAclEntryLimitExceeded"))
	g.Expect(s.Region().SetQuota(region.QuotaEntries, 20)).To(Succeed())
	to4.RuleNumber = aws.Int32(80)
	_, err = client.ReplaceNetworkAclEntry(t.Context(), to4)
	g.Expect(err).NotTo(HaveOccurred())

	g.Expect(s.Region().SetQuota(region.QuotaEntries, 41)).NotTo(Succeed(), "AWS raises it no further")
	g.Expect(s.Region().SetQuota(region.QuotaEntries, 0)).NotTo(Succeed())
	g.Expect(s.Region().SetQuota("L-00000000", 1)).NotTo(Succeed())
}
