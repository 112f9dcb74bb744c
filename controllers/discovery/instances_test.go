// SPDX-License-Identifier: Apache-2.0

package discovery_test

import (
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
	cluster    = world.DefaultCluster
	clusterARN = world.DefaultClusterARN
	subnetID   = world.DedicatedSubnet
	otherID    = world.SharedSubnet
	arnPrefix  = "arn:aws:ecs:ap-northeast-1:123456789012:container-instance/demo/"
	first      = arnPrefix + world.DedicatedInstance1
	second     = arnPrefix + world.DedicatedInstance2
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

	agents, err := discovery.PollAgents(t.Context(), clients.ECS, cluster, arns)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(agents).To(HaveLen(250))
	for _, instance := range s.Region().ContainerInstances() {
		if instance.SubnetID == subnetID {
			g.Expect(agents).To(HaveKeyWithValue(instance.ARN, discovery.Agent{
				Connected: instance.AgentConnected, InstanceID: instance.EC2InstanceID,
			}))
		}
	}
	g.Expect(countCalls(s, "ecs:DescribeContainerInstances")).To(Equal(3), "100 a call")

	s.Faults().Add(faults.Fault{Action: "ecs:DescribeContainerInstances", Denied: true, Skip: 1})
	_, err = discovery.PollAgents(t.Context(), clients.ECS, cluster, arns)
	g.Expect(err).To(HaveOccurred(), "a part of the agents is not all of them")
}

func TestListSaysWhereThereAreTooMany(t *testing.T) {
	g := NewWithT(t)
	s, clients := simulate(t)
	crowd(t, s, 248)
	arns, err := discovery.ListContainerInstances(t.Context(), clients.ECS, cluster, subnetID, 150)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(arns).To(HaveLen(151))
}

func TestPollAgentsLeavesOutWhoIsNoLongerRegistered(t *testing.T) {
	g := NewWithT(t)
	s, clients := simulate(t)
	agent := discovery.Agent{Connected: true, InstanceID: "i-0a1b2c3d4e5f60718"}
	g.Expect(s.Region().RemoveContainerInstance(second)).To(Succeed())
	agents, err := discovery.PollAgents(t.Context(), clients.ECS, clusterARN, []string{first, second})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(agents).To(Equal(map[string]discovery.Agent{first: agent}))

	for status, want := range map[string]map[string]discovery.Agent{
		"DRAINING": {first: {Connected: true, Draining: true, InstanceID: agent.InstanceID}}, "INACTIVE": {}, "DEREGISTERING": {},
	} {
		s.Region().SetContainerInstanceStatus(first, status)
		agents, err = discovery.PollAgents(t.Context(), clients.ECS, clusterARN, []string{first})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(agents).To(Equal(want), status)
	}

	agents, err = discovery.PollAgents(t.Context(), clients.ECS, clusterARN, nil)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(agents).To(BeEmpty())
}

// mixed adds an instance that ECS manages, in the subnet, and an external one.
func mixed(t *testing.T, s *sim.Simulator) (managed, external string) {
	t.Helper()
	g := NewWithT(t)
	g.Expect(s.Region().AddCapacityProvider(region.CapacityProvider{
		Name: "managed", Type: region.ProviderManagedInstances, Cluster: cluster,
	})).To(Succeed())
	managed, err := s.Region().AddContainerInstance(cluster, "", region.ContainerInstance{
		SubnetID: subnetID, PrivateIP: netip.MustParseAddr("10.0.1.100"), CapacityProvider: "managed", EC2InstanceID: "i-0e5f60718293a4b5c",
	})
	g.Expect(err).NotTo(HaveOccurred())
	external, err = s.Region().AddContainerInstance(cluster, "", region.ContainerInstance{
		External: true, PrivateIP: netip.MustParseAddr("192.168.0.5"), EC2InstanceID: "mi-0123456789abcdef0", AgentConnected: true,
	})
	g.Expect(err).NotTo(HaveOccurred())
	return managed, external
}

func TestPollAgentsTellsWhereAnInstanceComesFrom(t *testing.T) {
	g := NewWithT(t)
	s, clients := simulate(t)
	managed, external := mixed(t, s)
	agents, err := discovery.PollAgents(t.Context(), clients.ECS, cluster, []string{managed, external})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(agents).To(Equal(map[string]discovery.Agent{
		managed:  {CapacityProvider: "managed", InstanceID: "i-0e5f60718293a4b5c"},
		external: {Connected: true, InstanceID: "mi-0123456789abcdef0"},
	}))
	g.Expect(agents[managed].External()).To(BeFalse())
	g.Expect(agents[external].External()).To(BeTrue())
}

func TestOutsideInstancesAreThoseElsewhereAndExternalOnes(t *testing.T) {
	g := NewWithT(t)
	s, clients := simulate(t)
	managed, external := mixed(t, s)
	inside, err := discovery.ListContainerInstances(t.Context(), clients.ECS, cluster, subnetID, 1000)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(inside).To(ConsistOf(first, second, managed))

	outside, atLeast, err := discovery.OutsideInstances(t.Context(), clients.ECS, cluster, inside, discovery.MaxOutside)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(atLeast).To(BeFalse())
	g.Expect(outside).To(ConsistOf(arnPrefix+world.SharedInstance, external))
	g.Expect(slices.IsSorted(outside)).To(BeTrue())

	n, atLeast, err := discovery.ExternalInstances(t.Context(), clients.ECS, cluster, outside)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(atLeast).To(BeFalse())
	g.Expect(n).To(Equal(1))

	_, _, err = discovery.OutsideInstances(t.Context(), clients.ECS, "missing", nil, discovery.MaxOutside)
	g.Expect(aws.HasCode(err, aws.CodeClusterNotFound)).To(BeTrue(), "%v", err)
}

// A list reads no more pages than it takes to tell that there are more than the limit.
func TestHowManyPagesAreRead(t *testing.T) {
	g := NewWithT(t)
	s, clients := simulate(t)
	crowd(t, s, 1098) // beside two
	listed := countCalls(s, "ecs:ListContainerInstances")
	_, atLeast, err := discovery.OutsideInstances(t.Context(), clients.ECS, cluster, nil, discovery.MaxOutside)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(atLeast).To(BeTrue())
	g.Expect(countCalls(s, "ecs:ListContainerInstances") - listed).To(Equal(10))
}

func TestManagedInstancesAmongMoreProvidersThanACallTakes(t *testing.T) {
	g := NewWithT(t)
	s, clients := simulate(t)
	mixed(t, s)
	names := []string{"managed"}
	for i := range 150 {
		names = append(names, fmt.Sprintf("gone-%03d", i))
	}
	g.Expect(discovery.ManagedInstances(t.Context(), clients.ECS, cluster, names)).To(Equal([]string{"managed"}))
}

func TestExternalInstancesSaysWhereItCannotLook(t *testing.T) {
	g := NewWithT(t)
	s, clients := simulate(t)
	s.Faults().Add(faults.Fault{Action: "ecs:DescribeContainerInstances", Denied: true})
	_, _, err := discovery.ExternalInstances(t.Context(), clients.ECS, cluster, []string{first})
	g.Expect(aws.Classify(err)).To(Equal(aws.Denied))
}

func TestOutsideInstancesSaysThatThereAreMore(t *testing.T) {
	g := NewWithT(t)
	s, clients := simulate(t)
	crowd(t, s, 248)
	outside, atLeast, err := discovery.OutsideInstances(t.Context(), clients.ECS, cluster, []string{first}, 200)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(atLeast).To(BeTrue())
	g.Expect(len(outside)).To(BeNumerically("~", 200, 1))
	g.Expect(outside).NotTo(ContainElement(first))
	g.Expect(countCalls(s, "ecs:ListContainerInstances")).To(Equal(2))

	n, atLeast, err := discovery.ExternalInstances(t.Context(), clients.ECS, cluster, outside)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(atLeast).To(BeTrue())
	g.Expect(n).To(BeZero())
	g.Expect(countCalls(s, "ecs:DescribeContainerInstances")).To(Equal(1))
}

func TestManagedInstancesAreToldFromOtherCapacityProviders(t *testing.T) {
	g := NewWithT(t)
	s, clients := simulate(t)
	mixed(t, s)
	names := []string{"managed", "", "FARGATE", "gone", "managed"}
	want := []string{"managed"}
	for i := range 12 { // a page has ten
		name := fmt.Sprintf("asg-%02d", i)
		g.Expect(s.Region().AddCapacityProvider(region.CapacityProvider{
			Name: name, Type: region.ProviderAutoScaling, AutoScalingGroupARN: s.Region().ARN("autoscaling", "autoScalingGroup:x:autoScalingGroupName/"+name),
		})).To(Succeed())
		g.Expect(s.Region().AddClusterCapacityProviders(cluster, name)).To(Succeed())
		more := fmt.Sprintf("z-managed-%02d", i)
		g.Expect(s.Region().AddCapacityProvider(region.CapacityProvider{
			Name: more, Type: region.ProviderManagedInstances, Cluster: cluster,
		})).To(Succeed())
		names, want = append(names, more, name), append(want, more)
	}
	managed, err := discovery.ManagedInstances(t.Context(), clients.ECS, clusterARN, names)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(managed).To(Equal(want))
	g.Expect(countCalls(s, "ecs:DescribeCapacityProviders")).To(Equal(3))

	managed, err = discovery.ManagedInstances(t.Context(), clients.ECS, clusterARN, []string{""})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(managed).To(BeEmpty())
	g.Expect(countCalls(s, "ecs:DescribeCapacityProviders")).To(Equal(3), "none named would be all")

	s.Faults().Add(faults.Fault{Action: "ecs:DescribeCapacityProviders", Denied: true})
	_, err = discovery.ManagedInstances(t.Context(), clients.ECS, clusterARN, names)
	g.Expect(aws.Classify(err)).To(Equal(aws.Denied), "%v", err)
}

func TestPollEndpointsAsksForEveryInstance(t *testing.T) {
	g := NewWithT(t)
	s, clients := simulate(t, func(w *world.World) {
		w.Clusters[0].ContainerInstances[1].Endpoints = world.Endpoints{ACS: "https://ecs-a-7.ap-northeast-1.amazonaws.com/"}
	})
	hosts, err := discovery.PollEndpoints(t.Context(), clients.ECS, clusterARN, nil, []string{first, second})
	g.Expect(err).NotTo(HaveOccurred())
	host := func(name string) string { return name + ".ap-northeast-1.amazonaws.com" }
	g.Expect(hosts).To(Equal(map[string][]discovery.Host{
		first:  {{Hostname: host("ecs-a-4"), Session: acs}, {Hostname: host("ecs-t-4"), Session: tcs}},
		second: {{Hostname: host("ecs-a-7"), Session: acs}, {Hostname: host("ecs-t-4"), Session: tcs}},
	}))
	g.Expect(countCalls(s, "ecs:DiscoverPollEndpoint")).To(Equal(2))

	hosts, err = discovery.PollEndpoints(t.Context(), clients.ECS, clusterARN, nil, nil)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(hosts).To(BeEmpty())

	s.Faults().Add(faults.Fault{Action: "ecs:DiscoverPollEndpoint", Denied: true})
	_, err = discovery.PollEndpoints(t.Context(), clients.ECS, clusterARN, nil, []string{first, second})
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
	_, err := discovery.PollEndpoints(t.Context(), clients.ECS, clusterARN, nil, []string{first, second})
	g.Expect(err).To(MatchError(`ECS named "https://first/" as ACS endpoint: its host is not a fully qualified name`))
}

func TestPollEndpointsLetsNoInstanceHideTheOthers(t *testing.T) {
	g := NewWithT(t)
	_, clients := simulate(t, func(w *world.World) {
		w.Clusters[0].ContainerInstances[0].Endpoints.ACS = "https://10.1.2.3/"
	})
	hosts, err := discovery.PollEndpoints(t.Context(), clients.ECS, clusterARN, nil, []string{first, second})
	g.Expect(err).To(MatchError(ContainSubstring("https://10.1.2.3/")))
	g.Expect(hosts).To(HaveLen(1))
	g.Expect(hosts[second]).To(HaveLen(2))
}

func TestNoContainerInstanceIsAnAnswerToo(t *testing.T) {
	g := NewWithT(t)
	_, clients := simulate(t)
	arns, err := discovery.ListContainerInstances(t.Context(), clients.ECS, clusterARN, "subnet-0123456789abcdef0", 10)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(arns).To(Equal([]string{}), "nil is what could not be listed")
}
