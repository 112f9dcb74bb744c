// SPDX-License-Identifier: Apache-2.0

package aws_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	. "github.com/onsi/gomega"
	clocktesting "k8s.io/utils/clock/testing"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/ratelimit"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

const otherAccount = "222222222222"

// payments is the role of a namespace in the other account.
var payments = aws.Role{
	Namespace: "payments", ARN: "arn:aws:iam::" + otherAccount + ":role/agentdisconnect", ExternalID: "agentdisconnect/payments", ClusterID: "kube-1",
}

// accounts are the manager's own account and the other one, whose clock is behind by a time.
func accounts(t *testing.T, behind time.Duration) (hub, spoke *sim.Simulator) {
	t.Helper()
	g := NewWithT(t)
	hub = simulate(t)
	there := world.Default()
	there.Account = otherAccount
	trust := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":%q},"Action":"sts:AssumeRole",
		"Condition":{"StringEquals":{"sts:ExternalId":%q}}},
		{"Effect":"Allow","Principal":{"AWS":%q},"Action":"sts:TagSession","Condition":{"StringEquals":{
		"aws:RequestTag/agentdisconnect.dev/namespace":"payments","aws:RequestTag/agentdisconnect.dev/cluster":"kube-1"}}}]}`,
		hub.World().Keys()[0].ARN, payments.ExternalID, hub.World().Keys()[0].ARN)
	there.Roles = []world.Role{{ARN: payments.ARN, Allow: []string{"*"}, TrustPolicy: []byte(trust)}}
	spoke, err := sim.Start(t.Context(), sim.Options{World: there, NoAgents: true, Clock: clocktesting.NewFakePassiveClock(time.Now().Add(-behind))})
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(spoke.Close)
	hub.Join(spoke)
	return hub, spoke
}

func TestARoleIsAssumedOnceForAllRegions(t *testing.T) {
	g := NewWithT(t)
	hub, spoke := accounts(t, 0)
	sessions := aws.NewSessions(hub.Config(), "agentdisconnect", "test")
	clients := sessions.As(payments, tokyo)
	g.Expect(sessions.As(payments, tokyo)).To(BeIdenticalTo(clients))
	g.Expect(sessions.In(tokyo)).NotTo(BeIdenticalTo(clients))
	g.Expect(sessions.In(tokyo).Place()).NotTo(Equal(clients.Place()))

	for _, in := range []*aws.Clients{clients, sessions.As(payments, "us-east-1")} {
		account, err := in.AccountID(t.Context(), time.Now())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(account).To(Equal(otherAccount))
		_, err = in.EC2.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{})
		g.Expect(err).NotTo(HaveOccurred())
	}
	g.Expect(callsOf(hub, "sts:AssumeRole")).To(Equal(1))
	g.Expect(hub.Calls()[0].Region).To(Equal(tokyo), "the manager's own, whichever Region the run is in")
	g.Expect(spoke.Calls()[0].Identity).To(Equal("arn:aws:sts::" + otherAccount + ":assumed-role/agentdisconnect/agentdisconnect@payments"))
}

func TestARoleThatIsRefusedIsNamed(t *testing.T) {
	g := NewWithT(t)
	hub, spoke := accounts(t, 0)
	sessions := aws.NewSessions(hub.Config(), "agentdisconnect", "test")
	wrong := payments
	wrong.ExternalID = "another"
	_, err := sessions.As(wrong, tokyo).EC2.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{})
	g.Expect(aws.Classify(err)).To(Equal(aws.NoCredentials))
	refused, ok := errors.AsType[*aws.CredentialsError](err)
	g.Expect(ok).To(BeTrue())
	g.Expect(refused.Role).To(Equal(wrong))
	g.Expect(refused.FromSTS()).To(BeTrue())
	g.Expect(aws.Message(err)).To(ContainSubstring("is not authorized to perform: sts:AssumeRole on resource: " + payments.ARN))
	g.Expect(spoke.Calls()).To(BeEmpty())

	forbidden := aws.Role{Namespace: "checkout", Forbidden: true}
	_, err = sessions.As(forbidden, tokyo).AccountID(t.Context(), time.Now())
	refused, ok = errors.AsType[*aws.CredentialsError](err)
	g.Expect(ok).To(BeTrue())
	g.Expect(refused.Role).To(Equal(forbidden))

	// AWS does not accept the manager's own credentials: that is no fault of the role.
	_, err = aws.NewSessions(hub.ConfigFor("AKIANOBODY"), "agentdisconnect", "test").As(payments, tokyo).AccountID(t.Context(), time.Now())
	refused, ok = errors.AsType[*aws.CredentialsError](err)
	g.Expect(ok).To(BeTrue())
	g.Expect(refused.Role.IsOwn()).To(BeTrue())
}

func TestARefusedRoleIsAskedForOnceForAllRuns(t *testing.T) {
	g := NewWithT(t)
	hub, _ := accounts(t, 0)
	clk := clocktesting.NewFakePassiveClock(time.Now())
	sessions := aws.NewSessions(hub.Config(), "agentdisconnect", "test")
	sessions.Clock = clk
	remove := hub.Faults().Add(faults.Fault{Action: "sts:AssumeRole", Error: "AccessDenied"})
	read := func() error {
		_, err := sessions.As(payments, tokyo).EC2.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{})
		return err
	}
	for range 3 {
		g.Expect(aws.Classify(read())).To(Equal(aws.NoCredentials))
	}
	g.Expect(callsOf(hub, "sts:AssumeRole")).To(Equal(1))

	remove()
	g.Expect(aws.Classify(read())).To(Equal(aws.NoCredentials))
	clk.SetTime(clk.Now().Add(5 * time.Second))
	g.Expect(read()).To(Succeed())
	g.Expect(callsOf(hub, "sts:AssumeRole")).To(Equal(2))
}

func TestCredentialsThatCanNotBeRenewedLastToTheirEnd(t *testing.T) {
	g := NewWithT(t)
	// Credentials of an hour from a clock that is 50 minutes behind last for ten minutes, which is when renewals are due.
	hub, _ := accounts(t, 50*time.Minute)
	clients := aws.NewSessions(hub.Config(), "agentdisconnect", "test").As(payments, tokyo)
	read := func() error {
		_, err := clients.EC2.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{})
		return err
	}
	g.Expect(read()).To(Succeed())
	g.Expect(read()).To(Succeed())
	g.Expect(callsOf(hub, "sts:AssumeRole")).To(Equal(2), "one is due at once")

	hub.Faults().Add(faults.Fault{Action: "sts:AssumeRole", Error: "AccessDenied"})
	for range 3 {
		g.Expect(read()).To(Succeed())
	}
	g.Expect(callsOf(hub, "sts:AssumeRole")).To(Equal(3), "the renewal is not tried at each call")
}

func TestCredentialsThatEndedAreNotUsed(t *testing.T) {
	g := NewWithT(t)
	hub, spoke := accounts(t, 61*time.Minute)
	clients := aws.NewSessions(hub.Config(), "agentdisconnect", "test").As(payments, tokyo)
	_, err := clients.EC2.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{})
	g.Expect(err).NotTo(HaveOccurred())
	answered := len(spoke.Calls())
	hub.Faults().Add(faults.Fault{Action: "sts:AssumeRole", Error: "AccessDenied"})
	_, err = clients.EC2.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{})
	g.Expect(aws.Classify(err)).To(Equal(aws.NoCredentials))
	g.Expect(spoke.Calls()).To(HaveLen(answered))
}

func TestTheNameOfASessionFits(t *testing.T) {
	g := NewWithT(t)
	hub, spoke := accounts(t, 0)
	long := payments
	long.Namespace = strings.Repeat("n", 63)
	_, err := aws.NewSessions(hub.Config(), "agentdisconnect", "test").As(long, tokyo).AccountID(t.Context(), time.Now())
	g.Expect(err).To(MatchError(ContainSubstring("sts:TagSession")), "the name was taken, and the tag is the whole namespace")
	g.Expect(spoke.Calls()).To(BeEmpty())
}

// What AWS refuses for its rate in an account slows whoever calls there, with whichever credentials.
func TestARoleOfTheManagersOwnAccountSharesItsBudget(t *testing.T) {
	g := NewWithT(t)
	s := simulate(t)
	sessions := aws.NewSessions(s.Config(), "agentdisconnect", "test")
	sessions.Limits = ratelimit.LimitsOf(1000, 1000)
	own := sessions.In(tokyo)
	s.Faults().Add(faults.Fault{Action: "ec2:DescribeSubnets", Error: "RequestLimitExceeded", Times: 1})
	_, err := own.EC2.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{})
	g.Expect(err).NotTo(HaveOccurred())
	account, err := own.AccountID(t.Context(), time.Now())
	g.Expect(err).NotTo(HaveOccurred())

	reads := func(account, region string) float64 {
		r, _ := sessions.As(aws.Role{Namespace: "payments", ARN: "arn:aws:iam::" + account + ":role/agentdisconnect"}, region).Rates()
		return r
	}
	g.Expect(reads(account, tokyo)).To(BeNumerically("~", 700, 200))
	g.Expect(reads(account, "us-east-1")).To(Equal(1000.0))
	g.Expect(reads(otherAccount, tokyo)).To(Equal(1000.0))
}

// A spec may name any Region, so that objects could have clients made without end.
func TestClientsOfManyRegionsAreNotKeptForEver(t *testing.T) {
	g := NewWithT(t)
	sessions := aws.NewSessions(simulate(t).Config(), "agentdisconnect", "test")
	for i := range 1200 {
		region := fmt.Sprintf("xx-nowhere-%d", i)
		g.Expect(sessions.In(region)).To(BeIdenticalTo(sessions.In(region)))
		g.Expect(sessions.Kept()).To(BeNumerically("<=", 500))
	}
}
