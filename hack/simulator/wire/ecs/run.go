// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"cmp"
	"encoding/json"
	"maps"
	"strings"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/clusterquery"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
)

type typed struct {
	Type       string `json:"type"`
	Expression string `json:"expression"`
	Field      string `json:"field"`
}

type runInput struct {
	Cluster      string         `json:"cluster"`
	Definition   string         `json:"taskDefinition"`
	Count        *int           `json:"count"`
	Instances    []string       `json:"containerInstances"`
	Constraints  []typed        `json:"placementConstraints"`
	Strategies   []typed        `json:"placementStrategy"`
	Group        string         `json:"group"`
	StartedBy    string         `json:"startedBy"`
	LaunchType   string         `json:"launchType"`
	Capacity     []any          `json:"capacityProviderStrategy"`
	Overrides    map[string]any `json:"overrides"`
	Tags         []keyValue     `json:"tags"`
	ClientToken  string         `json:"clientToken"`
	PlatformVers string         `json:"platformVersion"`
}

// request turns the input of RunTask and StartTask into what the Region takes.
func (in runInput) request(req *operation.Request) (region.RunTask, error) {
	q := region.RunTask{
		Cluster: in.Cluster, Definition: in.Definition, Count: 1, Group: in.Group, StartedBy: in.StartedBy, LaunchType: in.LaunchType,
		Overrides: in.Overrides, Tags: fromTags(in.Tags), ClientToken: in.ClientToken,
	}
	same := maps.Clone(req.Call.Params)
	delete(same, "clientToken")
	text, err := json.Marshal(same)
	if err != nil {
		return q, err
	}
	q.Request = string(text)
	switch {
	case in.Definition == "":
		return q, region.Errorf("ClientException", "TaskDefinition can not be blank.")
	case len(in.StartedBy) > 128:
		return q, invalid("startedBy cannot be longer than 128 characters.")
	case len(in.ClientToken) > 64:
		return q, invalid("clientToken cannot be longer than 64 characters.")
	case strings.HasPrefix(in.Group, "family:") || strings.HasPrefix(in.Group, "service:"):
		return q, invalid("Group names can't begin with family: or service:.")
	case len(in.Constraints) > 10:
		return q, invalid("A task can have 10 placement constraints at most.")
	case len(in.Strategies) > 5:
		return q, invalid("A task can have 5 placement strategies at most.")
	}
	if in.Count != nil {
		if q.Count = *in.Count; q.Count < 1 || q.Count > 10 {
			return q, invalid("Count must be between 1 and 10.")
		}
	}
	for _, c := range in.Constraints {
		switch {
		case c.Type == "memberOf":
			if _, err := clusterquery.Parse(c.Expression); err != nil {
				return q, invalid("%v", err)
			}
		case c.Type != "distinctInstance" || c.Expression != "":
			return q, invalid("Invalid placement constraint: type %q, expression %q", c.Type, c.Expression)
		}
		q.Constraints = append(q.Constraints, region.Constraint{Type: c.Type, Expression: c.Expression})
	}
	for _, s := range in.Strategies {
		if s.Type != "random" && s.Type != "spread" && (s.Type != "binpack" || !strings.EqualFold(s.Field, "cpu") && !strings.EqualFold(s.Field, "memory")) {
			return q, invalid("Invalid placement strategy: type %q, field %q", s.Type, s.Field)
		}
		q.Strategies = append(q.Strategies, region.Strategy{Type: s.Type, Field: strings.ToLower(s.Field)})
	}
	return q, nil
}

func runTask(req *operation.Request, in runInput) (string, func() (any, error), error) {
	q, err := in.request(req)
	if err != nil {
		return "", nil, err
	}
	if err := launchable(req, in); err != nil {
		return "", nil, err
	}
	return req.Region.ARN("ecs", "task-definition/"+strings.TrimPrefix(in.Definition, req.Region.ARN("ecs", "task-definition/"))), func() (any, error) {
		return run(req, q)
	}, nil
}

// launchable refuses what this simulator has no capacity for, in ECS's words where task definitions decide it.
func launchable(req *operation.Request, in runInput) error {
	if len(in.Capacity) > 0 {
		if in.LaunchType != "" {
			return invalid("Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.")
		}
		return invalid("The specified capacity provider was not found.")
	}
	if c, err := req.View().ActiveCluster(in.Cluster); in.LaunchType == "" && err == nil && len(c.DefaultStrategy) > 0 {
		return invalid("The simulator starts no tasks by a capacity provider strategy: name the launch type EC2.")
	}
	switch in.LaunchType {
	case "", "EC2":
		return nil
	case "FARGATE", "EXTERNAL", "MANAGED_INSTANCES":
		// Task definitions of the simulator are for EC2.
		if _, ok := req.View().FindTaskDefinition(in.Definition); ok {
			return invalid("Task definition does not support launch_type %s.", in.LaunchType)
		}
		return region.Errorf("ClientException", "TaskDefinition not found.")
	}
	return invalid("Invalid launch type %s", in.LaunchType)
}

func startTask(req *operation.Request, in runInput) (string, func() (any, error), error) {
	if len(in.Instances) == 0 {
		return "", nil, invalid("Container instances cannot be empty.")
	}
	if len(in.Instances) > 10 {
		return "", nil, invalid("Container instances cannot have more than 10 elements.")
	}
	q, err := in.request(req)
	q.Instances, q.ClientToken = in.Instances, ""
	return req.View().ContainerInstanceARN(region.Cluster{Name: cmp.Or(in.Cluster, "default")}, in.Instances[0]), func() (any, error) {
		return run(req, q)
	}, err
}

func run(req *operation.Request, q region.RunTask) (any, error) {
	tasks, failures, err := req.Region.RunTask(q)
	if err != nil {
		return nil, err
	}
	answer := struct {
		Tasks    []taskJSON `json:"tasks"`
		Failures []failure  `json:"failures"`
	}{[]taskJSON{}, toFailures(failures)}
	for _, t := range tasks {
		answer.Tasks = append(answer.Tasks, toTask(t, req.Region.Now(), true))
	}
	return answer, nil
}
