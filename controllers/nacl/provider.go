// SPDX-License-Identifier: Apache-2.0

package nacl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
)

// ACL is a network ACL as AWS reports it.
type ACL struct {
	ID    string
	VPCID string
	// Entries are those of both directions, the default ones included, sorted by direction and number.
	Entries []Entry
	// SubnetIDs are the subnets that it is associated with, sorted.
	SubnetIDs []string
}

// ReadOfSubnet reads the network ACL that a subnet is associated with. A nil ACL says that none is: the subnet is gone,
// or the read lags.
func ReadOfSubnet(ctx context.Context, client aws.EC2, subnetID string) (*ACL, error) {
	return readFirst(ctx, client, &ec2.DescribeNetworkAclsInput{Filters: []types.Filter{{
		Name: awssdk.String("association.subnet-id"), Values: []string{subnetID},
	}}})
}

// Read reads a network ACL. A nil ACL says that AWS doesn't know it.
func Read(ctx context.Context, client aws.EC2, id string) (*ACL, error) {
	acl, err := readFirst(ctx, client, &ec2.DescribeNetworkAclsInput{NetworkAclIds: []string{id}})
	if aws.HasCode(err, aws.CodeACLNotFound) {
		return nil, nil //nolint:nilnil // the absence is the answer
	}
	return acl, err
}

func readFirst(ctx context.Context, client aws.EC2, in *ec2.DescribeNetworkAclsInput) (*ACL, error) {
	out, err := client.DescribeNetworkAcls(ctx, in)
	if err != nil || len(out.NetworkAcls) == 0 {
		return nil, err
	}
	return fromSDK(out.NetworkAcls[0])
}

func fromSDK(in types.NetworkAcl) (*ACL, error) {
	acl := &ACL{ID: awssdk.ToString(in.NetworkAclId), VPCID: awssdk.ToString(in.VpcId)}
	for _, e := range in.Entries {
		cidr, err := netip.ParsePrefix(awssdk.ToString(cmp.Or(e.CidrBlock, e.Ipv6CidrBlock)))
		if err != nil {
			return nil, fmt.Errorf("entry %d of network ACL %s: %w", awssdk.ToInt32(e.RuleNumber), acl.ID, err)
		}
		entry := Entry{
			Number: awssdk.ToInt32(e.RuleNumber), Egress: awssdk.ToBool(e.Egress),
			Allow: e.RuleAction == types.RuleActionAllow, Protocol: awssdk.ToString(e.Protocol), CIDR: cidr,
		}
		if e.PortRange != nil {
			entry.PortRange = &PortRange{From: awssdk.ToInt32(e.PortRange.From), To: awssdk.ToInt32(e.PortRange.To)}
		}
		if e.IcmpTypeCode != nil {
			entry.ICMP = &ICMP{Type: awssdk.ToInt32(e.IcmpTypeCode.Type), Code: awssdk.ToInt32(e.IcmpTypeCode.Code)}
		}
		acl.Entries = append(acl.Entries, entry)
	}
	slices.SortFunc(acl.Entries, func(a, b Entry) int {
		if a.Egress != b.Egress {
			if a.Egress {
				return -1
			}
			return 1
		}
		return int(a.Number - b.Number)
	})
	for _, association := range in.Associations {
		acl.SubnetIDs = append(acl.SubnetIDs, awssdk.ToString(association.SubnetId))
	}
	slices.Sort(acl.SubnetIDs)
	return acl, nil
}

// Outcome is what is known after a call that creates or deletes an entry.
type Outcome int

const (
	// Done: AWS acknowledged the call, or says that the entry to delete isn't there.
	Done Outcome = iota
	// Taken: an entry with that number is there already. It has to be read before anything is said of it.
	Taken
	// Refused: AWS answered that it did nothing.
	Refused
	// Unknown: no answer came that says whether the call took effect.
	Unknown
)

// Create asks AWS once to create the entry of a line. The error is nil where the outcome is Done or Taken.
func Create(ctx context.Context, client aws.EC2, line v1alpha1.Rule) (Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, aws.CallTimeout)
	defer cancel()
	_, err := client.CreateNetworkAclEntry(ctx, createInput(line.NetworkACLID, line.RuleNumber, line.CIDR), aws.Once)
	if aws.HasCode(err, aws.CodeEntryAlreadyExists) {
		return Taken, nil
	}
	return outcome(err)
}

// Delete asks AWS once to delete the entry with the number of a line. The caller has seen that the entry is the line's.
// The error is nil where the outcome is Done.
func Delete(ctx context.Context, client aws.EC2, line v1alpha1.Rule) (Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, aws.CallTimeout)
	defer cancel()
	_, err := client.DeleteNetworkAclEntry(ctx, deleteInput(line.NetworkACLID, line.RuleNumber), aws.Once)
	if aws.HasCode(err, aws.CodeEntryNotFound) || aws.HasCode(err, aws.CodeACLNotFound) {
		return Done, nil
	}
	return outcome(err)
}

func outcome(err error) (Outcome, error) {
	switch {
	case err == nil:
		return Done, nil
	case aws.Classify(err) == aws.Unanswered:
		return Unknown, err
	default:
		return Refused, err
	}
}

// CheckPermissions asks AWS by DryRun whether entries of a network ACL may be created and deleted. Nothing is written.
// The error joins one of every action that AWS refuses.
func CheckPermissions(ctx context.Context, client aws.EC2, aclID string) error {
	const number = 80 // any: permission is judged before the entry is looked for
	create := createInput(aclID, number, "192.0.2.1/32")
	create.DryRun = awssdk.Bool(true)
	remove := deleteInput(aclID, number)
	remove.DryRun = awssdk.Bool(true)

	refusals := make(chan error, 1)
	go func() {
		_, err := client.DeleteNetworkAclEntry(ctx, remove, aws.Once)
		refusals <- permitted(err, aws.CodeEntryNotFound)
	}()
	_, err := client.CreateNetworkAclEntry(ctx, create, aws.Once)
	return errors.Join(permitted(err, aws.CodeEntryAlreadyExists), <-refusals)
}

// permitted takes DryRun's answer for what it is: an error that means yes. So does an answer that speaks of the entry,
// since AWS judges the permission first.
func permitted(err error, alsoYes string) error {
	if aws.HasCode(err, aws.CodeDryRun) || aws.HasCode(err, alsoYes) {
		return nil
	}
	return err
}

func createInput(aclID string, number int32, cidr string) *ec2.CreateNetworkAclEntryInput {
	in := &ec2.CreateNetworkAclEntryInput{
		NetworkAclId: awssdk.String(aclID), RuleNumber: awssdk.Int32(number), Egress: awssdk.Bool(true),
		RuleAction: types.RuleActionDeny, Protocol: awssdk.String(AllProtocols),
	}
	if prefix, err := netip.ParsePrefix(cidr); err == nil && prefix.Addr().Is6() {
		in.Ipv6CidrBlock = awssdk.String(cidr)
	} else {
		in.CidrBlock = awssdk.String(cidr)
	}
	return in
}

func deleteInput(aclID string, number int32) *ec2.DeleteNetworkAclEntryInput {
	return &ec2.DeleteNetworkAclEntryInput{
		NetworkAclId: awssdk.String(aclID), RuleNumber: awssdk.Int32(number), Egress: awssdk.Bool(true),
	}
}
