// SPDX-License-Identifier: Apache-2.0

package target

import (
	"context"
	"net/netip"
	"slices"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
)

const (
	// subnetBatch is how many subnets are asked for at once: a filter of EC2 takes 200 values.
	subnetBatch = 200
	// othersTimeout bounds one look for other clusters: 300 with container instances take 15 s at
	// the pace that ECS allows.
	othersTimeout = 20 * time.Second
)

// DescribeSubnets looks several subnets up: id to subnet. One that is gone has no entry.
func DescribeSubnets(ctx context.Context, client aws.EC2, ids []string) (map[string]Subnet, error) {
	found := make(map[string]Subnet, len(ids))
	for batch := range slices.Chunk(ids, subnetBatch) {
		pages := ec2.NewDescribeSubnetsPaginator(client, &ec2.DescribeSubnetsInput{
			Filters: []types.Filter{{Name: awssdk.String("subnet-id"), Values: batch}},
		})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, err
			}
			for i := range page.Subnets {
				found[awssdk.ToString(page.Subnets[i].SubnetId)] = readSubnet(&page.Subnets[i])
			}
		}
	}
	return found, nil
}

// subnetRanges are the blocks of a subnet.
func subnetRanges(texts ...string) []netip.Prefix {
	var ranges []netip.Prefix
	for _, text := range texts {
		if prefix, err := netip.ParsePrefix(text); err == nil {
			ranges = append(ranges, prefix.Masked())
		}
	}
	return ranges
}

// Subnet is a subnet, as AWS describes it.
type Subnet struct {
	VPCID string
	// OwnerID is the account that the subnet, and so its network ACL, belongs to.
	OwnerID string
	IPv6    bool
	// IPv6Native: there is no IPv4. DNS64: AWS's resolver makes up IPv6 addresses for hosts that
	// have IPv4 alone.
	IPv6Native, DNS64 bool
	Ranges            []netip.Prefix
	Tags              map[string]string
}

// DescribeSubnet looks a subnet up.
func DescribeSubnet(ctx context.Context, client aws.EC2, id string) (Subnet, error) {
	out, err := client.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{SubnetIds: []string{id}})
	if err != nil {
		return Subnet{}, err
	}
	if len(out.Subnets) == 0 {
		return Subnet{}, problem.Refuse(v1alpha1.ReasonSubnetNotFound, "AWS found no subnet %s", id)
	}
	return readSubnet(&out.Subnets[0]), nil
}

// readSubnet takes what matters of a subnet out of AWS's answer.
func readSubnet(found *types.Subnet) Subnet {
	read := Subnet{
		VPCID: awssdk.ToString(found.VpcId), OwnerID: awssdk.ToString(found.OwnerId),
		IPv6Native: awssdk.ToBool(found.Ipv6Native), DNS64: awssdk.ToBool(found.EnableDns64),
		Ranges: subnetRanges(awssdk.ToString(found.CidrBlock)), Tags: map[string]string{},
	}

	for _, association := range found.Ipv6CidrBlockAssociationSet {
		read.Ranges = append(read.Ranges, subnetRanges(awssdk.ToString(association.Ipv6CidrBlock))...)
		read.IPv6 = read.IPv6 || association.Ipv6CidrBlockState == nil ||
			association.Ipv6CidrBlockState.State == types.SubnetCidrBlockStateCodeAssociated
	}

	for _, tag := range found.Tags {
		read.Tags[awssdk.ToString(tag.Key)] = awssdk.ToString(tag.Value)
	}
	return read
}
