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

	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

// provisioned is a simulator whose dedicated instances come from an Auto Scaling group.
func provisioned(t *testing.T, change ...func(*Options)) (*Simulator, *WithT, *clocktesting.FakePassiveClock) {
	t.Helper()
	return startAtNoon(t, append([]func(*Options){mixed, func(o *Options) {
		o.Scale = 1
		o.World.Clusters[0].ContainerInstances[1].CapacityProvider = "asg"
	}}, change...)...)
}

func byStrategy(t *testing.T, s *Simulator, count int32, items ...types.CapacityProviderStrategyItem) (*ecs.RunTaskOutput, error) {
	t.Helper()
	return ecsClient(s).RunTask(t.Context(), &ecs.RunTaskInput{
		Cluster: aws.String("demo"), TaskDefinition: aws.String("demo"), Count: aws.Int32(count), CapacityProviderStrategy: items,
	})
}

func provider(name string, weight int32) types.CapacityProviderStrategyItem {
	return types.CapacityProviderStrategyItem{CapacityProvider: aws.String(name), Weight: weight}
}

// With a capacity provider a disconnected agent is no failure in the answer, but what the task
// stops with.
func TestTaskThatFindsNoCapacity(t *testing.T) {
	s, g, clock := provisioned(t)
	s.Region().SetAgentConnected(dedicated1, false)
	s.Region().SetAgentConnected(dedicated2, false)
	out, err := byStrategy(t, s, 1, provider("asg", 1))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.Failures).To(BeEmpty())
	arn := *out.Tasks[0].TaskArn
	g.Expect(statusOf(out.Tasks[0])).To(Equal("PROVISIONING RUNNING"))
	clock.SetTime(noon.Add(30*time.Minute - time.Second))
	task := describedTask(t, g, s, arn)
	g.Expect(statusOf(task)).To(Equal("PROVISIONING RUNNING"))
	g.Expect(task.StopCode).To(BeEmpty())
	g.Expect(task.ContainerInstanceArn).To(BeNil())
	clock.SetTime(noon.Add(time.Hour))
	task = describedTask(t, g, s, arn)
	g.Expect(statusOf(task)).To(Equal("STOPPED STOPPED"))
	g.Expect(task.StopCode).To(Equal(types.TaskStopCodeTaskFailedToStart))
	g.Expect(*task.StoppedReason).To(Equal("TaskFailedToStart: AGENT"))
	g.Expect(*task.StoppedAt).To(BeTemporally("==", noon.Add(30*time.Minute)), "not when it was first looked at")
	g.Expect(task.Containers).To(BeEmpty())

	s.Region().SetAgentConnected(dedicated1, true)
	g.Expect(statusOf(describedTask(t, g, s, arn))).To(Equal("STOPPED STOPPED"), "capacity comes too late")
}

func TestTaskThatWaitsForCapacity(t *testing.T) {
	s, g, clock := provisioned(t)
	for _, arn := range []string{dedicated1, dedicated2} {
		s.Region().SetAgentConnected(arn, false)
	}
	out, err := byStrategy(t, s, 2, provider("asg", 1))
	g.Expect(err).NotTo(HaveOccurred())
	first, second := *out.Tasks[0].TaskArn, *out.Tasks[1].TaskArn
	g.Expect(statusOf(stopTask(t, g, s, second))).To(Equal("STOPPED STOPPED"), "no agent has to hear of it")
	clock.SetTime(noon.Add(10 * time.Minute))
	s.Region().SetAgentConnected(dedicated2, true)
	task := describedTask(t, g, s, first)
	g.Expect(statusOf(task)).To(Equal("PENDING RUNNING"))
	g.Expect(*task.ContainerInstanceArn).To(Equal(dedicated2))
	g.Expect(*task.CapacityProviderName).To(Equal("asg"))
	clock.SetTime(noon.Add(time.Hour))
	g.Expect(statusOf(describedTask(t, g, s, first))).To(Equal("RUNNING RUNNING"))
	g.Expect(*describedTask(t, g, s, second).StoppedReason).To(Equal("Task stopped by user"))
}

func TestCapacityProviderStrategies(t *testing.T) {
	s, g, clock := provisioned(t, func(o *Options) {
		o.World.CapacityProviders = append(o.World.CapacityProviders, world.CapacityProvider{Name: "empty", AutoScalingGroup: "empty"})
		o.World.Clusters[0].CapacityProviders = append(o.World.Clusters[0].CapacityProviders, "empty")
		o.World.Clusters[0].DefaultCapacityProviderStrategy = []world.StrategyItem{{CapacityProvider: "empty", Weight: 1}}
	})
	for name, items := range map[string][]types.CapacityProviderStrategyItem{
		"not associated": {provider("nope", 1)}, "mixed": {provider("asg", 1), provider("FARGATE", 1)},
		"no weight": {provider("asg", 0)}, "Fargate": {provider("FARGATE", 1)},
	} {
		_, err := byStrategy(t, s, 1, items...)
		g.Expect(code(err)).To(Equal("InvalidParameterException"), name)
	}
	_, err := ecsClient(s).RunTask(t.Context(), &ecs.RunTaskInput{
		Cluster: aws.String("demo"), TaskDefinition: aws.String("demo"), LaunchType: types.LaunchTypeEc2, CapacityProviderStrategy: []types.CapacityProviderStrategyItem{provider("asg", 1)},
	})
	g.Expect(code(err)).To(Equal("InvalidParameterException"))

	out, err := byStrategy(t, s, 8, types.CapacityProviderStrategyItem{CapacityProvider: aws.String("empty"), Base: 2, Weight: 1}, provider("asg", 2))
	g.Expect(err).NotTo(HaveOccurred())
	count := map[string]int{}
	for _, task := range out.Tasks {
		count[*task.CapacityProviderName]++
	}
	g.Expect(count).To(Equal(map[string]int{"empty": 4, "asg": 4}), "2 of the base, and 6 by the weights")

	out, err = byStrategy(t, s, 1)
	g.Expect(err).NotTo(HaveOccurred(), "the cluster's own strategy")
	clock.SetTime(noon.Add(31 * time.Minute))
	g.Expect(*describedTask(t, g, s, *out.Tasks[0].TaskArn).StoppedReason).To(Equal("TaskFailedToStart: EMPTY CAPACITY PROVIDER"))
}
