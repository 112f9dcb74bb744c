// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

// Ids of the default world.
const (
	vpcID        = world.DefaultVPC
	dedicated    = world.DedicatedSubnet
	shared1      = world.SharedSubnet
	shared2      = world.PlainSubnet
	dedicatedACL = world.DedicatedACL
	defaultACL   = world.SharedACL
)

// start runs a simulator without agents for the length of the test.
func start(t *testing.T, change ...func(*Options)) (*Simulator, *WithT) {
	t.Helper()
	g := NewWithT(t)
	o := Options{NoAgents: true, Scale: 60}
	for _, c := range change {
		c(&o)
	}
	s, err := Start(t.Context(), o)
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(s.Close)
	return s, g
}

// ec2Client retries nothing, so that what a test sees is what the server said.
func ec2Client(s *Simulator) *ec2.Client {
	return ec2.NewFromConfig(s.Config(), func(o *ec2.Options) { o.RetryMaxAttempts = 1 })
}

func code(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	if err != nil {
		return "no API error: " + err.Error()
	}
	return ""
}

func deny(number int32, cidr string) *ec2.CreateNetworkAclEntryInput {
	return &ec2.CreateNetworkAclEntryInput{
		NetworkAclId: aws.String(dedicatedACL), RuleNumber: aws.Int32(number), Egress: aws.Bool(true), Protocol: aws.String("-1"),
		RuleAction: types.RuleActionDeny, CidrBlock: aws.String(cidr),
	}
}

func create(s *Simulator, in *ec2.CreateNetworkAclEntryInput) error {
	_, err := ec2Client(s).CreateNetworkAclEntry(context.Background(), in)
	return err
}

func TestDescribe(t *testing.T) {
	s, g := start(t)
	ctx, client := t.Context(), ec2Client(s)

	subnets, err := client.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{SubnetIds: []string{dedicated}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(subnets.Subnets).To(HaveLen(1))
	g.Expect(*subnets.Subnets[0].VpcId).To(Equal(vpcID))
	g.Expect(*subnets.Subnets[0].OwnerId).To(Equal("123456789012"))
	g.Expect(subnets.Subnets[0].State).To(Equal(types.SubnetStateAvailable))
	g.Expect(subnets.Subnets[0].Tags).To(ContainElement(types.Tag{Key: aws.String("agentdisconnect.dev/allow"), Value: aws.String("true")}))
	g.Expect(*subnets.Subnets[0].AvailableIpAddressCount).To(BeNumerically("==", 256-5-2))

	acls, err := client.DescribeNetworkAcls(ctx, &ec2.DescribeNetworkAclsInput{
		Filters: []types.Filter{{Name: aws.String("association.subnet-id"), Values: []string{dedicated}}},
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(acls.NetworkAcls).To(HaveLen(1))
	a := acls.NetworkAcls[0]
	g.Expect(*a.NetworkAclId).To(Equal(dedicatedACL))
	g.Expect(*a.IsDefault).To(BeFalse())
	g.Expect(a.Associations).To(HaveLen(1))
	g.Expect(*a.Associations[0].SubnetId).To(Equal(dedicated))
	g.Expect(a.Entries).To(HaveLen(4))
	g.Expect(*a.Entries[0].RuleNumber).To(BeNumerically("==", 100))
	g.Expect(*a.Entries[0].Egress).To(BeTrue())
	g.Expect(*a.Entries[1].RuleNumber).To(BeNumerically("==", 32767))
	g.Expect(a.Entries[1].RuleAction).To(Equal(types.RuleActionDeny))
	g.Expect(*a.Entries[1].Protocol).To(Equal("-1"))
	g.Expect(a.Entries[1].PortRange).To(BeNil())

	vpcs, err := client.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(vpcs.Vpcs).To(HaveLen(1))
	g.Expect(*vpcs.Vpcs[0].CidrBlock).To(Equal("10.0.0.0/16"))

	_, err = client.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{SubnetIds: []string{"subnet-0123456789abcdef0"}})
	g.Expect(err).To(MatchError(ContainSubstring("The subnet ID 'subnet-0123456789abcdef0' does not exist")))
	g.Expect(code(err)).To(Equal("InvalidSubnetID.NotFound"))
	_, err = client.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{SubnetIds: []string{"nonsense"}})
	g.Expect(code(err)).To(Equal("InvalidSubnetID.Malformed"))
	_, err = client.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{VpcIds: []string{"vpc-0123456789abcdef0"}})
	g.Expect(code(err)).To(Equal("InvalidVpcID.NotFound"))
	_, err = client.DescribeNetworkAcls(ctx, &ec2.DescribeNetworkAclsInput{NetworkAclIds: []string{"acl-0123456789abcdef0"}})
	g.Expect(code(err)).To(Equal("InvalidNetworkAclID.NotFound"))
}

func TestFilters(t *testing.T) {
	s, g := start(t)
	ctx, client := t.Context(), ec2Client(s)
	g.Expect(create(s, deny(80, "52.119.223.69/32"))).To(Succeed())

	for _, tc := range []struct {
		name   string
		values []string
		want   []string
	}{
		{"vpc-id", []string{vpcID}, []string{dedicatedACL, defaultACL}},
		{"vpc-id", []string{"vpc-*"}, []string{dedicatedACL, defaultACL}},
		{"vpc-id", []string{"vpc"}, nil},
		{"default", []string{"true"}, []string{defaultACL}},
		{"network-acl-id", []string{dedicatedACL, "acl-0000000000000000?"}, []string{dedicatedACL}},
		{"association.subnet-id", []string{shared1}, []string{defaultACL}},
		{"association.network-acl-id", []string{defaultACL}, []string{defaultACL}},
		{"owner-id", []string{"123456789012"}, []string{dedicatedACL, defaultACL}},
		{"entry.cidr", []string{"52.119.223.69/32"}, []string{dedicatedACL}},
		{"entry.rule-number", []string{"80"}, []string{dedicatedACL}},
		{"entry.rule-action", []string{"allow"}, []string{dedicatedACL, defaultACL}},
		{"entry.egress", []string{"false"}, []string{dedicatedACL, defaultACL}},
		{"entry.protocol", []string{"tcp"}, nil},
		{"tag:Name", []string{"dedicated"}, []string{dedicatedACL}},
		{"tag:Name", []string{"Dedicated"}, nil},
		{"tag-key", []string{"Nam?"}, []string{dedicatedACL}},
	} {
		out, err := client.DescribeNetworkAcls(ctx, &ec2.DescribeNetworkAclsInput{
			Filters: []types.Filter{{Name: aws.String(tc.name), Values: tc.values}},
		})
		g.Expect(err).NotTo(HaveOccurred(), tc.name)
		var got []string
		for _, a := range out.NetworkAcls {
			got = append(got, *a.NetworkAclId)
		}
		g.Expect(got).To(ConsistOf(tc.want), "%s %v", tc.name, tc.values)
	}
	_, err := client.DescribeNetworkAcls(ctx, &ec2.DescribeNetworkAclsInput{
		Filters: []types.Filter{{Name: aws.String("association.subnet"), Values: []string{"x"}}},
	})
	g.Expect(err).To(MatchError(ContainSubstring("The filter 'association.subnet' is invalid")))
	g.Expect(code(err)).To(Equal("InvalidParameterValue"))

	// All filters have to pass, one value of each is enough.
	out, err := client.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{Filters: []types.Filter{
		{Name: aws.String("tag:agentdisconnect.dev/allow"), Values: []string{"true", "yes"}},
		{Name: aws.String("availability-zone"), Values: []string{"ap-northeast-1c"}},
	}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.Subnets).To(HaveLen(1))
	g.Expect(*out.Subnets[0].SubnetId).To(Equal(shared1))
}

func TestEntries(t *testing.T) {
	s, g := start(t)
	ctx, client := t.Context(), ec2Client(s)
	before, _ := s.Region().NetworkACL(dedicatedACL)

	g.Expect(create(s, deny(80, "52.119.223.69/32"))).To(Succeed())
	err := create(s, deny(80, "52.119.223.69/32"))
	g.Expect(code(err)).To(Equal("NetworkAclEntryAlreadyExists"))
	g.Expect(err).To(MatchError(ContainSubstring("The network acl entry identified by 80 already exists.")))
	g.Expect(create(s, deny(81, "10.9.8.7/8"))).To(Succeed())
	now, _ := s.Region().NetworkACL(dedicatedACL)
	g.Expect(now.Entries[1].CIDR.String()).To(Equal("10.0.0.0/8"), "the canonical form")

	// Numbers are a direction's own.
	ingress := deny(80, "52.119.223.69/32")
	ingress.Egress = aws.Bool(false)
	g.Expect(create(s, ingress)).To(Succeed())

	_, err = client.ReplaceNetworkAclEntry(ctx, &ec2.ReplaceNetworkAclEntryInput{
		NetworkAclId: aws.String(dedicatedACL), RuleNumber: aws.Int32(81), Egress: aws.Bool(true), Protocol: aws.String("6"),
		RuleAction: types.RuleActionAllow, CidrBlock: aws.String("0.0.0.0/0"), PortRange: &types.PortRange{From: aws.Int32(443), To: aws.Int32(443)},
	})
	g.Expect(err).NotTo(HaveOccurred())
	now, _ = s.Region().NetworkACL(dedicatedACL)
	g.Expect(now.Entries[1].Allow).To(BeTrue())
	g.Expect(now.Entries[1].From).To(Equal(443))
	_, err = client.ReplaceNetworkAclEntry(ctx, &ec2.ReplaceNetworkAclEntryInput{
		NetworkAclId: aws.String(dedicatedACL), RuleNumber: aws.Int32(85), Egress: aws.Bool(true), Protocol: aws.String("-1"),
		RuleAction: types.RuleActionAllow, CidrBlock: aws.String("0.0.0.0/0"),
	})
	g.Expect(code(err)).To(Equal("InvalidNetworkAclEntry.NotFound"))

	for _, e := range []struct {
		number int32
		egress bool
	}{{80, true}, {81, true}, {80, false}} {
		_, err := client.DeleteNetworkAclEntry(ctx, &ec2.DeleteNetworkAclEntryInput{
			NetworkAclId: aws.String(dedicatedACL), RuleNumber: aws.Int32(e.number), Egress: aws.Bool(e.egress),
		})
		g.Expect(err).NotTo(HaveOccurred())
	}
	_, err = client.DeleteNetworkAclEntry(ctx, &ec2.DeleteNetworkAclEntryInput{
		NetworkAclId: aws.String(dedicatedACL), RuleNumber: aws.Int32(80), Egress: aws.Bool(true),
	})
	g.Expect(code(err)).To(Equal("InvalidNetworkAclEntry.NotFound"))
	after, _ := s.Region().NetworkACL(dedicatedACL)
	g.Expect(after).To(Equal(before))
}

func TestEntryValidation(t *testing.T) {
	s, g := start(t)
	for name, tc := range map[string]struct {
		change func(*ec2.CreateNetworkAclEntryInput)
		want   string
	}{
		"number 0":        {func(in *ec2.CreateNetworkAclEntryInput) { in.RuleNumber = aws.Int32(0) }, "InvalidParameterValue"},
		"default's":       {func(in *ec2.CreateNetworkAclEntryInput) { in.RuleNumber = aws.Int32(32767) }, "InvalidParameterValue"},
		"protocol":        {func(in *ec2.CreateNetworkAclEntryInput) { in.Protocol = aws.String("tcp") }, "InvalidParameterValue"},
		"protocol 256":    {func(in *ec2.CreateNetworkAclEntryInput) { in.Protocol = aws.String("256") }, "InvalidParameterValue"},
		"no ports":        {func(in *ec2.CreateNetworkAclEntryInput) { in.Protocol = aws.String("6") }, "MissingParameter"},
		"no ICMP type":    {func(in *ec2.CreateNetworkAclEntryInput) { in.Protocol = aws.String("1") }, "MissingParameter"},
		"no CIDR":         {func(in *ec2.CreateNetworkAclEntryInput) { in.CidrBlock = nil }, "MissingParameter"},
		"bad CIDR":        {func(in *ec2.CreateNetworkAclEntryInput) { in.CidrBlock = aws.String("52.119.223.69/33") }, "InvalidParameterValue"},
		"address":         {func(in *ec2.CreateNetworkAclEntryInput) { in.CidrBlock = aws.String("52.119.223.69") }, "InvalidParameterValue"},
		"IPv6 as IPv4":    {func(in *ec2.CreateNetworkAclEntryInput) { in.CidrBlock = aws.String("::/0") }, "InvalidParameterValue"},
		"two CIDRs":       {func(in *ec2.CreateNetworkAclEntryInput) { in.Ipv6CidrBlock = aws.String("::/0") }, "InvalidParameterCombination"},
		"action":          {func(in *ec2.CreateNetworkAclEntryInput) { in.RuleAction = "drop" }, "InvalidParameterValue"},
		"no ACL":          {func(in *ec2.CreateNetworkAclEntryInput) { in.NetworkAclId = aws.String("acl-0123456789abcdef0") }, "InvalidNetworkAclID.NotFound"},
		"not an ACL's id": {func(in *ec2.CreateNetworkAclEntryInput) { in.NetworkAclId = aws.String("acl-1") }, "InvalidNetworkAclId.Malformed"},
		"ports reversed": {func(in *ec2.CreateNetworkAclEntryInput) {
			in.Protocol, in.PortRange = aws.String("17"), &types.PortRange{From: aws.Int32(2), To: aws.Int32(1)}
		}, "InvalidParameterValue"},
	} {
		in := deny(80, "52.119.223.69/32")
		tc.change(in)
		g.Expect(code(create(s, in))).To(Equal(tc.want), name)
	}
	now, _ := s.Region().NetworkACL(dedicatedACL)
	g.Expect(now.Entries).To(HaveLen(4))
	_, err := ec2Client(s).DeleteNetworkAclEntry(t.Context(), &ec2.DeleteNetworkAclEntryInput{
		NetworkAclId: aws.String(dedicatedACL), RuleNumber: aws.Int32(32767), Egress: aws.Bool(true),
	})
	g.Expect(code(err)).To(Equal("InvalidParameterValue"), "the default entries can't be deleted")
}

func TestEntryQuota(t *testing.T) {
	s, g := start(t)
	for n := range int32(18) { // 20 with the allow 100 and the default
		g.Expect(create(s, deny(1+n, "52.119.223.69/32"))).To(Succeed())
	}
	err := create(s, deny(50, "52.119.223.69/32"))
	g.Expect(code(err)).To(Equal("NetworkAclEntryLimitExceeded"))
	g.Expect(err).To(MatchError(ContainSubstring("The maximum number of network acl entries has been reached.")))

	ingress := deny(50, "52.119.223.69/32")
	ingress.Egress = aws.Bool(false)
	g.Expect(create(s, ingress)).To(Succeed(), "directions are counted apart")
	six := deny(51, "")
	six.CidrBlock, six.Ipv6CidrBlock = nil, aws.String("2600:1f00::/24")
	g.Expect(create(s, six)).To(Succeed(), "families are counted apart")
	six.RuleNumber = aws.Int32(1)
	g.Expect(code(create(s, six))).To(Equal("NetworkAclEntryAlreadyExists"), "families share their numbers")
}

func TestDryRun(t *testing.T) {
	s, g := start(t)
	in := deny(80, "52.119.223.69/32")
	in.DryRun = aws.Bool(true)
	err := create(s, in)
	g.Expect(code(err)).To(Equal("DryRunOperation"))
	g.Expect(err).To(MatchError(ContainSubstring("StatusCode: 412")))
	now, _ := s.Region().NetworkACL(dedicatedACL)
	g.Expect(now.Entries).To(HaveLen(4))

	_, err = ec2Client(s).DescribeNetworkAcls(t.Context(), &ec2.DescribeNetworkAclsInput{DryRun: aws.Bool(true)})
	g.Expect(code(err)).To(Equal("DryRunOperation"))
	calls := s.Calls()
	g.Expect(calls).To(HaveLen(2))
	g.Expect(calls[0].DryRun).To(BeTrue())
	g.Expect(calls[0].ReadOnly).To(BeFalse())
	g.Expect(calls[0].Error).To(Equal("DryRunOperation"))
	g.Expect(calls[0].Param("RuleNumber")).To(Equal("80"))
}

// Of callers that want the same number at once one gets it.
func TestSameNumberAtOnce(t *testing.T) {
	s, g := start(t)
	codes := make([]string, 8)
	var wg sync.WaitGroup
	for n := range codes {
		wg.Go(func() { codes[n] = code(create(s, deny(80, fmt.Sprintf("52.119.223.%d/32", n)))) })
	}
	wg.Wait()
	slices.Sort(codes)
	g.Expect(codes[0]).To(BeEmpty())
	g.Expect(codes[1:]).To(HaveEach("NetworkAclEntryAlreadyExists"))
}
