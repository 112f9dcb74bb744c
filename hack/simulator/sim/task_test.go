// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	. "github.com/onsi/gomega"
	clocktesting "k8s.io/utils/clock/testing"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/agents"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// denyAll is the inbound entry 1, which lets no IPv4 packet in.
func denyAll() acl.Entry {
	e := region.AllowAll(1, false)
	e.Allow = false
	return e
}

// startTask starts a task on the first dedicated container instance.
func startTask(t *testing.T, g *WithT, s *Simulator) string {
	t.Helper()
	out, err := ecsClient(s).StartTask(t.Context(), &ecs.StartTaskInput{
		Cluster: aws.String("demo"), TaskDefinition: aws.String("demo"), ContainerInstances: []string{dedicated1},
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.Failures).To(BeEmpty())
	return *out.Tasks[0].TaskArn
}

func stopTask(t *testing.T, g *WithT, s *Simulator, arn string) types.Task {
	t.Helper()
	out, err := ecsClient(s).StopTask(t.Context(), &ecs.StopTaskInput{Cluster: aws.String("demo"), Task: aws.String(arn)})
	g.Expect(err).NotTo(HaveOccurred())
	return *out.Task
}

func describedTask(t *testing.T, g Gomega, s *Simulator, arn string) types.Task {
	t.Helper()
	out, err := ecsClient(s).DescribeTasks(t.Context(), &ecs.DescribeTasksInput{Cluster: aws.String("demo"), Tasks: []string{arn}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.Tasks).To(HaveLen(1))
	return out.Tasks[0]
}

// statusOf is a task's last and its desired status.
func statusOf(task types.Task) string { return *task.LastStatus + " " + *task.DesiredStatus }

// Between a deny and agentConnected: false ECS places tasks whose payloads do not arrive.
func TestTasksInTheWindow(t *testing.T) {
	s, g := withAgents(t, func(o *Options) { o.Scale = 30 }) // a window of five seconds or more
	status := func(arn string) func(Gomega) string {
		return func(g Gomega) string { return statusOf(describedTask(t, g, s, arn)) }
	}
	running := startTask(t, g, s)
	g.Eventually(status(running)).Should(Equal("RUNNING RUNNING"))
	g.Expect(describedTask(t, g, s, running).StartedAt).NotTo(BeNil())

	for n, a := range addresses {
		g.Expect(create(s, deny(int32(80+n), a))).To(Succeed())
	}
	// The way in too: else the first message to come, heartbeat or payload, would still arrive.
	g.Expect(s.Region().CreateNetworkACLEntry(dedicatedACL, denyAll())).To(Succeed())
	hanging := startTask(t, g, s)
	g.Expect(statusOf(stopTask(t, g, s, running))).To(Equal("RUNNING STOPPED"))
	never := startTask(t, g, s)
	g.Expect(statusOf(stopTask(t, g, s, never))).To(Equal("PENDING STOPPED"))
	instance, _ := s.Region().ContainerInstance(dedicated1)
	g.Expect(instance.AgentConnected).To(BeTrue(), "the test was within the window")

	g.Eventually(func() []string { return connected(s) }).ShouldNot(ContainElement(dedicated1))
	for arn, want := range map[string]string{hanging: "PENDING RUNNING", running: "RUNNING STOPPED", never: "PENDING STOPPED"} {
		g.Consistently(status(arn), 500*time.Millisecond).Should(Equal(want))
		g.Expect(describedTask(t, g, s, arn).Connectivity).To(Equal(types.ConnectivityDisconnected))
	}

	g.Expect(s.Region().DeleteNetworkACLEntry(dedicatedACL, 1, false)).To(Succeed())
	for n := range addresses {
		g.Expect(s.Region().DeleteNetworkACLEntry(dedicatedACL, 80+n, true)).To(Succeed())
	}
	g.Eventually(status(hanging)).Should(Equal("RUNNING RUNNING"))
	g.Eventually(status(running)).Should(Equal("STOPPED STOPPED"))
	g.Eventually(status(never)).Should(Equal("STOPPED STOPPED"))
	g.Expect(describedTask(t, g, s, never).StartedAt).To(BeNil())
}

// The containers of a task outlive the agent, and the agent that is started next knows them.
func TestTaskOfAnAgentThatIsStopped(t *testing.T) {
	s, g := withAgents(t)
	arn := startTask(t, g, s)
	g.Eventually(func(g Gomega) string { return statusOf(describedTask(t, g, s, arn)) }).Should(Equal("RUNNING RUNNING"))
	s.SetAgentRunning(dedicated1, false)
	g.Eventually(func() []string { return connected(s) }).ShouldNot(ContainElement(dedicated1))
	stopTask(t, g, s, arn)
	s.SetAgentRunning(dedicated1, true)
	g.Eventually(func(g Gomega) string { return statusOf(describedTask(t, g, s, arn)) }).Should(Equal("STOPPED STOPPED"))
	g.Expect(s.ControlPlane().Sessions(agents.ACS, dedicated1)).To(Equal(1))
}

// Without agents a container instance takes what it is given when its session is there and whole,
// and nobody has to look.
func TestTasksWithoutAgents(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(noon)
	s, g := start(t, func(o *Options) { o.Clock, o.Scale = clock, 1 })
	status := func(arn string) string { return statusOf(describedTask(t, g, s, arn)) }

	s.Region().SetSessionCut(dedicated1, true)
	hanging := startTask(t, g, s)
	clock.SetTime(noon.Add(time.Hour))
	g.Expect(status(hanging)).To(Equal("PENDING RUNNING"))
	g.Expect(connected(s)).To(ContainElement(dedicated1))
	s.Region().SetAgentConnected(dedicated1, false)
	s.Region().SetAgentConnected(dedicated1, true) // by a session of its own, which is whole
	clock.SetTime(noon.Add(3 * time.Hour))
	task := describedTask(t, g, s, hanging)
	g.Expect(statusOf(task)).To(Equal("RUNNING RUNNING"))
	g.Expect(*task.StartedAt).To(BeTemporally("==", noon.Add(time.Hour+5*time.Second)), "not when it was first looked at")

	s.Region().SetSessionCut(dedicated1, true)
	stopTask(t, g, s, hanging)
	clock.SetTime(noon.Add(4 * time.Hour))
	g.Expect(status(hanging)).To(Equal("RUNNING STOPPED"))
	s.Region().SetSessionCut(dedicated1, false)
	clock.SetTime(noon.Add(4*time.Hour + 30*time.Minute))
	task = describedTask(t, g, s, hanging)
	g.Expect(statusOf(task)).To(Equal("STOPPED STOPPED"))
	g.Expect(*task.StoppedAt).To(BeTemporally("==", noon.Add(4*time.Hour+5*time.Second)))
}

// A task that is told to stop while it starts never runs.
func TestTaskStoppedWhileItStarts(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(noon)
	s, g := start(t, func(o *Options) { o.Clock, o.Scale = clock, 1 })
	arn := startTask(t, g, s)
	clock.SetTime(noon.Add(time.Second))
	g.Expect(statusOf(stopTask(t, g, s, arn))).To(Equal("PENDING STOPPED"))
	clock.SetTime(noon.Add(time.Minute))
	task := describedTask(t, g, s, arn)
	g.Expect(statusOf(task)).To(Equal("STOPPED STOPPED"))
	g.Expect(task.StartedAt).To(BeNil())
}
