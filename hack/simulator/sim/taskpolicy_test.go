// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

const (
	arnOfECS      = "arn:aws:ecs:ap-northeast-1:123456789012:"
	inDemo        = `"ArnEquals":{"ecs:cluster":"` + arnOfECS + `cluster/demo"}`
	toTasks       = `"StringEquals":{"iam:PassedToService":"ecs-tasks.amazonaws.com"}`
	arnOfDemoTask = arnOfECS + "task/demo/*"
)

// What a caller needs that starts a task, looks at it and stops it.
func TestPolicyOnTasks(t *testing.T) {
	s, g := under(t, allow("ecs:RunTask", arnOfECS+"task-definition/demo:*", inDemo)+","+
		allow("ecs:StopTask", arnOfDemoTask, inDemo)+","+allow("ecs:DescribeTasks", arnOfDemoTask, inDemo)+","+
		allow("ecs:ListTasks", "*", inDemo)+","+allow("ecs:DescribeTaskDefinition", "*", `"Null":{"ecs:cluster":"true"}`))
	client := ecsClient(s)
	run := func(cluster string, change func(*ecs.RunTaskInput)) (*ecs.RunTaskOutput, error) {
		in := &ecs.RunTaskInput{Cluster: aws.String(cluster), TaskDefinition: aws.String("demo")}
		change(in)
		return client.RunTask(t.Context(), in)
	}
	nothing := func(*ecs.RunTaskInput) {}
	out, err := run("demo", nothing)
	g.Expect(err).NotTo(HaveOccurred())
	arn := out.Tasks[0].TaskArn
	_, err = run("other", nothing)
	g.Expect(err).To(MatchError(ContainSubstring("ecs:RunTask on resource: " + arnOfECS + "task-definition/demo:1")))
	_, err = run("demo", func(in *ecs.RunTaskInput) { in.Tags = []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}} })
	g.Expect(err).To(MatchError(ContainSubstring("ecs:TagResource on resource: " + arnOfDemoTask)))

	_, err = client.DescribeTaskDefinition(t.Context(), &ecs.DescribeTaskDefinitionInput{TaskDefinition: aws.String("demo")})
	g.Expect(err).NotTo(HaveOccurred())
	for cluster, want := range map[string]string{"demo": "", "other": "AccessDeniedException"} {
		_, err = client.ListTasks(t.Context(), &ecs.ListTasksInput{Cluster: aws.String(cluster)})
		g.Expect(code(err)).To(Equal(want), cluster)
		_, err = client.DescribeTasks(t.Context(), &ecs.DescribeTasksInput{Cluster: aws.String(cluster), Tasks: []string{*arn}})
		g.Expect(code(err)).To(Equal(want), cluster)
	}
	_, err = client.StopTask(t.Context(), &ecs.StopTaskInput{Cluster: aws.String("other"), Task: arn})
	g.Expect(code(err)).To(Equal("AccessDeniedException"))
	_, err = client.StopTask(t.Context(), &ecs.StopTaskInput{Cluster: aws.String("demo"), Task: arn})
	g.Expect(err).NotTo(HaveOccurred())
	_, err = client.DeregisterTaskDefinition(t.Context(), &ecs.DeregisterTaskDefinitionInput{TaskDefinition: aws.String("demo:1")})
	g.Expect(code(err)).To(Equal("AccessDeniedException"))
}

// Who starts a task hands it its roles, also those that the call names in place of the
// definition's.
func TestPolicyOnRolesOfTasks(t *testing.T) {
	s, g := under(t, allow("ecs:RunTask", arnOfECS+"task-definition/*", inDemo)+","+allow("iam:PassRole", taskRole, toTasks))
	add := func(family string, roles map[string]any) {
		roles["containerDefinitions"] = []any{map[string]any{"name": "c", "image": "busybox"}}
		_, err := s.Region().RegisterTaskDefinition(region.TaskDefinition{Family: family, Document: roles})
		g.Expect(err).NotTo(HaveOccurred())
	}
	add("one", map[string]any{"taskRoleArn": taskRole})
	add("two", map[string]any{"taskRoleArn": taskRole, "executionRoleArn": executionRole})
	run := func(family string, overrides *types.TaskOverride) error {
		_, err := ecsClient(s).RunTask(t.Context(), &ecs.RunTaskInput{Cluster: aws.String("demo"), TaskDefinition: aws.String(family), Overrides: overrides})
		return err
	}
	g.Expect(run("one", nil)).To(Succeed())
	g.Expect(run("two", nil)).To(MatchError(ContainSubstring("iam:PassRole on resource: " + executionRole)))
	g.Expect(run("two", &types.TaskOverride{ExecutionRoleArn: aws.String(taskRole)})).To(Succeed())
	g.Expect(run("one", &types.TaskOverride{TaskRoleArn: aws.String(executionRole)})).To(MatchError(ContainSubstring("iam:PassRole on resource: " + executionRole)))

	s.Faults().Add(faults.Fault{Action: "iam:PassRole", Denied: true})
	g.Expect(code(run("one", nil))).To(Equal("AccessDeniedException"))
	g.Expect(run("demo", nil)).To(Succeed(), "it has no role")
}
