// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	. "github.com/onsi/gomega"
	clocktesting "k8s.io/utils/clock/testing"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

const (
	otherAccount = "222222222222"
	otherRole    = "arn:aws:iam::222222222222:role/path/visitor"
)

// twoAccounts are one with an access key that may assume roles, and one with a role that trusts it.
func twoAccounts(t *testing.T, clock *clocktesting.FakeClock) (here, there *Simulator) {
	here, g := start(t, func(o *Options) {
		o.World, o.Clock = world.Default(), clock
		o.World.AccessKeys = []world.AccessKey{
			{ID: "AKIACALLER", Secret: "x", ARN: "arn:aws:iam::123456789012:user/caller"},
			{ID: "AKIASTRANGER", Secret: "x", ARN: "arn:aws:iam::123456789012:user/stranger"},
			{ID: "AKIAREADER", Secret: "x", ARN: "arn:aws:iam::123456789012:user/caller", Deny: []string{"sts:AssumeRole"}},
			{ID: "AKIAUNTAGGED", Secret: "x", ARN: "arn:aws:iam::123456789012:user/caller", Deny: []string{"sts:TagSession"}},
		}
	})
	there, _ = start(t, func(o *Options) {
		o.World, o.Clock = world.Default(), clock
		o.World.Account = otherAccount
		o.World.Roles = []world.Role{{ARN: otherRole, Allow: []string{"ec2:Describe*"}, TrustPolicy: []byte(`{"Version":"2012-10-17","Statement":[
			{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:user/caller"},"Action":"sts:AssumeRole",
			 "Condition":{"StringEquals":{"sts:ExternalId":"visit","aws:RequestTag/team":"a"}}},
			{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:TagSession",
			 "Condition":{"ForAllValues:StringEquals":{"aws:TagKeys":"team"}}}]}`)}}
	})
	here.Join(there)
	g.Expect(there.Region().CreateTags([]string{dedicatedACL}, map[string]string{"where": "there"})).To(Succeed())
	return here, there
}

// asking is a call of AssumeRole that is allowed.
func asking(change ...func(*sts.AssumeRoleInput)) *sts.AssumeRoleInput {
	in := &sts.AssumeRoleInput{
		RoleArn: aws.String(otherRole), RoleSessionName: aws.String("me"), ExternalId: aws.String("visit"), DurationSeconds: aws.Int32(900),
		Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("a")}},
	}
	for _, c := range change {
		c(in)
	}
	return in
}

func TestARoleOfAnotherAccountCanBeAssumed(t *testing.T) {
	clock := clocktesting.NewFakeClock(time.Now().Truncate(time.Second))
	here, there := twoAccounts(t, clock)
	g := NewWithT(t)
	out, err := sts.NewFromConfig(here.Config()).AssumeRole(t.Context(), asking())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*out.Credentials.Expiration).To(BeTemporally("==", clock.Now().Add(15*time.Minute)))

	cfg := here.Config()
	cfg.Credentials = credentials.NewStaticCredentialsProvider(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
	me, err := sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect([]string{*me.Account, *me.Arn}).To(Equal([]string{otherAccount, "arn:aws:sts::222222222222:assumed-role/visitor/me"}))
	g.Expect(*me.UserId).To(Equal(*out.AssumedRoleUser.AssumedRoleId))

	tags := func(cfg aws.Config) map[string]string {
		acls, err := ec2.NewFromConfig(cfg).DescribeNetworkAcls(t.Context(), &ec2.DescribeNetworkAclsInput{NetworkAclIds: []string{dedicatedACL}})
		g.Expect(err).NotTo(HaveOccurred())
		all := map[string]string{}
		for _, tag := range acls.NetworkAcls[0].Tags {
			all[*tag.Key] = *tag.Value
		}
		return all
	}
	g.Expect(tags(cfg)).To(HaveKeyWithValue("where", "there"), "the same id in the other account")
	g.Expect(tags(here.Config())).NotTo(HaveKey("where"))
	_, err = ec2.NewFromConfig(cfg).CreateNetworkAclEntry(t.Context(), deny(80, "52.119.223.69/32"))
	g.Expect(code(err)).To(Equal("UnauthorizedOperation"), "the role allows reads alone")
	g.Expect(here.Calls()).To(HaveLen(2), "the others are the other account's")
	g.Expect(there.Calls()).To(HaveLen(3))

	cfg.Credentials = credentials.NewStaticCredentialsProvider(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, "")
	_, err = ec2.NewFromConfig(cfg).DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
	g.Expect(code(err)).To(Equal("RequestExpired"), "without its token")
	clock.Step(15 * time.Minute)
	cfg.Credentials = credentials.NewStaticCredentialsProvider(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
	_, err = ec2.NewFromConfig(cfg).DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
	g.Expect(code(err)).To(Equal("RequestExpired"), "after its end")
}

func TestAssumeRoleIsRefusedAsAWSDoes(t *testing.T) {
	here, _ := twoAccounts(t, clocktesting.NewFakeClock(time.Now()))
	for name, tc := range map[string]struct {
		key  string
		in   *sts.AssumeRoleInput
		want string
	}{
		"another external id": {"AKIACALLER", asking(func(in *sts.AssumeRoleInput) { in.ExternalId = aws.String("other") }), "AccessDenied"},
		"no external id":      {"AKIACALLER", asking(func(in *sts.AssumeRoleInput) { in.ExternalId = nil }), "AccessDenied"},
		"another tag":         {"AKIACALLER", asking(func(in *sts.AssumeRoleInput) { in.Tags[0].Value = aws.String("b") }), "AccessDenied"},
		"a tag that may not be passed": {"AKIACALLER", asking(func(in *sts.AssumeRoleInput) {
			in.Tags = append(in.Tags, types.Tag{Key: aws.String("x"), Value: aws.String("y")})
		}), "AccessDenied"},
		"no tag":                         {"AKIACALLER", asking(func(in *sts.AssumeRoleInput) { in.Tags = nil }), "AccessDenied"},
		"another principal":              {"AKIASTRANGER", asking(), "AccessDenied"},
		"a caller who may not":           {"AKIAREADER", asking(), "AccessDenied"},
		"a caller who may not pass tags": {"AKIAUNTAGGED", asking(), "AccessDenied"},
		"no such role":                   {"AKIACALLER", asking(func(in *sts.AssumeRoleInput) { in.RoleArn = aws.String(otherRole + "s") }), "AccessDenied"},
		"too long":                       {"AKIACALLER", asking(func(in *sts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(7200) }), "ValidationError"},
		"too short":                      {"AKIACALLER", asking(func(in *sts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(60) }), "ValidationError"},
		"no name":                        {"AKIACALLER", asking(func(in *sts.AssumeRoleInput) { in.RoleSessionName = aws.String("a b") }), "ValidationError"},
		"an unknown parameter":           {"AKIACALLER", asking(func(in *sts.AssumeRoleInput) { in.Policy = aws.String("{}") }), "ValidationError"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := sts.NewFromConfig(here.ConfigFor(tc.key)).AssumeRole(context.Background(), tc.in)
			NewWithT(t).Expect(code(err)).To(Equal(tc.want), "%v", err)
		})
	}
}
