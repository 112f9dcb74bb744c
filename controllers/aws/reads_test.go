// SPDX-License-Identifier: Apache-2.0

package aws_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	. "github.com/onsi/gomega"
	clocktesting "k8s.io/utils/clock/testing"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/clusterquery"
	"agentdisconnect.dev/agentdisconnect/controllers/ratelimit"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

const tokyo = "ap-northeast-1"

// fleet is a cluster with two container instances in each of some subnets.
func fleet(g *WithT, s *sim.Simulator, subnets int) (cluster string, subnetIDs []string, arns map[string][]string) {
	g.Expect(s.Region().AddCluster("fleet", nil)).To(Succeed())
	found, _ := s.Region().View(time.Time{}).Subnet(world.DedicatedSubnet)
	arns = map[string][]string{}
	for i := range subnets {
		id := fmt.Sprintf("subnet-0%016x", i)
		g.Expect(s.Region().AddSubnet(region.Subnet{ID: id, VPCID: found.VPCID, CIDR: found.CIDR})).To(Succeed())
		for range 2 {
			arn, err := s.Region().AddContainerInstance("fleet", "", region.ContainerInstance{SubnetID: id, AgentConnected: true})
			g.Expect(err).NotTo(HaveOccurred())
			arns[id] = append(arns[id], arn)
		}
		subnetIDs = append(subnetIDs, id)
	}
	return "fleet", subnetIDs, arns
}

// listed gives the container instances that reads show in subnets.
func listed(g *WithT, reads aws.Polled, cluster string, subnetIDs ...string) []string {
	out, err := reads.ECS.ListContainerInstances(context.Background(), &ecs.ListContainerInstancesInput{
		Cluster: &cluster, Filter: awssdk.String(clusterquery.InSubnets(subnetIDs...)),
	})
	g.Expect(err).NotTo(HaveOccurred())
	return out.ContainerInstanceArns
}

// made are the calls since an earlier count of them.
func made(s *sim.Simulator, since int) (actions []string) {
	for _, each := range s.Calls()[since:] {
		actions = append(actions, each.Name())
	}
	return actions
}

// look is what a run that is on reads at its pace.
func look(g *WithT, reads aws.Polled, cluster, subnetID string, arns []string) {
	ctx := context.Background()
	g.Expect(listed(g, reads, cluster, subnetID)).To(ConsistOf(arns))
	instances, err := reads.ECS.DescribeContainerInstances(ctx, &ecs.DescribeContainerInstancesInput{Cluster: &cluster, ContainerInstances: arns})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(instances.ContainerInstances).To(HaveLen(len(arns)))
	for i, instance := range instances.ContainerInstances {
		g.Expect(*instance.ContainerInstanceArn).To(Equal(arns[i]))
	}

	subnets, err := reads.EC2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{SubnetIds: []string{subnetID}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*subnets.Subnets[0].SubnetId).To(Equal(subnetID))
	acls, err := reads.EC2.DescribeNetworkAcls(ctx, &ec2.DescribeNetworkAclsInput{NetworkAclIds: []string{acl}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(acls.NetworkAcls).To(HaveLen(1))
	clusters, err := reads.ECS.DescribeClusters(ctx, &ecs.DescribeClustersInput{Clusters: []string{cluster}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(clusters.Clusters).To(HaveLen(1))
	lists, err := reads.ECS.ListClusters(ctx, &ecs.ListClustersInput{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(lists.ClusterArns).To(HaveLen(3))
	inVPC := []types.Filter{{Name: awssdk.String("vpc-id"), Values: []string{*subnets.Subnets[0].VpcId}}}
	endpoints, err := reads.EC2.DescribeVpcEndpoints(ctx, &ec2.DescribeVpcEndpointsInput{Filters: inVPC})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(endpoints.VpcEndpoints).To(BeEmpty())
}

func TestPollsOfManyRunsMakeTheCallsOfOne(t *testing.T) {
	g := NewWithT(t)
	s := simulate(t)
	cluster, subnetIDs, arns := fleet(g, s, 20)
	clients := aws.NewSessions(s.Config(), "agentdisconnect", "test").In(tokyo)
	for round := range 4 {
		before, since := len(s.Calls()), time.Now()
		for _, id := range subnetIDs {
			reads := clients.Polled(since)
			look(g, reads, cluster, id, arns[id])
			g.Expect(reads.SentAt()).To(BeTemporally(">=", since))
		}
		if round > 0 { // before, nobody knew that others would ask
			g.Expect(made(s, before)).To(ConsistOf("ecs:ListContainerInstances", "ecs:DescribeContainerInstances", "ecs:DescribeClusters", "ecs:ListClusters",
				"ec2:DescribeSubnets", "ec2:DescribeNetworkAcls", "ec2:DescribeVpcEndpoints"))
		}
	}
}

// The list of a whole cluster has fewer pages than there are filters, once there are many subnets.
func TestManySubnetsOfASmallClusterAreOneList(t *testing.T) {
	g := NewWithT(t)
	s := simulate(t)
	cluster, subnetIDs, arns := fleet(g, s, 45)
	clients := aws.NewSessions(s.Config(), "agentdisconnect", "test").In(tokyo)
	_, err := clients.ECS.DescribeClusters(t.Context(), &ecs.DescribeClustersInput{Clusters: []string{cluster}})
	g.Expect(err).NotTo(HaveOccurred())
	for round := range 3 {
		before, since := len(s.Calls()), time.Now()
		for _, id := range subnetIDs {
			g.Expect(listed(g, clients.Polled(since), cluster, id)).To(ConsistOf(arns[id]))
		}
		if round > 0 {
			g.Expect(slices.DeleteFunc(made(s, before), func(action string) bool { return action == "ecs:DescribeContainerInstances" })).
				To(Equal([]string{"ecs:ListContainerInstances"}))
		}
		if round > 1 {
			g.Expect(made(s, before)).To(HaveLen(1), "which is in which subnet is asked once")
		}
	}

	added, err := s.Region().AddContainerInstance(cluster, "", region.ContainerInstance{SubnetID: subnetIDs[7]})
	g.Expect(err).NotTo(HaveOccurred())
	since := time.Now()
	g.Expect(listed(g, clients.Polled(since), cluster, subnetIDs[0])).To(ConsistOf(arns[subnetIDs[0]]))
	g.Expect(listed(g, clients.Polled(since), cluster, subnetIDs[7])).To(ConsistOf(append(arns[subnetIDs[7]], added)))
	g.Expect(listed(g, clients.Polled(since), cluster, subnetIDs[7], subnetIDs[8])).To(ConsistOf(slices.Concat(arns[subnetIDs[7]], []string{added}, arns[subnetIDs[8]])))
}

// The shipped policy lets the manager describe container instances of its own cluster alone, and
// list those of all.
func TestSubnetsOfAClusterThatMayOnlyBeListed(t *testing.T) {
	g := NewWithT(t)
	s := simulate(t)
	cluster, subnetIDs, arns := fleet(g, s, 4)
	s.Faults().Add(faults.Fault{Action: "ecs:DescribeContainerInstances", Denied: true})
	clients := aws.NewSessions(s.Config(), "agentdisconnect", "test").In(tokyo)
	for range 3 {
		since := time.Now()
		for _, id := range subnetIDs {
			g.Expect(listed(g, clients.Polled(since), cluster, id)).To(ConsistOf(arns[id]))
		}
	}
	// One that asks alone never needs to know which is where.
	before := len(s.Calls())
	g.Expect(listed(g, clients.Polled(time.Time{}), cluster, subnetIDs[:2]...)).To(ConsistOf(slices.Concat(arns[subnetIDs[0]], arns[subnetIDs[1]])))
	g.Expect(made(s, before)).To(Equal([]string{"ecs:ListContainerInstances"}))
}

// A role that is given the permission makes use of it within minutes, and not after a restart alone.
func TestAClusterThatCouldNotBeDescribedIsTriedAgain(t *testing.T) {
	g := NewWithT(t)
	s := simulate(t)
	cluster, subnetIDs, arns := fleet(g, s, 45)
	sessions := aws.NewSessions(s.Config(), "agentdisconnect", "test")
	clock := clocktesting.NewFakeClock(time.Now())
	sessions.GoBy(clock)
	clients := sessions.In(tokyo)
	_, err := clients.ECS.DescribeClusters(t.Context(), &ecs.DescribeClustersInput{Clusters: []string{cluster}})
	g.Expect(err).NotTo(HaveOccurred())
	poll := func() (lists int) {
		clock.Step(time.Minute)
		before, since := callsOf(s, "ecs:ListContainerInstances"), clock.Now()
		for _, id := range subnetIDs {
			g.Expect(listed(g, clients.Polled(since), cluster, id)).To(ConsistOf(arns[id]))
		}
		return callsOf(s, "ecs:ListContainerInstances") - before
	}

	denied := s.Faults().Put(faults.Fault{Action: "ecs:DescribeContainerInstances", Denied: true})
	for range 2 {
		poll()
	}
	g.Expect(poll()).To(BeNumerically(">", len(subnetIDs)), "down to one subnet a call")
	s.Faults().Remove(denied)
	poll()
	g.Expect(poll()).To(Equal(2), "by filters that name 30 subnets")
	for range 10 {
		poll()
	}
	g.Expect(poll()).To(Equal(1), "the whole cluster")
}

func TestWhatIsMissingIsNobodyElsesError(t *testing.T) {
	g := NewWithT(t)
	s := simulate(t)
	clients := aws.NewSessions(s.Config(), "agentdisconnect", "test").In(tokyo)
	const missing = "acl-0fedcba9876543210"
	for range 2 {
		since := time.Now()
		for _, id := range []string{acl, missing} {
			out, err := clients.Polled(since).EC2.DescribeNetworkAcls(t.Context(), &ec2.DescribeNetworkAclsInput{NetworkAclIds: []string{id}})
			if id == missing {
				g.Expect(aws.Code(err)).To(Equal(aws.CodeACLNotFound))
				g.Expect(aws.Message(err)).To(ContainSubstring(missing))
			} else {
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(out.NetworkAcls).To(HaveLen(1))
			}
		}
	}
	_, err := clients.EC2.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{SubnetIds: []string{"subnet-0fedcba9876543210"}})
	g.Expect(aws.Code(err)).To(Equal(aws.CodeSubnetNotFound))
	g.Expect(aws.Action(err)).To(Equal("ec2:DescribeSubnets"))
	clusters, err := clients.ECS.DescribeClusters(t.Context(), &ecs.DescribeClustersInput{Clusters: []string{"missing", world.DefaultCluster}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(clusters.Clusters).To(HaveLen(1))
}

// A poll after a change sees it, though other runs read before it.
func TestNoPollTakesWhatWasReadBeforeAChange(t *testing.T) {
	for name, change := range map[string]func(context.Context, aws.Fenced) error{
		"of an entry": denyWith,
		"of a tag": func(ctx context.Context, fenced aws.Fenced) error {
			_, err := fenced.EC2.CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{acl}, Tags: []types.Tag{{Key: awssdk.String("k"), Value: awssdk.String("v")}}})
			return err
		},
		"whose answer is lost": func(ctx context.Context, fenced aws.Fenced) error {
			g := NewWithT(t)
			g.Expect(aws.Classify(denyWith(ctx, fenced))).To(Equal(aws.Unanswered))
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s := simulate(t)
			clients := aws.NewSessions(s.Config(), "agentdisconnect", "test").In(tokyo)
			read := func(since time.Time) types.NetworkAcl {
				out, err := clients.Polled(since).EC2.DescribeNetworkAcls(t.Context(), &ec2.DescribeNetworkAclsInput{NetworkAclIds: []string{acl}})
				g.Expect(err).NotTo(HaveOccurred())
				return out.NetworkAcls[0]
			}
			since := time.Now()
			before := read(since)
			g.Expect(read(since)).To(Equal(before))
			g.Expect(callsOf(s, "ec2:DescribeNetworkAcls")).To(Equal(1))
			if name == "whose answer is lost" {
				s.Faults().Add(faults.Fault{Action: "ec2:CreateNetworkAclEntry", Lost: true})
			}
			g.Expect(change(t.Context(), clients.Fenced(holds))).To(Succeed())
			g.Expect(read(since)).NotTo(Equal(before))
		})
	}
}

// A caller that gives up says of which call, and that the Region did not answer.
func TestACallerThatGivesUpNamesTheCall(t *testing.T) {
	g := NewWithT(t)
	s := simulate(t)
	s.Faults().Add(faults.Fault{Action: "ec2:DescribeSubnets", Latency: faults.Duration(time.Hour)})
	clients := aws.NewSessions(s.Config(), "agentdisconnect", "test").In(tokyo)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := clients.EC2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{SubnetIds: []string{world.DedicatedSubnet}})
	g.Expect(aws.Classify(err)).To(Equal(aws.Unanswered))
	g.Expect(aws.Action(err)).To(Equal("ec2:DescribeSubnets"))
	g.Expect(aws.Message(err)).To(Equal("no answer in time"))
}

// limited are clients with limits of their own.
func limited(s *sim.Simulator, limits ratelimit.Limits) *aws.Clients {
	sessions := aws.NewSessions(s.Config(), "agentdisconnect", "test")
	sessions.Limits = limits
	return sessions.In(tokyo)
}

// A change whose turn does not come is not sent, and is no lost answer.
func TestAChangeBeyondTheLimitIsNotSent(t *testing.T) {
	g := NewWithT(t)
	s := simulate(t)
	clients := limited(s, ratelimit.Limits{Changes: ratelimit.Limit{PerSecond: 0.001, Burst: 1}})
	ending := aws.WithClass(t.Context(), ratelimit.Ending)
	g.Expect(deny(ending, clients)).To(Succeed())
	ctx, cancel := context.WithTimeout(ending, 20*time.Millisecond)
	defer cancel()
	err := deny(ctx, clients)
	g.Expect(aws.Classify(err)).To(Equal(aws.Throttled), "%v", err)
	g.Expect(aws.Action(err)).To(Equal("ec2:CreateNetworkAclEntry"))
	g.Expect(aws.Message(err)).To(Equal("the manager's own limit of calls to AWS is reached"))
	g.Expect(callsOf(s, "ec2:CreateNetworkAclEntry")).To(Equal(1))
}

// While reads wait for their turn, they join: a hundred callers make one call, and a page is one
// turn.
func TestReadsThatWaitForTheirTurnJoin(t *testing.T) {
	g := NewWithT(t)
	s := simulate(t)
	_, subnetIDs, _ := fleet(g, s, 100)
	clients := limited(s, ratelimit.Limits{Reads: ratelimit.Limit{PerSecond: 2, Burst: 1}})
	_, err := clients.EC2.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{SubnetIds: subnetIDs[:1]})
	g.Expect(err).NotTo(HaveOccurred())
	var all sync.WaitGroup
	for _, id := range subnetIDs {
		all.Go(func() {
			out, err := clients.EC2.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{SubnetIds: []string{id}})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(*out.Subnets[0].SubnetId).To(Equal(id))
		})
	}
	all.Wait()
	g.Expect(callsOf(s, "ec2:DescribeSubnets")).To(BeNumerically("<=", 1+3), "one, and one or two for those that came late")
}

func TestTheRateFollowsWhatAWSRefuses(t *testing.T) {
	g := NewWithT(t)
	s := simulate(t)
	clients := limited(s, ratelimit.LimitsOf(1000, 1000))
	s.Faults().Add(faults.Fault{Action: "ec2:DescribeSubnets", Error: "RequestLimitExceeded", Times: 1})
	_, err := clients.EC2.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{SubnetIds: []string{world.DedicatedSubnet}})
	g.Expect(err).NotTo(HaveOccurred(), "the SDK repeats a read")
	reads, changes := clients.Rates()
	g.Expect(reads).To(BeNumerically("~", 700, 200))
	g.Expect(changes).To(Equal(1000.0))
}
