// SPDX-License-Identifier: Apache-2.0

package discovery_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

// What the simulator's default world has.
const (
	cluster    = "demo"
	clusterARN = "arn:aws:ecs:ap-northeast-1:123456789012:cluster/demo"
	subnetID   = "subnet-0c2e4a6b8d1f35790"
	otherID    = "subnet-0e8d6c4b2a9f71350"
	arnPrefix  = "arn:aws:ecs:ap-northeast-1:123456789012:container-instance/demo/"
	first      = arnPrefix + "3f1b5d7e9a2c46808d6f4b2a1c3e5d79"
	second     = arnPrefix + "7c9e2a4d6f8b4130a5c7e9b1d3f50246"
)

func simulate(t *testing.T, change ...func(*world.World)) (*sim.Simulator, *aws.Clients) {
	t.Helper()
	w := world.Default()
	for _, c := range change {
		c(w)
	}
	s, err := sim.Start(t.Context(), sim.Options{NoAgents: true, World: w})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(s.Close)
	return s, aws.NewSessions(s.Config(), "agentdisconnect", "test").In("ap-northeast-1")
}

// crowd registers n more container instances in the subnet.
func crowd(t *testing.T, s *sim.Simulator, n int) {
	t.Helper()
	for i := range n {
		_, err := s.Region().AddContainerInstance(cluster, fmt.Sprintf("%032x", i), region.ContainerInstance{
			SubnetID: subnetID, PrivateIP: netip.AddrFrom4([4]byte{10, 0, 1, byte(i)}), AgentConnected: i%2 == 0,
		})
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
	}
}

func countCalls(s *sim.Simulator, action string) int {
	return len(slices.DeleteFunc(s.Calls(), func(c sim.Call) bool { return c.Name() != action }))
}

func TestListContainerInstancesGivesThoseOfTheSubnet(t *testing.T) {
	g := NewWithT(t)
	_, clients := simulate(t)
	arns, err := discovery.ListContainerInstances(t.Context(), clients.ECS, cluster, subnetID, 1000)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(arns).To(Equal([]string{first, second}))

	arns, err = discovery.ListContainerInstances(t.Context(), clients.ECS, "other", subnetID, 1000)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(arns).To(BeEmpty())

	_, err = discovery.ListContainerInstances(t.Context(), clients.ECS, "missing", subnetID, 1000)
	g.Expect(aws.HasCode(err, aws.CodeClusterNotFound)).To(BeTrue(), "%v", err)
}

func TestListAndPollGoThroughAllPages(t *testing.T) {
	g := NewWithT(t)
	s, clients := simulate(t)
	crowd(t, s, 248)
	arns, err := discovery.ListContainerInstances(t.Context(), clients.ECS, cluster, subnetID, 1000)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(arns).To(HaveLen(250))
	g.Expect(slices.IsSorted(arns)).To(BeTrue())
	g.Expect(countCalls(s, "ecs:ListContainerInstances")).To(Equal(3))

	connected, err := discovery.PollAgents(t.Context(), clients.ECS, cluster, arns)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(connected).To(HaveLen(250))
	for _, instance := range s.Region().ContainerInstances() {
		if instance.SubnetID == subnetID {
			g.Expect(connected).To(HaveKeyWithValue(instance.ARN, instance.AgentConnected))
		}
	}
	g.Expect(countCalls(s, "ecs:DescribeContainerInstances")).To(Equal(3), "100 a call")

	s.Faults().Add(faults.Fault{Action: "ecs:DescribeContainerInstances", Error: "ClientException", Skip: 1, Times: 1})
	_, err = discovery.PollAgents(t.Context(), clients.ECS, cluster, arns)
	g.Expect(err).To(HaveOccurred(), "a part of the agents is not all of them")
}

func TestListStopsWhereThereAreTooMany(t *testing.T) {
	g := NewWithT(t)
	s, clients := simulate(t)
	crowd(t, s, 248)
	arns, err := discovery.ListContainerInstances(t.Context(), clients.ECS, cluster, subnetID, 150)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(len(arns)).To(BeNumerically(">", 150))
	g.Expect(countCalls(s, "ecs:ListContainerInstances")).To(Equal(2))
}

func TestPollAgentsLeavesOutWhoIsNoLongerRegistered(t *testing.T) {
	g := NewWithT(t)
	s, clients := simulate(t)
	g.Expect(s.Region().RemoveContainerInstance(second)).To(Succeed())
	connected, err := discovery.PollAgents(t.Context(), clients.ECS, clusterARN, []string{first, second})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(connected).To(Equal(map[string]bool{first: true}))

	for status, want := range map[string]map[string]bool{
		"DRAINING": {first: true}, "INACTIVE": {}, "DEREGISTERING": {},
	} {
		s.Region().SetContainerInstanceStatus(first, status)
		connected, err = discovery.PollAgents(t.Context(), clients.ECS, clusterARN, []string{first})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(connected).To(Equal(want), status)
	}

	connected, err = discovery.PollAgents(t.Context(), clients.ECS, clusterARN, nil)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(connected).To(BeEmpty())
}

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
	g.Expect(err).To(MatchError("cluster missing doesn't exist"))

	g.Expect(s.Region().DeleteCluster(cluster)).To(Succeed())
	_, err = discovery.DescribeCluster(t.Context(), clients.ECS, cluster)
	g.Expect(errors.As(err, &missing)).To(BeTrue(), "%v", err)
	g.Expect(err).To(MatchError("cluster demo is INACTIVE, not ACTIVE"))

	s.Faults().Add(faults.Fault{Action: "ecs:DescribeClusters", Denied: true})
	_, err = discovery.DescribeCluster(t.Context(), clients.ECS, cluster)
	g.Expect(aws.Classify(err)).To(Equal(aws.Denied))
}

func TestPollEndpointsAsksForEveryInstance(t *testing.T) {
	g := NewWithT(t)
	s, clients := simulate(t, func(w *world.World) {
		w.Clusters[0].ContainerInstances[1].Endpoints = world.Endpoints{ACS: "https://ecs-a-7.ap-northeast-1.amazonaws.com/"}
	})
	hosts, err := discovery.PollEndpoints(t.Context(), clients.ECS, clusterARN, []string{first, second})
	g.Expect(err).NotTo(HaveOccurred())
	host := func(name string) string { return name + ".ap-northeast-1.amazonaws.com" }
	g.Expect(hosts).To(Equal(map[string][]discovery.Host{
		first:  {{Hostname: host("ecs-a-4"), Session: acs}, {Hostname: host("ecs-t-4"), Session: tcs}},
		second: {{Hostname: host("ecs-a-7"), Session: acs}, {Hostname: host("ecs-t-4"), Session: tcs}},
	}))
	g.Expect(countCalls(s, "ecs:DiscoverPollEndpoint")).To(Equal(2))

	hosts, err = discovery.PollEndpoints(t.Context(), clients.ECS, clusterARN, nil)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(hosts).To(BeEmpty())

	s.Faults().Add(faults.Fault{Action: "ecs:DiscoverPollEndpoint", Denied: true})
	_, err = discovery.PollEndpoints(t.Context(), clients.ECS, clusterARN, []string{first, second})
	g.Expect(aws.Classify(err)).To(Equal(aws.Denied), "%v", err)
	g.Expect(aws.Action(err)).To(Equal("ecs:DiscoverPollEndpoint"))
}

func TestPollEndpointsBlamesTheSameInstanceEveryTime(t *testing.T) {
	g := NewWithT(t)
	s, clients := simulate(t, func(w *world.World) {
		w.Clusters[0].ContainerInstances[0].Endpoints = world.Endpoints{TCS: "https://one.local:443/"}
		w.Clusters[0].ContainerInstances[0].Endpoints.ACS = "https://first/"
		w.Clusters[0].ContainerInstances[1].Endpoints.ACS = "https://second/"
	})
	// The first instance is answered last.
	s.Faults().Add(faults.Fault{
		Action: "ecs:DiscoverPollEndpoint", Latency: faults.Duration(50e6), Params: map[string]string{"containerInstance": first},
	})
	_, err := discovery.PollEndpoints(t.Context(), clients.ECS, clusterARN, []string{first, second})
	g.Expect(err).To(MatchError(`ECS named "https://first/" as ACS endpoint: its host is not a fully qualified name`))
}
