// SPDX-License-Identifier: Apache-2.0

package discovery_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

const (
	otherARN    = world.OtherClusterARN
	otherInSome = "arn:aws:ecs:ap-northeast-1:123456789012:container-instance/other/" + world.OtherInstance
)

func TestDescribeCluster(t *testing.T) {
	g := NewWithT(t)
	s, clients := simulate(t)
	for _, ref := range []string{cluster, clusterARN} {
		found, err := discovery.DescribeCluster(t.Context(), clients.ECS, ref)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(found).To(Equal(discovery.Cluster{ARN: clusterARN}))
	}

	var missing *discovery.ClusterNotFoundError
	_, err := discovery.DescribeCluster(t.Context(), clients.ECS, "missing")
	g.Expect(errors.As(err, &missing)).To(BeTrue(), "%v", err)
	g.Expect(err).To(MatchError("cluster missing does not exist"))

	g.Expect(s.Region().DeleteCluster(cluster)).To(Succeed())
	_, err = discovery.DescribeCluster(t.Context(), clients.ECS, cluster)
	g.Expect(errors.As(err, &missing)).To(BeTrue(), "%v", err)
	g.Expect(err).To(MatchError("cluster demo is INACTIVE, not ACTIVE"))

	s.Faults().Add(faults.Fault{Action: "ecs:DescribeClusters", Denied: true})
	_, err = discovery.DescribeCluster(t.Context(), clients.ECS, cluster)
	g.Expect(aws.Classify(err)).To(Equal(aws.Denied))
}

func TestAClusterThatIsDeletedMeanwhileIsLeftOut(t *testing.T) {
	g := NewWithT(t)
	s, clients := simulate(t)
	s.Faults().Add(faults.Fault{Action: "ecs:ListContainerInstances", Error: aws.CodeClusterNotFound})
	found, complete, err := discovery.OtherClusters(t.Context(), clients.ECS, cluster, subnetID, otherID)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(complete).To(BeTrue())
	g.Expect(found).To(BeEmpty())
}

// strategic is an ECS whose cluster has a default strategy.
type strategic struct {
	aws.ECS
	providers []string
}

func (s strategic) DescribeClusters(ctx context.Context, in *ecs.DescribeClustersInput, options ...func(*ecs.Options)) (*ecs.DescribeClustersOutput, error) {
	out, err := s.ECS.DescribeClusters(ctx, in, options...)
	if err == nil {
		for _, name := range s.providers {
			item := ecstypes.CapacityProviderStrategyItem{CapacityProvider: awssdk.String(name)}
			out.Clusters[0].DefaultCapacityProviderStrategy = append(out.Clusters[0].DefaultCapacityProviderStrategy, item)
		}
	}
	return out, err
}

func TestDescribeClusterNamesTheProvidersOfItsDefaultStrategy(t *testing.T) {
	g := NewWithT(t)
	_, clients := simulate(t)
	found, err := discovery.DescribeCluster(t.Context(), strategic{clients.ECS, []string{"spot", "base"}}, cluster)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found.DefaultProviders).To(Equal([]string{"spot", "base"}), "in their order")
}

func TestDescribeClusterCountsTasksThatNoAgentOfASubnetHas(t *testing.T) {
	g := NewWithT(t)
	s, clients := simulate(t)
	g.Expect(s.Region().SetFargateTasks(cluster, 3)).To(Succeed())
	found, err := discovery.DescribeCluster(t.Context(), clients.ECS, cluster)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(Equal(discovery.Cluster{ARN: clusterARN, FargateTasks: 3}))
}

// statistics is an ECS whose clusters have these statistics.
type statistics struct {
	aws.ECS
	of map[string]string
}

func (s statistics) DescribeClusters(context.Context, *ecs.DescribeClustersInput, ...func(*ecs.Options)) (*ecs.DescribeClustersOutput, error) {
	found := ecstypes.Cluster{ClusterArn: awssdk.String(clusterARN), Status: awssdk.String("ACTIVE")}
	for name, value := range s.of {
		found.Statistics = append(found.Statistics, ecstypes.KeyValuePair{Name: awssdk.String(name), Value: awssdk.String(value)})
	}
	return &ecs.DescribeClustersOutput{Clusters: []ecstypes.Cluster{found}}, nil
}

func TestDescribeClusterReadsStatisticsAsDocumentedAndAsAnswered(t *testing.T) {
	for name, tc := range map[string]struct {
		statistics        map[string]string
		fargate, external int
	}{
		"none": {},
		"as ECS answers": {
			statistics: map[string]string{
				"runningFargateTasksCount": "12", "pendingFargateTasksCount": "1", "runningExternalTasksCount": "4", "pendingExternalTasksCount": "0",
				"runningEC2TasksCount": "9", "activeFargateServiceCount": "9", "runningManagedInstancesTasksCount": "9",
			},
			fargate: 13, external: 4,
		},
		"as the API reference writes": {statistics: map[string]string{"RunningFargateTasksCount": "2"}, fargate: 2},
		"no numbers":                  {statistics: map[string]string{"runningFargateTasksCount": "many", "runningExternalTasksCount": "-1"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			found, err := discovery.DescribeCluster(t.Context(), statistics{of: tc.statistics}, cluster)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(found).To(Equal(discovery.Cluster{ARN: clusterARN, FargateTasks: tc.fargate, ExternalTasks: tc.external}))
		})
	}
}

func TestOtherClustersGivesThoseWithInstancesInTheSubnet(t *testing.T) {
	g := NewWithT(t)
	s, clients := simulate(t)
	addEmptyClusters(g, s, 2)
	others := func(own, subnet string) []string {
		t.Helper()
		found, complete, err := discovery.OtherClusters(t.Context(), clients.ECS, own, subnet)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(complete).To(BeTrue())
		return found
	}
	g.Expect(others(clusterARN, subnetID)).To(BeEmpty())
	g.Expect(others(clusterARN, otherID)).To(Equal([]string{otherARN}))
	g.Expect(others(cluster, otherID)).To(Equal([]string{otherARN}), "own by name")
	g.Expect(others(otherARN, subnetID)).To(Equal([]string{clusterARN}))
	g.Expect(others("arn:aws:ecs:ap-northeast-1:123456789012:cluster/third", otherID)).To(Equal([]string{clusterARN, otherARN}))
	several, complete, err := discovery.OtherClusters(t.Context(), clients.ECS, "none", subnetID, otherID)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(complete).To(BeTrue())
	g.Expect(several).To(Equal([]string{clusterARN, otherARN}), "each once, in whichever of several subnets")
	many := append(slices.Repeat([]string{"subnet-00000000000000000"}, 40), otherID)
	several, _, err = discovery.OtherClusters(t.Context(), clients.ECS, clusterARN, many...)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(several).To(Equal([]string{otherARN}), "in more subnets than one filter names")
	g.Expect(others("emo", otherID)).To(Equal([]string{clusterARN, otherARN}), "the end of a name is no name")

	s.Region().SetContainerInstanceStatus(otherInSome, "DRAINING")
	g.Expect(others(clusterARN, otherID)).To(Equal([]string{otherARN}), "its agent is there as long as it drains")

	s.Faults().Add(faults.Fault{Action: "ecs:DescribeClusters", Frozen: true})
	g.Expect(s.Region().DeleteCluster("other")).To(Succeed())
	g.Expect(others(clusterARN, otherID)).To(BeEmpty(), "deleted since it was described")

	g.Expect(s.Region().AddCluster("gone", nil)).To(Succeed())
	gone, err := s.Region().AddContainerInstance("gone", "", region.ContainerInstance{SubnetID: otherID, PrivateIP: netip.MustParseAddr("10.0.2.50")})
	g.Expect(err).NotTo(HaveOccurred())
	s.Faults().Add(faults.Fault{Action: "ecs:DescribeClusters", Frozen: true})
	g.Expect(s.Region().RemoveContainerInstance(gone)).To(Succeed())
	g.Expect(others(clusterARN, otherID)).To(BeEmpty(), "deregistered since the cluster was described")
}

// "No other clusters" is what lets a run begin, so no failure may read like that.
func TestOtherClustersSaysNothingWhereACallFails(t *testing.T) {
	for _, action := range []string{"ecs:ListClusters", "ecs:DescribeClusters", "ecs:ListContainerInstances"} {
		t.Run(action, func(t *testing.T) {
			g := NewWithT(t)
			s, clients := simulate(t)
			addEmptyClusters(g, s, 2)
			s.Faults().Add(faults.Fault{Action: action, Denied: true})
			found, complete, err := discovery.OtherClusters(t.Context(), clients.ECS, clusterARN, otherID)
			g.Expect(aws.Classify(err)).To(Equal(aws.Denied), "%v", err)
			g.Expect(found).To(BeEmpty())
			g.Expect(complete).To(BeFalse())
		})
	}
}

// addEmptyClusters adds clusters without container instances: with two of them and one other, the clusters are more than
// are asked about their subnets right away.
func addEmptyClusters(g *WithT, s *sim.Simulator, n int) {
	for i := range n {
		g.Expect(s.Region().AddCluster(fmt.Sprintf("empty-%03d", i), nil)).To(Succeed())
	}
}

// Few clusters are asked at once, and what comes of it is the same.
func TestOtherClustersAsksFewClustersAtOnce(t *testing.T) {
	for empty, described := range []int{0, 0, 1} {
		g := NewWithT(t)
		s, clients := simulate(t)
		addEmptyClusters(g, s, empty)
		found, complete, err := discovery.OtherClusters(t.Context(), clients.ECS, clusterARN, subnetID)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(complete).To(BeTrue())
		g.Expect(found).To(BeEmpty())
		g.Expect(countCalls(s, "ecs:DescribeClusters")).To(Equal(described))

		found, complete, err = discovery.OtherClusters(t.Context(), clients.ECS, clusterARN, otherID)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(complete).To(BeTrue())
		g.Expect(found).To(Equal([]string{otherARN}))
	}
}

// withoutActive is an ECS whose clusters have container instances in other states alone: they are listed, and not counted.
type withoutActive struct{ aws.ECS }

func (e withoutActive) DescribeClusters(ctx context.Context, in *ecs.DescribeClustersInput, options ...func(*ecs.Options)) (*ecs.DescribeClustersOutput, error) {
	out, err := e.ECS.DescribeClusters(ctx, in, options...)
	if err != nil {
		return nil, err
	}
	for i := range out.Clusters {
		out.Clusters[i].RegisteredContainerInstancesCount = 0
	}
	return out, nil
}

// An instance whose registration failed has no agent that could be cut off.
func TestOtherClustersLeavesOutClustersWithoutActiveInstances(t *testing.T) {
	for _, empty := range []int{0, 2} {
		g := NewWithT(t)
		s, clients := simulate(t)
		addEmptyClusters(g, s, empty)
		found, complete, err := discovery.OtherClusters(t.Context(), withoutActive{clients.ECS}, clusterARN, otherID)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(complete).To(BeTrue())
		g.Expect(found).To(BeEmpty())
	}
}

func TestOtherClustersAsksNotAboutClustersWithoutInstances(t *testing.T) {
	g := NewWithT(t)
	s, clients := simulate(t)
	addEmptyClusters(g, s, discovery.MaxClusters-1)
	found, complete, err := discovery.OtherClusters(t.Context(), clients.ECS, clusterARN, otherID)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(complete).To(BeTrue(), "as many as are looked at")
	g.Expect(found).To(Equal([]string{otherARN}))
	g.Expect(countCalls(s, "ecs:ListClusters")).To(Equal(4))
	g.Expect(countCalls(s, "ecs:DescribeClusters")).To(Equal(3))
	g.Expect(countCalls(s, "ecs:ListContainerInstances")).To(Equal(1))

	g.Expect(s.Region().AddCluster("one-too-many", nil)).To(Succeed())
	_, complete, err = discovery.OtherClusters(t.Context(), clients.ECS, clusterARN, otherID)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(complete).To(BeFalse())
}

func TestOtherClustersStaysBelowTheRateThatECSAllows(t *testing.T) {
	g := NewWithT(t)
	s, clients := simulate(t)
	var want []string
	for i := range 110 {
		name := fmt.Sprintf("crowd-%03d", i)
		g.Expect(s.Region().AddCluster(name, nil)).To(Succeed())
		_, err := s.Region().AddContainerInstance(name, "", region.ContainerInstance{
			SubnetID: thirdID, PrivateIP: netip.AddrFrom4([4]byte{10, 0, 3, byte(10 + i)}),
		})
		g.Expect(err).NotTo(HaveOccurred())
		want = append(want, "arn:aws:ecs:ap-northeast-1:123456789012:cluster/"+name)
	}
	throttle, err := faults.Parse("ecs:* throttle")
	g.Expect(err).NotTo(HaveOccurred())
	s.Faults().Add(throttle)
	found, complete, err := discovery.OtherClusters(t.Context(), clients.ECS, clusterARN, thirdID)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(complete).To(BeTrue())
	g.Expect(found).To(Equal(want))
	g.Expect(slices.ContainsFunc(s.Calls(), func(c sim.Call) bool { return c.Error != "" })).To(BeFalse(), "no call was throttled")
}

func TestOtherClustersEndsWithItsContext(t *testing.T) {
	g := NewWithT(t)
	s, clients := simulate(t)
	s.Faults().Add(faults.Fault{Action: "ecs:ListContainerInstances", Error: "ServerException"})
	_, _, err := discovery.OtherClusters(t.Context(), clients.ECS, clusterARN, otherID)
	g.Expect(aws.HasCode(err, "ServerException")).To(BeTrue(), "%v", err)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err = discovery.OtherClusters(ctx, clients.ECS, clusterARN, otherID)
	g.Expect(err).To(MatchError(context.Canceled))
}
