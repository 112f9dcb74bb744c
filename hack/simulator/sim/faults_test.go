// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
)

func entries(s *Simulator) int {
	a, _ := s.Region().NetworkACL(dedicatedACL)
	return len(a.Entries)
}

func TestErrorBeforeAndAfter(t *testing.T) {
	s, g := start(t)
	s.Faults().Add(faults.Fault{Action: "ec2:CreateNetworkAclEntry", Error: "RequestLimitExceeded", Times: 1})
	err := create(s, deny(80, "52.119.223.69/32"))
	g.Expect(code(err)).To(Equal("RequestLimitExceeded"))
	g.Expect(err).To(MatchError(ContainSubstring("StatusCode: 503")))
	g.Expect(entries(s)).To(Equal(4))
	g.Expect(s.Faults().List()).To(BeEmpty(), "used up")

	s.Faults().Add(faults.Fault{Action: "ec2:Create*", ErrorAfter: "InternalError", Skip: 1, Times: 1})
	g.Expect(create(s, deny(80, "52.119.223.69/32"))).To(Succeed(), "skipped")
	err = create(s, deny(81, "52.119.223.69/32"))
	g.Expect(code(err)).To(Equal("InternalError"))
	g.Expect(entries(s)).To(Equal(6), "the effect took place")
}

func TestErrorsLeaveDryRunsAlone(t *testing.T) {
	s, g := start(t)
	in := deny(80, "52.119.223.69/32")
	in.DryRun = aws.Bool(true)
	remove := s.Faults().Add(faults.Fault{Action: "ec2:*", Error: "InternalError"})
	g.Expect(code(create(s, in))).To(Equal("DryRunOperation"))
	remove()
	s.Faults().Add(faults.Fault{Action: "ec2:*", Error: "InternalError", DryRuns: true})
	g.Expect(code(create(s, in))).To(Equal("InternalError"))
}

func TestLostAnswer(t *testing.T) {
	s, g := start(t)
	s.Faults().Add(faults.Fault{Action: "ec2:CreateNetworkAclEntry", Lost: true, Times: 1})
	err := create(s, deny(80, "52.119.223.69/32"))
	g.Expect(err).To(HaveOccurred())
	g.Expect(code(err)).To(HavePrefix("no API error"))
	g.Expect(entries(s)).To(Equal(5))
	g.Expect(s.Calls()[0].Lost).To(BeTrue())

	// With retries the SDK's second attempt meets the entry of its first.
	s.Faults().Add(faults.Fault{Action: "ec2:CreateNetworkAclEntry", Lost: true, Times: 1})
	_, err = ec2.NewFromConfig(s.Config()).CreateNetworkAclEntry(t.Context(), deny(81, "52.119.223.69/32"))
	g.Expect(code(err)).To(Equal("NetworkAclEntryAlreadyExists"))
}

func TestWithdrawnPermission(t *testing.T) {
	s, g := start(t)
	s.Faults().Add(faults.Fault{Action: "ec2:CreateNetworkAclEntry", Denied: true})
	in := deny(80, "52.119.223.69/32")
	in.NetworkAclId, in.DryRun = aws.String("acl-0123456789abcdef0"), aws.Bool(true)
	err := create(s, in)
	g.Expect(code(err)).To(Equal("UnauthorizedOperation"), "judged before the ACL is looked for")
	g.Expect(err).To(MatchError(And(
		ContainSubstring("is not authorized to perform: ec2:CreateNetworkAclEntry on resource: arn:aws:ec2:ap-northeast-1:123456789012:network-acl/acl-"),
		ContainSubstring("Encoded authorization failure message: "), ContainSubstring("StatusCode: 403"))))

	s.Faults().Add(faults.Fault{Action: "ecs:RunTask", Denied: true})
	_, err = ecs.NewFromConfig(s.Config()).RunTask(t.Context(), &ecs.RunTaskInput{TaskDefinition: aws.String("demo")})
	g.Expect(code(err)).To(Equal("AccessDeniedException"))
}

func TestThrottling(t *testing.T) {
	s, g := start(t)
	s.Faults().Add(faults.Fault{Action: "*", Throttle: &faults.Bucket{Burst: 2}})
	g.Expect(create(s, deny(80, "52.119.223.69/32"))).To(Succeed())
	g.Expect(create(s, deny(81, "52.119.223.69/32"))).To(Succeed())
	g.Expect(code(create(s, deny(82, "52.119.223.69/32")))).To(Equal("RequestLimitExceeded"))
	client := ecs.NewFromConfig(s.Config(), func(o *ecs.Options) { o.RetryMaxAttempts = 1 })
	for _, want := range []string{"", "", "ThrottlingException"} { // a bucket for each action
		_, err := client.DescribeClusters(t.Context(), &ecs.DescribeClustersInput{})
		g.Expect(code(err)).To(Equal(want))
	}
	s.Faults().Clear()
	s.Faults().Add(faults.Fault{Action: "ec2:CreateNetworkAclEntry", Throttle: &faults.Bucket{}})
	for n := range int32(50) { // what AWS lets pass at once
		in := deny(200+n, "52.119.223.69/32")
		in.DryRun = aws.Bool(true)
		g.Expect(code(create(s, in))).To(Equal("DryRunOperation"), "%d", n)
	}
}

func TestStaleReads(t *testing.T) {
	s, g := start(t)
	seen := func() int {
		out, err := ec2Client(s).DescribeNetworkAcls(t.Context(), &ec2.DescribeNetworkAclsInput{NetworkAclIds: []string{dedicatedACL}})
		g.Expect(err).NotTo(HaveOccurred())
		return len(out.NetworkAcls[0].Entries)
	}
	remove := s.Faults().Add(faults.Fault{Action: "ec2:Describe*", Frozen: true})
	g.Expect(create(s, deny(80, "52.119.223.69/32"))).To(Succeed())
	g.Expect(seen()).To(Equal(4))
	g.Expect(code(create(s, deny(80, "52.119.223.69/32")))).To(Equal("NetworkAclEntryAlreadyExists"), "writes see the present")
	remove()
	g.Expect(seen()).To(Equal(5))

	s.Faults().Add(faults.Fault{Action: "ec2:DescribeNetworkAcls", Stale: faults.Duration(time.Hour), Times: 1})
	g.Expect(seen()).To(Equal(4), "the oldest state there is")
	g.Expect(seen()).To(Equal(5))
}

func TestHooks(t *testing.T) {
	s, g := start(t)
	var order []string
	s.Faults().Before("ec2:CreateNetworkAclEntry", func(c Call) {
		order = append(order, "before "+c.Param("RuleNumber"))
		g.Expect(entries(s)).To(Equal(4))
	})
	remove := s.Faults().After("ec2:CreateNetworkAclEntry", func(c Call) {
		order = append(order, "after "+c.Error)
		g.Expect(entries(s)).To(Equal(5))
		g.Expect(s.Region().DeleteNetworkACLEntry(dedicatedACL, 80, true)).To(Succeed())
	})
	g.Expect(create(s, deny(80, "52.119.223.69/32"))).To(Succeed())
	g.Expect(order).To(Equal([]string{"before 80", "after "}))
	g.Expect(entries(s)).To(Equal(4))
	remove()
}

func TestLatencyAndCallersThatGiveUp(t *testing.T) {
	s, g := start(t, func(o *Options) { o.Latency = 30 * time.Millisecond })
	began := time.Now()
	g.Expect(create(s, deny(80, "52.119.223.69/32"))).To(Succeed())
	g.Expect(time.Since(began)).To(BeNumerically(">=", 30*time.Millisecond))

	// A caller that gives up while the call is on has its effect all the same.
	ctx, giveUp := context.WithCancel(t.Context())
	gone, done := make(chan struct{}), make(chan struct{})
	s.Faults().Before("ec2:CreateNetworkAclEntry", func(Call) { giveUp(); <-gone })
	s.Faults().After("ec2:CreateNetworkAclEntry", func(Call) { close(done) })
	_, err := ec2Client(s).CreateNetworkAclEntry(ctx, deny(81, "52.119.223.69/32"))
	g.Expect(err).To(MatchError(context.Canceled))
	close(gone)
	<-done
	g.Expect(entries(s)).To(Equal(6))
}

func TestFaultsOfOneKindOfCall(t *testing.T) {
	s, g := start(t)
	f, err := faults.Parse("ec2:CreateNetworkAclEntry error=InternalError RuleNumber==81")
	g.Expect(err).NotTo(HaveOccurred())
	s.Faults().Add(f)
	g.Expect(create(s, deny(80, "52.119.223.69/32"))).To(Succeed())
	g.Expect(code(create(s, deny(81, "52.119.223.69/32")))).To(Equal("InternalError"))
}

func TestUnknownActionsAndCallers(t *testing.T) {
	s, g := start(t)
	ctx := t.Context()
	_, err := ec2Client(s).DescribeInstances(ctx, &ec2.DescribeInstancesInput{})
	g.Expect(code(err)).To(Equal("InvalidAction"))
	_, err = ecs.NewFromConfig(s.Config()).ListServices(ctx, &ecs.ListServicesInput{})
	g.Expect(code(err)).To(Equal("UnknownOperationException"))

	unknown := s.ConfigFor("AKIAUNKNOWN")
	_, err = ec2.NewFromConfig(unknown).DescribeVpcs(ctx, &ec2.DescribeVpcsInput{})
	g.Expect(code(err)).To(Equal("AuthFailure"))
	_, err = ecs.NewFromConfig(unknown).DescribeClusters(ctx, &ecs.DescribeClustersInput{})
	g.Expect(code(err)).To(Equal("UnrecognizedClientException"))

	resp, err := http.Post(s.URL(), "application/x-www-form-urlencoded", strings.NewReader("Action=DescribeVpcs&Version=2016-11-15"))
	g.Expect(err).NotTo(HaveOccurred())
	defer resp.Body.Close()
	g.Expect(resp.StatusCode).To(Equal(http.StatusForbidden))

	// Another Region is another, empty one.
	elsewhere := s.Config()
	elsewhere.Region = "us-east-1"
	_, err = ec2.NewFromConfig(elsewhere).DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{SubnetIds: []string{dedicated}})
	g.Expect(code(err)).To(Equal("InvalidSubnetID.NotFound"))
	all, err := ec2.NewFromConfig(elsewhere).DescribeVpcs(ctx, &ec2.DescribeVpcsInput{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(all.Vpcs).To(BeEmpty())
}
