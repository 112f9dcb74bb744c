// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

// reasonOf starts a task on a container instance and gives the reason why not; empty: it was
// placed.
func reasonOf(t *testing.T, g *WithT, s *Simulator, instance, family string) string {
	t.Helper()
	out, err := ecsClient(s).StartTask(t.Context(), &ecs.StartTaskInput{
		Cluster: aws.String("demo"), TaskDefinition: aws.String(family), ContainerInstances: []string{instance},
	})
	g.Expect(err).NotTo(HaveOccurred())
	if len(out.Failures) > 0 {
		return *out.Failures[0].Reason
	}
	return ""
}

func port(host, container int32, protocol types.TransportProtocol) func(*ecs.RegisterTaskDefinitionInput, *types.ContainerDefinition) {
	return func(_ *ecs.RegisterTaskDefinitionInput, c *types.ContainerDefinition) {
		c.PortMappings = []types.PortMapping{{HostPort: aws.Int32(host), ContainerPort: aws.Int32(container), Protocol: protocol}}
	}
}

func TestPorts(t *testing.T) {
	s, g := start(t)
	onHost := func(in *ecs.RegisterTaskDefinitionInput, _ *types.ContainerDefinition) {
		in.NetworkMode = types.NetworkModeHost
	}
	for family, change := range map[string][]func(*ecs.RegisterTaskDefinitionInput, *types.ContainerDefinition){
		"web": {port(8080, 80, types.TransportProtocolTcp)}, "other": {port(8080, 81, types.TransportProtocolTcp)},
		"dns": {port(8080, 53, types.TransportProtocolUdp)}, "dynamic": {port(0, 80, types.TransportProtocolTcp)},
		"host": {onHost, port(0, 8080, types.TransportProtocolTcp)}, "ssh": {port(22, 22, types.TransportProtocolTcp)},
	} {
		g.Expect(register(t, s, family, change...)).To(Succeed())
	}
	g.Expect(reasonOf(t, g, s, dedicated1, "ssh")).To(Equal("RESOURCE:PORTS"), "the instance's own")
	g.Expect(reasonOf(t, g, s, dedicated1, "web")).To(BeEmpty())
	g.Expect(reasonOf(t, g, s, dedicated1, "other")).To(Equal("RESOURCE:PORTS"))
	g.Expect(reasonOf(t, g, s, dedicated1, "host")).To(Equal("RESOURCE:PORTS"))
	g.Expect(reasonOf(t, g, s, dedicated1, "dns")).To(BeEmpty(), "another protocol")
	g.Expect(reasonOf(t, g, s, dedicated1, "dynamic")).To(BeEmpty())
	g.Expect(reasonOf(t, g, s, dedicated1, "dynamic")).To(BeEmpty())
	g.Expect(reasonOf(t, g, s, dedicated2, "host")).To(BeEmpty(), "ports are an instance's")

	out, err := ecsClient(s).DescribeContainerInstances(t.Context(), &ecs.DescribeContainerInstancesInput{
		Cluster: aws.String("demo"), ContainerInstances: []string{dedicated1},
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.ContainerInstances[0].RemainingResources).To(ContainElement(HaveField("StringSetValue", ConsistOf("22", "2375", "2376", "8080", "51678", "51679"))))
}

func TestGPUsAndAttributes(t *testing.T) {
	s, g := start(t, func(o *Options) {
		o.World = world.Default()
		o.World.Clusters[0].ContainerInstances[0].GPUs = 1
		o.World.Clusters[0].ContainerInstances[1].Attributes = map[string]string{"com.amazonaws.ecs.capability.logging-driver.gelf": ""}
	})
	err := register(t, s, "gpu", func(_ *ecs.RegisterTaskDefinitionInput, c *types.ContainerDefinition) {
		c.ResourceRequirements = []types.ResourceRequirement{{Type: types.ResourceTypeGpu, Value: aws.String("1")}}
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(reasonOf(t, g, s, dedicated2, "gpu")).To(Equal("RESOURCE:GPU"))
	g.Expect(reasonOf(t, g, s, dedicated1, "gpu")).To(BeEmpty())
	g.Expect(reasonOf(t, g, s, dedicated1, "gpu")).To(Equal("RESOURCE:GPU"), "it has one")

	err = register(t, s, "gelf", func(_ *ecs.RegisterTaskDefinitionInput, c *types.ContainerDefinition) {
		c.LogConfiguration = &types.LogConfiguration{LogDriver: types.LogDriverGelf}
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(reasonOf(t, g, s, dedicated1, "gelf")).To(Equal("ATTRIBUTE"))
	g.Expect(reasonOf(t, g, s, dedicated2, "gelf")).To(BeEmpty())
	s.Region().SetAgentConnected(dedicated1, false)
	g.Expect(reasonOf(t, g, s, dedicated1, "gelf")).To(Equal("AGENT"))
}

func TestNetworkConfiguration(t *testing.T) {
	s, g := start(t)
	err := register(t, s, "vpc", func(in *ecs.RegisterTaskDefinitionInput, _ *types.ContainerDefinition) {
		in.NetworkMode = types.NetworkModeAwsvpc
	})
	g.Expect(err).NotTo(HaveOccurred())
	run := func(family string, subnets ...string) (*ecs.RunTaskOutput, error) {
		in := &ecs.RunTaskInput{Cluster: aws.String("demo"), TaskDefinition: aws.String(family)}
		if subnets != nil {
			in.NetworkConfiguration = &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: subnets}}
		}
		return ecsClient(s).RunTask(t.Context(), in)
	}
	_, err = run("vpc")
	g.Expect(err).To(MatchError(ContainSubstring("InvalidParameterException: Network Configuration must be provided when networkMode 'awsvpc' is specified.")))
	_, err = run("demo", dedicated)
	g.Expect(err).To(MatchError(ContainSubstring("InvalidParameterException: Network Configuration is not valid for the given networkMode")))
	_, err = run("vpc", "subnet-00000000000000000")
	g.Expect(code(err)).To(Equal("InvalidParameterException"))
	placed, err := run("vpc", dedicated)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*placed.Tasks[0].ContainerInstanceArn).To(BeElementOf(dedicated1, dedicated2), "instances of the subnet's Availability Zone")
	failed, err := run("vpc", shared2)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(failed.Tasks).To(BeEmpty())
	g.Expect(failed.Failures).To(HaveEach(HaveField("Reason", HaveValue(Equal("LOCATION")))))
}

// Instances that drain are neither candidates nor failures. Where all do, there are none.
func TestDrainingInstances(t *testing.T) {
	s, g := start(t)
	run := func() (*ecs.RunTaskOutput, error) {
		return ecsClient(s).RunTask(t.Context(), &ecs.RunTaskInput{
			Cluster: aws.String("demo"), TaskDefinition: aws.String("demo"), PlacementConstraints: inSubnet(dedicated),
		})
	}
	s.Region().SetContainerInstanceStatus(dedicated1, "DRAINING")
	s.Region().SetContainerInstanceStatus(dedicated2, "DRAINING")
	out, err := run()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.Failures).To(HaveLen(1))
	g.Expect(*out.Failures[0].Reason).To(Equal(region.ReasonConstraint))
	s.Region().SetContainerInstanceStatus(elsewhere, "DRAINING")
	_, err = run()
	g.Expect(err).To(MatchError(ContainSubstring("InvalidParameterException: No Container Instances were found in your cluster.")))
}

func TestRunTaskValidates(t *testing.T) {
	s, g := start(t)
	text := func(n int) *string { return aws.String(strings.Repeat("a", n)) }
	inVPC := func(change func(*types.AwsVpcConfiguration)) func(*ecs.RunTaskInput) {
		return func(in *ecs.RunTaskInput) {
			c := &types.AwsVpcConfiguration{Subnets: []string{dedicated}}
			change(c)
			in.NetworkConfiguration = &types.NetworkConfiguration{AwsvpcConfiguration: c}
		}
	}
	strategy := func(items ...types.CapacityProviderStrategyItem) func(*ecs.RunTaskInput) {
		return func(in *ecs.RunTaskInput) { in.CapacityProviderStrategy = items }
	}
	overriding := func(c types.ContainerOverride) func(*ecs.RunTaskInput) {
		return func(in *ecs.RunTaskInput) {
			in.Overrides = &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{c}}
		}
	}
	base := types.CapacityProviderStrategyItem{CapacityProvider: aws.String("asg"), Base: 1, Weight: 1}
	cases := map[string]func(*ecs.RunTaskInput){
		"startedBy":      func(in *ecs.RunTaskInput) { in.StartedBy = aws.String("a b") },
		"long startedBy": func(in *ecs.RunTaskInput) { in.StartedBy = text(129) },
		"token":          func(in *ecs.RunTaskInput) { in.ClientToken = aws.String("a b") },
		"long token":     func(in *ecs.RunTaskInput) { in.ClientToken = text(65) },
		"group":          func(in *ecs.RunTaskInput) { in.Group = aws.String("service:web") },
		"count 0":        func(in *ecs.RunTaskInput) { in.Count = aws.Int32(0) },
		"count 11":       func(in *ecs.RunTaskInput) { in.Count = aws.Int32(11) },
		"constraints":    func(in *ecs.RunTaskInput) { in.PlacementConstraints = slices.Repeat(inSubnet(dedicated), 11) },
		"constraint":     func(in *ecs.RunTaskInput) { in.PlacementConstraints = inSubnet("a b") },
		"strategies": func(in *ecs.RunTaskInput) {
			in.PlacementStrategy = slices.Repeat([]types.PlacementStrategy{{Type: types.PlacementStrategyTypeRandom}}, 6)
		},
		"strategy": func(in *ecs.RunTaskInput) {
			in.PlacementStrategy = []types.PlacementStrategy{{Type: types.PlacementStrategyTypeBinpack, Field: aws.String("disk")}}
		},
		"launch type": func(in *ecs.RunTaskInput) { in.LaunchType = "LAMBDA" },
		"platform": func(in *ecs.RunTaskInput) {
			in.LaunchType, in.PlatformVersion = types.LaunchTypeEc2, aws.String("LATEST")
		},
		"reference":       func(in *ecs.RunTaskInput) { in.ReferenceId = text(1025) },
		"tags":            func(in *ecs.RunTaskInput) { in.Tags = []types.Tag{{Key: aws.String("aws:x"), Value: aws.String("y")}} },
		"propagate":       func(in *ecs.RunTaskInput) { in.PropagateTags = "ALL" },
		"no subnets":      inVPC(func(c *types.AwsVpcConfiguration) { c.Subnets = []string{} }),
		"subnets":         inVPC(func(c *types.AwsVpcConfiguration) { c.Subnets = slices.Repeat(c.Subnets, 17) }),
		"security groups": inVPC(func(c *types.AwsVpcConfiguration) { c.SecurityGroups = slices.Repeat(c.Subnets, 6) }),
		"public IP":       inVPC(func(c *types.AwsVpcConfiguration) { c.AssignPublicIp = "MAYBE" }),
		"provider":        strategy(provider("", 1)),
		"weight":          strategy(provider("asg", 1001)),
		"negative weight": strategy(provider("asg", -1)),
		"base":            strategy(types.CapacityProviderStrategyItem{CapacityProvider: aws.String("asg"), Base: 100001, Weight: 1}),
		"two bases":       strategy(base, base),
		"container":       overriding(types.ContainerOverride{Name: aws.String("nope")}),
		"long overrides":  overriding(types.ContainerOverride{Name: aws.String("demo"), Command: []string{*text(8192)}}),
		"volumes": func(in *ecs.RunTaskInput) {
			in.VolumeConfigurations = []types.TaskVolumeConfiguration{{Name: aws.String("data")}}
		},
	}
	for name, change := range cases {
		in := &ecs.RunTaskInput{Cluster: aws.String("demo"), TaskDefinition: aws.String("demo")}
		change(in)
		_, err := ecsClient(s).RunTask(t.Context(), in)
		g.Expect(code(err)).To(Equal("InvalidParameterException"), name)
	}
	// What the SDK itself refuses to send.
	for _, overrides := range []string{`"resourceRequirements":[{"value":"1"}]`, `"environmentFiles":[{"type":"s3"}]`} {
		_, answer := post(t, s, "ecs", "AmazonEC2ContainerServiceV20141113.RunTask",
			`{"cluster":"demo","taskDefinition":"demo","overrides":{"containerOverrides":[{"name":"demo",`+overrides+`}]}}`)
		g.Expect(answer).To(ContainSubstring("InvalidParameterException"), overrides)
	}
	_, answer := post(t, s, "ecs", "AmazonEC2ContainerServiceV20141113.RunTask", `{"cluster":"demo"}`)
	g.Expect(answer).To(ContainSubstring("TaskDefinition can not be blank."))
	out, err := ecsClient(s).ListTasks(t.Context(), &ecs.ListTasksInput{Cluster: aws.String("demo")})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.TaskArns).To(BeEmpty(), "nothing was started")
}

func TestStartTaskValidates(t *testing.T) {
	s, g := start(t)
	for name, refs := range map[string][]string{"none": {}, "eleven": slices.Repeat([]string{dedicated1}, 11)} {
		_, err := ecsClient(s).StartTask(t.Context(), &ecs.StartTaskInput{
			Cluster: aws.String("demo"), TaskDefinition: aws.String("demo"), ContainerInstances: refs,
		})
		g.Expect(code(err)).To(Equal("InvalidParameterException"), name)
	}
	// Where RunTask finds no instance, StartTask starts the task on one that drains.
	s.Region().SetContainerInstanceStatus(dedicated1, "DRAINING")
	g.Expect(reasonOf(t, g, s, dedicated1, "demo")).To(BeEmpty())
	s.Region().SetAgentConnected(dedicated1, false)
	g.Expect(reasonOf(t, g, s, dedicated1, "demo")).To(Equal("AGENT"))
}

func TestListTasksByStartedBy(t *testing.T) {
	s, g := start(t)
	client := ecsClient(s)
	_, err := client.RunTask(t.Context(), &ecs.RunTaskInput{Cluster: aws.String("demo"), TaskDefinition: aws.String("demo"), StartedBy: aws.String("a")})
	g.Expect(err).NotTo(HaveOccurred())
	list := func(change func(*ecs.ListTasksInput)) ([]string, error) {
		in := &ecs.ListTasksInput{Cluster: aws.String("demo"), StartedBy: aws.String("a")}
		change(in)
		out, err := client.ListTasks(t.Context(), in)
		if err != nil {
			return nil, err
		}
		return out.TaskArns, nil
	}
	g.Expect(list(func(*ecs.ListTasksInput) {})).To(HaveLen(1))
	g.Expect(list(func(in *ecs.ListTasksInput) { in.DesiredStatus = types.DesiredStatusRunning })).To(HaveLen(1))
	g.Expect(list(func(in *ecs.ListTasksInput) { in.StartedBy = aws.String("b") })).To(BeEmpty())
	for name, change := range map[string]func(*ecs.ListTasksInput){
		"family":     func(in *ecs.ListTasksInput) { in.Family = aws.String("demo") },
		"instance":   func(in *ecs.ListTasksInput) { in.ContainerInstance = aws.String(dedicated1) },
		"launchType": func(in *ecs.ListTasksInput) { in.LaunchType = types.LaunchTypeEc2 },
		"daemon":     func(in *ecs.ListTasksInput) { in.DaemonName = aws.String("logs") },
		"status":     func(in *ecs.ListTasksInput) { in.DesiredStatus = "GONE" },
		"unknown":    func(in *ecs.ListTasksInput) { in.StartedBy, in.ContainerInstance = nil, aws.String("nope") },
		"launch":     func(in *ecs.ListTasksInput) { in.StartedBy, in.LaunchType = nil, "LAMBDA" },
		"results 0":  func(in *ecs.ListTasksInput) { in.MaxResults = aws.Int32(0) },
		"results":    func(in *ecs.ListTasksInput) { in.MaxResults = aws.Int32(101) },
		"token":      func(in *ecs.ListTasksInput) { in.NextToken = aws.String("x") },
	} {
		_, err := list(change)
		g.Expect(code(err)).To(Equal("InvalidParameterException"), name)
	}
}
