// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
)

type taskJSON struct {
	ARN           string          `json:"taskArn"`
	ClusterARN    string          `json:"clusterArn"`
	DefinitionARN string          `json:"taskDefinitionArn"`
	InstanceARN   string          `json:"containerInstanceArn,omitempty"`
	Zone          string          `json:"availabilityZone,omitempty"`
	LastStatus    string          `json:"lastStatus"`
	DesiredStatus string          `json:"desiredStatus"`
	LaunchType    string          `json:"launchType"`
	Provider      string          `json:"capacityProviderName,omitempty"`
	CPU           string          `json:"cpu"`
	Memory        string          `json:"memory"`
	Group         string          `json:"group"`
	StartedBy     string          `json:"startedBy,omitempty"`
	Health        string          `json:"healthStatus"`
	CreatedAt     epoch           `json:"createdAt,omitempty"`
	StartedAt     epoch           `json:"startedAt,omitempty"`
	StoppingAt    epoch           `json:"stoppingAt,omitempty"`
	StoppedAt     epoch           `json:"stoppedAt,omitempty"`
	StopCode      string          `json:"stopCode,omitempty"`
	StoppedReason string          `json:"stoppedReason,omitempty"`
	Connectivity  string          `json:"connectivity,omitempty"`
	PullStarted   epoch           `json:"pullStartedAt,omitempty"`
	PullStopped   epoch           `json:"pullStoppedAt,omitempty"`
	ExecStopped   epoch           `json:"executionStoppedAt,omitempty"`
	ExecuteCmd    bool            `json:"enableExecuteCommand"`
	Containers    []containerJSON `json:"containers"`
	Overrides     map[string]any  `json:"overrides"`
	Attachments   []any           `json:"attachments"`
	Attributes    []attribute     `json:"attributes"`
	Tags          []keyValue      `json:"tags"`
	Version       int             `json:"version"`
}

type containerJSON struct {
	ARN        string `json:"containerArn"`
	TaskARN    string `json:"taskArn"`
	Name       string `json:"name"`
	Image      string `json:"image"`
	Digest     string `json:"imageDigest,omitempty"`
	Runtime    string `json:"runtimeId,omitempty"`
	LastStatus string `json:"lastStatus"`
	ExitCode   *int   `json:"exitCode,omitempty"`
	Reason     string `json:"reason,omitempty"`
	Bindings   []any  `json:"networkBindings,omitempty"`
	Interfaces []any  `json:"networkInterfaces"`
	CPU        string `json:"cpu"`
}

// toContainer has the task's status where the agent reported none of the container alone.
func toContainer(c region.Container, taskARN, status string) containerJSON {
	known := c.Report
	return containerJSON{
		ARN: c.ARN, TaskARN: taskARN, Name: c.Name, Image: c.Image, LastStatus: cmp.Or(known.Status, status), Interfaces: []any{}, CPU: "0",
		Digest: known.ImageDigest, Runtime: known.RuntimeID, ExitCode: known.ExitCode, Reason: known.Reason, Bindings: known.NetworkBindings,
	}
}

func toTask(t region.Task, now time.Time, tags bool) taskJSON {
	last, desired := t.Status(now)
	out := taskJSON{
		ARN: t.ARN, ClusterARN: t.ClusterARN, DefinitionARN: t.DefinitionARN, InstanceARN: t.InstanceARN, Zone: t.AvailabilityZone,
		LastStatus: last, DesiredStatus: desired, LaunchType: t.LaunchType, CPU: strconv.Itoa(t.Needs.CPU), Memory: strconv.Itoa(t.Needs.Memory),
		Group: t.Group, StartedBy: t.StartedBy, Health: "UNKNOWN", Overrides: t.Overrides, Provider: t.CapacityProvider,
		Containers: []containerJSON{}, Attachments: []any{}, Attributes: []attribute{{attributeArchitecture, "x86_64"}}, Tags: []keyValue{},
		PullStarted: at(t.PullStartedAt), PullStopped: at(t.PullStoppedAt), ExecStopped: at(t.ExecutionStoppedAt),
	}
	// Where no agents run, what they will report is known beforehand; the version counts what has
	// happened.
	for _, change := range []struct {
		at   time.Time
		show *epoch
	}{{t.CreatedAt, &out.CreatedAt}, {t.RunningAt, &out.StartedAt}, {t.StoppingAt, &out.StoppingAt}, {t.StoppedAt, &out.StoppedAt}} {
		if !change.at.IsZero() && !now.Before(change.at) {
			*change.show = at(change.at)
			out.Version++
		}
	}
	if desired == region.StatusStopped {
		out.StopCode, out.StoppedReason = t.StopCode, t.StoppedReason
	}
	if out.Overrides == nil {
		out.Overrides = map[string]any{"containerOverrides": []any{}, "inferenceAcceleratorOverrides": []any{}}
	}
	for _, c := range t.Containers {
		out.Containers = append(out.Containers, toContainer(c, t.ARN, last))
	}
	if tags {
		out.Tags = toTags(t.Tags)
	}
	return out
}

func listTasks(req *operation.Request, in struct {
	Cluster       string `json:"cluster"`
	Instance      string `json:"containerInstance"`
	Family        string `json:"family"`
	StartedBy     string `json:"startedBy"`
	Service       string `json:"serviceName"`
	Daemon        string `json:"daemonName"`
	DesiredStatus string `json:"desiredStatus"`
	LaunchType    string `json:"launchType"`
	NextToken     string `json:"nextToken"`
	MaxResults    *int   `json:"maxResults"`
}) (string, func() (any, error), error) {
	desired := in.DesiredStatus
	switch desired {
	case "":
		desired = "RUNNING"
	case "RUNNING", "PENDING", "STOPPED":
	default:
		return "", nil, invalid("Invalid desiredStatus %s", desired)
	}
	if in.LaunchType != "" && !slices.Contains(launchTypes, in.LaunchType) {
		return "", nil, invalid("Invalid launch type %s", in.LaunchType)
	}
	// By AWS's documentation startedBy is to be the only filter. Callers in use have a desired
	// status beside it.
	if in.StartedBy != "" && in.Instance+in.Family+in.Service+in.Daemon+in.LaunchType != "" {
		return "", nil, invalid("startedBy must be the only filter.")
	}
	return "", func() (any, error) {
		v := req.View()
		c, err := v.ActiveCluster(in.Cluster)
		if err != nil {
			return nil, err
		}
		if in.Service != "" {
			return nil, region.Errorf("ServiceNotFoundException", "Service not found.")
		}
		instance := ""
		if in.Instance != "" {
			i, ok := v.FindContainerInstance(c, in.Instance)
			if !ok {
				return nil, invalid("Container instance not found.")
			}
			instance = i.ARN
		}
		var arns []string
		for _, t := range v.Tasks(c.ARN) {
			_, d := t.Status(v.Now())
			family, _ := t.Definition()
			if d == desired && in.Daemon == "" && (instance == "" || t.InstanceARN == instance) && (in.StartedBy == "" || t.StartedBy == in.StartedBy) &&
				(in.LaunchType == "" || t.LaunchType == in.LaunchType) && (in.Family == "" || family == in.Family) {
				arns = append(arns, t.ARN)
			}
		}
		out, next, err := page(arns, in.NextToken, in.MaxResults)
		return struct {
			ARNs []string `json:"taskArns"`
			Next *string  `json:"nextToken,omitempty"`
		}{out, next}, err
	}, nil
}

func describeTasks(req *operation.Request, in struct {
	Cluster string   `json:"cluster"`
	Tasks   []string `json:"tasks"`
	Include []string `json:"include"`
}) (string, func() (any, error), error) {
	return describer[region.Task, taskJSON]{
		find: region.View.FindTask, arn: region.View.TaskARN,
		write: func(v region.View, c region.Cluster, t region.Task) taskJSON {
			task := toTask(t, v.Now(), slices.Contains(in.Include, "TAGS"))
			task.Connectivity = connectivity(v, c, t)
			return task
		},
		member: "tasks", empty: "Tasks cannot be empty.", tooMany: "Tasks cannot have more than 100 elements.",
	}.describe(req, in.Cluster, in.Tasks)
}

// connectivity is what ECS knows of a task through its agent. On Fargate that is ECS's own.
func connectivity(v region.View, c region.Cluster, t region.Task) string {
	switch {
	case t.LaunchType == "FARGATE":
		return "CONNECTED"
	case t.InstanceARN == "":
		return ""
	}
	if i, ok := v.FindContainerInstance(c, t.InstanceARN); ok && i.AgentConnected {
		return "CONNECTED"
	}
	return "DISCONNECTED"
}

func stopTask(req *operation.Request, in struct {
	Cluster string `json:"cluster"`
	Task    string `json:"task"`
	Reason  string `json:"reason"`
}) (string, func() (any, error), error) {
	if in.Task == "" {
		return "", nil, invalid("Task identifier cannot be empty.")
	}
	return req.View().TaskARN(region.Cluster{Name: in.Cluster}, in.Task), func() (any, error) {
		t, err := req.Region.StopTask(in.Cluster, in.Task, in.Reason)
		return struct {
			Task taskJSON `json:"task"`
		}{toTask(t, req.Region.Now(), false)}, err
	}, nil
}
