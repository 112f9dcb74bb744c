// SPDX-License-Identifier: Apache-2.0

package discovery_test

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	sqtypes "github.com/aws/aws-sdk-go-v2/service/servicequotas/types"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// backwards is AWS with every list the other way round: it promises no order, and the simulated one sorts.
type backwards struct{ aws.ECS }

func (b backwards) ListContainerInstances(ctx context.Context, in *ecs.ListContainerInstancesInput, opts ...func(*ecs.Options)) (*ecs.ListContainerInstancesOutput, error) {
	out, err := b.ECS.ListContainerInstances(ctx, in, opts...)
	if err == nil {
		slices.Reverse(out.ContainerInstanceArns)
	}
	return out, err
}

func (b backwards) DescribeClusters(ctx context.Context, in *ecs.DescribeClustersInput, opts ...func(*ecs.Options)) (*ecs.DescribeClustersOutput, error) {
	out, err := b.ECS.DescribeClusters(ctx, in, opts...)
	if err == nil {
		slices.Reverse(out.Clusters)
	}
	return out, err
}

// backwardsEC2 is the same of EC2, whose interfaces have a second address.
type backwardsEC2 struct{ aws.EC2 }

func (b backwardsEC2) DescribeNetworkInterfaces(ctx context.Context, in *ec2.DescribeNetworkInterfacesInput, opts ...func(*ec2.Options)) (*ec2.DescribeNetworkInterfacesOutput, error) {
	out, err := b.EC2.DescribeNetworkInterfaces(ctx, in, opts...)
	if err == nil {
		slices.Reverse(out.NetworkInterfaces)
		for i := range out.NetworkInterfaces {
			second := ec2types.NetworkInterfacePrivateIpAddress{PrivateIpAddress: awssdk.String("10.0.0.9")}
			out.NetworkInterfaces[i].PrivateIpAddresses = append(out.NetworkInterfaces[i].PrivateIpAddresses, second)
		}
	}
	return out, err
}

// What is told must not change from one poll to the next because AWS lists it in another order.
func TestTheOrderOfAnswersDoesNotShow(t *testing.T) {
	g := NewWithT(t)
	s, clients := simulate(t)
	crowd(t, s, 3)
	client := backwards{ECS: clients.ECS}

	want, err := discovery.ListContainerInstances(t.Context(), clients.ECS, cluster, subnetID, 10)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(want).To(HaveLen(5))
	g.Expect(slices.IsSorted(want)).To(BeTrue())
	g.Expect(discovery.ListContainerInstances(t.Context(), client, cluster, subnetID, 10)).To(Equal(want))

	others, _, err := discovery.OtherClusters(t.Context(), client, "arn:aws:ecs:ap-northeast-1:123456789012:cluster/third", otherID)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(others).To(Equal([]string{clusterARN, otherARN}))
}

func TestTheOrderOfInterfacesDoesNotShow(t *testing.T) {
	g := NewWithT(t)
	s, clients := simulate(t)
	endpoint(t, s, region.VPCEndpoint{ServiceName: "ecs-agent"},
		region.NetworkInterface{SubnetID: otherID, ID: "eni-00000000000000002", PrivateIP: netip.MustParseAddr("10.0.2.200")},
		region.NetworkInterface{SubnetID: thirdID, ID: "eni-00000000000000001", PrivateIP: netip.MustParseAddr("10.0.3.200")})
	found, err := discovery.VPCEndpoints(t.Context(), backwardsEC2{clients.EC2}, tokyo, vpcID)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(HaveLen(1))
	g.Expect(found[0].Interfaces).To(Equal([]discovery.Interface{
		{ID: "eni-00000000000000001", SubnetID: thirdID, Addresses: addresses("10.0.0.9", "10.0.3.200")},
		{ID: "eni-00000000000000002", SubnetID: otherID, Addresses: addresses("10.0.0.9", "10.0.2.200")},
	}))
}

func TestBatchesAreAsLargeAsECSTakes(t *testing.T) {
	g := NewWithT(t)
	s, clients := simulate(t)
	crowd(t, s, 199)
	arns, err := discovery.ListContainerInstances(t.Context(), clients.ECS, cluster, subnetID, 300)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(arns).To(HaveLen(201))
	agents, err := discovery.PollAgents(t.Context(), clients.ECS, cluster, arns)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(agents).To(HaveLen(201))
	g.Expect(countCalls(s, "ecs:DescribeContainerInstances")).To(Equal(3), "100, 100 and 1")
}

func TestTheLargestAndTheSmallestQuotaThatAreBelieved(t *testing.T) {
	g := NewWithT(t)
	given := func(value float64) (int, error) {
		return discovery.EntryQuota(t.Context(), answers{servicequotas.GetServiceQuotaOutput{Quota: &sqtypes.ServiceQuota{Value: awssdk.Float64(value)}}})
	}
	for _, value := range []int{1, 2, 1_000_000} {
		g.Expect(given(float64(value))).To(Equal(value))
	}
	for _, value := range []float64{0.9, 1_000_001} {
		_, err := given(value)
		g.Expect(err).To(HaveOccurred(), "%v", value)
	}
}

// The DNS takes names of 253 characters.
func TestTheLongestHostname(t *testing.T) {
	g := NewWithT(t)
	label := strings.Repeat("a", 63)
	longest := strings.Join([]string{label, label, label, strings.Repeat("b", 61)}, ".")
	g.Expect(longest).To(HaveLen(253))
	_, err := discovery.ParseEndpoint("ACS", "https://"+longest+"/")
	g.Expect(err).NotTo(HaveOccurred())
	_, err = discovery.ParseEndpoint("ACS", "https://b"+longest+"/")
	g.Expect(err).To(HaveOccurred())
}
