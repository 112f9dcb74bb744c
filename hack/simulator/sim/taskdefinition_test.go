// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	. "github.com/onsi/gomega"
)

const (
	taskRole      = "arn:aws:iam::123456789012:role/task"
	executionRole = "arn:aws:iam::123456789012:role/execution"
)

// register registers a revision of a family with one container.
func register(t *testing.T, s *Simulator, family string, change ...func(*ecs.RegisterTaskDefinitionInput, *types.ContainerDefinition)) error {
	t.Helper()
	container := types.ContainerDefinition{Name: aws.String("c"), Image: aws.String("busybox"), Cpu: 1, Memory: aws.Int32(8)}
	in := &ecs.RegisterTaskDefinitionInput{Family: aws.String(family)}
	for _, c := range change {
		c(in, &container)
	}
	in.ContainerDefinitions = []types.ContainerDefinition{container}
	_, err := ecsClient(s).RegisterTaskDefinition(t.Context(), in)
	return err
}

func attributesOf(d *types.TaskDefinition) []string {
	var names []string
	for _, a := range d.RequiresAttributes {
		names = append(names, *a.Name)
	}
	return names
}

func TestTaskDefinitionIsDescribed(t *testing.T) {
	s, g := start(t)
	err := register(t, s, "web", func(in *ecs.RegisterTaskDefinitionInput, c *types.ContainerDefinition) {
		in.NetworkMode, in.Cpu, in.Memory = types.NetworkModeAwsvpc, aws.String("256"), aws.String("512")
		in.RequiresCompatibilities = []types.Compatibility{types.CompatibilityFargate}
		in.TaskRoleArn, in.ExecutionRoleArn = aws.String(taskRole), aws.String(executionRole)
		in.Tags = []types.Tag{{Key: aws.String("probe"), Value: aws.String("true")}}
		c.Image = aws.String("123456789012.dkr.ecr.ap-northeast-1.amazonaws.com/web:1")
		c.LogConfiguration = &types.LogConfiguration{LogDriver: types.LogDriverAwslogs}
	})
	g.Expect(err).NotTo(HaveOccurred())
	client := ecsClient(s)
	out, err := client.DescribeTaskDefinition(t.Context(), &ecs.DescribeTaskDefinitionInput{TaskDefinition: aws.String("web")})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.Tags).To(BeEmpty(), "not asked for")
	d := out.TaskDefinition
	g.Expect(d.Status).To(Equal(types.TaskDefinitionStatusActive))
	g.Expect(d.NetworkMode).To(Equal(types.NetworkModeAwsvpc))
	g.Expect(d.RequiresCompatibilities).To(Equal([]types.Compatibility{types.CompatibilityFargate}))
	g.Expect(d.Compatibilities).To(Equal([]types.Compatibility{types.CompatibilityEc2, types.CompatibilityFargate}))
	g.Expect([]string{*d.TaskRoleArn, *d.ExecutionRoleArn}).To(Equal([]string{taskRole, executionRole}))
	g.Expect(attributesOf(d)).To(ConsistOf("ecs.capability.task-eni", "com.amazonaws.ecs.capability.ecr-auth", "ecs.capability.execution-role-ecr-pull",
		"com.amazonaws.ecs.capability.logging-driver.awslogs", "ecs.capability.execution-role-awslogs", "com.amazonaws.ecs.capability.task-iam-role"))

	out, err = client.DescribeTaskDefinition(t.Context(), &ecs.DescribeTaskDefinitionInput{
		TaskDefinition: d.TaskDefinitionArn, Include: []types.TaskDefinitionField{types.TaskDefinitionFieldTags},
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.Tags).To(HaveLen(1))
	_, err = client.DescribeTaskDefinition(t.Context(), &ecs.DescribeTaskDefinitionInput{TaskDefinition: aws.String("nope")})
	g.Expect(code(err)).To(Equal("ClientException"))

	err = register(t, s, "bridged", func(in *ecs.RegisterTaskDefinitionInput, _ *types.ContainerDefinition) {
		in.RequiresCompatibilities = []types.Compatibility{types.CompatibilityFargate}
	})
	g.Expect(code(err)).To(Equal("ClientException"))
}

func TestDeregisterTaskDefinition(t *testing.T) {
	s, g := start(t)
	client := ecsClient(s)
	for range 2 {
		g.Expect(register(t, s, "web")).To(Succeed())
	}
	_, err := client.DeregisterTaskDefinition(t.Context(), &ecs.DeregisterTaskDefinitionInput{TaskDefinition: aws.String("web")})
	g.Expect(code(err)).To(Equal("ClientException"), "the revision is missing")
	_, err = client.DeregisterTaskDefinition(t.Context(), &ecs.DeregisterTaskDefinitionInput{TaskDefinition: aws.String("web:3")})
	g.Expect(code(err)).To(Equal("ClientException"))
	gone, err := client.DeregisterTaskDefinition(t.Context(), &ecs.DeregisterTaskDefinitionInput{TaskDefinition: aws.String("web:2")})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(gone.TaskDefinition.Status).To(Equal(types.TaskDefinitionStatusInactive))
	g.Expect(gone.TaskDefinition.DeregisteredAt).NotTo(BeNil())

	latest, err := client.DescribeTaskDefinition(t.Context(), &ecs.DescribeTaskDefinitionInput{TaskDefinition: aws.String("web")})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(latest.TaskDefinition.Revision).To(BeNumerically("==", 1))
	old, err := client.DescribeTaskDefinition(t.Context(), &ecs.DescribeTaskDefinitionInput{TaskDefinition: aws.String("web:2")})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(old.TaskDefinition.Status).To(Equal(types.TaskDefinitionStatusInactive))
	_, err = client.RunTask(t.Context(), &ecs.RunTaskInput{Cluster: aws.String("demo"), TaskDefinition: aws.String("web:2")})
	g.Expect(err).To(MatchError(ContainSubstring("ClientException: TaskDefinition is inactive")))
	_, err = client.RunTask(t.Context(), &ecs.RunTaskInput{Cluster: aws.String("demo"), TaskDefinition: aws.String("web")})
	g.Expect(err).NotTo(HaveOccurred())
}
