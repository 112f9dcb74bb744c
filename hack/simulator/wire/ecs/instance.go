// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/clusterquery"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
)

type instanceJSON struct {
	ARN          string       `json:"containerInstanceArn"`
	EC2ID        string       `json:"ec2InstanceId"`
	Provider     string       `json:"capacityProviderName,omitempty"`
	Version      int64        `json:"version"`
	VersionInfo  versionInfo  `json:"versionInfo"`
	Remaining    []resource   `json:"remainingResources"`
	Registered   []resource   `json:"registeredResources"`
	Status       string       `json:"status"`
	Connected    bool         `json:"agentConnected"`
	Running      int          `json:"runningTasksCount"`
	Pending      int          `json:"pendingTasksCount"`
	Attributes   []attribute  `json:"attributes"`
	RegisteredAt epoch        `json:"registeredAt,omitempty"`
	Attachments  []any        `json:"attachments"`
	Tags         []keyValue   `json:"tags"`
	Health       *healthState `json:"healthStatus,omitempty"`
}

type versionInfo struct {
	Agent  string `json:"agentVersion,omitempty"`
	Hash   string `json:"agentHash,omitempty"`
	Docker string `json:"dockerVersion,omitempty"`
}

type attribute struct {
	Name  string `json:"name"`
	Value string `json:"value,omitempty"`
}

type resource struct {
	Name    string   `json:"name"`
	Type    string   `json:"type"`
	Double  float64  `json:"doubleValue"`
	Long    int64    `json:"longValue"`
	Integer int      `json:"integerValue"`
	Strings []string `json:"stringSetValue,omitempty"`
}

type healthState struct {
	Overall string `json:"overallStatus"`
}

// resources are what an instance has, or has left. Of ports ECS lists those that are taken, also
// among what is left.
func resources(cpu, memory int, gpus []string, taken region.Resources) []resource {
	list := []resource{
		{Name: "CPU", Type: "INTEGER", Integer: cpu},
		{Name: "MEMORY", Type: "INTEGER", Integer: memory},
		{Name: "PORTS", Type: "STRINGSET", Strings: portTexts(taken.TCP)},
		{Name: "PORTS_UDP", Type: "STRINGSET", Strings: portTexts(taken.UDP)},
	}
	if len(gpus) > 0 {
		list = append(list, resource{Name: "GPU", Type: "STRINGSET", Strings: gpus})
	}
	return list
}

func portTexts(ports []int) []string {
	out := []string{}
	for _, port := range ports {
		out = append(out, strconv.Itoa(port))
	}
	return out
}

// gpuIDs are the ids of the last n GPUs of an instance: its first ones are given to tasks first.
func gpuIDs(i region.ContainerInstance, n int) []string {
	var ids []string
	for k := i.GPUs - n; k < i.GPUs; k++ {
		ids = append(ids, fmt.Sprintf("GPU-%s-%d", strings.TrimPrefix(i.EC2InstanceID, "i-"), k))
	}
	return ids
}

func toInstance(v region.View, i region.ContainerInstance, include []string) instanceJSON {
	used := v.Used(i)
	out := instanceJSON{
		ARN: i.ARN, EC2ID: i.EC2InstanceID, Provider: i.CapacityProvider, Version: i.Version, Status: i.Status, Connected: i.AgentConnected,
		VersionInfo:  versions(i),
		Remaining:    resources(i.CPU-used.CPU, i.Memory-used.Memory, gpuIDs(i, i.GPUs-used.GPUs), used),
		Registered:   resources(i.CPU, i.Memory, gpuIDs(i, i.GPUs), i.RegisteredPorts()),
		RegisteredAt: at(i.RegisteredAt),
		Attachments:  []any{}, Tags: []keyValue{},
	}
	out.Running, out.Pending = v.TaskCounts(func(t region.Task) bool { return t.InstanceARN == i.ARN })
	attributes := v.Attributes(i)
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		out.Attributes = append(out.Attributes, attribute{name, attributes[name]})
	}
	if slices.Contains(include, "TAGS") {
		out.Tags = toTags(i.Tags)
	}
	if slices.Contains(include, "CONTAINER_INSTANCE_HEALTH") {
		out.Health = &healthState{"OK"}
	}
	return out
}

// dockerVersion is what ECS puts before the version of Docker.
const dockerVersion = "DockerVersion: "

// versions are those that the agent told. One that runs outside of the simulator tells them when it connects.
func versions(i region.ContainerInstance) versionInfo {
	if i.Outside && i.AgentVersion == "" {
		return versionInfo{}
	}
	return versionInfo{i.AgentVersion, cmp.Or(i.AgentHash, "f38e3ab0"), dockerVersion + cmp.Or(i.DockerVersion, "25.0.14")}
}

// statuses are what ListContainerInstances filters by. The simulator has instances in the first two.
var statuses = []string{"ACTIVE", "DRAINING", "REGISTERING", "DEREGISTERING", "REGISTRATION_FAILED"}

func listContainerInstances(req *operation.Request, in struct {
	Cluster    string `json:"cluster"`
	Filter     string `json:"filter"`
	Status     string `json:"status"`
	NextToken  string `json:"nextToken"`
	MaxResults *int   `json:"maxResults"`
}) (string, func() (any, error), error) {
	if in.Status != "" && !slices.Contains(statuses, in.Status) {
		return "", nil, invalid("Invalid status %s; it must be one of %v", in.Status, statuses)
	}
	match := clusterquery.Expr(func(clusterquery.Instance) bool { return true })
	if in.Filter != "" {
		var err error
		if match, err = clusterquery.Parse(in.Filter); err != nil {
			return "", nil, invalid("%v", err)
		}
	}
	return req.View().ClusterARN(in.Cluster), func() (any, error) {
		v := req.View()
		c, err := v.ActiveCluster(in.Cluster)
		if err != nil {
			return nil, err
		}
		var arns []string
		for _, i := range v.ContainerInstances(c.ARN) {
			if (in.Status == "" || in.Status == i.Status) && match(v.Query(i)) {
				arns = append(arns, i.ARN)
			}
		}
		out, next, err := page(arns, in.NextToken, in.MaxResults)
		return struct {
			ARNs []string `json:"containerInstanceArns"`
			Next *string  `json:"nextToken,omitempty"`
		}{out, next}, err
	}, nil
}

func describeContainerInstances(req *operation.Request, in struct {
	Cluster   string   `json:"cluster"`
	Instances []string `json:"containerInstances"`
	Include   []string `json:"include"`
}) (string, func() (any, error), error) {
	return describer[region.ContainerInstance, instanceJSON]{
		find: region.View.FindContainerInstance, arn: region.View.ContainerInstanceARN,
		write: func(v region.View, _ region.Cluster, i region.ContainerInstance) instanceJSON {
			return toInstance(v, i, in.Include)
		},
		member: "containerInstances", empty: "Container instance cannot be empty.",
		tooMany: "Container instances cannot have more than 100 elements.",
	}.describe(req, in.Cluster, in.Instances)
}
