// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// What parameters may look like, by the service's model and its documentation.
var (
	startedByPattern = regexp.MustCompile(`^[A-Za-z0-9_/-]{0,128}$`)
	tokenPattern     = regexp.MustCompile(`^[!-~]{0,64}$`)
)

const (
	maxOverrides   = 8192
	maxReferenceID = 1024
	maxSubnets     = 16
	maxSecurity    = 5
	maxTags        = 50
	maxWeight      = 1000
	maxBase        = 100000
)

// check refuses what no state of the Region could make right.
func (in runInput) check() error {
	overrides, err := json.Marshal(in.Overrides)
	if err != nil {
		return err
	}
	switch {
	case in.Definition == "":
		return region.Errorf("ClientException", "TaskDefinition can not be blank.")
	case !startedByPattern.MatchString(in.StartedBy):
		return invalid("Invalid startedBy. Up to 128 letters, digits, hyphens, forward slashes and underscores are allowed.")
	case !tokenPattern.MatchString(in.ClientToken):
		return invalid("Invalid clientToken. Up to 64 characters of the range 33-126 are allowed.")
	case strings.HasPrefix(in.Group, "family:") || strings.HasPrefix(in.Group, "service:"):
		return invalid("Group names can't begin with family: or service:.")
	case len(in.Constraints) > 10:
		return invalid("A task can have 10 placement constraints at most.")
	case len(in.Strategies) > 5:
		return invalid("A task can have 5 placement strategies at most.")
	case in.Count != nil && (*in.Count < 1 || *in.Count > 10):
		return invalid("Count must be between 1 and 10.")
	case in.Overrides != nil && len(overrides) > maxOverrides:
		return invalid("Container Overrides length must be at most %d", maxOverrides)
	case len(in.ReferenceID) > maxReferenceID:
		return invalid("referenceId cannot be longer than %d characters.", maxReferenceID)
	case in.Propagate != "" && !slices.Contains([]string{"TASK_DEFINITION", "SERVICE", "NONE"}, in.Propagate):
		return invalid("Invalid value for propagateTags: %s", in.Propagate)
	}
	for _, check := range []func() error{
		func() error { return checkTags(in.Tags) }, in.checkNetwork, in.checkStrategy, in.checkOverrides,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (in runInput) checkNetwork() error {
	if in.Network == nil || in.Network.AWSVPC == nil {
		return nil
	}
	switch n := in.Network.AWSVPC; {
	case len(n.Subnets) == 0:
		return invalid("subnets can not be empty.")
	case len(n.Subnets) > maxSubnets:
		return invalid("subnets can have at most %d items.", maxSubnets)
	case len(n.SecurityGroups) > maxSecurity:
		return invalid("securityGroups can have at most %d items.", maxSecurity)
	case !slices.Contains([]string{"", "ENABLED", "DISABLED"}, n.PublicIP):
		return invalid("Invalid value for assignPublicIp: %s", n.PublicIP)
	}
	return nil
}

// checkStrategy holds each item of a capacity provider strategy to its ranges.
func (in runInput) checkStrategy() error {
	withBase := 0
	for _, item := range in.Capacity {
		switch {
		case item.Provider == "":
			return invalid("The capacity provider of a strategy cannot be empty.")
		case item.Weight < 0 || item.Weight > maxWeight:
			return invalid("The weight of a capacity provider must be between 0 and %d.", maxWeight)
		case item.Base < 0 || item.Base > maxBase:
			return invalid("The base of a capacity provider must be between 0 and %d.", maxBase)
		}
		if item.Base > 0 {
			withBase++
		}
	}
	if withBase > 1 {
		return invalid("Only one capacity provider of a strategy can have a base.")
	}
	return nil
}

// checkOverrides looks for the members that the service model requires. Of volumes the simulator has none.
func (in runInput) checkOverrides() error {
	if len(in.Volumes) > 0 {
		return invalid("The simulator has no volumes that are configured at launch.")
	}
	for _, container := range entriesOf(in.Overrides, "containerOverrides") {
		for _, name := range []string{"resourceRequirements", "environmentFiles"} {
			for _, entry := range entriesOf(container, name) {
				if entry["type"] == nil || entry["value"] == nil {
					return invalid("A member of %s lacks its type or its value.", name)
				}
			}
		}
	}
	return nil
}

// entriesOf are the structures in a list that is a member of another structure.
func entriesOf(of map[string]any, name string) []map[string]any {
	list, _ := of[name].([]any)
	var out []map[string]any
	for _, item := range list {
		if entry, ok := item.(map[string]any); ok {
			out = append(out, entry)
		}
	}
	return out
}

func checkTags(tags []keyValue) error {
	if len(tags) > maxTags {
		return invalid("The maximum number of tags is %d.", maxTags)
	}
	seen := map[string]bool{}
	for _, t := range tags {
		switch {
		case t.Key == "" || utf8.RuneCountInString(t.Key) > 128 || utf8.RuneCountInString(t.Value) > 256:
			return invalid("A tag's key has 1 to 128 characters and its value up to 256.")
		case strings.HasPrefix(strings.ToLower(t.Key), "aws:"):
			return invalid("Tag keys can't begin with aws:.")
		case seen[t.Key]:
			return invalid("Duplicate tag keys are not allowed.")
		}
		seen[t.Key] = true
	}
	return nil
}
