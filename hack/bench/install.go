// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	"agentdisconnect.dev/agentdisconnect/hack/stack"
)

// What the simulator's default world has.
const (
	cluster = "demo"
	subnet  = "subnet-0c2e4a6b8d1f35790" // alone on its network ACL
	acl     = "acl-0b3d6f9a1c5e72840"
)

// theRules are the six denies of a run in the default world, as the controller numbers them.
var theRules = []struct {
	number int32
	cidr   string
}{
	{80, "52.119.219.115/32"}, {81, "52.119.220.39/32"}, {82, "52.119.223.69/32"},
	{90, "52.119.219.118/32"}, {91, "52.119.221.107/32"}, {92, "52.119.223.82/32"},
}

// installing are the times from an object's creation until its rules are in place, and those of a plain loop.
type installing struct {
	created        samples
	plainCreations samples
	plainDeletions samples
	traces         []string
}

// shortestPoll is the shortest wait between two polls of the agents that the manager allows.
const shortestPoll = 10 * time.Millisecond

// measureInstalling has the manager install the rules several times. The first time is for warming up: a manager says
// that it is ready while it is still filling its cache.
func measureInstalling(ctx context.Context, s *stack.Stack, set settings) (*installing, error) {
	objects, err := follow(ctx, s)
	if err != nil {
		return nil, err
	}
	defer objects.Close()
	m := &installing{}
	for i := range set.runs + 1 {
		created, deleted, err := plainLoop(ctx, s.Sim)
		if err != nil {
			return nil, fmt.Errorf("plain loop: %w", err)
		}
		name := fmt.Sprintf("install-%d", i)
		recorded := recordCalls(s.Sim)
		asked, err := objects.create(ctx, name, cluster, subnet, time.Hour)
		if err != nil {
			return nil, err
		}
		done, err := objects.until(ctx, name, installed)
		recorded.stop()
		if err != nil {
			return nil, err
		}
		if n := len(done.object.Status.Rules); n != len(theRules) {
			return nil, fmt.Errorf("%s has %d rules in place, not %d", name, n, len(theRules))
		}
		if i > 0 {
			m.created = append(m.created, done.at.Sub(asked))
			m.plainCreations, m.plainDeletions = append(m.plainCreations, created), append(m.plainDeletions, deleted)
			m.traces = []string{trace("From creation to RulesInstalled", asked, recorded.ended(), objects.of(name))}
		}
		if _, err := objects.delete(ctx, name); err != nil {
			return nil, err
		}
		if _, err := objects.until(ctx, name, gone); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// plainLoop creates the rules one after another and deletes them again, as a script would.
func plainLoop(ctx context.Context, s *sim.Simulator) (created, deleted time.Duration, err error) {
	client := ec2.NewFromConfig(s.Config())
	begin := time.Now()
	for _, r := range theRules {
		_, err := client.CreateNetworkAclEntry(ctx, &ec2.CreateNetworkAclEntryInput{
			NetworkAclId: awssdk.String(acl), RuleNumber: awssdk.Int32(r.number), Egress: awssdk.Bool(true),
			RuleAction: types.RuleActionDeny, Protocol: awssdk.String("-1"), CidrBlock: awssdk.String(r.cidr),
		})
		if err != nil {
			return 0, 0, err
		}
	}
	created = time.Since(begin)
	begin = time.Now()
	for _, r := range theRules {
		_, err := client.DeleteNetworkAclEntry(ctx, &ec2.DeleteNetworkAclEntryInput{
			NetworkAclId: awssdk.String(acl), RuleNumber: awssdk.Int32(r.number), Egress: awssdk.Bool(true),
		})
		if err != nil {
			return 0, 0, err
		}
	}
	return created, time.Since(begin), nil
}
