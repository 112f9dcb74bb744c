// SPDX-License-Identifier: Apache-2.0

package ec2acl

import (
	"context"
	"net/netip"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
)

// outcome is that of a call which no code of its own says more about.
func outcome(err error) (networkacl.Outcome, error) {
	switch {
	case err == nil:
		return networkacl.Done, nil
	case aws.Classify(err) == aws.Unanswered:
		return networkacl.Unknown, err
	default:
		return networkacl.Refused, err
	}
}

// Create asks AWS once to create the entry of a line. The error is nil where the outcome is Done or
// Taken.
func Create(ctx context.Context, client aws.FencedEC2, line v1alpha1.Rule) (networkacl.Outcome, error) {
	return create(ctx, client, createInput(line.NetworkACLID, line.RuleNumber, line.CIDR))
}

// CreateEntry asks AWS once to create an entry of any shape: what a clone copies. The error is nil
// where the outcome is Done or Taken; InvalidNetworkAclID.NotFound and NetworkAclEntryLimitExceeded
// are Refused.
func CreateEntry(ctx context.Context, client aws.FencedEC2, aclID string, e networkacl.Entry) (networkacl.Outcome, error) {
	return create(ctx, client, entryInput(aclID, e))
}

func create(ctx context.Context, client aws.FencedEC2, in *ec2.CreateNetworkAclEntryInput) (networkacl.Outcome, error) {
	_, err := client.CreateNetworkAclEntry(ctx, in)
	if aws.HasCode(err, aws.CodeEntryAlreadyExists) {
		return networkacl.Taken, nil
	}
	return outcome(err)
}

// ReplaceEntry asks AWS once to put an entry in the place of the one that has its number and
// direction. The error is nil where the outcome is Done. Where there is no such entry
// (InvalidNetworkAclEntry.NotFound) it is Refused. Only for clones that a run made: on any other
// network ACL nothing is ever replaced.
func ReplaceEntry(ctx context.Context, client aws.FencedEC2, aclID string, e networkacl.Entry) (networkacl.Outcome, error) {
	_, err := client.ReplaceNetworkAclEntry(ctx, replaceInput(aclID, e))
	return outcome(err)
}

// Delete asks AWS once to delete the entry with the number of a line. The caller has seen that the
// entry is the line's. The error is nil where the outcome is Done or Missing.
func Delete(ctx context.Context, client aws.FencedEC2, line v1alpha1.Rule) (networkacl.Outcome, error) {
	return remove(ctx, client, deleteInput(line.NetworkACLID, line.RuleNumber, true))
}

// DeleteEntry asks AWS once to delete the entry that has an entry's number and direction, whatever
// it says: AWS knows no more of it. The error is nil where the outcome is Done or, where the entry
// or the whole ACL isn't there, Missing.
func DeleteEntry(ctx context.Context, client aws.FencedEC2, aclID string, e networkacl.Entry) (networkacl.Outcome, error) {
	return remove(ctx, client, deleteInput(aclID, e.Number, e.Egress))
}

func remove(ctx context.Context, client aws.FencedEC2, in *ec2.DeleteNetworkAclEntryInput) (networkacl.Outcome, error) {
	_, err := client.DeleteNetworkAclEntry(ctx, in)
	if aws.HasCode(err, aws.CodeEntryNotFound) || aws.HasCode(err, aws.CodeACLNotFound) {
		return networkacl.Missing, nil
	}
	return outcome(err)
}

func createInput(aclID string, number int32, cidr string) *ec2.CreateNetworkAclEntryInput {
	in := &ec2.CreateNetworkAclEntryInput{
		NetworkAclId: awssdk.String(aclID), RuleNumber: awssdk.Int32(number), Egress: awssdk.Bool(true),
		RuleAction: types.RuleActionDeny, Protocol: awssdk.String(networkacl.AllProtocols),
	}
	if prefix, err := netip.ParsePrefix(cidr); err == nil && prefix.Addr().Is6() {
		in.Ipv6CidrBlock = awssdk.String(cidr)
	} else {
		in.CidrBlock = awssdk.String(cidr)
	}
	return in
}

func entryInput(aclID string, e networkacl.Entry) *ec2.CreateNetworkAclEntryInput {
	in := createInput(aclID, e.Number, e.CIDR.String())
	in.Egress, in.Protocol = awssdk.Bool(e.Egress), awssdk.String(e.Protocol)
	if e.Allow {
		in.RuleAction = types.RuleActionAllow
	}

	if e.PortRange != nil {
		in.PortRange = &types.PortRange{From: awssdk.Int32(e.PortRange.From), To: awssdk.Int32(e.PortRange.To)}
	}

	if e.ICMP != nil {
		in.IcmpTypeCode = &types.IcmpTypeCode{Type: awssdk.Int32(e.ICMP.Type), Code: awssdk.Int32(e.ICMP.Code)}
	}
	return in
}

func replaceInput(aclID string, e networkacl.Entry) *ec2.ReplaceNetworkAclEntryInput {
	in := entryInput(aclID, e)
	return &ec2.ReplaceNetworkAclEntryInput{
		NetworkAclId: in.NetworkAclId, RuleNumber: in.RuleNumber, Egress: in.Egress, RuleAction: in.RuleAction,
		Protocol: in.Protocol, CidrBlock: in.CidrBlock, Ipv6CidrBlock: in.Ipv6CidrBlock, PortRange: in.PortRange,
		IcmpTypeCode: in.IcmpTypeCode,
	}
}

func deleteInput(aclID string, number int32, egress bool) *ec2.DeleteNetworkAclEntryInput {
	return &ec2.DeleteNetworkAclEntryInput{
		NetworkAclId: awssdk.String(aclID), RuleNumber: awssdk.Int32(number), Egress: awssdk.Bool(egress),
	}
}
