// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"maps"
	"slices"
	"strconv"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/clusterquery"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
)

func toDefinition(d region.TaskDefinition) map[string]any {
	out := maps.Clone(d.Document)
	out["taskDefinitionArn"], out["family"], out["revision"], out["status"] = d.ARN, d.Family, d.Revision, d.Status
	out["registeredAt"] = at(d.RegisteredAt)
	if !d.DeregisteredAt.IsZero() {
		out["deregisteredAt"] = at(d.DeregisteredAt)
	}
	return out
}

// Launch types, and what a task definition may have for its network mode; empty: bridge.
var (
	launchTypes  = []string{"EC2", "FARGATE", "EXTERNAL", "MANAGED_INSTANCES"}
	networkModes = []string{"", "bridge", "host", "awsvpc", "none"}
)

type containerInput struct {
	Name        string `json:"name"`
	Image       string `json:"image"`
	CPU         int    `json:"cpu"`
	Memory      int    `json:"memory"`
	Reservation int    `json:"memoryReservation"`
}

func registerTaskDefinition(req *operation.Request, in struct {
	Family      string           `json:"family"`
	Containers  []containerInput `json:"containerDefinitions"`
	Constraints []typed          `json:"placementConstraints"`
	CPU         string           `json:"cpu"`
	Memory      string           `json:"memory"`
	Requires    []string         `json:"requiresCompatibilities"`
	NetworkMode string           `json:"networkMode"`
	Tags        []keyValue       `json:"tags"`
}) (string, func() (any, error), error) {
	d := region.TaskDefinition{Family: in.Family, Document: maps.Clone(req.Call.Params), Tags: fromTags(in.Tags)}
	if in.Family == "" {
		return "", nil, region.Errorf("ClientException", "Family should not be null or empty.")
	}
	if len(in.Containers) == 0 {
		return "", nil, region.Errorf("ClientException", "Container list cannot be empty.")
	}
	if i := slices.IndexFunc(in.Requires, func(r string) bool { return !slices.Contains(launchTypes, r) }); i >= 0 {
		return "", nil, region.Errorf("ClientException", "Invalid compatibility: %s", in.Requires[i])
	}
	if !slices.Contains(networkModes, in.NetworkMode) {
		return "", nil, region.Errorf("ClientException", "Invalid network mode: %s", in.NetworkMode)
	}
	if err := sizes(&d, in.CPU, in.Memory, in.Containers); err != nil {
		return "", nil, err
	}
	for _, c := range in.Constraints {
		if c.Type != "memberOf" {
			return "", nil, region.Errorf("ClientException", "constraint.type '%s' is not supported.", c.Type)
		}
		if _, err := clusterquery.Parse(c.Expression); err != nil {
			return "", nil, region.Errorf("ClientException", "%v", err)
		}
		d.Constraints = append(d.Constraints, region.Constraint{Type: c.Type, Expression: c.Expression})
	}
	delete(d.Document, "tags")
	for k, v := range map[string]any{
		"volumes": []any{}, "placementConstraints": []any{},
	} {
		if d.Document[k] == nil {
			d.Document[k] = v
		}
	}
	return req.Region.ARN("ecs", "task-definition/"+in.Family+":*"), func() (any, error) {
		d, err := req.Region.RegisterTaskDefinition(d)
		if err != nil {
			return nil, err
		}
		return struct {
			Definition map[string]any `json:"taskDefinition"`
			Tags       []keyValue     `json:"tags,omitempty"`
		}{toDefinition(d), in.Tags}, nil
	}, nil
}

// sizes fills in what a task takes of an instance: the task's own limits, else what its containers reserve.
func sizes(d *region.TaskDefinition, cpu, memory string, containers []containerInput) error {
	for _, c := range containers {
		switch {
		case c.Name == "":
			return region.Errorf("ClientException", "Container name should not be null or empty.")
		case c.Image == "":
			return region.Errorf("ClientException", "Container.image should not be null or empty.")
		case memory == "" && c.Memory == 0 && c.Reservation == 0:
			return region.Errorf("ClientException", "Invalid setting for container '%s'. At least one of 'memory' or 'memoryReservation' must be specified.", c.Name)
		}
		d.Needs.CPU += c.CPU
		if c.Reservation > 0 {
			d.Needs.Memory += c.Reservation
		} else {
			d.Needs.Memory += c.Memory
		}
	}
	for _, s := range []struct {
		text, name string
		to         *int
	}{{cpu, "cpu", &d.Needs.CPU}, {memory, "memory", &d.Needs.Memory}} {
		if s.text == "" {
			continue
		}
		n, err := strconv.Atoi(s.text)
		if err != nil || n <= 0 {
			return region.Errorf("ClientException", "Invalid '%s' setting for task: %s", s.name, s.text)
		}
		*s.to = n
	}
	return nil
}

func describeTaskDefinition(req *operation.Request, in struct {
	Definition string   `json:"taskDefinition"`
	Include    []string `json:"include"`
}) (string, func() (any, error), error) {
	if in.Definition == "" {
		return "", nil, region.Errorf("ClientException", "TaskDefinition can not be blank.")
	}
	if i := slices.IndexFunc(in.Include, func(field string) bool { return field != "TAGS" }); i >= 0 {
		return "", nil, invalid("Invalid value for include: %s", in.Include[i])
	}
	return "", func() (any, error) {
		d, ok := req.View().FindTaskDefinition(in.Definition)
		if !ok {
			return nil, region.Errorf("ClientException", "Unable to describe task definition.")
		}
		tags := []keyValue{}
		if slices.Contains(in.Include, "TAGS") {
			tags = toTags(d.Tags)
		}
		return struct {
			Definition map[string]any `json:"taskDefinition"`
			Tags       []keyValue     `json:"tags"`
		}{toDefinition(d), tags}, nil
	}, nil
}

func deregisterTaskDefinition(req *operation.Request, in struct {
	Definition string `json:"taskDefinition"`
}) (string, func() (any, error), error) {
	if in.Definition == "" {
		return "", nil, region.Errorf("ClientException", "TaskDefinition can not be blank.")
	}
	return "", func() (any, error) {
		d, err := req.Region.DeregisterTaskDefinition(in.Definition)
		if err != nil {
			return nil, err
		}
		return struct {
			Definition map[string]any `json:"taskDefinition"`
		}{toDefinition(d)}, nil
	}, nil
}
