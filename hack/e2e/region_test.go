// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// region is the simulated Region, over the wire.
type region struct {
	ec2       *ec2.Client
	ecs       *ecs.Client
	scheduler *scheduler.Client
	// before is what was there when the spec began.
	before landscape
}

func newRegion(s settings) *region {
	config := awssdk.Config{
		Region: s.region, BaseEndpoint: &s.endpoint,
		Credentials: credentials.NewStaticCredentialsProvider(s.key, s.secret, ""),
	}
	return &region{ec2: ec2.NewFromConfig(config), ecs: ecs.NewFromConfig(config), scheduler: scheduler.NewFromConfig(config)}
}

// landscape is all that a run may change in a Region, a line each. Ids of associations are not in
// it: a subnet that moves and comes back has a new one.
type landscape []string

// lacking gives the lines of the other that this one is without.
func (l landscape) lacking(other landscape) landscape {
	return slices.DeleteFunc(slices.Clone(other), func(line string) bool { return slices.Contains(l, line) })
}

// survey reads the Region.
func (r *region) survey(ctx context.Context) (landscape, error) {
	var all landscape
	for _, read := range []func(context.Context) (landscape, error){r.networkACLs, r.subnets, r.schedules, r.tasks} {
		lines, err := read(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, lines...)
	}
	slices.Sort(all)
	return all, nil
}

func (r *region) networkACLs(ctx context.Context) (lines landscape, err error) {
	pages := ec2.NewDescribeNetworkAclsPaginator(r.ec2, &ec2.DescribeNetworkAclsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, acl := range page.NetworkAcls {
			lines = append(lines, "network ACL "+*acl.NetworkAclId)
			for _, entry := range acl.Entries {
				lines = append(lines, *acl.NetworkAclId+entryPart+describe(entry))
			}
			for _, association := range acl.Associations {
				lines = append(lines, *acl.NetworkAclId+": subnet "+*association.SubnetId)
			}
			lines = append(lines, tags(*acl.NetworkAclId, acl.Tags)...)
		}
	}
	return lines, nil
}

// entryPart is what the lines of entries have in common.
const entryPart = ": entry "

func describe(entry ec2types.NetworkAclEntry) string {
	direction := "inbound"
	if *entry.Egress {
		direction = "outbound"
	}
	ports := ""
	if entry.PortRange != nil {
		ports = fmt.Sprintf(" ports %d-%d", *entry.PortRange.From, *entry.PortRange.To)
	}
	return fmt.Sprintf("%s %d %s %s%s protocol %s%s", direction, *entry.RuleNumber, entry.RuleAction,
		awssdk.ToString(entry.CidrBlock), awssdk.ToString(entry.Ipv6CidrBlock), *entry.Protocol, ports)
}

func tags(id string, list []ec2types.Tag) (lines landscape) {
	for _, tag := range list {
		lines = append(lines, fmt.Sprintf("%s: tag %s=%s", id, *tag.Key, *tag.Value))
	}
	return lines
}

func (r *region) subnets(ctx context.Context) (lines landscape, err error) {
	pages := ec2.NewDescribeSubnetsPaginator(r.ec2, &ec2.DescribeSubnetsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, subnet := range page.Subnets {
			lines = append(lines, tags(*subnet.SubnetId, subnet.Tags)...)
		}
	}
	return lines, nil
}

func (r *region) schedules(ctx context.Context) (lines landscape, err error) {
	pages := scheduler.NewListSchedulesPaginator(r.scheduler, &scheduler.ListSchedulesInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, schedule := range page.Schedules {
			lines = append(lines, "schedule "+*schedule.Arn)
		}
	}
	return lines, nil
}

// tasks are those that ECS was not told to stop.
func (r *region) tasks(ctx context.Context) (lines landscape, err error) {
	clusters, err := r.ecs.ListClusters(ctx, &ecs.ListClustersInput{})
	if err != nil {
		return nil, err
	}
	for _, arn := range clusters.ClusterArns {
		pages := ecs.NewListTasksPaginator(r.ecs, &ecs.ListTasksInput{Cluster: &arn})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, err
			}
			for _, task := range page.TaskArns {
				lines = append(lines, "task "+task)
			}
		}
	}
	return lines, nil
}

// audit fails unless the Region is as it was when the spec began.
func (r *region) audit(ctx context.Context) {
	GinkgoHelper()
	now, err := r.survey(ctx)
	Expect(err).NotTo(HaveOccurred())
	Expect(r.before.lacking(now)).To(BeEmpty(), "this is left in the Region")
	Expect(now.lacking(r.before)).To(BeEmpty(), "this was in the Region before, and was a third party's")
}

// rules are the entries that stand and were not there when the spec began.
func (r *region) rules(ctx context.Context, g Gomega) landscape {
	GinkgoHelper()
	now, err := r.survey(ctx)
	g.Expect(err).NotTo(HaveOccurred())
	return slices.DeleteFunc(r.before.lacking(now), func(line string) bool { return !strings.Contains(line, entryPart) })
}

// watch reads the Region over and over until a time, or until the function that it gives is called.
// That one fails if a rule, or a line that was there when the spec began, was missing once.
func (r *region) watch(ctx context.Context, rules landscape, until time.Time) (end func()) {
	lines := slices.Concat(r.before, rules)
	ctx, cancel := context.WithCancel(ctx)
	missing := make(chan string, 1)
	go func() {
		defer close(missing)
		reads := time.NewTicker(500 * time.Millisecond)
		defer reads.Stop()
		for ; ; <-reads.C {
			now, err := r.survey(ctx)
			switch lost := now.lacking(lines); {
			case ctx.Err() != nil || time.Now().After(until):
				return
			case err != nil:
				missing <- err.Error()
				return
			case len(lost) > 0:
				missing <- fmt.Sprintf("at %s these lines were missing:\n%s", time.Now().UTC().Format(time.RFC3339), strings.Join(lost, "\n"))
				return
			}
		}
	}()
	return func() {
		GinkgoHelper()
		cancel()
		Expect(<-missing).To(BeEmpty())
	}
}
