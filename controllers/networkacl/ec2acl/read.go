// SPDX-License-Identifier: Apache-2.0

package ec2acl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
)

// pageSize is how many network ACLs a page has: as many as DescribeNetworkAcls gives, so that a VPC
// is one page.
const pageSize = 1000

// ReadOfSubnet reads the network ACL that a subnet is associated with. A nil ACL says that none is:
// the subnet is gone, or the read lags.
func ReadOfSubnet(ctx context.Context, client aws.EC2, subnetID string) (*networkacl.ACL, error) {
	return readFirst(ctx, client, &ec2.DescribeNetworkAclsInput{Filters: []types.Filter{{
		Name: awssdk.String("association.subnet-id"), Values: []string{subnetID},
	}}})
}

// Read reads a network ACL. A nil ACL says that AWS doesn't know it.
func Read(ctx context.Context, client aws.EC2, id string) (*networkacl.ACL, error) {
	acl, err := readFirst(ctx, client, &ec2.DescribeNetworkAclsInput{NetworkAclIds: []string{id}})
	if aws.HasCode(err, aws.CodeACLNotFound) {
		return nil, nil //nolint:nilnil // the absence is the answer
	}
	return acl, err
}

// ReadAll reads network ACLs, by id. One that AWS doesn't know, or not yet, is missing in the map
// and no error.
func ReadAll(ctx context.Context, client aws.EC2, ids ...string) (map[string]*networkacl.ACL, error) {
	found := make(map[string]*networkacl.ACL, len(ids))
	if len(ids) == 0 {
		return found, nil // a filter without values is no filter
	}
	acls, err := readFiltered(ctx, client, "network-acl-id", ids...)
	for _, acl := range acls {
		found[acl.ID] = acl
	}
	return found, err
}

// FindByTag reads the network ACLs of the Region that have a tag with that key, sorted by id. In
// the key, * stands for any characters and ? for any one, as in every filter of EC2.
func FindByTag(ctx context.Context, client aws.EC2, key string) ([]*networkacl.ACL, error) {
	return readFiltered(ctx, client, "tag-key", key)
}

// FindClonesOf reads the network ACLs whose tags say that they are clones of one, sorted by id.
func FindClonesOf(ctx context.Context, client aws.EC2, originalID string) ([]*networkacl.ACL, error) {
	return readFiltered(ctx, client, "tag:"+ownership.TagOriginal, originalID)
}

// CountInVPC counts the network ACLs of a VPC, the default one included: what the quota of ACLs is
// about.
func CountInVPC(ctx context.Context, client aws.EC2, vpcID string) (int, error) {
	found, err := describe(ctx, client, "vpc-id", vpcID)
	return len(found), err
}

// readFiltered reads the network ACLs that a filter lets through, sorted by id. After an error
// there are none.
func readFiltered(ctx context.Context, client aws.EC2, filter string, values ...string) ([]*networkacl.ACL, error) {
	found, err := describe(ctx, client, filter, values...)
	if err != nil {
		return nil, err
	}

	acls := make([]*networkacl.ACL, 0, len(found))
	for _, in := range found {
		acl, err := fromSDK(in)
		if err != nil {
			return nil, err
		}
		acls = append(acls, acl)
	}

	slices.SortFunc(acls, func(a, b *networkacl.ACL) int { return strings.Compare(a.ID, b.ID) })
	return acls, nil
}

// describe gives all pages of what a filter lets through.
func describe(ctx context.Context, client aws.EC2, filter string, values ...string) ([]types.NetworkAcl, error) {
	pages := ec2.NewDescribeNetworkAclsPaginator(client, &ec2.DescribeNetworkAclsInput{
		Filters:    []types.Filter{{Name: awssdk.String(filter), Values: values}},
		MaxResults: awssdk.Int32(pageSize),
	})
	var found []types.NetworkAcl
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		found = append(found, page.NetworkAcls...)
	}
	return found, nil
}

func readFirst(ctx context.Context, client aws.EC2, in *ec2.DescribeNetworkAclsInput) (*networkacl.ACL, error) {
	out, err := client.DescribeNetworkAcls(ctx, in)
	if err != nil || len(out.NetworkAcls) == 0 {
		return nil, err
	}
	return fromSDK(out.NetworkAcls[0])
}

func fromSDK(in types.NetworkAcl) (*networkacl.ACL, error) {
	acl := &networkacl.ACL{
		ID: awssdk.ToString(in.NetworkAclId), VPCID: awssdk.ToString(in.VpcId), Default: awssdk.ToBool(in.IsDefault),
		Associations: make(map[string]string, len(in.Associations)), Tags: make(map[string]string, len(in.Tags)),
	}

	for _, e := range in.Entries {
		entry, err := entryFromSDK(e)
		if err != nil {
			return nil, fmt.Errorf("entry %d of network ACL %s: %w", awssdk.ToInt32(e.RuleNumber), acl.ID, err)
		}
		acl.Entries = append(acl.Entries, entry)
	}

	networkacl.SortEntries(acl.Entries)
	for _, association := range in.Associations {
		subnetID := awssdk.ToString(association.SubnetId)
		acl.SubnetIDs = append(acl.SubnetIDs, subnetID)
		acl.Associations[subnetID] = awssdk.ToString(association.NetworkAclAssociationId)
	}

	slices.Sort(acl.SubnetIDs)
	for _, tag := range in.Tags {
		acl.Tags[awssdk.ToString(tag.Key)] = awssdk.ToString(tag.Value)
	}
	return acl, nil
}

// entryFromSDK refuses an entry of which a part is missing or unknown: to take it for a deny would
// be to claim what AWS didn't say.
func entryFromSDK(in types.NetworkAclEntry) (networkacl.Entry, error) {
	action := in.RuleAction
	if awssdk.ToInt32(in.RuleNumber) < networkacl.FirstNumber || in.Egress == nil || awssdk.ToString(in.Protocol) == "" ||
		action != types.RuleActionAllow && action != types.RuleActionDeny {
		return networkacl.Entry{}, errors.New("AWS reports it in a way that this version doesn't know")
	}

	cidr, err := netip.ParsePrefix(awssdk.ToString(cmp.Or(in.CidrBlock, in.Ipv6CidrBlock)))
	if err != nil {
		return networkacl.Entry{}, err
	}

	entry := networkacl.Entry{
		Number: awssdk.ToInt32(in.RuleNumber), Egress: awssdk.ToBool(in.Egress),
		Allow: action == types.RuleActionAllow, Protocol: awssdk.ToString(in.Protocol), CIDR: cidr.Masked(),
	}

	if in.PortRange != nil {
		entry.PortRange = &networkacl.PortRange{From: awssdk.ToInt32(in.PortRange.From), To: awssdk.ToInt32(in.PortRange.To)}
	}

	if in.IcmpTypeCode != nil {
		entry.ICMP = &networkacl.ICMP{Type: awssdk.ToInt32(in.IcmpTypeCode.Type), Code: awssdk.ToInt32(in.IcmpTypeCode.Code)}
	}
	return entry, nil
}
