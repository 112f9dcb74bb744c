// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	trailtypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/hack/screen"
)

// tryPermissions calls what the manager reads, and asks by DryRun for what it writes where EC2 can tell. It prints what AWS answers and gives
// a target for the printed commands.
func (a *account) tryPermissions(ctx context.Context, s *settings, out *screen.Screen) (target, error) {
	out.Print(screen.Bold, "\nWhat these credentials may do, as far as AWS tells without a write")
	out.Wait("asking AWS", "")
	defer out.Done()
	c := a.clients
	found, findErr := a.findTargets(ctx, s)
	chosen := found.choose(s)

	rows := []screen.Row{
		row("Find clusters and agents", "ecs:ListClusters, DescribeClusters, ListContainerInstances, DescribeContainerInstances, ec2:DescribeSubnets", findErr),
		row("Ask where agents connect to", "ecs:DiscoverPollEndpoint", func() error {
			_, err := c.ECS.DiscoverPollEndpoint(ctx, &ecs.DiscoverPollEndpointInput{Cluster: optional(chosen.cluster)})
			return err
		}()),
		row("Read the network", "ec2:DescribeNetworkAcls, DescribeVpcEndpoints, DescribeNetworkInterfaces", errors.Join(
			func() error {
				_, err := c.EC2.DescribeNetworkAcls(ctx, &ec2.DescribeNetworkAclsInput{MaxResults: awssdk.Int32(5)})
				return err
			}(),
			func() error {
				_, err := c.EC2.DescribeVpcEndpoints(ctx, &ec2.DescribeVpcEndpointsInput{MaxResults: awssdk.Int32(5)})
				return err
			}(),
			func() error {
				_, err := c.EC2.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{MaxResults: awssdk.Int32(5)})
				return err
			}())),
		row("Read the quota (optional)", "servicequotas:GetServiceQuota", func() error {
			_, err := discovery.EntryQuota(ctx, c.ServiceQuotas)
			return err
		}()),
		row("Read callers (spec.callers)", "cloudtrail:LookupEvents", func() error {
			_, err := c.CloudTrail.LookupEvents(ctx, &cloudtrail.LookupEventsInput{
				LookupAttributes: []trailtypes.LookupAttribute{{AttributeKey: trailtypes.LookupAttributeKeyEventName, AttributeValue: awssdk.String("RunTask")}},
				MaxResults:       awssdk.Int32(1),
			})
			return err
		}()),
		a.tryWrites(ctx, chosen),
		{Cells: []string{"Not tried", "ecs:RunTask and StopTask (spec.probe), scheduler and iam:PassRole (dead man's switch): AWS has no DryRun for them. Nor what only a clone that exists can tell."}, Style: screen.Dim},
	}
	out.Done()
	out.Table(nil, rows)
	found.print(out)
	return chosen, ctx.Err()
}

// tryWrites asks by DryRun for what a run of the target would write.
func (a *account) tryWrites(ctx context.Context, t target) screen.Row {
	const title = "Change the network ACL"
	if t.subnet == "" {
		return screen.Row{Cells: []string{title, "not tried: no subnet to ask about. A plan asks for its own subnet."}, Style: screen.Dim}
	}
	acl, err := ec2acl.ReadOfSubnet(ctx, a.clients.EC2, t.subnet)
	if err != nil {
		return row(title, "read the network ACL of "+t.subnet, err)
	}
	if acl == nil {
		return row(title, "", fmt.Errorf("EC2 has no subnet %s in account %s and Region %s: check --subnet, AWS_PROFILE and AWS_REGION", t.subnet, a.id, a.region))
	}
	// A dry run changes nothing, so there is nothing that it rests on.
	client := a.clients.Fenced(func(context.Context) (time.Time, error) { return time.Now(), nil }).EC2
	if len(acl.Associations) > 1 {
		return row(title, fmt.Sprintf("DryRun for a clone of %s, which other subnets share: ec2:CreateNetworkAcl, CreateTags, ReplaceNetworkAclAssociation", acl.ID), ec2acl.CheckCloning(ctx, client, acl, t.subnet))
	}
	return row(title, fmt.Sprintf("DryRun on %s: ec2:CreateNetworkAclEntry, DeleteNetworkAclEntry, CreateTags, DeleteTags", acl.ID), ec2acl.CheckInPlace(ctx, client, acl))
}

// row reports whether AWS allowed calls.
func row(title, calls string, err error) screen.Row {
	if err == nil {
		return screen.Row{Cells: []string{title, "yes: " + calls}}
	}
	return screen.Row{Cells: []string{title, "no: " + aws.Message(err)}, Style: screen.Bad}
}

func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
