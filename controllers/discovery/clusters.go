// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"golang.org/x/sync/errgroup"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/clusterquery"
)

const (
	// MaxClusters is how many other clusters OtherClusters looks at. Each with container instances
	// is a call, of which ECS allows a burst of 100 and then 20 a second: more clusters than this
	// would hold up a start for over a quarter of a minute.
	MaxClusters = 300
	// clusterBatch is how many clusters one DescribeClusters call takes.
	clusterBatch = 100
	// fewLooks are made right away: to ask first which clusters have container instances would save
	// one call at most, and costs a round trip.
	fewLooks = 2
	// lookBurst and lookInterval keep OtherClusters well below that rate, which it shares with the
	// polls of every run and with other callers of ECS in the account.
	lookBurst    = 60
	lookInterval = 60 * time.Millisecond
)

// Cluster is an ECS cluster as AWS describes it.
type Cluster struct {
	ARN string
	// FargateTasks and ExternalTasks count the tasks that run or are about to, on Fargate and on
	// external instances. No agent in a subnet has to do with them.
	FargateTasks, ExternalTasks int
	// DefaultProviders are the capacity providers of the cluster's default strategy, in its order;
	// nil: there is none.
	DefaultProviders []string
}

// ClusterNotFoundError says that a cluster doesn't exist where it was looked for, or is no longer
// active.
type ClusterNotFoundError struct {
	// Cluster is the name or ARN that was asked for.
	Cluster string
	// Status is the state of a cluster that isn't active, such as INACTIVE; empty where there is
	// none.
	Status string
}

// Error implements error.
func (e *ClusterNotFoundError) Error() string {
	if e.Status != "" {
		return fmt.Sprintf("cluster %s is %s, not ACTIVE", e.Cluster, e.Status)
	}
	return fmt.Sprintf("cluster %s does not exist", e.Cluster)
}

// DescribeCluster looks a cluster up by name or ARN. A *ClusterNotFoundError says that there is no
// active one.
func DescribeCluster(ctx context.Context, client aws.ECS, cluster string) (Cluster, error) {
	out, err := client.DescribeClusters(ctx, &ecs.DescribeClustersInput{
		Clusters: []string{cluster}, Include: []ecstypes.ClusterField{ecstypes.ClusterFieldStatistics},
	})
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

	var providers []string
	for _, item := range found.DefaultCapacityProviderStrategy {
		providers = append(providers, awssdk.ToString(item.CapacityProvider))
	}

	return Cluster{
		ARN:              awssdk.ToString(found.ClusterArn),
		FargateTasks:     tasks(found.Statistics, "Fargate"),
		ExternalTasks:    tasks(found.Statistics, "External"),
		DefaultProviders: providers,
	}, nil
}

// tasks adds up the tasks of a launch type in the statistics of a cluster, zero where they have
// none. The API reference writes RunningFargateTasksCount and leaves the external ones out; ECS
// answers runningFargateTasksCount and runningExternalTasksCount.
func tasks(statistics []ecstypes.KeyValuePair, launchType string) int {
	sum := 0
	for _, statistic := range statistics {
		name := awssdk.ToString(statistic.Name)
		if strings.EqualFold(name, "running"+launchType+"TasksCount") || strings.EqualFold(name, "pending"+launchType+"TasksCount") {
			if n, err := strconv.ParseUint(awssdk.ToString(statistic.Value), 10, 31); err == nil {
				sum += int(n)
			}
		}
	}
	return sum
}

// OtherClusters gives the ARNs of the clusters beside own, a name or ARN, that have container
// instances in one of the subnets, DRAINING ones included; sorted. It looks at MaxClusters others
// at most; complete says that there are no more. What is deleted meanwhile is left out. It is many
// calls where many clusters have instances: keep the answer for a while. Errors are those of AWS.
func OtherClusters(ctx context.Context, client aws.ECS, own string, subnetIDs ...string) (found []string, complete bool, err error) {
	others, complete, err := listOtherClusters(ctx, client, own)
	if err != nil {
		return nil, false, err
	}

	looks := looksAt(others, subnetIDs)
	described := len(looks) > fewLooks
	if described {
		if others, err = withInstances(ctx, client, others); err != nil {
			return nil, false, err
		}
		looks = looksAt(others, subnetIDs)
	}

	found, err = findPresent(ctx, client, looks)
	if err == nil && !described {
		// A list has instances in any state but INACTIVE, such as those whose registration failed.
		found, err = withInstances(ctx, client, found)
	}

	if err != nil {
		return nil, false, err
	}

	slices.Sort(found)
	return found, complete, nil
}

// findPresent gives the clusters of looks that have container instances where they look, each once.
func findPresent(ctx context.Context, client aws.ECS, looks []look) (found []string, err error) {
	present := make([]bool, len(looks))
	pace := time.NewTicker(lookInterval)
	defer pace.Stop()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for i, look := range looks {
		if i >= lookBurst {
			select {
			case <-pace.C:
			case <-ctx.Done():
			}
		}
		group.Go(func() (err error) {
			present[i], err = look.hasInstances(ctx, client)
			return err
		})
	}

	if err := group.Wait(); err != nil {
		return nil, err
	}

	for i, look := range looks {
		if present[i] {
			found = append(found, look.cluster)
		}
	}
	return slices.Compact(found), nil
}

// look is one question to ECS: whether a cluster has container instances in some subnets.
type look struct {
	cluster   string
	subnetIDs []string
}

// looksAt are the questions that find out which clusters have container instances in which subnets,
// ordered by cluster.
func looksAt(clusters, subnetIDs []string) []look {
	var looks []look
	for _, cluster := range clusters {
		for batch := range slices.Chunk(subnetIDs, clusterquery.MostSubnets) {
			looks = append(looks, look{cluster, batch})
		}
	}
	return looks
}

// ListClusters gives the ARNs of the Region's clusters, MaxClusters at most; complete says that those
// are all.
func ListClusters(ctx context.Context, client aws.ECS) (arns []string, complete bool, err error) {
	return listOtherClusters(ctx, client, "")
}

// listOtherClusters gives the ARNs of at most MaxClusters clusters beside own, and whether those
// are all.
func listOtherClusters(ctx context.Context, client aws.ECS, own string) (others []string, complete bool, err error) {
	pages := ecs.NewListClustersPaginator(client, &ecs.ListClustersInput{})
	for pages.HasMorePages() && len(others) <= MaxClusters {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, false, err
		}
		for _, arn := range page.ClusterArns {
			if arn != own && !strings.HasSuffix(arn, ":cluster/"+own) {
				others = append(others, arn)
			}
		}
	}

	if len(others) > MaxClusters {
		return others[:MaxClusters], false, nil
	}
	return others, true, nil
}

// withInstances keeps the clusters that have container instances: of a cluster's
// registeredContainerInstancesCount the API reference says that it counts the ACTIVE and the
// DRAINING ones.
func withInstances(ctx context.Context, client aws.ECS, arns []string) ([]string, error) {
	var populated []string
	for batch := range slices.Chunk(arns, clusterBatch) {
		out, err := client.DescribeClusters(ctx, &ecs.DescribeClustersInput{Clusters: batch})
		if err != nil {
			return nil, err
		}
		for i := range out.Clusters {
			if out.Clusters[i].RegisteredContainerInstancesCount > 0 {
				populated = append(populated, awssdk.ToString(out.Clusters[i].ClusterArn))
			}
		}
	}
	return populated, nil
}

// hasInstances asks. It asks for pages of full size: a filtered one may hold less than was asked
// for and still not be the last, and of size 1 they could be as many as the instances.
func (l look) hasInstances(ctx context.Context, client aws.ECS) (bool, error) {
	arns, _, err := list(ctx, client, &ecs.ListContainerInstancesInput{
		Cluster: awssdk.String(l.cluster), Filter: awssdk.String(clusterquery.InSubnets(l.subnetIDs...)),
	}, 1)
	if aws.HasCode(err, aws.CodeClusterNotFound) {
		return false, nil
	}
	return len(arns) > 0, err
}
