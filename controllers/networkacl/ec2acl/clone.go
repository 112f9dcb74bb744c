// SPDX-License-Identifier: Apache-2.0

package ec2acl

import (
	"context"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
)

// CreateClone asks AWS once to create a network ACL with tags, which denies everything until it has
// entries. A token that was used before, with the same VPC and tags, gives the ACL that was made
// then: so a lost answer is made up for by asking again. The error is nil where the outcome is
// Done; NetworkAclLimitExceeded, TagLimitExceeded and, for a token with another VPC or other tags,
// IdempotentParameterMismatch are Refused.
func CreateClone(ctx context.Context, client aws.FencedEC2, vpcID, token string, tags map[string]string) (id string, known networkacl.Outcome, err error) {
	in := cloneInput(vpcID, tags)
	in.ClientToken = awssdk.String(token)
	out, err := client.CreateNetworkAcl(ctx, in)
	if err == nil && out.NetworkAcl != nil {
		id = awssdk.ToString(out.NetworkAcl.NetworkAclId)
	}
	known, err = outcome(err)
	return id, known, err
}

func cloneInput(vpcID string, tags map[string]string) *ec2.CreateNetworkAclInput {
	in := &ec2.CreateNetworkAclInput{VpcId: awssdk.String(vpcID)}
	if len(tags) > 0 {
		in.TagSpecifications = []types.TagSpecification{{ResourceType: types.ResourceTypeNetworkAcl, Tags: tagsToSDK(tags)}}
	}
	return in
}

// Associate asks AWS once to give the subnet of an association another network ACL. The association
// gets a new id, so the same call made again is Stale. The error is nil where the outcome is Done
// or Stale (InvalidAssociationID.NotFound). After Unknown, and after Stale, the subnet's
// association has to be read afresh.
func Associate(ctx context.Context, client aws.FencedEC2, associationID, aclID string) (networkacl.Outcome, error) {
	_, err := client.ReplaceNetworkAclAssociation(ctx, associateInput(associationID, aclID))
	if aws.HasCode(err, aws.CodeAssociationUnknown) {
		return networkacl.Stale, nil
	}
	return outcome(err)
}

func associateInput(associationID, aclID string) *ec2.ReplaceNetworkAclAssociationInput {
	return &ec2.ReplaceNetworkAclAssociationInput{
		AssociationId: awssdk.String(associationID), NetworkAclId: awssdk.String(aclID),
	}
}

// DeleteACL asks AWS once to delete a network ACL. The error is nil where the outcome is Done,
// Missing for an ACL that isn't there, or InUse (DependencyViolation): AWS deletes none that a
// subnet has. A VPC's default ACL is Refused.
func DeleteACL(ctx context.Context, client aws.FencedEC2, id string) (networkacl.Outcome, error) {
	_, err := client.DeleteNetworkAcl(ctx, &ec2.DeleteNetworkAclInput{NetworkAclId: awssdk.String(id)})
	switch {
	case aws.HasCode(err, aws.CodeACLNotFound):
		return networkacl.Missing, nil
	case aws.HasCode(err, aws.CodeDependency):
		return networkacl.InUse, nil
	default:
		return outcome(err)
	}
}
