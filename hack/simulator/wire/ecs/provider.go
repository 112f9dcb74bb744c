// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"slices"
	"strings"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
)

type providerJSON struct {
	ARN     string         `json:"capacityProviderArn"`
	Name    string         `json:"name"`
	Cluster string         `json:"cluster,omitempty"`
	Status  string         `json:"status"`
	Type    string         `json:"type"`
	Group   map[string]any `json:"autoScalingGroupProvider,omitempty"`
	Managed map[string]any `json:"managedInstancesProvider,omitempty"`
	Tags    []keyValue     `json:"tags"`
}

func toProvider(req *operation.Request, p region.CapacityProvider, tags bool) providerJSON {
	out := providerJSON{ARN: p.ARN, Name: p.Name, Cluster: p.Cluster, Status: "ACTIVE", Type: p.Type, Tags: []keyValue{}}
	switch p.Type {
	case region.ProviderAutoScaling:
		out.Group = map[string]any{
			"autoScalingGroupArn": p.AutoScalingGroupARN, "managedTerminationProtection": "DISABLED", "managedDraining": "ENABLED",
			"managedScaling": map[string]any{
				"status": "ENABLED", "targetCapacity": 100, "minimumScalingStepSize": 1, "maximumScalingStepSize": 10000, "instanceWarmupPeriod": 300,
			},
		}
	case region.ProviderManagedInstances:
		repair := "DISABLED"
		if p.AutoRepair {
			repair = "ENABLED"
		}
		iam := "arn:" + region.Partition(req.Region.Name()) + ":iam::" + req.Region.Account()
		out.Managed = map[string]any{
			"infrastructureRoleArn": iam + ":role/ecsInfrastructureRole", "propagateTags": "CAPACITY_PROVIDER",
			"autoRepairConfiguration": map[string]any{"actionsStatus": repair},
			"instanceLaunchTemplate": map[string]any{
				"ec2InstanceProfileArn": iam + ":instance-profile/ecsInstanceRole",
				"networkConfiguration":  map[string]any{"subnets": nonNil(p.Subnets), "securityGroups": nonNil(p.SecurityGroups)},
			},
		}
	}
	if tags {
		out.Tags = toTags(p.Tags)
	}
	return out
}

func nonNil(list []string) []string { return append([]string{}, list...) }

// maxProviders is how many capacity providers a page has at most.
const maxProviders = 10

func describeCapacityProviders(req *operation.Request, in struct {
	Providers  []string `json:"capacityProviders"`
	Cluster    string   `json:"cluster"`
	Include    []string `json:"include"`
	NextToken  string   `json:"nextToken"`
	MaxResults *int     `json:"maxResults"`
}) (string, func() (any, error), error) {
	if len(in.Providers) > 100 {
		return "", nil, invalid("Capacity providers cannot have more than 100 elements.")
	}
	return "", func() (any, error) {
		v := req.View()
		var names []string // in the order of pages
		found := map[string]region.CapacityProvider{}
		cluster, err := clusterOf(v, in.Cluster)
		if err != nil {
			return nil, err
		}
		for _, p := range v.CapacityProviders() {
			if in.Cluster == "" || slices.Contains(cluster.CapacityProviders, p.Name) {
				found[p.Name] = p
				names = append(names, p.Name)
			}
		}
		failures := []failure{}
		if len(in.Providers) > 0 {
			names = nil
			for _, ref := range in.Providers {
				p, ok := v.FindCapacityProvider(ref)
				if _, here := found[p.Name]; !ok || !here {
					if !strings.HasPrefix(ref, "arn:") {
						ref = req.Region.ARN("ecs", "capacity-provider/"+ref)
					}
					failures = append(failures, failure{ARN: ref, Reason: region.ReasonMissing})
					continue
				}
				names = append(names, p.Name)
			}
			slices.Sort(names)
		}
		names, next, err := pageUpTo(maxProviders, names, in.NextToken, in.MaxResults)
		docs := []providerJSON{}
		for _, name := range names {
			docs = append(docs, toProvider(req, found[name], slices.Contains(in.Include, "TAGS")))
		}
		return struct {
			Providers []providerJSON `json:"capacityProviders"`
			Failures  []failure      `json:"failures"`
			Next      *string        `json:"nextToken,omitempty"`
		}{docs, failures, next}, err
	}, nil
}

// clusterOf is the cluster that a reference names, none for an empty one.
func clusterOf(v region.View, ref string) (region.Cluster, error) {
	if ref == "" {
		return region.Cluster{}, nil
	}
	return v.ActiveCluster(ref)
}
