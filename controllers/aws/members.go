// SPDX-License-Identifier: Apache-2.0

package aws

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"k8s.io/utils/clock"

	"agentdisconnect.dev/agentdisconnect/controllers/clusterquery"
)

const (
	// listPage is how many container instances ECS lists in a page.
	listPage = 100
	// mostSubnets is how many subnets of a cluster are looked at together.
	mostSubnets = 5000
	// mostKnown bounds of how many container instances the subnet is remembered.
	mostKnown = 50_000
	// undescribedFor is how long a cluster is asked by filters after its container instances could not
	// be described: a role that was given the permission makes use of it then.
	undescribedFor = 10 * time.Minute
	// inNoSubnet stands for the subnet of a container instance outside AWS.
	inNoSubnet = "-"
)

// members know which subnets the container instances of clusters are in, which does not change
// while they are registered, and how many there are.
type members struct {
	client *ecs.Client
	clock  clock.PassiveClock

	mu sync.Mutex
	// subnets has the subnet of container instances, by ARN.
	subnets map[string]string
	// What follows is bounded by the clusters that AWS has, since only those get an entry that exist.
	// sizes has how many container instances clusters had when they were last described, by the
	// name or ARN that was asked for.
	sizes map[string]int
	// undescribed has when the role was last refused to describe the container instances of a cluster.
	undescribed map[string]time.Time
}

func newMembers(client *ecs.Client, clk clock.PassiveClock) *members {
	return &members{client: client, clock: clk, subnets: map[string]string{}, sizes: map[string]int{}, undescribed: map[string]time.Time{}}
}

// readClusters describes clusters, with their statistics. One that isn't there has no entry.
func (m *members) readClusters(ctx context.Context, keys []string) (map[string]ecstypes.Cluster, error) {
	out, err := m.client.DescribeClusters(ctx, &ecs.DescribeClustersInput{Clusters: keys, Include: []ecstypes.ClusterField{ecstypes.ClusterFieldStatistics}})
	if err != nil {
		return nil, err
	}

	found := map[string]ecstypes.Cluster{}
	for _, cluster := range out.Clusters {
		for _, key := range keys { // ECS answers with ARNs to who asks by name
			if key == awssdk.ToString(cluster.ClusterArn) || key == awssdk.ToString(cluster.ClusterName) {
				found[key] = cluster
			}
		}
	}

	m.mu.Lock()
	defer m.mu.Unlock()
	for key, cluster := range found {
		m.sizes[key] = int(cluster.RegisteredContainerInstancesCount)
	}
	return found, nil
}

// readInstances describes container instances of one cluster. One that ECS does not know has no
// entry.
func (m *members) readInstances(ctx context.Context, keys []inCluster) (map[inCluster]ecstypes.ContainerInstance, error) {
	cluster, arns := keys[0].cluster, make([]string, len(keys))
	for i, key := range keys {
		arns[i] = key.id
	}
	instances, _, err := m.describe(ctx, cluster, arns)
	found := make(map[inCluster]ecstypes.ContainerInstance, len(instances))
	for i := range instances {
		found[inCluster{cluster, awssdk.ToString(instances[i].ContainerInstanceArn)}] = instances[i]
	}
	return found, err
}

// describe describes container instances of one cluster, and gives the subnet of each, by ARN.
func (m *members) describe(ctx context.Context, cluster string, arns []string) (found []ecstypes.ContainerInstance, subnets map[string]string, err error) {
	out, err := m.client.DescribeContainerInstances(ctx, &ecs.DescribeContainerInstancesInput{Cluster: awssdk.String(cluster), ContainerInstances: arns})
	if err != nil {
		return nil, nil, err
	}

	subnets = map[string]string{}
	for i := range out.ContainerInstances {
		instance := &out.ContainerInstances[i]
		subnets[awssdk.ToString(instance.ContainerInstanceArn)] = subnetOf(instance)
		// What is kept of thousands of instances is what the controller reads of one.
		found = append(found, ecstypes.ContainerInstance{
			ContainerInstanceArn: instance.ContainerInstanceArn, Status: instance.Status, AgentConnected: instance.AgentConnected,
			CapacityProviderName: instance.CapacityProviderName, Ec2InstanceId: instance.Ec2InstanceId,
			Attributes: slices.DeleteFunc(slices.Clone(instance.Attributes), func(a ecstypes.Attribute) bool {
				return awssdk.ToString(a.Name) != clusterquery.AttributeSubnet
			}),
		})
	}

	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.subnets) >= mostKnown {
		clear(m.subnets) // most of them are gone by then; the others are described again
	}
	maps.Copy(m.subnets, subnets)
	return found, subnets, nil
}

// subnetOf is the subnet that a container instance registered with.
func subnetOf(instance *ecstypes.ContainerInstance) string {
	for _, attribute := range instance.Attributes {
		if awssdk.ToString(attribute.Name) == clusterquery.AttributeSubnet {
			return awssdk.ToString(attribute.Value)
		}
	}
	return inNoSubnet
}

// readPresent lists the container instances of one cluster in the subnets of each key: by filters,
// or all of them where that takes fewer pages.
func (m *members) readPresent(ctx context.Context, keys []inCluster) (map[inCluster][]string, error) {
	cluster := keys[0].cluster
	var subnetIDs []string
	for _, key := range keys {
		subnetIDs = append(subnetIDs, strings.Split(key.id, clusterquery.Separator)...)
	}
	slices.Sort(subnetIDs)
	subnetIDs = slices.Compact(subnetIDs)

	filters := []*string{nil} // of all
	if (len(subnetIDs)+clusterquery.MostSubnets-1)/clusterquery.MostSubnets <= m.pages(cluster) {
		filters = nil
		for batch := range slices.Chunk(subnetIDs, clusterquery.MostSubnets) {
			filters = append(filters, awssdk.String(clusterquery.InSubnets(batch...)))
		}
	}

	var arns []string
	for _, filter := range filters {
		pages := ecs.NewListContainerInstancesPaginator(m.client, &ecs.ListContainerInstancesInput{Cluster: awssdk.String(cluster), Filter: filter})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, err
			}
			arns = append(arns, page.ContainerInstanceArns...)
		}
	}

	if len(keys) == 1 && filters[0] != nil {
		return map[inCluster][]string{keys[0]: arns}, nil
	}
	return m.bySubnet(ctx, keys, arns)
}

// pages is how many pages a list of all container instances of a cluster has; very many where that
// is not known, or where such a list can't be sorted into subnets.
func (m *members) pages(cluster string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	size, known := m.sizes[cluster]
	if refusedAt, ok := m.undescribed[cluster]; !known || ok && Elapsed(refusedAt, m.clock.Now()) < undescribedFor {
		return mostSubnets
	}
	return size/listPage + 1
}

// bySubnet sorts container instances into the subnets of keys. Those of which the subnet is not
// known yet are described.
func (m *members) bySubnet(ctx context.Context, keys []inCluster, arns []string) (map[inCluster][]string, error) {
	cluster := keys[0].cluster
	in := map[string][]string{}
	known, unknown := m.recall(arns)
	for arn, subnetID := range known {
		in[subnetID] = append(in[subnetID], arn)
	}
	for batch := range slices.Chunk(unknown, ecsBatch) {
		_, described, err := m.describe(ctx, cluster, batch)
		if err != nil {
			m.noteUndescribed(cluster, err)
			return nil, err
		}
		for arn, subnetID := range described {
			in[subnetID] = append(in[subnetID], arn)
		}
	}

	found := make(map[inCluster][]string, len(keys))
	for _, key := range keys {
		for subnetID := range strings.SplitSeq(key.id, clusterquery.Separator) {
			found[key] = append(found[key], in[subnetID]...)
		}
	}
	return found, nil
}

// noteUndescribed notes that the role may not describe the container instances of a cluster.
func (m *members) noteUndescribed(cluster string, err error) {
	if Classify(err) != Denied {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.undescribed[cluster] = m.clock.Now()
}

// recall gives the subnets of container instances that are known, by ARN, and the ARNs of the others.
func (m *members) recall(arns []string) (known map[string]string, unknown []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known = map[string]string{}
	for _, arn := range arns {
		if subnetID, ok := m.subnets[arn]; ok {
			known[arn] = subnetID
		} else {
			unknown = append(unknown, arn)
		}
	}
	return known, unknown
}

// sharedECS reads clusters and container instances together with other runs.
type sharedECS struct {
	ECS

	reads  *reads
	since  time.Time
	oldest *oldest
}

// DescribeClusters describes clusters as all runs read them. Those that aren't there are left out,
// and so are the reasons.
func (s sharedECS) DescribeClusters(ctx context.Context, in *ecs.DescribeClustersInput, options ...func(*ecs.Options)) (*ecs.DescribeClustersOutput, error) {
	if len(in.Clusters) == 0 {
		return s.ECS.DescribeClusters(ctx, in, options...)
	}

	found, err := get(ctx, s.reads.clusters, s.since, s.oldest, ecs.ServiceID, "DescribeClusters", in.Clusters...)
	if err != nil {
		return nil, err
	}

	out := &ecs.DescribeClustersOutput{}
	for _, key := range in.Clusters {
		if cluster := found[key]; cluster.Found {
			out.Clusters = append(out.Clusters, cluster.Value)
		}
	}
	return out, nil
}

// DescribeContainerInstances describes container instances as all runs read them. Those that ECS
// does not know are left out, and so are the reasons.
func (s sharedECS) DescribeContainerInstances(ctx context.Context, in *ecs.DescribeContainerInstancesInput, _ ...func(*ecs.Options)) (*ecs.DescribeContainerInstancesOutput, error) {
	keys := make([]inCluster, len(in.ContainerInstances))
	for i, arn := range in.ContainerInstances {
		keys[i] = inCluster{awssdk.ToString(in.Cluster), arn}
	}
	found, err := get(ctx, s.reads.instances, s.since, s.oldest, ecs.ServiceID, "DescribeContainerInstances", keys...)
	if err != nil {
		return nil, err
	}

	out := &ecs.DescribeContainerInstancesOutput{}
	for _, key := range keys {
		if instance := found[key]; instance.Found {
			out.ContainerInstances = append(out.ContainerInstances, instance.Value)
		}
	}
	return out, nil
}

// ListContainerInstances gives all container instances in the subnets of a filter, in one page, as
// all runs list them.
func (s sharedECS) ListContainerInstances(ctx context.Context, in *ecs.ListContainerInstancesInput, options ...func(*ecs.Options)) (*ecs.ListContainerInstancesOutput, error) {
	subnetIDs, ok := clusterquery.SubnetsIn(awssdk.ToString(in.Filter))
	if !ok || in.NextToken != nil || in.Status != "" {
		return s.ECS.ListContainerInstances(ctx, in, options...)
	}

	key := inCluster{awssdk.ToString(in.Cluster), subnetIDs}
	found, err := get(ctx, s.reads.present, s.since, s.oldest, ecs.ServiceID, "ListContainerInstances", key)
	if err != nil {
		return nil, err
	}
	return &ecs.ListContainerInstancesOutput{ContainerInstanceArns: slices.Clone(found[key].Value)}, nil
}

// ListClusters gives the answer to an equal request of any run.
func (s sharedECS) ListClusters(ctx context.Context, in *ecs.ListClustersInput, _ ...func(*ecs.Options)) (*ecs.ListClustersOutput, error) {
	return ask(ctx, s.reads.lists, s.since, s.oldest, ecs.ServiceID, "ListClusters", in)
}
