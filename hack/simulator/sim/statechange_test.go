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
)

// reports is a simulator with a task that no agent reports of.
func reports(t *testing.T) (s *Simulator, g *WithT, clock *clocktesting.FakePassiveClock, task string) {
	t.Helper()
	clock = clocktesting.NewFakePassiveClock(noon)
	s, g = start(t, func(o *Options) { o.Clock, o.Scale = clock, 1 })
	s.Region().SetSessionCut(dedicated1, true)
	return s, g, clock, startTask(t, g, s)
}

func submit(t *testing.T, s *Simulator, in ecs.SubmitTaskStateChangeInput) error {
	t.Helper()
	in.Cluster = aws.String("demo")
	out, err := ecsClient(s).SubmitTaskStateChange(t.Context(), &in)
	if err == nil {
		NewWithT(t).Expect(*out.Acknowledgment).NotTo(BeEmpty())
	}
	return err
}

// A task runs and has stopped when its agent reports it, whatever the session does.
func TestSubmitTaskStateChange(t *testing.T) {
	s, g, clock, task := reports(t)
	second := func(n int) *time.Time { return aws.Time(noon.Add(time.Duration(n) * time.Second)) }
	clock.SetTime(*second(2))
	g.Expect(submit(t, s, ecs.SubmitTaskStateChangeInput{
		Task: aws.String(task), Status: aws.String("PENDING"),
		Containers: []types.ContainerStateChange{{ContainerName: aws.String("demo"), Status: aws.String("PENDING"), ImageDigest: aws.String("sha256:1")}},
	})).To(Succeed())
	g.Expect(statusOf(describedTask(t, g, s, task))).To(Equal("PENDING RUNNING"))

	clock.SetTime(*second(3))
	g.Expect(submit(t, s, ecs.SubmitTaskStateChangeInput{
		Task: aws.String(task), Status: aws.String("RUNNING"), PullStartedAt: second(1), PullStoppedAt: second(2),
		Containers: []types.ContainerStateChange{{
			ContainerName: aws.String("demo"), Status: aws.String("RUNNING"), RuntimeId: aws.String("c0ffee"),
			NetworkBindings: []types.NetworkBinding{{ContainerPort: aws.Int32(80), HostPort: aws.Int32(32768)}},
		}},
	})).To(Succeed())
	clock.SetTime(*second(4)) // a report that comes again
	g.Expect(submit(t, s, ecs.SubmitTaskStateChangeInput{Task: aws.String(task), Status: aws.String("RUNNING")})).To(Succeed())
	running := describedTask(t, g, s, task)
	g.Expect(statusOf(running)).To(Equal("RUNNING RUNNING"))
	for what, at := range map[*time.Time]int{running.PullStartedAt: 1, running.PullStoppedAt: 2, running.StartedAt: 3} {
		g.Expect(*what).To(BeTemporally("==", *second(at)))
	}
	container := running.Containers[0]
	g.Expect(*container.LastStatus + " " + *container.RuntimeId + " " + *container.ImageDigest).To(Equal("RUNNING c0ffee sha256:1"))
	g.Expect(*container.NetworkBindings[0].HostPort).To(Equal(int32(32768)))

	_, err := ecsClient(s).SubmitContainerStateChange(t.Context(), &ecs.SubmitContainerStateChangeInput{
		Cluster: aws.String("demo"), Task: aws.String(task), ContainerName: aws.String("demo"), Status: aws.String("STOPPED"),
		ExitCode: aws.Int32(0), Reason: aws.String("done"),
	})
	g.Expect(err).NotTo(HaveOccurred())
	ended := describedTask(t, g, s, task)
	g.Expect(statusOf(ended)).To(Equal("RUNNING RUNNING"), "that is of the container alone")
	g.Expect(*ended.Containers[0].LastStatus + " " + *ended.Containers[0].Reason).To(Equal("STOPPED done"))
	g.Expect(*ended.Containers[0].ExitCode).To(BeZero())

	clock.SetTime(*second(9))
	g.Expect(submit(t, s, ecs.SubmitTaskStateChangeInput{Task: aws.String(task), Status: aws.String("STOPPED"), ExecutionStoppedAt: second(8)})).To(Succeed())
	stopped := describedTask(t, g, s, task)
	g.Expect(statusOf(stopped)).To(Equal("STOPPED STOPPED"))
	g.Expect(string(stopped.StopCode) + ": " + *stopped.StoppedReason).To(Equal("EssentialContainerExited: Essential container in task exited"))
	g.Expect(*stopped.ExecutionStoppedAt).To(BeTemporally("==", *second(8)))
	g.Expect(*stopped.StoppedAt).To(BeTemporally("==", *second(9)))
	g.Expect(submit(t, s, ecs.SubmitTaskStateChangeInput{Task: aws.String(task), Status: aws.String("RUNNING")})).To(Succeed())
	g.Expect(describedTask(t, g, s, task)).To(Equal(stopped), "what has stopped stays so")
	out, err := ecsClient(s).ListTasks(t.Context(), &ecs.ListTasksInput{Cluster: aws.String("demo"), DesiredStatus: types.DesiredStatusStopped})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.TaskArns).To(Equal([]string{task}))
}

// Why a task stopped is what its user said, or else what its agent says.
func TestReasonsOfStoppedTasks(t *testing.T) {
	s, g, _, asked := reports(t)
	stopTask(t, g, s, asked)
	never := startTask(t, g, s)
	for arn, want := range map[string]string{
		asked: "UserInitiated: Task stopped by user", never: "TaskFailedToStart: CannotPullContainerError: no such image",
	} {
		g.Expect(submit(t, s, ecs.SubmitTaskStateChangeInput{
			Task: aws.String(arn), Status: aws.String("STOPPED"), Reason: aws.String("CannotPullContainerError: no such image"),
		})).To(Succeed())
		task := describedTask(t, g, s, arn)
		g.Expect(string(task.StopCode) + ": " + *task.StoppedReason).To(Equal(want))
		g.Expect(task.StartedAt).To(BeNil())
	}
}

func TestSubmitTaskStateChangeRefuses(t *testing.T) {
	s, g, _, task := reports(t)
	attachment := []types.AttachmentStateChange{{AttachmentArn: aws.String("arn:aws:ecs:ap-northeast-1:123456789012:attachment/1"), Status: aws.String("ATTACHED")}}
	for name, tc := range map[string]struct {
		in   ecs.SubmitTaskStateChangeInput
		want string
	}{
		"no task":        {ecs.SubmitTaskStateChangeInput{Status: aws.String("RUNNING")}, "InvalidParameterException"},
		"another task":   {ecs.SubmitTaskStateChangeInput{Task: aws.String(task + "0"), Status: aws.String("RUNNING")}, "InvalidParameterException"},
		"no status":      {ecs.SubmitTaskStateChangeInput{Task: aws.String(task)}, "InvalidParameterException"},
		"unknown status": {ecs.SubmitTaskStateChangeInput{Task: aws.String(task), Status: aws.String("CREATED")}, "InvalidParameterException"},
		"attachments":    {ecs.SubmitTaskStateChangeInput{Task: aws.String(task), Attachments: attachment}, "InvalidParameterException"},
		"another container": {ecs.SubmitTaskStateChangeInput{
			Task: aws.String(task), Status: aws.String("RUNNING"), Containers: []types.ContainerStateChange{{ContainerName: aws.String("x")}},
		}, "InvalidParameterException"},
		"status of a container": {ecs.SubmitTaskStateChangeInput{
			Task: aws.String(task), Status: aws.String("RUNNING"), Containers: []types.ContainerStateChange{{ContainerName: aws.String("demo"), Status: aws.String("x")}},
		}, "InvalidParameterException"},
		"managed agent": {ecs.SubmitTaskStateChangeInput{Task: aws.String(task), Status: aws.String("RUNNING"), ManagedAgents: []types.ManagedAgentStateChange{{
			ContainerName: aws.String("demo"), ManagedAgentName: "x", Status: aws.String("RUNNING"),
		}}}, "InvalidParameterException"},
	} {
		g.Expect(code(submit(t, s, tc.in))).To(Equal(tc.want), name)
	}
	_, err := ecsClient(s).SubmitTaskStateChange(t.Context(), &ecs.SubmitTaskStateChangeInput{Task: aws.String(task), Status: aws.String("RUNNING")})
	g.Expect(err).To(MatchError(ContainSubstring("ClientException: Cluster not found.")))
	_, err = ecsClient(s).SubmitContainerStateChange(t.Context(), &ecs.SubmitContainerStateChangeInput{
		Cluster: aws.String("demo"), Task: aws.String(task), ContainerName: aws.String("x"), Status: aws.String("RUNNING"),
	})
	g.Expect(code(err)).To(Equal("ClientException"))
	_, err = ecsClient(s).SubmitAttachmentStateChanges(t.Context(), &ecs.SubmitAttachmentStateChangesInput{Cluster: aws.String("demo"), Attachments: attachment})
	g.Expect(code(err)).To(Equal("InvalidParameterException"))
	g.Expect(statusOf(describedTask(t, g, s, task))).To(Equal("PENDING RUNNING"))
}
