// SPDX-License-Identifier: Apache-2.0

package ec2acl

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/parallel"
)

// The checks ask AWS by DryRun, all calls side by side, and write nothing. Their error joins one of
// every action that AWS refuses or doesn't answer for; nil says that all of them would be allowed.

// What the dry runs are about. Any entry would do, since permission is judged before the entry is
// looked for. The keys of the tags are those that IAM conditions rest on: of a run's ledger, and of
// a clone, at its creation and later.
var (
	triedEntry  = networkacl.Entry{Number: 80, Egress: true, Protocol: networkacl.AllProtocols, CIDR: netip.MustParsePrefix("192.0.2.1/32")}
	triedClone  = map[string]string{ownership.TagClone: "permission-check"}
	triedLedger = map[string]string{ownership.TagKeys("00000000-0000-0000-0000-000000000000")[0]: "permission-check"}
)

// CheckInPlace asks whether a run may write its denies and its ledger to a network ACL, and remove
// both.
func CheckInPlace(ctx context.Context, client aws.FencedEC2, acl *networkacl.ACL) error {
	calls := []dryRun{tryDeleteEntry(client, acl.ID), tryCreateTags(client, acl.ID, triedLedger), tryDeleteTags(client, acl.ID, triedLedger)}
	// The product's policy grants no entry where another service of AWS keeps the network ACL, and
	// no run puts one there: the refusal is to name that service, not the policy.
	if _, managed := ownership.ManagedBy(acl.Tags); !managed {
		calls = slices.Insert(calls, 0, tryCreateEntry(client, acl.ID))
	}
	return ask(ctx, calls...)
}

// CheckCloning asks, before there is a clone, whether one may be created in the VPC, and whether
// the subnet's association may be given to the original: the call by which the run ends.
// InvalidAssociationID.NotFound says that original was read too long ago.
func CheckCloning(ctx context.Context, client aws.FencedEC2, original *networkacl.ACL, subnetID string) error {
	associationID, ok := original.Associations[subnetID]
	if !ok {
		return fmt.Errorf("network ACL %s is not that of subnet %s", original.ID, subnetID)
	}
	return ask(ctx, tryCreateACL(client, original.VPCID), tryAssociate(client, associationID, original.ID))
}

// CheckClone asks, before a clone serves its subnet, whether it may be kept up to date, tagged and
// deleted.
func CheckClone(ctx context.Context, client aws.FencedEC2, cloneID string) error {
	return ask(ctx, tryCreateEntry(client, cloneID), tryDeleteEntry(client, cloneID), tryReplaceEntry(client, cloneID),
		tryDeleteACL(client, cloneID), tryCreateTags(client, cloneID, triedClone), tryDeleteTags(client, cloneID, triedClone))
}

// dryRun is a call with DryRun set. alsoYes are the codes by which AWS says that only the state is
// in the way.
type dryRun struct {
	call    func(context.Context) error
	alsoYes []string
}

// ask makes the calls side by side and gives what is refused, in their order.
func ask(ctx context.Context, calls ...dryRun) error {
	return parallel.ForEach(calls, func(each dryRun) error { return permitted(each.call(ctx), each.alsoYes) })
}

// permitted takes DryRun's answer for what it is: an error that means yes. So does an answer that
// speaks of the state, since AWS judges the permission first. That the resource is unknown is no
// yes: whether a condition on it holds is open.
func permitted(err error, alsoYes []string) error {
	if aws.HasCode(err, aws.CodeDryRun) || err != nil && slices.Contains(alsoYes, aws.Code(err)) {
		return nil
	}
	return err
}

func tryCreateEntry(client aws.FencedEC2, aclID string) dryRun {
	in := entryInput(aclID, triedEntry)
	in.DryRun = awssdk.Bool(true)
	return dryRun{func(ctx context.Context) error {
		_, err := client.CreateNetworkAclEntry(ctx, in)
		return err
	}, []string{aws.CodeEntryAlreadyExists, aws.CodeEntryLimitExceeded}}
}

func tryDeleteEntry(client aws.FencedEC2, aclID string) dryRun {
	in := deleteInput(aclID, triedEntry.Number, triedEntry.Egress)
	in.DryRun = awssdk.Bool(true)
	return dryRun{func(ctx context.Context) error {
		_, err := client.DeleteNetworkAclEntry(ctx, in)
		return err
	}, []string{aws.CodeEntryNotFound}}
}

func tryReplaceEntry(client aws.FencedEC2, aclID string) dryRun {
	in := replaceInput(aclID, triedEntry)
	in.DryRun = awssdk.Bool(true)
	return dryRun{func(ctx context.Context) error {
		_, err := client.ReplaceNetworkAclEntry(ctx, in)
		return err
	}, []string{aws.CodeEntryNotFound, aws.CodeEntryLimitExceeded}}
}

func tryCreateTags(client aws.FencedEC2, aclID string, tags map[string]string) dryRun {
	in := &ec2.CreateTagsInput{Resources: []string{aclID}, Tags: tagsToSDK(tags), DryRun: awssdk.Bool(true)}
	return dryRun{func(ctx context.Context) error {
		_, err := client.CreateTags(ctx, in)
		return err
	}, []string{aws.CodeTagLimitExceeded}}
}

func tryDeleteTags(client aws.FencedEC2, aclID string, tags map[string]string) dryRun {
	in := untagInput(aclID, slices.Collect(maps.Keys(tags)))
	in.DryRun = awssdk.Bool(true)
	return dryRun{func(ctx context.Context) error {
		_, err := client.DeleteTags(ctx, in)
		return err
	}, nil}
}

func tryCreateACL(client aws.FencedEC2, vpcID string) dryRun {
	in := cloneInput(vpcID, triedClone)
	in.DryRun = awssdk.Bool(true)
	return dryRun{func(ctx context.Context) error {
		_, err := client.CreateNetworkAcl(ctx, in)
		return err
	}, []string{aws.CodeACLLimitExceeded}}
}

func tryDeleteACL(client aws.FencedEC2, aclID string) dryRun {
	in := &ec2.DeleteNetworkAclInput{NetworkAclId: awssdk.String(aclID), DryRun: awssdk.Bool(true)}
	return dryRun{func(ctx context.Context) error {
		_, err := client.DeleteNetworkAcl(ctx, in)
		return err
	}, []string{aws.CodeDependency}}
}

func tryAssociate(client aws.FencedEC2, associationID, aclID string) dryRun {
	in := associateInput(associationID, aclID)
	in.DryRun = awssdk.Bool(true)
	return dryRun{func(ctx context.Context) error {
		_, err := client.ReplaceNetworkAclAssociation(ctx, in)
		return err
	}, nil}
}
