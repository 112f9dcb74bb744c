// SPDX-License-Identifier: Apache-2.0

package probetasks

import (
	"context"
	"slices"
	"strings"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
)

// describeBatch is how many tasks one DescribeTasks call takes.
const describeBatch = 100

// Task is a task as ECS describes it.
type Task struct {
	// ARN, ClusterARN and ContainerInstanceARN name it, its cluster and where it was placed.
	ARN, ClusterARN, ContainerInstanceARN string
	// StartedBy and Group are as they were given to RunTask. The group of a probe's task has its
	// Identity.
	StartedBy, Group string
	// StopRequested: ECS has been told to stop it. Its agent has to hear of it.
	StopRequested bool
	// Stopped: it is.
	Stopped bool
}

func taskOf(t *ecstypes.Task) Task {
	const stopped = string(ecstypes.DesiredStatusStopped)
	return Task{
		ARN: awssdk.ToString(t.TaskArn), ClusterARN: awssdk.ToString(t.ClusterArn), ContainerInstanceARN: awssdk.ToString(t.ContainerInstanceArn),
		StartedBy: awssdk.ToString(t.StartedBy), Group: awssdk.ToString(t.Group), StopRequested: awssdk.ToString(t.DesiredStatus) == stopped, Stopped: awssdk.ToString(t.LastStatus) == stopped,
	}
}

// IsOf reports whether a probe of an object started the task.
func (t Task) IsOf(object Identity) bool {
	identity, err := ParseGroup(t.Group)
	return err == nil && t.StartedBy == StartedBy && identity.IsOfObject(object)
}

// Find gives the tasks in a cluster that have the startedBy of probes and that ECS has not been told
// to stop, sorted by ARN. The list may lag behind RunTask by seconds.
func Find(ctx context.Context, client aws.ECS, cluster string) ([]Task, error) {
	var arns []string
	pages := ecs.NewListTasksPaginator(client, &ecs.ListTasksInput{Cluster: awssdk.String(cluster), StartedBy: awssdk.String(StartedBy)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		arns = append(arns, page.TaskArns...)
	}

	described, err := Describe(ctx, client, cluster, arns)
	return described.Tasks, err
}

// Described is what ECS says of tasks.
type Described struct {
	// Tasks are those that it knows, sorted by ARN.
	Tasks []Task
	// Missing are the ARNs of those that it does not: it forgets a task about an hour after it
	// stopped, and may not know one yet that was started a moment ago.
	Missing []string
}

// Describe asks about tasks of a cluster by ARN.
func Describe(ctx context.Context, client aws.ECS, cluster string, arns []string) (Described, error) {
	var found Described
	for batch := range slices.Chunk(arns, describeBatch) {
		out, err := client.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: awssdk.String(cluster), Tasks: batch})
		if err != nil {
			return Described{}, err
		}
		for i := range out.Tasks {
			found.Tasks = append(found.Tasks, taskOf(&out.Tasks[i]))
		}
		for _, f := range out.Failures {
			if awssdk.ToString(f.Reason) == "MISSING" {
				found.Missing = append(found.Missing, awssdk.ToString(f.Arn))
			}
		}
	}
	slices.SortFunc(found.Tasks, func(a, b Task) int { return strings.Compare(a.ARN, b.ARN) })
	return found, nil
}

// maxReason is how long the reason of StopTask may be.
const maxReason = 255

// Stop tells ECS to stop a task. One that is stopped already is no error.
func Stop(ctx context.Context, client aws.FencedECS, cluster, arn, reason string) error {
	_, err := client.StopTask(ctx, &ecs.StopTaskInput{Cluster: awssdk.String(cluster), Task: awssdk.String(arn), Reason: awssdk.String(aws.Truncate(reason, maxReason))})
	return err
}

// noTask is the id of a task that does not exist: ECS makes random ones.
var noTask = strings.Repeat("0", 32)

// CheckStop asks ECS to stop a task that does not exist: AWS answers whether the caller may stop
// tasks of the cluster, and changes nothing. StopTask has no dry run.
func CheckStop(ctx context.Context, client aws.FencedECS, cluster string) error {
	err := Stop(ctx, client, cluster, noTask, "checks the permission to stop tasks")
	if aws.Classify(err) == aws.Rejected {
		return nil // there is no such task
	}
	return err
}

// CheckDescribe asks ECS about a task that does not exist: the answer is whether the caller may ask.
func CheckDescribe(ctx context.Context, client aws.ECS, cluster string) error {
	_, err := Describe(ctx, client, cluster, []string{noTask})
	return err
}
