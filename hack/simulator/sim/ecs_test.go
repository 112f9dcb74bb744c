// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	. "github.com/onsi/gomega"
	clocktesting "k8s.io/utils/clock/testing"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

const (
	demoARN    = world.DefaultClusterARN
	instances  = "arn:aws:ecs:ap-northeast-1:123456789012:container-instance/demo/"
	dedicated1 = instances + world.DedicatedInstance1
	dedicated2 = instances + world.DedicatedInstance2
	elsewhere  = instances + world.SharedInstance
)

func ecsClient(s *Simulator) *ecs.Client {
	return ecs.NewFromConfig(s.Config(), func(o *ecs.Options) { o.RetryMaxAttempts = 1 })
}

func inSubnet(id string) []types.PlacementConstraint {
	return []types.PlacementConstraint{{
		Type: types.PlacementConstraintTypeMemberOf, Expression: aws.String("attribute:ecs.subnet-id == " + id),
	}}
}

func TestClusters(t *testing.T) {
	s, g := start(t)
	out, err := ecsClient(s).DescribeClusters(t.Context(), &ecs.DescribeClustersInput{
		Clusters: []string{"demo", strings.Replace(demoARN, "demo", "other", 1), "nope", strings.Replace(demoARN, "ap-northeast-1", "us-east-1", 1)},
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.Clusters).To(HaveLen(2))
	g.Expect(*out.Clusters[0].ClusterArn).To(Equal(demoARN))
	g.Expect(*out.Clusters[0].Status).To(Equal("ACTIVE"))
	g.Expect(out.Clusters[0].RegisteredContainerInstancesCount).To(BeNumerically("==", 3))
	g.Expect(out.Failures).To(HaveLen(2))
	g.Expect(*out.Failures[0].Arn).To(Equal(strings.Replace(demoARN, "demo", "nope", 1)))
	g.Expect(*out.Failures[0].Reason).To(Equal("MISSING"))

	g.Expect(s.Region().DeleteCluster("demo")).To(Succeed())
	out, err = ecsClient(s).DescribeClusters(t.Context(), &ecs.DescribeClustersInput{Clusters: []string{"demo"}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*out.Clusters[0].Status).To(Equal("INACTIVE"))
	for _, name := range []string{"demo", "nope"} {
		_, err = ecsClient(s).ListContainerInstances(t.Context(), &ecs.ListContainerInstancesInput{Cluster: aws.String(name)})
		g.Expect(code(err)).To(Equal("ClusterNotFoundException"))
	}
}

func TestContainerInstances(t *testing.T) {
	s, g := start(t)
	client := ecsClient(s)
	list := func(filter string) []string {
		out, err := client.ListContainerInstances(t.Context(), &ecs.ListContainerInstancesInput{Cluster: aws.String("demo"), Filter: aws.String(filter)})
		g.Expect(err).NotTo(HaveOccurred())
		return out.ContainerInstanceArns
	}
	g.Expect(list("attribute:ecs.subnet-id == " + dedicated)).To(Equal([]string{dedicated1, dedicated2}))
	g.Expect(list("attribute:ecs.subnet-id != " + dedicated)).To(Equal([]string{elsewhere}))
	s.Region().SetAgentConnected(dedicated2, false)
	g.Expect(list("attribute:ecs.subnet-id == " + dedicated + " and agentConnected == true")).To(Equal([]string{dedicated1}))
	g.Expect(list("ec2InstanceId in ['i-0c3d4e5f607182930']")).To(Equal([]string{elsewhere}))
	g.Expect(list("registeredAt < 2000-01-01")).To(BeEmpty())
	g.Expect(list("registeredAt > 2000-01-01T09:00:00+09:00")).To(HaveLen(3), "a time, not a text")

	_, err := client.ListContainerInstances(t.Context(), &ecs.ListContainerInstancesInput{Cluster: aws.String("demo"), Filter: aws.String("subnet = x")})
	g.Expect(code(err)).To(Equal("InvalidParameterException"))
	s.Region().SetContainerInstanceStatus(dedicated1, "DRAINING")
	out, err := client.ListContainerInstances(t.Context(), &ecs.ListContainerInstancesInput{
		Cluster: aws.String(demoARN), Status: types.ContainerInstanceStatusActive,
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.ContainerInstanceArns).To(Equal([]string{dedicated2, elsewhere}))

	described, err := client.DescribeContainerInstances(t.Context(), &ecs.DescribeContainerInstancesInput{
		Cluster: aws.String("demo"), ContainerInstances: []string{dedicated2, world.DedicatedInstance1, instances + "00"},
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(described.Failures).To(HaveLen(1))
	g.Expect(*described.Failures[0].Reason).To(Equal("MISSING"))
	g.Expect(described.ContainerInstances).To(HaveLen(2))
	i := described.ContainerInstances[0]
	g.Expect(i.AgentConnected).To(BeFalse())
	g.Expect(*i.Ec2InstanceId).To(Equal("i-0b2c3d4e5f6071829"))
	g.Expect(*i.VersionInfo.AgentVersion).To(Equal("1.105.1"))
	g.Expect(*i.RegisteredAt).To(BeTemporally("~", time.Now(), time.Hour))
	attributes := map[string]string{}
	for _, a := range i.Attributes {
		attributes[*a.Name] = aws.ToString(a.Value)
	}
	g.Expect(attributes).To(And(HaveKeyWithValue("ecs.subnet-id", dedicated), HaveKeyWithValue("ecs.vpc-id", vpcID),
		HaveKeyWithValue("ecs.availability-zone", "ap-northeast-1a"), HaveKeyWithValue("ecs.os-type", "linux")))
	g.Expect(*described.ContainerInstances[1].Status).To(Equal("DRAINING"))

	_, err = client.DescribeContainerInstances(t.Context(), &ecs.DescribeContainerInstancesInput{Cluster: aws.String("demo")})
	g.Expect(code(err)).NotTo(BeEmpty())
	_, err = client.DescribeContainerInstances(t.Context(), &ecs.DescribeContainerInstancesInput{
		Cluster: aws.String("demo"), ContainerInstances: make([]string, 101),
	})
	g.Expect(code(err)).To(Equal("InvalidParameterException"))
}

func TestContainerInstancePages(t *testing.T) {
	s, g := start(t)
	for range 148 {
		_, err := s.Region().AddContainerInstance("demo", "", region.ContainerInstance{SubnetID: dedicated})
		g.Expect(err).NotTo(HaveOccurred())
	}
	var sizes []int
	pages := ecs.NewListContainerInstancesPaginator(ecsClient(s), &ecs.ListContainerInstancesInput{
		Cluster: aws.String("demo"), Filter: aws.String("attribute:ecs.subnet-id == " + dedicated),
	})
	for pages.HasMorePages() {
		p, err := pages.NextPage(t.Context())
		g.Expect(err).NotTo(HaveOccurred())
		sizes = append(sizes, len(p.ContainerInstanceArns))
	}
	g.Expect(sizes).To(Equal([]int{100, 50}))
}

func TestDiscoverPollEndpoint(t *testing.T) {
	s, g := start(t)
	out, err := ecsClient(s).DiscoverPollEndpoint(t.Context(), &ecs.DiscoverPollEndpointInput{
		Cluster: aws.String("demo"), ContainerInstance: aws.String(dedicated1),
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*out.Endpoint).To(Equal("https://ecs-a-4.ap-northeast-1.amazonaws.com/"))
	g.Expect(*out.TelemetryEndpoint).To(Equal("https://ecs-t-4.ap-northeast-1.amazonaws.com/"))
	_, err = ecsClient(s).DiscoverPollEndpoint(t.Context(), &ecs.DiscoverPollEndpointInput{
		Cluster: aws.String("demo"), ContainerInstance: aws.String(instances + "00"),
	})
	g.Expect(code(err)).To(Equal("ClientException"))
}

func TestEndpointsOfOneInstance(t *testing.T) {
	s, g := start(t, func(o *Options) {
		o.World = world.Default()
		o.World.Clusters[0].ContainerInstances[1].Endpoints.ACS = "https://ecs-a-7.ap-northeast-1.amazonaws.com/"
	})
	for arn, host := range map[string]string{dedicated1: "ecs-a-4", dedicated2: "ecs-a-7"} {
		out, err := ecsClient(s).DiscoverPollEndpoint(t.Context(), &ecs.DiscoverPollEndpointInput{
			Cluster: aws.String(demoARN), ContainerInstance: aws.String(arn),
		})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(*out.Endpoint).To(ContainSubstring(host))
		g.Expect(*out.TelemetryEndpoint).To(ContainSubstring("ecs-t-4"))
	}
}

func TestRunTask(t *testing.T) {
	s, g := start(t)
	client := ecsClient(s)
	run := func(in ecs.RunTaskInput) *ecs.RunTaskOutput {
		in.Cluster, in.TaskDefinition = aws.String("demo"), aws.String("demo")
		out, err := client.RunTask(t.Context(), &in)
		g.Expect(err).NotTo(HaveOccurred())
		return out
	}
	placed := run(ecs.RunTaskInput{Count: aws.Int32(4), PlacementConstraints: inSubnet(dedicated), StartedBy: aws.String("test")})
	g.Expect(placed.Failures).To(BeEmpty())
	on := map[string]int{}
	for _, task := range placed.Tasks {
		on[*task.ContainerInstanceArn]++
		g.Expect(*task.LastStatus).To(Equal("PENDING"))
		g.Expect(*task.TaskDefinitionArn).To(HaveSuffix("task-definition/demo:1"))
	}
	g.Expect(on).To(Equal(map[string]int{dedicated1: 2, dedicated2: 2}))

	s.Region().SetAgentConnected(dedicated1, false)
	g.Expect(*run(ecs.RunTaskInput{PlacementConstraints: inSubnet(dedicated)}).Tasks[0].ContainerInstanceArn).To(Equal(dedicated2))
	s.Region().SetAgentConnected(dedicated2, false)
	failed := run(ecs.RunTaskInput{PlacementConstraints: inSubnet(dedicated)})
	g.Expect(failed.Tasks).To(BeEmpty())
	reasons := map[string]string{}
	for _, f := range failed.Failures {
		reasons[*f.Arn] = *f.Reason
	}
	g.Expect(reasons).To(Equal(map[string]string{
		dedicated1: "AGENT", dedicated2: "AGENT", elsewhere: "MemberOf placement constraint unsatisfied.",
	}), "one failure for each container instance of the cluster")
	g.Expect(*run(ecs.RunTaskInput{}).Tasks[0].ContainerInstanceArn).To(Equal(elsewhere), "without the constraint it runs elsewhere")

	full := run(ecs.RunTaskInput{Count: aws.Int32(10), PlacementConstraints: []types.PlacementConstraint{
		{Type: types.PlacementConstraintTypeDistinctInstance},
	}})
	g.Expect(full.Tasks).To(BeEmpty())
	g.Expect(full.Failures).To(HaveLen(3))

	for name, tc := range map[string]struct {
		in   ecs.RunTaskInput
		want string
	}{
		"count 0":        {ecs.RunTaskInput{Count: aws.Int32(0)}, "InvalidParameterException"},
		"count 11":       {ecs.RunTaskInput{Count: aws.Int32(11)}, "InvalidParameterException"},
		"no cluster":     {ecs.RunTaskInput{Cluster: aws.String("nope")}, "ClusterNotFoundException"},
		"no definition":  {ecs.RunTaskInput{TaskDefinition: aws.String("nope")}, "ClientException"},
		"no such number": {ecs.RunTaskInput{TaskDefinition: aws.String("demo:2")}, "ClientException"},
		"bad expression": {ecs.RunTaskInput{PlacementConstraints: inSubnet("")}, "InvalidParameterException"},
		"Fargate":        {ecs.RunTaskInput{LaunchType: types.LaunchTypeFargate}, "InvalidParameterException"},
		"reserved group": {ecs.RunTaskInput{Group: aws.String("family:x")}, "InvalidParameterException"},
	} {
		if tc.in.Cluster == nil {
			tc.in.Cluster = aws.String("demo")
		}
		if tc.in.TaskDefinition == nil {
			tc.in.TaskDefinition = aws.String("demo")
		}
		_, err := client.RunTask(t.Context(), &tc.in)
		g.Expect(code(err)).To(Equal(tc.want), name)
	}
}

func TestRunTaskResourcesAndTokens(t *testing.T) {
	s, g := start(t)
	client := ecsClient(s)
	registered, err := client.RegisterTaskDefinition(t.Context(), &ecs.RegisterTaskDefinitionInput{
		Family: aws.String("big"), ContainerDefinitions: []types.ContainerDefinition{
			{Name: aws.String("c"), Image: aws.String("busybox"), Cpu: 1500, Memory: aws.Int32(100)},
		},
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(registered.TaskDefinition.Revision).To(BeNumerically("==", 1))
	in := &ecs.RunTaskInput{
		Cluster: aws.String("other"), TaskDefinition: registered.TaskDefinition.TaskDefinitionArn, ClientToken: aws.String("once"),
	}
	first, err := client.RunTask(t.Context(), in)
	g.Expect(err).NotTo(HaveOccurred())
	again, err := client.RunTask(t.Context(), in)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(again.Tasks).To(HaveLen(1))
	g.Expect(again.Tasks[0].TaskArn).To(Equal(first.Tasks[0].TaskArn))
	in.Count = aws.Int32(2)
	_, err = client.RunTask(t.Context(), in)
	g.Expect(code(err)).To(Equal("ConflictException"))
	in.ClientToken = aws.String("twice")
	full, err := client.RunTask(t.Context(), in)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(full.Tasks).To(BeEmpty())
	g.Expect(*full.Failures[0].Reason).To(Equal("RESOURCE:CPU"))

	_, err = client.RegisterTaskDefinition(t.Context(), &ecs.RegisterTaskDefinitionInput{
		Family: aws.String("bad"), ContainerDefinitions: []types.ContainerDefinition{{Name: aws.String("c"), Image: aws.String("busybox")}},
	})
	g.Expect(code(err)).To(Equal("ClientException"))
}

func TestTaskLife(t *testing.T) {
	clock := clocktesting.NewFakeClock(time.Now())
	s, g := start(t, func(o *Options) { o.Clock, o.Scale = clock, 1 })
	client := ecsClient(s)
	started, err := client.StartTask(t.Context(), &ecs.StartTaskInput{
		Cluster: aws.String("demo"), TaskDefinition: aws.String("demo:1"), ContainerInstances: []string{dedicated1, instances + "00"},
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(started.Tasks).To(HaveLen(1))
	g.Expect(*started.Failures[0].Reason).To(Equal("MISSING"))
	arn := *started.Tasks[0].TaskArn
	status := func() string {
		out, err := client.DescribeTasks(t.Context(), &ecs.DescribeTasksInput{Cluster: aws.String("demo"), Tasks: []string{arn}})
		g.Expect(err).NotTo(HaveOccurred())
		if len(out.Tasks) == 0 {
			return *out.Failures[0].Reason
		}
		return *out.Tasks[0].LastStatus
	}
	g.Expect(status()).To(Equal("PENDING"))
	clock.Step(5 * time.Second)
	g.Expect(status()).To(Equal("RUNNING"))
	list := func(desired types.DesiredStatus) []string {
		out, err := client.ListTasks(t.Context(), &ecs.ListTasksInput{
			Cluster: aws.String("demo"), Family: aws.String("demo"), ContainerInstance: aws.String(dedicated1), DesiredStatus: desired,
		})
		g.Expect(err).NotTo(HaveOccurred())
		return out.TaskArns
	}
	g.Expect(list("")).To(Equal([]string{arn}))

	// Without its agent the instance doesn't hear of the stop.
	s.Region().SetAgentConnected(dedicated1, false)
	_, err = client.StopTask(t.Context(), &ecs.StopTaskInput{Cluster: aws.String("demo"), Task: aws.String(arn), Reason: aws.String("enough")})
	g.Expect(err).NotTo(HaveOccurred())
	clock.Step(2 * time.Hour)
	g.Expect(status()).To(Equal("RUNNING"))
	g.Expect(list("")).To(BeEmpty(), "by its desired status it is stopped")
	s.Region().SetAgentConnected(dedicated1, true)
	g.Expect(status()).To(Equal("RUNNING"), "its containers take a while to stop")
	clock.Step(5 * time.Second)
	g.Expect(status()).To(Equal("STOPPED"))
	g.Expect(list(types.DesiredStatusStopped)).To(Equal([]string{arn}))
	clock.Step(time.Hour)
	g.Expect(status()).To(Equal("STOPPED"))
	clock.Step(1)
	g.Expect(status()).To(Equal("MISSING"), "after an hour it is forgotten")

	_, err = client.StopTask(t.Context(), &ecs.StopTaskInput{Cluster: aws.String("demo"), Task: aws.String("nope")})
	g.Expect(code(err)).To(Equal("InvalidParameterException"))
}
