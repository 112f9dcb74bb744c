// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
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
	Capacity     []strategyItem `json:"capacityProviderStrategy"`
	Overrides    map[string]any `json:"overrides"`
	Volumes      []any          `json:"volumeConfigurations"`
	Tags         []keyValue     `json:"tags"`
	ClientToken  string         `json:"clientToken"`
	PlatformVers string         `json:"platformVersion"`
	ReferenceID  string         `json:"referenceId"`
	Propagate    string         `json:"propagateTags"`
	Network      *struct {
		AWSVPC *struct {
			Subnets        []string `json:"subnets"`
			SecurityGroups []string `json:"securityGroups"`
			PublicIP       string   `json:"assignPublicIp"`
		} `json:"awsvpcConfiguration"`
	} `json:"networkConfiguration"`
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
	if err := in.check(); err != nil {
		return q, err
	}
	if in.Count != nil {
		q.Count = *in.Count
	}
	if in.Network != nil && in.Network.AWSVPC != nil {
		q.Subnets = in.Network.AWSVPC.Subnets
	}
	q.Containers = overridden(in.Overrides)
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

// overridden are the names of the containers that a request overrides.
func overridden(overrides map[string]any) []string {
	list, _ := overrides["containerOverrides"].([]any)
	var names []string
	for _, item := range list {
		if c, ok := item.(map[string]any); ok {
			name, _ := c["name"].(string)
			names = append(names, name)
		}
	}
	return names
}

func runTask(req *operation.Request, in runInput) (string, func() (any, error), error) {
	q, err := in.request(req)
	if err != nil {
		return "", nil, err
	}
	if err := launchable(req, in); err != nil {
		return "", nil, err
	}
	q.Strategy = in.strategy(req)
	return req.View().TaskDefinitionARN(in.Definition), func() (any, error) {
		return run(req, q)
	}, nil
}

// launchable refuses what this simulator has no capacity for, in ECS's words where task definitions decide it.
func launchable(req *operation.Request, in runInput) error {
	if len(in.Capacity) > 0 && in.LaunchType != "" {
		return invalid("Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.")
	}
	d, ok := req.View().FindTaskDefinition(in.Definition)
	launchType := cmp.Or(in.LaunchType, "EC2")
	switch {
	case in.PlatformVers != "" && in.LaunchType == "EC2":
		return invalid("The platform version must be null when specifying an EC2 launch type.")
	case !slices.Contains(launchTypes, launchType):
		return invalid("Invalid launch type %s", in.LaunchType)
	case !ok:
		return region.Errorf("ClientException", "TaskDefinition not found.")
	case !d.Supports(launchType):
		return invalid("Task definition does not support launch_type %s.", launchType)
	case launchType != "EC2":
		return invalid("The simulator starts no tasks of the launch type %s.", launchType)
	}
	return nil
}

// strategy is the capacity provider strategy of a request: its own, or without a launch type that
// of the cluster.
func (in runInput) strategy(req *operation.Request) []region.StrategyItem {
	var items []region.StrategyItem
	for _, item := range in.Capacity {
		items = append(items, region.StrategyItem{Provider: item.Provider, Weight: item.Weight, Base: item.Base})
	}
	if c, ok := req.View().FindCluster(in.Cluster); ok && len(items) == 0 && in.LaunchType == "" {
		return c.DefaultStrategy
	}
	return items
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
	return req.View().TaskDefinitionARN(in.Definition), func() (any, error) {
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
