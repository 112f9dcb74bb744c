// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/spf13/pflag"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/controllers/options"
	consents "agentdisconnect.dev/agentdisconnect/controllers/target"
	"agentdisconnect.dev/agentdisconnect/hack/screen"
)

// mostClusters bounds how many clusters are looked into: this is a hint, and the plan looks again.
const mostClusters = 10

// target is a cluster and a subnet with agents of it.
type target struct {
	cluster, subnet string
	agents          int
	consent         string // the value of the tag; empty: there is none
}

// allows reports whether the tag lets the namespace default use the subnet, in which the printed commands create runs.
func (t target) allows(consentKey string) bool {
	return consents.Consent{TagKey: consentKey, Namespace: metav1.NamespaceDefault}.IsGivenBy(map[string]string{consentKey: t.consent})
}

// targets are what was found.
type targets struct {
	list []target
	cut  bool // AWS has more clusters or agents than were read
}

// findTargets reads which subnets have agents of which clusters.
func (a *account) findTargets(ctx context.Context, s *settings) (targets, error) {
	var found targets
	names := []string{s.cluster}
	if s.cluster == "" {
		listed, err := a.clients.ECS.ListClusters(ctx, &ecs.ListClustersInput{})
		if err != nil || len(listed.ClusterArns) == 0 {
			return found, err
		}
		names, found.cut = listed.ClusterArns, listed.NextToken != nil
	}
	described, err := a.clients.ECS.DescribeClusters(ctx, &ecs.DescribeClustersInput{Clusters: names})
	if err != nil {
		return found, err
	}
	if s.cluster != "" && len(described.Clusters) == 0 {
		return found, fmt.Errorf("--cluster: ECS has no cluster %s in %s: check the name, the Region and the account", s.cluster, a.region)
	}
	withAgents := slices.DeleteFunc(described.Clusters, func(c ecstypes.Cluster) bool { return c.RegisteredContainerInstancesCount == 0 })
	found.cut = found.cut || len(withAgents) > mostClusters
	for _, cluster := range withAgents[:min(len(withAgents), mostClusters)] {
		counts, cut, err := a.countAgents(ctx, cluster)
		if err != nil {
			return found, err
		}
		found.cut = found.cut || cut
		for _, subnet := range slices.Sorted(maps.Keys(counts)) {
			found.list = append(found.list, target{cluster: awssdk.ToString(cluster.ClusterName), subnet: subnet, agents: counts[subnet]})
		}
	}
	return found, a.readConsent(ctx, s.consentKey, found.list)
}

// countAgents counts the first page of a cluster's agents by their subnet. It reports whether there are more pages.
func (a *account) countAgents(ctx context.Context, cluster ecstypes.Cluster) (counts map[string]int, cut bool, err error) {
	listed, err := a.clients.ECS.ListContainerInstances(ctx, &ecs.ListContainerInstancesInput{Cluster: cluster.ClusterArn})
	if err != nil || len(listed.ContainerInstanceArns) == 0 {
		return nil, false, err
	}
	described, err := a.clients.ECS.DescribeContainerInstances(ctx, &ecs.DescribeContainerInstancesInput{Cluster: cluster.ClusterArn, ContainerInstances: listed.ContainerInstanceArns})
	if err != nil {
		return nil, false, err
	}
	counts = map[string]int{}
	for _, instance := range described.ContainerInstances {
		for _, attribute := range instance.Attributes {
			if awssdk.ToString(attribute.Name) == "ecs.subnet-id" {
				counts[awssdk.ToString(attribute.Value)]++
			}
		}
	}
	return counts, listed.NextToken != nil, nil
}

// readConsent reads the tags with which owners of subnets consent.
func (a *account) readConsent(ctx context.Context, key string, found []target) error {
	if len(found) == 0 {
		_, err := a.clients.EC2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{MaxResults: awssdk.Int32(5)})
		return err
	}
	ids := map[string]bool{}
	for _, t := range found {
		ids[t.subnet] = true
	}
	out, err := a.clients.EC2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{Filters: []ec2types.Filter{{Name: awssdk.String("subnet-id"), Values: slices.Sorted(maps.Keys(ids))}}})
	if err != nil {
		return err
	}
	for _, subnet := range out.Subnets {
		for _, tag := range subnet.Tags {
			for i := range found {
				if found[i].subnet == awssdk.ToString(subnet.SubnetId) && awssdk.ToString(tag.Key) == key {
					found[i].consent = awssdk.ToString(tag.Value)
				}
			}
		}
	}
	return nil
}

// choose picks what the printed commands name: what the flags say, else a subnet that allows the namespace default, else any.
func (t targets) choose(s *settings) target {
	fits := func(each target) bool {
		return (s.subnet == "" || s.subnet == each.subnet) && (s.cluster == "" || s.cluster == each.cluster)
	}
	if i := slices.IndexFunc(t.list, func(each target) bool { return fits(each) && each.allows(s.consentKey) }); i >= 0 {
		return t.list[i]
	}
	if i := slices.IndexFunc(t.list, fits); i >= 0 {
		return t.list[i]
	}
	return target{cluster: s.cluster, subnet: s.subnet}
}

func (t targets) print(out *screen.Screen) {
	if len(t.list) == 0 {
		out.Print(screen.Marked, "\nNo cluster with container instances was found in this Region: docs/first-real-run.md has a template of a throwaway one.")
		return
	}
	var rows []screen.Row
	for _, each := range t.list {
		rows = append(rows, screen.Row{Cells: []string{each.cluster, each.subnet, fmt.Sprint(each.agents), cmp.Or(each.consent, "-")}})
	}
	out.Print(screen.Bold, "\nWhat a run could name")
	out.Table([]string{"CLUSTER", "SUBNET", "AGENTS", "CONSENT"}, rows)
	if t.cut {
		out.Print(screen.Marked, "AWS has more clusters or agents than are counted here: name yours with --cluster and --subnet.")
	}
}

// consentKey is the key of the tag of consent, which the manager's flags may change.
func consentKey(managerArgs []string) (string, error) {
	f := pflag.NewFlagSet("manager", pflag.ContinueOnError)
	f.ParseErrorsAllowlist.UnknownFlags = true
	f.Usage = func() {}
	key := f.String("consent-tag-key", options.Defaults().ConsentTagKey, "")
	if err := f.Parse(managerArgs); err != nil && !errors.Is(err, pflag.ErrHelp) {
		return "", fmt.Errorf("flags of the manager: %w", err)
	}
	return *key, nil
}
