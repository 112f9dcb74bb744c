// SPDX-License-Identifier: Apache-2.0

package aws_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
)

func simulate(t *testing.T) *sim.Simulator {
	t.Helper()
	s, err := sim.Start(t.Context(), sim.Options{NoAgents: true})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(s.Close)
	return s
}

// callsOf counts the attempts of an action.
func callsOf(s *sim.Simulator, action string) int {
	return len(slices.DeleteFunc(s.Calls(), func(c sim.Call) bool { return c.Name() != action }))
}

func TestClientsAreMadeOnceARegion(t *testing.T) {
	g := NewWithT(t)
	s := simulate(t)
	sessions := aws.NewSessions(s.Config(), "agentdisconnect", "v1.2.3")
	g.Expect(sessions.DefaultRegion()).To(Equal(tokyo))
	g.Expect(sessions.In(tokyo)).To(BeIdenticalTo(sessions.In(tokyo)))
	g.Expect(sessions.In("us-east-1")).NotTo(BeIdenticalTo(sessions.In(tokyo)))
	g.Expect(sessions.In("us-east-1").Region).To(Equal("us-east-1"))

	_, err := sessions.In("us-east-1").EC2.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{})
	g.Expect(err).NotTo(HaveOccurred())
	call := s.Calls()[0]
	g.Expect(call.Region).To(Equal("us-east-1"))
	g.Expect(call.UserAgent).To(ContainSubstring("agentdisconnect/v1.2.3"), "AWS support and CloudTrail tell callers apart by it")
}

func TestReadsAreRepeatedAndWritesAreSentOnce(t *testing.T) {
	g := NewWithT(t)
	s := simulate(t)
	clients := aws.NewSessions(s.Config(), "agentdisconnect", "test").In(tokyo)

	s.Faults().Add(faults.Fault{Action: "ecs:DescribeClusters", Error: "ServerException", Times: 2})
	_, err := clients.ECS.DescribeClusters(t.Context(), &ecs.DescribeClustersInput{})
	g.Expect(err).NotTo(HaveOccurred(), "two failures are borne")
	g.Expect(callsOf(s, "ecs:DescribeClusters")).To(Equal(3))

	s.Faults().Add(faults.Fault{Action: "ec2:DeleteNetworkAclEntry", Error: "InternalError"})
	_, err = clients.Fenced(holds).EC2.DeleteNetworkAclEntry(t.Context(), &ec2.DeleteNetworkAclEntryInput{
		NetworkAclId: awssdk.String("acl-0b3d6f9a1c5e72840"), RuleNumber: awssdk.Int32(80), Egress: awssdk.Bool(true),
	})
	g.Expect(aws.Classify(err)).To(Equal(aws.Unanswered), "%v", err)
	g.Expect(callsOf(s, "ec2:DeleteNetworkAclEntry")).To(Equal(1))

	s.Faults().Add(faults.Fault{Action: "scheduler:DeleteSchedule", Error: "InternalServerException"})
	_, err = clients.Fenced(holds).Scheduler.DeleteSchedule(t.Context(), &scheduler.DeleteScheduleInput{Name: awssdk.String("agd")})
	g.Expect(aws.Classify(err)).To(Equal(aws.Unanswered), "%v", err)
	g.Expect(callsOf(s, "scheduler:DeleteSchedule")).To(Equal(1))
}

// A pass that is still throttled after three attempts, at most two seconds apart, ends and says so.
func TestHowOftenAReadIsRepeated(t *testing.T) {
	g := NewWithT(t)
	clients := aws.NewSessions(simulate(t).Config(), "agentdisconnect", "test").In(tokyo)
	retryer := clients.BareEC2().Options().Retryer
	g.Expect(retryer.MaxAttempts()).To(Equal(3))
	longest := time.Duration(0)
	for range 100 { // each delay is drawn at random
		delay, err := retryer.RetryDelay(50, errors.New("any"))
		g.Expect(err).NotTo(HaveOccurred())
		longest = max(longest, delay)
	}
	g.Expect(longest).To(And(BeNumerically(">", time.Second), BeNumerically("<=", 2*time.Second)))
}

// What the configuration puts in the place of AWS's own hosts is never denied, for whichever
// service.
func TestHostsOfTheConfigurationAreProtected(t *testing.T) {
	g := NewWithT(t)
	t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()+"/none")
	for service, host := range map[string]string{"EC2": "d.example", "ECS": "c.example", "SCHEDULER": "b.example", "STS": "a.example", "CLOUDTRAIL": "e.example"} {
		t.Setenv("AWS_ENDPOINT_URL_"+service, "https://"+host)
	}
	cfg, err := aws.Load(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	var own []string
	for _, host := range aws.NewSessions(cfg, "agentdisconnect", "test").In(tokyo).APIHosts {
		if host.Own {
			own = append(own, host.Hostname)
		}
	}
	g.Expect(own).To(Equal([]string{"a.example", "b.example", "c.example", "d.example", "e.example"}))

	t.Setenv("AWS_MAX_ATTEMPTS", "many")
	_, err = aws.Load(t.Context())
	g.Expect(err).To(MatchError(HavePrefix("loading the AWS configuration: ")))
}

func TestThrottledReadsStayThrottledWhateverTheSDKDoes(t *testing.T) {
	g := NewWithT(t)
	s := simulate(t)
	clients := aws.NewSessions(s.Config(), "agentdisconnect", "test").In(tokyo)
	s.Faults().Add(faults.Fault{Action: "*", Throttle: &faults.Bucket{Burst: 1}})
	_, err := clients.AccountID(t.Context(), time.Now())
	g.Expect(err).NotTo(HaveOccurred())

	_, _ = clients.EC2.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{})
	_, err = clients.EC2.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{})
	g.Expect(aws.Classify(err)).To(Equal(aws.Throttled), "%v", err)
	g.Expect(aws.Action(err)).To(Equal("ec2:DescribeSubnets"))
	g.Expect(aws.Message(err)).To(Equal("RequestLimitExceeded: Request limit exceeded."))
}

func TestAccountIDIsBelievedForAMinute(t *testing.T) {
	g := NewWithT(t)
	s := simulate(t)
	clients := aws.NewSessions(s.Config(), "agentdisconnect", "test").In(tokyo)
	start := time.Now()
	for _, step := range []struct {
		after time.Duration
		calls int
	}{{0, 1}, {0, 1}, {59 * time.Second, 1}, {time.Minute, 2}, {time.Minute + time.Second, 2}, {0, 3}} { // at last a clock that was set back
		account, err := clients.AccountID(t.Context(), start.Add(step.after))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(account).To(Equal("123456789012"))
		g.Expect(callsOf(s, "sts:GetCallerIdentity")).To(Equal(step.calls), "after %s", step.after)
	}
}

func TestAccountIDSaysWhereThereAreNoCredentials(t *testing.T) {
	g := NewWithT(t)
	s := simulate(t)
	broken := true
	cfg := s.Config()
	good := cfg.Credentials
	cfg.Credentials = awssdk.CredentialsProviderFunc(func(ctx context.Context) (awssdk.Credentials, error) {
		if broken {
			return awssdk.Credentials{}, errors.New("no EC2 IMDS role found")
		}
		return good.Retrieve(ctx)
	})
	clients := aws.NewSessions(cfg, "agentdisconnect", "test").In(tokyo)
	_, err := clients.AccountID(t.Context(), time.Now())
	var missing *aws.CredentialsError
	g.Expect(errors.As(err, &missing)).To(BeTrue(), "%v", err)
	g.Expect(aws.Message(err)).To(Equal("no AWS credentials: no EC2 IMDS role found"))
	g.Expect(s.Calls()).To(BeEmpty())

	broken = false
	_, err = clients.AccountID(t.Context(), time.Now())
	g.Expect(err).NotTo(HaveOccurred(), "a failure is not remembered")
}

func TestAccountIDWithKeysThatAWSDoesNotKnow(t *testing.T) {
	g := NewWithT(t)
	s := simulate(t)
	_, err := aws.NewSessions(s.ConfigFor("AKIANOBODY"), "agentdisconnect", "test").In(tokyo).AccountID(t.Context(), time.Now())
	g.Expect(aws.Classify(err)).To(Equal(aws.NoCredentials), "%v", err)
	g.Expect(strings.ToLower(aws.Message(err))).To(ContainSubstring("invalid"))
}

func TestAccountIDIsAskedOnceByManyAtATime(t *testing.T) {
	g := NewWithT(t)
	s := simulate(t)
	clients := aws.NewSessions(s.Config(), "agentdisconnect", "test").In(tokyo)
	asked := make(chan struct{})
	released := make(chan struct{})
	s.Faults().Before("sts:GetCallerIdentity", func(sim.Call) {
		close(asked) // a second call would panic
		<-released
	})
	now := time.Now()
	var all sync.WaitGroup
	ask := func() {
		account, err := clients.AccountID(t.Context(), now)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(account).To(Equal("123456789012"))
	}
	all.Go(ask)
	<-asked
	for range 20 {
		all.Go(ask)
	}
	close(released)
	all.Wait()
	g.Expect(callsOf(s, "sts:GetCallerIdentity")).To(Equal(1))
}

func TestAccountIDKeepsNoCallerWaitingLongerThanItWantsTo(t *testing.T) {
	g := NewWithT(t)
	s := simulate(t)
	clients := aws.NewSessions(s.Config(), "agentdisconnect", "test").In(tokyo)
	s.Faults().Add(faults.Fault{Action: "sts:GetCallerIdentity", Latency: faults.Duration(time.Hour)})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := clients.AccountID(ctx, time.Now())
	g.Expect(aws.Classify(err)).To(Equal(aws.Unanswered), "%v", err)
	g.Expect(aws.Action(err)).To(Equal("sts:GetCallerIdentity"))
	g.Expect(aws.Message(err)).To(Equal("no answer in time"))
}

func TestAccountIDThatIsForgottenIsAskedForAfresh(t *testing.T) {
	g := NewWithT(t)
	s := simulate(t)
	clients := aws.NewSessions(s.Config(), "agentdisconnect", "test").In(tokyo)
	for calls := range 3 {
		clients.ForgetAccount()
		_, err := clients.AccountID(t.Context(), time.Now())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(callsOf(s, "sts:GetCallerIdentity")).To(Equal(calls + 1))
	}
}
