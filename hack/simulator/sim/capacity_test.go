// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

// mixed is the default world with capacity of every kind in the cluster demo.
func mixed(o *Options) {
	o.World = world.Default()
	o.World.CapacityProviders = []world.CapacityProvider{
		{Name: "asg", AutoScalingGroup: "demo", Tags: map[string]string{"team": "a"}},
		{Name: "managed", ManagedInstances: &world.ManagedInstances{Cluster: "demo", Subnets: []string{dedicated}, AutoRepair: true}},
	}
	demo := &o.World.Clusters[0]
	demo.CapacityProviders, demo.FargateTasks = []string{"FARGATE", "asg"}, 3
	demo.ContainerInstances[0].CapacityProvider, demo.ContainerInstances[1].CapacityProvider = "asg", "managed"
	demo.ContainerInstances = append(demo.ContainerInstances, world.ContainerInstance{
		ID: "d0d1d2d3d4d5d6d7d8d9dadbdcdddedf", EC2InstanceID: "mi-0a1b2c3d4e5f60718", External: true, PrivateIP: "192.168.7.11",
	})
}

func TestListClustersInPages(t *testing.T) {
	s, g := start(t)
	for n := range 148 {
		g.Expect(s.Region().AddCluster(fmt.Sprintf("c%d", n), nil)).To(Succeed())
	}
	list := func(size *int32) (sizes []int) {
		seen := map[string]bool{}
		pages := ecs.NewListClustersPaginator(ecsClient(s), &ecs.ListClustersInput{MaxResults: size})
		for pages.HasMorePages() {
			p, err := pages.NextPage(t.Context())
			g.Expect(err).NotTo(HaveOccurred())
			sizes = append(sizes, len(p.ClusterArns))
			for _, arn := range p.ClusterArns {
				seen[arn] = true
			}
		}
		g.Expect(seen).To(HaveLen(150))
		return sizes
	}
	g.Expect(list(nil)).To(Equal([]int{100, 50}))
	g.Expect(list(aws.Int32(60))).To(Equal([]int{60, 60, 30}))
	_, err := ecsClient(s).ListClusters(t.Context(), &ecs.ListClustersInput{MaxResults: aws.Int32(101)})
	g.Expect(code(err)).To(Equal("InvalidParameterException"))
	_, err = ecsClient(s).ListClusters(t.Context(), &ecs.ListClustersInput{NextToken: aws.String("nonsense")})
	g.Expect(code(err)).To(Equal("InvalidParameterException"))
}

func TestClusterStatistics(t *testing.T) {
	s, g := start(t, mixed)
	client := ecsClient(s)
	statistics := func() map[string]string {
		out, err := client.DescribeClusters(t.Context(), &ecs.DescribeClustersInput{
			Clusters: []string{"demo"}, Include: []types.ClusterField{types.ClusterFieldStatistics},
		})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(out.Clusters[0].CapacityProviders).To(ConsistOf("FARGATE", "asg", "managed"))
		values := map[string]string{"all": fmt.Sprint(out.Clusters[0].RunningTasksCount)}
		for _, s := range out.Clusters[0].Statistics {
			values[*s.Name] = *s.Value
		}
		return values
	}
	g.Expect(statistics()).To(And(HaveLen(17), HaveKeyWithValue("runningFargateTasksCount", "3"), HaveKeyWithValue("runningEC2TasksCount", "0"),
		HaveKeyWithValue("runningExternalTasksCount", "0"), HaveKeyWithValue("activeEC2ServiceCount", "0"), HaveKeyWithValue("all", "3")))
	out, err := client.DescribeClusters(t.Context(), &ecs.DescribeClustersInput{Clusters: []string{"demo"}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.Clusters[0].Statistics).To(BeEmpty(), "not asked for")

	external := instances + "d0d1d2d3d4d5d6d7d8d9dadbdcdddedf"
	_, err = client.StartTask(t.Context(), &ecs.StartTaskInput{
		Cluster: aws.String("demo"), TaskDefinition: aws.String("demo"), ContainerInstances: []string{external, dedicated1},
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.Region().SetFargateTasks("demo", 1)).To(Succeed())
	g.Eventually(statistics).Should(And(HaveKeyWithValue("runningFargateTasksCount", "1"), HaveKeyWithValue("runningEC2TasksCount", "1"),
		HaveKeyWithValue("runningExternalTasksCount", "1"), HaveKeyWithValue("all", "3")))
	listed, err := client.ListTasks(t.Context(), &ecs.ListTasksInput{Cluster: aws.String("demo"), LaunchType: types.LaunchTypeFargate})
	g.Expect(err).NotTo(HaveOccurred())
	tasks, err := client.DescribeTasks(t.Context(), &ecs.DescribeTasksInput{Cluster: aws.String("demo"), Tasks: listed.TaskArns})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(tasks.Tasks).To(HaveLen(1))
	g.Expect(tasks.Tasks[0].ContainerInstanceArn).To(BeNil())
}

func TestCapacityProviders(t *testing.T) {
	s, g := start(t, mixed)
	describe := func(in ecs.DescribeCapacityProvidersInput) (*ecs.DescribeCapacityProvidersOutput, map[string]types.CapacityProvider) {
		out, err := ecsClient(s).DescribeCapacityProviders(t.Context(), &in)
		g.Expect(err).NotTo(HaveOccurred())
		byName := map[string]types.CapacityProvider{}
		for _, p := range out.CapacityProviders {
			byName[*p.Name] = p
		}
		return out, byName
	}
	_, all := describe(ecs.DescribeCapacityProvidersInput{Include: []types.CapacityProviderField{types.CapacityProviderFieldTags}})
	g.Expect(all).To(And(HaveLen(4), HaveKey("FARGATE"), HaveKey("FARGATE_SPOT")))
	g.Expect(all["asg"].Type).To(Equal(types.CapacityProviderTypeEc2Autoscaling))
	g.Expect(*all["asg"].AutoScalingGroupProvider.AutoScalingGroupArn).To(HaveSuffix("autoScalingGroupName/demo"))
	g.Expect(all["asg"].Tags).To(HaveLen(1))
	g.Expect(all["managed"].Type).To(Equal(types.CapacityProviderTypeManagedInstances))
	managed := all["managed"].ManagedInstancesProvider
	g.Expect(managed.InstanceLaunchTemplate.NetworkConfiguration.Subnets).To(Equal([]string{dedicated}))
	g.Expect(managed.AutoRepairConfiguration.ActionsStatus).To(Equal(types.AutoRepairActionsStatusEnabled))
	g.Expect(*all["managed"].Cluster).To(Equal(demoARN))

	out, some := describe(ecs.DescribeCapacityProvidersInput{CapacityProviders: []string{"nope", *all["managed"].CapacityProviderArn, "asg"}})
	g.Expect(some).To(And(HaveLen(2), HaveKey("asg"), HaveKey("managed")))
	g.Expect(*out.Failures[0].Reason).To(Equal("MISSING"))
	_, ofCluster := describe(ecs.DescribeCapacityProvidersInput{Cluster: aws.String("demo")})
	g.Expect(ofCluster).To(And(HaveLen(3), HaveKey("managed"), Not(HaveKey("FARGATE_SPOT"))))
	_, none := describe(ecs.DescribeCapacityProvidersInput{Cluster: aws.String("other")})
	g.Expect(none).To(BeEmpty())
	first, _ := describe(ecs.DescribeCapacityProvidersInput{MaxResults: aws.Int32(3)})
	g.Expect(first.CapacityProviders).To(HaveLen(3))
	_, last := describe(ecs.DescribeCapacityProvidersInput{NextToken: first.NextToken})
	g.Expect(last).To(HaveLen(1))
	_, err := ecsClient(s).DescribeCapacityProviders(t.Context(), &ecs.DescribeCapacityProvidersInput{MaxResults: aws.Int32(11)})
	g.Expect(code(err)).To(Equal("InvalidParameterException"))
	_, err = ecsClient(s).DescribeCapacityProviders(t.Context(), &ecs.DescribeCapacityProvidersInput{Cluster: aws.String("nope")})
	g.Expect(code(err)).To(Equal("ClusterNotFoundException"))
}

func TestInstancesByCapacity(t *testing.T) {
	s, g := start(t, mixed)
	client := ecsClient(s)
	added, err := s.Region().AddContainerInstance("demo", "", region.ContainerInstance{External: true})
	g.Expect(err).NotTo(HaveOccurred(), "at run time")
	listed, err := client.ListContainerInstances(t.Context(), &ecs.ListContainerInstancesInput{
		Cluster: aws.String("demo"), Filter: aws.String("attribute:ecs.subnet-id == " + dedicated),
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(listed.ContainerInstanceArns).To(Equal([]string{dedicated1, dedicated2}))
	out, err := client.DescribeContainerInstances(t.Context(), &ecs.DescribeContainerInstancesInput{
		Cluster: aws.String("demo"), ContainerInstances: []string{dedicated1, dedicated2, elsewhere, added},
	})
	g.Expect(err).NotTo(HaveOccurred())
	var providers []string
	for _, i := range out.ContainerInstances {
		providers = append(providers, aws.ToString(i.CapacityProviderName))
	}
	g.Expect(providers).To(Equal([]string{"asg", "managed", "", ""}))
	external := out.ContainerInstances[3]
	g.Expect(*external.Ec2InstanceId).To(MatchRegexp(`^mi-[0-9a-f]{17}$`))
	names := map[string]bool{}
	for _, a := range external.Attributes {
		names[*a.Name] = true
	}
	g.Expect(names).To(And(HaveKey("ecs.os-type"), HaveKey("ecs.capability.external")))
	g.Expect(names).NotTo(Or(HaveKey("ecs.subnet-id"), HaveKey("ecs.vpc-id"), HaveKey("ecs.availability-zone")))

	_, err = s.Region().AddContainerInstance("demo", "", region.ContainerInstance{External: true, SubnetID: dedicated})
	g.Expect(err).To(HaveOccurred())
	for _, arn := range []string{dedicated1, dedicated2, elsewhere} {
		s.Region().SetAgentConnected(arn, false)
	}
	run, err := client.RunTask(t.Context(), &ecs.RunTaskInput{Cluster: aws.String("demo"), TaskDefinition: aws.String("demo")})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(run.Tasks).To(BeEmpty(), "tasks for EC2 don't run on external machines")
	g.Expect(run.Failures).To(HaveLen(3))
}

// An external machine's agent connects whatever the network ACLs say.
func TestExternalAgentsConnect(t *testing.T) {
	s, g := start(t, mixed, func(o *Options) {
		o.NoAgents, o.Scale = false, 300
		for i := range o.World.NetworkACLs {
			o.World.NetworkACLs[i].Entries = nil
		}
	})
	g.Eventually(func() []string { return connected(s) }).Should(Equal([]string{instances + "d0d1d2d3d4d5d6d7d8d9dadbdcdddedf"}))
}
