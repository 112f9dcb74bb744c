// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"context"
	"fmt"
	"slices"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
)

// TaskDefinition is a task definition as AWS describes it.
type TaskDefinition struct {
	// ARN names the revision too.
	ARN string
	// Active: tasks of it can be started.
	Active bool
	// EC2: it allows the launch type EC2.
	EC2 bool
	// AWSVPC: its tasks get a network interface of their own, in subnets that the caller names.
	AWSVPC bool
	// Roles are the ARNs of the roles that its tasks get, sorted: RunTask takes iam:PassRole for
	// them.
	Roles []string
}

// TaskDefinitionNotFoundError says that a task definition doesn't exist where it was looked for.
type TaskDefinitionNotFoundError struct {
	// Definition is the family, family:revision or ARN that was asked for.
	Definition string
}

// Error implements error.
func (e *TaskDefinitionNotFoundError) Error() string {
	return fmt.Sprintf("task definition %s does not exist", e.Definition)
}

// DescribeTaskDefinition looks a task definition up by family, family:revision or ARN. Of a family
// it is the latest active revision. A *TaskDefinitionNotFoundError says that there is none.
func DescribeTaskDefinition(ctx context.Context, client aws.ECS, ref string) (TaskDefinition, error) {
	out, err := client.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: awssdk.String(ref)})
	switch {
	case aws.HasCode(err, aws.CodeClient):
		return TaskDefinition{}, &TaskDefinitionNotFoundError{Definition: ref}
	case err != nil:
		return TaskDefinition{}, err
	}

	d := out.TaskDefinition
	var roles []string
	for _, role := range []*string{d.TaskRoleArn, d.ExecutionRoleArn} {
		if awssdk.ToString(role) != "" {
			roles = append(roles, *role)
		}
	}
	slices.Sort(roles)

	return TaskDefinition{
		ARN: awssdk.ToString(d.TaskDefinitionArn), Active: d.Status == ecstypes.TaskDefinitionStatusActive,
		EC2: slices.Contains(d.Compatibilities, ecstypes.CompatibilityEc2), AWSVPC: d.NetworkMode == ecstypes.NetworkModeAwsvpc,
		Roles: slices.Compact(roles),
	}, nil
}
