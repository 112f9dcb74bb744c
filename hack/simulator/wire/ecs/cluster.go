// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"slices"
	"strconv"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
)

type clusterJSON struct {
	ARN        string         `json:"clusterArn"`
	Name       string         `json:"clusterName"`
	Status     string         `json:"status"`
	Instances  int            `json:"registeredContainerInstancesCount"`
	Running    int            `json:"runningTasksCount"`
	Pending    int            `json:"pendingTasksCount"`
	Services   int            `json:"activeServicesCount"`
	Statistics []statistic    `json:"statistics"`
	Tags       []keyValue     `json:"tags"`
	Settings   []any          `json:"settings"`
	Providers  []string       `json:"capacityProviders"`
	Strategy   []strategyItem `json:"defaultCapacityProviderStrategy"`
}

type strategyItem struct {
	Provider string `json:"capacityProvider"`
	Weight   int    `json:"weight"`
	Base     int    `json:"base"`
}

func toCluster(v region.View, c region.Cluster, include []string) clusterJSON {
	out := clusterJSON{
		ARN: c.ARN, Name: c.Name, Status: c.Status, Instances: len(v.ContainerInstances(c.ARN)),
		Statistics: []statistic{}, Tags: []keyValue{}, Settings: []any{}, Providers: nonNil(c.CapacityProviders), Strategy: []strategyItem{},
	}
	for _, item := range c.DefaultStrategy {
		out.Strategy = append(out.Strategy, strategyItem{item.Provider, item.Weight, item.Base})
	}
	out.Running, out.Pending = v.TaskCounts(func(t region.Task) bool { return t.ClusterARN == c.ARN })
	if slices.Contains(include, "TAGS") {
		out.Tags = toTags(c.Tags)
	}
	if slices.Contains(include, "STATISTICS") {
		out.Statistics = statistics(v, c)
	}
	return out
}

type statistic struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// statistics are a cluster's tasks and services by launch type, in the order in which ECS lists them. There are no
// services here.
func statistics(v region.View, c region.Cluster) []statistic {
	count := map[string]int{}
	for name, launchType := range map[string]string{"EC2": "EC2", "Fargate": "FARGATE", "External": "EXTERNAL", "ManagedInstances": "MANAGED_INSTANCES"} {
		count["running"+name+"TasksCount"], count["pending"+name+"TasksCount"] = v.TaskCounts(func(t region.Task) bool {
			return t.ClusterARN == c.ARN && t.LaunchType == launchType
		})
	}
	var out []statistic
	for _, name := range []string{
		"runningEC2TasksCount", "runningFargateTasksCount", "pendingEC2TasksCount", "pendingFargateTasksCount",
		"runningExternalTasksCount", "pendingExternalTasksCount", "runningManagedInstancesTasksCount", "pendingManagedInstancesTasksCount",
		"activeEC2ServiceCount", "activeFargateServiceCount", "drainingEC2ServiceCount", "drainingFargateServiceCount",
		"activeExternalServiceCount", "drainingExternalServiceCount", "activeManagedInstancesServiceCount", "drainingManagedInstancesServiceCount",
	} {
		out = append(out, statistic{name, strconv.Itoa(count[name])})
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
			answer.Clusters = append(answer.Clusters, toCluster(v, c, in.Include))
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
		v := req.View()
		acs, tcs, sc, err := v.DiscoverPollEndpoint(in.Cluster, in.ContainerInstance, req.Region.CallerVPC())
		// An agent that runs outside can't reach the addresses of these hosts. Other callers are told of them all the same.
		if c, ok := v.FindCluster(in.Cluster); ok && err == nil && req.AgentURL != "" {
			if i, ok := v.FindContainerInstance(c, in.ContainerInstance); ok && i.Outside {
				acs, tcs = req.AgentURL+"/acs/1/", req.AgentURL+"/tcs/1/"
			}
		}
		return struct {
			Endpoint       string `json:"endpoint,omitempty"`
			Telemetry      string `json:"telemetryEndpoint,omitempty"`
			ServiceConnect string `json:"serviceConnectEndpoint,omitempty"`
		}{acs, tcs, sc}, err
	}, nil
}
