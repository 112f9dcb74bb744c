// SPDX-License-Identifier: Apache-2.0

package trail_test

import (
	"slices"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	. "github.com/onsi/gomega"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/evidence/record"
	"agentdisconnect.dev/agentdisconnect/controllers/evidence/trail"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
)

const here = "ap-northeast-1"

// simulate starts a Region in which CloudTrail is a tenth of a second late.
func simulate(t *testing.T) *sim.Simulator {
	t.Helper()
	s, err := sim.Start(t.Context(), sim.Options{NoAgents: true, Scale: 3000})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(s.Close)
	return s
}

func lookups(s *sim.Simulator) int {
	return len(slices.DeleteFunc(s.Calls(), func(c sim.Call) bool { return c.Name() != "cloudtrail:LookupEvents" }))
}

func TestACallIsReadAsTheServiceRecordsIt(t *testing.T) {
	g := NewWithT(t)
	s := simulate(t)
	clients := aws.NewSessions(s.Config(), "agentdisconnect", "test").In(here)
	start := time.Now()
	out, err := ecs.NewFromConfig(s.Config()).RunTask(t.Context(), &ecs.RunTaskInput{
		Cluster: awssdk.String("demo"), TaskDefinition: awssdk.String("demo"), StartedBy: awssdk.String("job"), Group: awssdk.String("nightly"),
	})
	g.Expect(err).NotTo(HaveOccurred())

	readers := trail.NewReaders(clock.RealClock{})
	var answer trail.Answer
	g.Eventually(func() int {
		answer, err = readers.Read(t.Context(), clients, trail.Ask{Since: start.Add(-time.Minute)})
		g.Expect(err).NotTo(HaveOccurred())
		return len(answer.Calls)
	}).WithTimeout(time.Minute).Should(Equal(1))
	g.Expect([]int{answer.Unreadable, answer.Foreign}).To(Equal([]int{0, 0}))

	call := answer.Calls[0]
	g.Expect(call.EventID).NotTo(BeEmpty())
	g.Expect(call.Time).To(BeTemporally("~", start, time.Minute))
	g.Expect(call.Principal).To(Equal(record.Principal{ARN: "arn:aws:iam::123456789012:user/operator"}))
	g.Expect([]string{call.Cluster, call.Family, call.StartedBy, call.Group}).To(Equal([]string{"demo", "demo", "job", "nightly"}))
	g.Expect(call.Count).To(Equal(1))
	g.Expect(call.Tasks).To(HaveLen(len(out.Tasks)))
	g.Expect(call.Failures).To(HaveLen(len(out.Failures)))
	for i, failure := range out.Failures {
		g.Expect(call.Failures[i]).To(Equal(record.Failure{ARN: awssdk.ToString(failure.Arn), Reason: awssdk.ToString(failure.Reason)}))
	}
}

func TestOneReaderForAnAccountAndRegion(t *testing.T) {
	g := NewWithT(t)
	s := simulate(t)
	sessions := aws.NewSessions(s.Config(), "agentdisconnect", "test")
	s.Faults().Add(faults.Fault{Action: "cloudtrail:LookupEvents", Error: "AccessDeniedException"})
	clk := clocktesting.NewFakeClock(time.Now())
	readers := trail.NewReaders(clk)
	read := func(region string) {
		_, err := readers.Read(t.Context(), sessions.In(region), trail.Ask{Since: clk.Now()})
		g.Expect(aws.Classify(err)).To(Equal(aws.Denied), "%v", err)
	}
	for range 3 {
		read(here)
	}
	g.Expect(lookups(s)).To(Equal(1), "it waits before it asks again, whoever asks")
	read("eu-central-1")
	g.Expect(lookups(s)).To(Equal(2))

	clk.Step(time.Hour)
	read("eu-central-1")
	clk.Step(time.Second)
	read("eu-central-1")
	g.Expect(lookups(s)).To(Equal(3))

	s.Faults().Add(faults.Fault{Action: "sts:GetCallerIdentity", Error: "InvalidClientTokenId"})
	clk.Step(time.Hour)
	_, err := readers.Read(t.Context(), sessions.In(here), trail.Ask{Since: clk.Now()})
	g.Expect(aws.Classify(err)).To(Equal(aws.NoCredentials), "whose events they would be is not known")
}
