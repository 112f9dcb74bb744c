// SPDX-License-Identifier: Apache-2.0

package probetasks

import (
	"context"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/clusterquery"
)

// Request is one attempt to start a task on the container instances of a cluster in one subnet.
type Request struct {
	Identity

	// ClusterARN, DefinitionARN and SubnetID say what is started where. AWSVPC: tasks of the
	// definition get a network interface in the subnet.
	ClusterARN, DefinitionARN, SubnetID string
	AWSVPC                              bool
}

// Failure is why RunTask did not place a task on a container instance. ARN may be empty.
type Failure struct{ ARN, Reason, Detail string }

// Answer is what RunTask answered: tasks, failures, or in theory neither.
type Answer struct {
	Tasks    []Task
	Failures []Failure
}

// Run calls RunTask, once. The same request gives the same task again, for as long as AWS remembers
// its client token.
func Run(ctx context.Context, client aws.FencedECS, r Request) (Answer, error) {
	in := &ecs.RunTaskInput{
		Cluster: awssdk.String(r.ClusterARN), TaskDefinition: awssdk.String(r.DefinitionARN), Count: awssdk.Int32(1),
		LaunchType: ecstypes.LaunchTypeEc2, StartedBy: awssdk.String(StartedBy), Group: awssdk.String(r.Group()),
		ClientToken: awssdk.String(r.token()),
		PlacementConstraints: []ecstypes.PlacementConstraint{{
			Type: ecstypes.PlacementConstraintTypeMemberOf, Expression: awssdk.String(clusterquery.InSubnets(r.SubnetID)),
		}},
	}
	if r.AWSVPC {
		in.NetworkConfiguration = &ecstypes.NetworkConfiguration{AwsvpcConfiguration: &ecstypes.AwsVpcConfiguration{Subnets: []string{r.SubnetID}}}
	}

	out, err := client.RunTask(ctx, in)
	if err != nil {
		return Answer{}, err
	}

	var answer Answer
	for i := range out.Tasks {
		answer.Tasks = append(answer.Tasks, taskOf(&out.Tasks[i]))
	}
	for _, f := range out.Failures {
		answer.Failures = append(answer.Failures, Failure{awssdk.ToString(f.Arn), awssdk.ToString(f.Reason), awssdk.ToString(f.Detail)})
	}
	return answer, nil
}
