// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"slices"
	"strconv"
	"strings"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/iam"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
)

// The service that the roles of tasks are handed to, and the permission to do that.
const (
	tasksPrincipal = "ecs-tasks.amazonaws.com"
	passRole       = "iam:PassRole"
)

// passingRoles has an operation need iam:PassRole for the roles that its tasks get.
func passingRoles(o operation.Operation) operation.Operation {
	prepare := o.Prepare
	o.Prepare = func(req *operation.Request) (operation.Effect, error) {
		e, err := prepare(req)
		if roles := rolesOf(req, req.View()); err == nil && len(roles) > 0 {
			e.Also, e.Creates, e.PassedTo = []string{passRole}, roles[0], tasksPrincipal
		}
		return e, err
	}
	return o
}

// rolesOf are the roles of the tasks of a call: those of the task definition, or what the call has
// in their place.
func rolesOf(req *operation.Request, v region.View) []string {
	d, _ := v.FindTaskDefinition(text(req, "taskDefinition"))
	roles := slices.Clone(d.RoleARNs)
	given := req.Call.Params // of RegisterTaskDefinition
	if overrides, ok := given["overrides"].(map[string]any); ok {
		given = overrides
	}
	for _, name := range []string{"taskRoleArn", "executionRoleArn"} {
		if role, ok := given[name].(string); ok && role != "" {
			if old, ok := d.Document[name].(string); ok {
				roles = slices.DeleteFunc(roles, func(r string) bool { return r == old })
			}
			roles = append(roles, role)
		}
	}
	slices.Sort(roles)
	return slices.Compact(roles)
}

// taskAsks are what IAM is asked for calls on tasks.
func taskAsks(req *operation.Request, v region.View) []iam.Request {
	action, cluster := req.Call.Name(), v.ClusterARN(text(req, "cluster"))
	c := clusterNamed(v, cluster)
	keys := iam.Keys{}.With("ecs:cluster", cluster)
	switch req.Call.Action {
	case "StopTask":
		return []iam.Request{taskAsk(action, v, c, text(req, "task"), keys)}
	case "DescribeTasks":
		var all []iam.Request
		for _, ref := range texts(req, "tasks") {
			all = append(all, taskAsk(action, v, c, ref, keys))
		}
		return all
	case "ListTasks":
		return []iam.Request{listAsk(action, v, c, text(req, "containerInstance"), keys)}
	}
	return startAsks(req, v, c, keys)
}

// clusterNamed is a cluster, with its name alone if there is none.
func clusterNamed(v region.View, ref string) region.Cluster {
	c, ok := v.FindCluster(ref)
	if !ok {
		arn := v.ClusterARN(ref)
		c.Name = arn[strings.LastIndexByte(arn, '/')+1:]
	}
	return c
}

func taskAsk(action string, v region.View, c region.Cluster, ref string, keys iam.Keys) iam.Request {
	t, _ := v.FindTask(c, ref)
	return iam.Request{Action: action, Resource: v.TaskARN(c, ref), Keys: withResourceTags(keys, t.Tags)}
}

// listAsk is of the container instance whose tasks are listed. That of all instances is of any
// resource: users report * and container-instance/CLUSTER/*, and here the stricter one counts.
func listAsk(action string, v region.View, c region.Cluster, ref string, keys iam.Keys) iam.Request {
	if ref == "" {
		return iam.Request{Action: action, Resource: "*", Keys: keys}
	}
	i, _ := v.FindContainerInstance(c, ref)
	return iam.Request{Action: action, Resource: v.ContainerInstanceARN(c, ref), Keys: withResourceTags(keys, i.Tags)}
}

// startAsks are of the task definition, of the tags and of the roles that a call has.
func startAsks(req *operation.Request, v region.View, c region.Cluster, keys iam.Keys) []iam.Request {
	tags := tagsOf(req)
	keys = withRequestTags(keys, tags)
	action, created := req.Call.Name(), req.Region.ARN("ecs", "task/"+c.Name+"/*")
	arn := req.Region.ARN("ecs", "task-definition/"+text(req, "family")+":*")
	if req.Call.Action == "RegisterTaskDefinition" {
		keys, created = keys.With("ecs:cluster"), arn
	} else {
		d, _ := v.FindTaskDefinition(text(req, "taskDefinition"))
		arn = v.TaskDefinitionARN(text(req, "taskDefinition"))
		keys = withResourceTags(keys, d.Tags).With("ecs:enable-execute-command", strconv.FormatBool(req.Call.Params["enableExecuteCommand"] == true))
	}
	if providers := providersOf(req); len(providers) > 0 {
		keys = keys.With("ecs:capacity-provider", providers...)
	}
	if req.Call.Action == "StartTask" {
		var instances []string
		for _, ref := range texts(req, "containerInstances") {
			instances = append(instances, v.ContainerInstanceARN(c, ref))
		}
		keys = keys.With("ecs:container-instances", instances...)
	}
	all := []iam.Request{{Action: action, Resource: arn, Keys: keys}}
	if len(tags) > 0 {
		all = append(all, iam.Request{Action: tagResource, Resource: created, Keys: keys.With("ecs:CreateAction", req.Call.Action)})
	}
	for _, role := range rolesOf(req, v) {
		all = append(all, iam.Request{Action: passRole, Resource: role, Keys: iam.Keys{}.With("iam:PassedToService", tasksPrincipal)})
	}
	return all
}

// providersOf are the ARNs of the capacity providers in the strategy of a request.
func providersOf(req *operation.Request) []string {
	list, _ := req.Call.Params["capacityProviderStrategy"].([]any)
	var arns []string
	for _, item := range list {
		if entry, ok := item.(map[string]any); ok {
			name, _ := entry["capacityProvider"].(string)
			arns = append(arns, req.Region.ARN("ecs", "capacity-provider/"+name))
		}
	}
	return arns
}

func withResourceTags(keys iam.Keys, tags map[string]string) iam.Keys {
	for key, value := range tags {
		keys = keys.With("aws:ResourceTag/"+key, value).With("ecs:ResourceTag/"+key, value)
	}
	return keys
}

// text is a parameter that is a string; empty: there is none.
func text(req *operation.Request, name string) string {
	s, _ := req.Call.Params[name].(string)
	return s
}

// texts is a parameter that is a list of strings.
func texts(req *operation.Request, name string) []string {
	list, _ := req.Call.Params[name].([]any)
	var out []string
	for _, item := range list {
		if s, ok := item.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

func tagsOf(req *operation.Request) map[string]string {
	list, _ := req.Call.Params["tags"].([]any)
	out := map[string]string{}
	for _, item := range list {
		if tag, ok := item.(map[string]any); ok {
			key, _ := tag["key"].(string)
			value, _ := tag["value"].(string)
			out[key] = value
		}
	}
	return out
}
