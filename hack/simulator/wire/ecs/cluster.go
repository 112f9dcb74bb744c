// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"slices"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
)

type clusterJSON struct {
	ARN        string     `json:"clusterArn"`
	Name       string     `json:"clusterName"`
	Status     string     `json:"status"`
	Instances  int        `json:"registeredContainerInstancesCount"`
	Running    int        `json:"runningTasksCount"`
	Pending    int        `json:"pendingTasksCount"`
	Services   int        `json:"activeServicesCount"`
	Statistics []any      `json:"statistics"`
	Tags       []keyValue `json:"tags"`
	Settings   []any      `json:"settings"`
	Providers  []any      `json:"capacityProviders"`
	Strategy   []any      `json:"defaultCapacityProviderStrategy"`
}

func toCluster(v region.View, c region.Cluster, tags bool) clusterJSON {
	out := clusterJSON{
		ARN: c.ARN, Name: c.Name, Status: c.Status, Instances: len(v.ContainerInstances(c.ARN)),
		Statistics: []any{}, Tags: []keyValue{}, Settings: []any{}, Providers: []any{}, Strategy: []any{},
	}
	out.Running, out.Pending = v.TaskCounts(func(t region.Task) bool { return t.ClusterARN == c.ARN })
	if tags {
		out.Tags = toTags(c.Tags)
	}
	return out
}

func describeClusters(req *operation.Request, in struct {
	Clusters []string `json:"clusters"`
	Include  []string `json:"include"`
}) (string, func() (any, error), error) {
	if len(in.Clusters) > 100 {
		return "", nil, invalid("Clusters cannot have more than 100 elements.")
	}
	refs := in.Clusters
	if len(refs) == 0 {
		refs = []string{"default"}
	}
	return req.View().ClusterARN(refs[0]), func() (any, error) {
		req.Region.SettleTasks()
		v := req.View()
		answer := struct {
			Clusters []clusterJSON `json:"clusters"`
			Failures []failure     `json:"failures"`
		}{[]clusterJSON{}, []failure{}}
		for _, ref := range refs {
			c, ok := v.FindCluster(ref)
			if !ok {
				answer.Failures = append(answer.Failures, failure{ARN: v.ClusterARN(ref), Reason: region.ReasonMissing})
				continue
			}
			answer.Clusters = append(answer.Clusters, toCluster(v, c, slices.Contains(in.Include, "TAGS")))
		}
		return answer, nil
	}, nil
}

func listClusters(req *operation.Request, in struct {
	NextToken  string `json:"nextToken"`
	MaxResults *int   `json:"maxResults"`
}) (string, func() (any, error), error) {
	return "", func() (any, error) {
		var arns []string
		for _, c := range req.View().Clusters() {
			if c.Status == "ACTIVE" {
				arns = append(arns, c.ARN)
			}
		}
		out, next, err := page(arns, in.NextToken, in.MaxResults)
		return struct {
			ARNs []string `json:"clusterArns"`
			Next *string  `json:"nextToken,omitempty"`
		}{out, next}, err
	}, nil
}

func discoverPollEndpoint(req *operation.Request, in struct {
	Cluster           string `json:"cluster"`
	ContainerInstance string `json:"containerInstance"`
}) (string, func() (any, error), error) {
	return "", func() (any, error) {
		acs, tcs, sc, err := req.View().DiscoverPollEndpoint(in.Cluster, in.ContainerInstance)
		return struct {
			Endpoint       string `json:"endpoint"`
			Telemetry      string `json:"telemetryEndpoint"`
			ServiceConnect string `json:"serviceConnectEndpoint,omitempty"`
		}{acs, tcs, sc}, err
	}, nil
}
