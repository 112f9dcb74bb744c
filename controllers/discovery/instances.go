// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"context"
	"fmt"
	"slices"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"golang.org/x/sync/errgroup"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
)

const (
	// describeBatch is how many container instances one DescribeContainerInstances call takes.
	describeBatch = 100
	// concurrency bounds the calls under way at once for one object: ECS allows 20 a second of the calls used here.
	concurrency = 8
)

// ListContainerInstances gives the ARNs of the cluster's container instances in a subnet, sorted. limit bounds how many
// are listed: the answer holds more than limit ARNs only to say that there are more.
func ListContainerInstances(ctx context.Context, client aws.ECS, cluster, subnetID string, limit int) ([]string, error) {
	var arns []string
	pages := ecs.NewListContainerInstancesPaginator(client, &ecs.ListContainerInstancesInput{
		Cluster: awssdk.String(cluster),
		Filter:  awssdk.String("attribute:ecs.subnet-id == " + subnetID),
	})
	for pages.HasMorePages() && len(arns) <= limit {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		arns = append(arns, page.ContainerInstanceArns...)
	}
	slices.Sort(arns)
	return slices.Compact(arns), nil
}

// PollAgents asks ECS whether the agents of the given container instances are connected: ARN to connected. An instance
// that ECS doesn't know any more, or that is no longer registered, has no entry.
func PollAgents(ctx context.Context, client aws.ECS, cluster string, arns []string) (map[string]bool, error) {
	batches := slices.Collect(slices.Chunk(arns, describeBatch))
	answers := make([][]ecstypes.ContainerInstance, len(batches))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for i, batch := range batches {
		group.Go(func() error {
			out, err := client.DescribeContainerInstances(ctx, &ecs.DescribeContainerInstancesInput{
				Cluster: awssdk.String(cluster), ContainerInstances: batch,
			})
			if err != nil {
				return err
			}
			answers[i] = out.ContainerInstances
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	connected := make(map[string]bool, len(arns))
	for _, answer := range answers {
		for _, instance := range answer {
			// INACTIVE is what ECS says for a while of an instance that was deregistered or terminated.
			if status := awssdk.ToString(instance.Status); status != "INACTIVE" && status != "DEREGISTERING" {
				connected[awssdk.ToString(instance.ContainerInstanceArn)] = instance.AgentConnected
			}
		}
	}
	return connected, nil
}

// Cluster is an ECS cluster as AWS describes it.
type Cluster struct{ ARN string }

// ClusterNotFoundError says that a cluster doesn't exist where it was looked for, or is no longer active.
type ClusterNotFoundError struct {
	// Cluster is the name or ARN that was asked for.
	Cluster string
	// Status is the state of a cluster that isn't active, such as INACTIVE; empty where there is none.
	Status string
}

// Error implements error.
func (e *ClusterNotFoundError) Error() string {
	if e.Status != "" {
		return fmt.Sprintf("cluster %s is %s, not ACTIVE", e.Cluster, e.Status)
	}
	return fmt.Sprintf("cluster %s doesn't exist", e.Cluster)
}

// DescribeCluster looks a cluster up by name or ARN. A *ClusterNotFoundError says that there is no active one.
func DescribeCluster(ctx context.Context, client aws.ECS, cluster string) (Cluster, error) {
	out, err := client.DescribeClusters(ctx, &ecs.DescribeClustersInput{Clusters: []string{cluster}})
	if err != nil {
		return Cluster{}, err
	}
	if len(out.Clusters) == 0 {
		return Cluster{}, &ClusterNotFoundError{Cluster: cluster}
	}
	found := out.Clusters[0]
	if status := awssdk.ToString(found.Status); status != "ACTIVE" {
		return Cluster{}, &ClusterNotFoundError{Cluster: cluster, Status: status}
	}
	return Cluster{ARN: awssdk.ToString(found.ClusterArn)}, nil
}
