// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"context"
	"slices"
	"strings"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"golang.org/x/sync/errgroup"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/clusterquery"
)

const (
	// describeBatch is how many container instances one DescribeContainerInstances call takes.
	describeBatch = 100
	// providerBatch is how many capacity providers one DescribeCapacityProviders call takes.
	providerBatch = 100
	// concurrency bounds the calls under way at once for one object: ECS allows 20 a second of the
	// calls used here.
	concurrency = 8
	// MaxOutside is a sensible limit for OutsideInstances: ten pages, which tell "many" well
	// enough.
	MaxOutside = 1000
)

// Agent is what ECS says of a registered container instance.
type Agent struct {
	Connected bool
	// Draining: the instance has the status DRAINING, so RunTask doesn't place tasks on it.
	Draining bool
	// CapacityProvider is the name of the one that the instance came from; empty: none.
	CapacityProvider string
	// InstanceID is the id in EC2 (i-…), or of an external instance that in Systems Manager (mi-…).
	InstanceID string
}

// External says that the instance is registered from outside AWS (ECS Anywhere): it is in no
// subnet.
func (a Agent) External() bool { return strings.HasPrefix(a.InstanceID, "mi-") }

// ListContainerInstances gives the ARNs of the cluster's container instances in a subnet, sorted;
// none is an empty list, not nil. They are those in every state but INACTIVE, which is what ECS
// lists unless it is asked for one state (API reference). limit bounds how many are given: one
// more than that says that there are more.
func ListContainerInstances(ctx context.Context, client aws.ECS, cluster, subnetID string, limit int) ([]string, error) {
	arns, _, err := list(ctx, client, &ecs.ListContainerInstancesInput{
		Cluster: awssdk.String(cluster),
		Filter:  awssdk.String(clusterquery.InSubnets(subnetID)),
	}, limit+1)
	return arns[:min(len(arns), limit+1)], err
}

// OutsideInstances gives the ARNs of the cluster's container instances beside those inside, sorted:
// the ones in other subnets, and external ones, which are in none. It lists limit instances, inside
// ones included, or a page more; atLeast says that the cluster has more than it listed.
func OutsideInstances(ctx context.Context, client aws.ECS, cluster string, inside []string, limit int) (all []string, atLeast bool, err error) {
	all, atLeast, err = list(ctx, client, &ecs.ListContainerInstancesInput{Cluster: awssdk.String(cluster)}, limit)
	if err != nil {
		return nil, false, err
	}
	known := make(map[string]bool, len(inside))
	for _, arn := range inside {
		known[arn] = true
	}
	return slices.DeleteFunc(all, func(arn string) bool { return known[arn] }), atLeast, nil
}

// list reads pages until it has enough ARNs, sorted, and reports whether there are further pages.
func list(ctx context.Context, client aws.ECS, input *ecs.ListContainerInstancesInput, enough int) (arns []string, more bool, err error) {
	arns = []string{}
	pages := ecs.NewListContainerInstancesPaginator(client, input)
	for pages.HasMorePages() && len(arns) < enough {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, false, err
		}
		arns = append(arns, page.ContainerInstanceArns...)
	}
	slices.Sort(arns)
	return slices.Compact(arns), pages.HasMorePages(), nil
}

// PollAgents asks ECS about the agents of the given container instances: ARN to agent. An instance
// that ECS doesn't know any more, or that is no longer registered, has no entry.
func PollAgents(ctx context.Context, client aws.ECS, cluster string, arns []string) (map[string]Agent, error) {
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

	agents := make(map[string]Agent, len(arns))
	for _, instance := range slices.Concat(answers...) {
		// INACTIVE is what ECS says for a while of an instance that was deregistered or terminated.
		if status := awssdk.ToString(instance.Status); status != "INACTIVE" && status != "DEREGISTERING" {
			agents[awssdk.ToString(instance.ContainerInstanceArn)] = Agent{
				Connected:        instance.AgentConnected,
				Draining:         status == "DRAINING",
				CapacityProvider: awssdk.ToString(instance.CapacityProviderName),
				InstanceID:       awssdk.ToString(instance.Ec2InstanceId),
			}
		}
	}
	return agents, nil
}

// ExternalInstances counts the external ones among the first 100 of some container instances, which
// is one call; atLeast says that there are further ones, which it did not look at.
func ExternalInstances(ctx context.Context, client aws.ECS, cluster string, arns []string) (n int, atLeast bool, err error) {
	agents, err := PollAgents(ctx, client, cluster, arns[:min(len(arns), describeBatch)])
	if err != nil {
		return 0, false, err
	}
	for _, agent := range agents {
		if agent.External() {
			n++
		}
	}
	return n, len(arns) > describeBatch, nil
}

// ManagedInstances gives the names of those capacity providers of a cluster that are of ECS Managed
// Instances, sorted. Empty names count for nothing. ECS names such providers only to who asks for
// those of their cluster (API reference).
func ManagedInstances(ctx context.Context, client aws.ECS, cluster string, providers []string) ([]string, error) {
	providers = slices.Sorted(slices.Values(providers))
	providers = slices.DeleteFunc(slices.Compact(providers), func(name string) bool { return name == "" })
	var managed []string
	for batch := range slices.Chunk(providers, providerBatch) {
		input := &ecs.DescribeCapacityProvidersInput{Cluster: awssdk.String(cluster), CapacityProviders: batch}
		for {
			out, err := client.DescribeCapacityProviders(ctx, input)
			if err != nil {
				return nil, err
			}
			for i := range out.CapacityProviders {
				found := &out.CapacityProviders[i]
				if found.Type == ecstypes.CapacityProviderTypeManagedInstances || found.ManagedInstancesProvider != nil {
					managed = append(managed, awssdk.ToString(found.Name))
				}
			}
			if input.NextToken = out.NextToken; awssdk.ToString(input.NextToken) == "" {
				break
			}
		}
	}

	slices.Sort(managed)
	return slices.Compact(managed), nil
}
