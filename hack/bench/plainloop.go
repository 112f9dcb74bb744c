// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
)

// theRules are the six denies of a run in the default world, as the controller numbers them.
var theRules = []struct {
	number int32
	cidr   string
}{
	{80, "52.119.219.115/32"}, {81, "52.119.220.39/32"}, {82, "52.119.223.69/32"},
	{90, "52.119.219.118/32"}, {91, "52.119.221.107/32"}, {92, "52.119.223.82/32"},
}

// plain are the times of a script that does one call after another: until the rules act on the subnet, from there until
// they no longer do, and until nothing is left. calls counts those of the two ways.
type plain struct{ installed, lifted, cleared samples }

// plainCalls are how many calls the script makes until the rules act, and to undo that.
func plainCalls(mode v1alpha1.NetworkACLMode) (install, restore int) {
	if mode == v1alpha1.NetworkACLModeClone {
		return 1 + len(theRules) + 2 + 1, 2 // the clone, its entries with the two that it copies, the swap; back, and gone
	}
	return len(theRules), len(theRules)
}

// measure has the script run once in a place.
func (m *plain) measure(ctx context.Context, s *sim.Simulator, p place) error {
	client := ec2.NewFromConfig(s.Config())
	if p.mode == v1alpha1.NetworkACLModeClone {
		return m.clone(ctx, client, associationOf(s, p))
	}
	return m.inPlace(ctx, client, p.acl)
}

// inPlace creates the rules one after another and deletes them again.
func (m *plain) inPlace(ctx context.Context, client *ec2.Client, acl string) error {
	begun := time.Now()
	if err := denyAll(ctx, client, acl); err != nil {
		return err
	}
	installed := time.Now()
	for _, r := range theRules {
		_, err := client.DeleteNetworkAclEntry(ctx, &ec2.DeleteNetworkAclEntryInput{
			NetworkAclId: awssdk.String(acl), RuleNumber: awssdk.Int32(r.number), Egress: awssdk.Bool(true),
		})
		if err != nil {
			return err
		}
	}
	m.installed, m.lifted = append(m.installed, installed.Sub(begun)), append(m.lifted, time.Since(installed))
	return nil
}

// clone creates a network ACL with what the original has and the rules, gives it to the subnet, and takes both back.
func (m *plain) clone(ctx context.Context, client *ec2.Client, association string) error {
	begun := time.Now()
	made, err := client.CreateNetworkAcl(ctx, &ec2.CreateNetworkAclInput{VpcId: awssdk.String(vpc)})
	if err != nil {
		return err
	}
	clone := awssdk.ToString(made.NetworkAcl.NetworkAclId)
	for _, egress := range []bool{true, false} {
		if err := createEntry(ctx, client, clone, 100, "0.0.0.0/0", egress, types.RuleActionAllow); err != nil {
			return err
		}
	}
	if err := denyAll(ctx, client, clone); err != nil {
		return err
	}
	if association, err = associate(ctx, client, association, clone); err != nil {
		return err
	}
	installed := time.Now()
	if _, err := associate(ctx, client, association, sharedACL); err != nil {
		return err
	}
	lifted := time.Now()
	if _, err := client.DeleteNetworkAcl(ctx, &ec2.DeleteNetworkAclInput{NetworkAclId: awssdk.String(clone)}); err != nil {
		return err
	}
	m.installed, m.lifted = append(m.installed, installed.Sub(begun)), append(m.lifted, lifted.Sub(installed))
	m.cleared = append(m.cleared, time.Since(installed))
	return nil
}

func denyAll(ctx context.Context, client *ec2.Client, acl string) error {
	for _, r := range theRules {
		if err := createEntry(ctx, client, acl, r.number, r.cidr, true, types.RuleActionDeny); err != nil {
			return err
		}
	}
	return nil
}

func createEntry(ctx context.Context, client *ec2.Client, acl string, number int32, cidr string, egress bool, action types.RuleAction) error {
	_, err := client.CreateNetworkAclEntry(ctx, &ec2.CreateNetworkAclEntryInput{
		NetworkAclId: awssdk.String(acl), RuleNumber: awssdk.Int32(number), Egress: awssdk.Bool(egress),
		RuleAction: action, Protocol: awssdk.String("-1"), CidrBlock: awssdk.String(cidr),
	})
	return err
}

func associate(ctx context.Context, client *ec2.Client, association, acl string) (string, error) {
	out, err := client.ReplaceNetworkAclAssociation(ctx, &ec2.ReplaceNetworkAclAssociationInput{
		AssociationId: awssdk.String(association), NetworkAclId: awssdk.String(acl),
	})
	if err != nil {
		return "", err
	}
	return awssdk.ToString(out.NewAssociationId), nil
}

// associationOf is the id of the subnet's association, which a script would have looked up before.
func associationOf(s *sim.Simulator, p place) string {
	sub, _ := s.Region().View(time.Time{}).Subnet(p.subnet)
	return sub.AssociationID
}
