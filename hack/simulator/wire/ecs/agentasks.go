// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"maps"
	"slices"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/iam"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
)

// tagResource is the permission that a call with tags needs beside its own.
const tagResource = "ecs:TagResource"

// tagging has an operation need it, for the container instance that it makes.
func tagging(o operation.Operation) operation.Operation {
	prepare := o.Prepare
	o.Prepare = func(req *operation.Request) (operation.Effect, error) {
		e, err := prepare(req)
		if err == nil && len(tagsOf(req)) > 0 {
			e.Also, e.Creates = []string{tagResource}, newInstance(req, req.View())
		}
		return e, err
	}
	return o
}

// newInstance stands for the container instance that a call is about to make.
func newInstance(req *operation.Request, v region.View) string {
	return v.ContainerInstanceARN(clusterNamed(v, text(req, "cluster")), "*")
}

// agentAsks are what IAM is asked for the calls of agents: the cluster, and what a registration tags.
func agentAsks(req *operation.Request, v region.View) []iam.Request {
	c, _ := v.FindCluster(text(req, "cluster"))
	tags := tagsOf(req)
	keys := withResourceTags(iam.Keys{}, c.Tags)
	if req.Call.Action == "RegisterContainerInstance" {
		keys = withRequestTags(keys, tags)
	}
	all := []iam.Request{{Action: req.Call.Name(), Resource: v.ClusterARN(text(req, "cluster")), Keys: keys}}
	if len(tags) > 0 {
		keys := withRequestTags(iam.Keys{}, tags).With("ecs:CreateAction", req.Call.Action)
		all = append(all, iam.Request{Action: tagResource, Resource: newInstance(req, v), Keys: keys})
	}
	return all
}

func withRequestTags(keys iam.Keys, tags map[string]string) iam.Keys {
	keys = keys.With("aws:TagKeys", slices.Sorted(maps.Keys(tags))...)
	for key, value := range tags {
		keys = keys.With("aws:RequestTag/"+key, value)
	}
	return keys
}
