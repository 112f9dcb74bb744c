// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/iam"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
)

// asks are what IAM is asked for a call, with the resource types and condition keys of AWS's Service Authorization
// Reference.
func asks(req *operation.Request, e operation.Effect) []iam.Request {
	var in struct {
		Cluster   string   `json:"cluster"`
		Clusters  []string `json:"clusters"`
		Instances []string `json:"containerInstances"`
		Providers []string `json:"capacityProviders"`
	}
	_ = operation.Decode(req.Body, &in) // it was read before
	v := req.Region.View(time.Time{})
	ofCluster := iam.Keys{}.With("ecs:cluster", v.ClusterARN(in.Cluster))
	var arns []string
	var keys iam.Keys
	switch req.Call.Action {
	case "DescribeClusters":
		for _, ref := range orDefault(in.Clusters, "default") {
			arns = append(arns, v.ClusterARN(ref))
		}
	case "ListContainerInstances":
		arns = []string{v.ClusterARN(in.Cluster)}
	case "DescribeContainerInstances":
		keys = ofCluster
		name := v.ClusterARN(in.Cluster)
		name = name[strings.LastIndexByte(name, '/')+1:]
		for _, ref := range in.Instances {
			arns = append(arns, v.ContainerInstanceARN(region.Cluster{Name: name}, ref))
		}
	case "DescribeCapacityProviders":
		for _, ref := range orDefault(in.Providers, "*") {
			if !strings.HasPrefix(ref, "arn:") {
				ref = req.Region.ARN("ecs", "capacity-provider/"+ref)
			}
			arns = append(arns, ref)
		}
	case "RegisterContainerInstance", "DeregisterContainerInstance", "SubmitTaskStateChange", "SubmitContainerStateChange", "SubmitAttachmentStateChanges":
		return agentAsks(req, v)
	case "RunTask", "StartTask", "StopTask", "ListTasks", "DescribeTasks", "RegisterTaskDefinition":
		return taskAsks(req, v)
	default:
		arns = orDefault(strings.Fields(e.Resource), "*")
	}
	all := make([]iam.Request, 0, len(arns))
	for _, arn := range arns {
		all = append(all, iam.Request{Action: req.Call.Name(), Resource: arn, Keys: keys})
	}
	return all
}

func orDefault(list []string, otherwise string) []string {
	if len(list) == 0 {
		return []string{otherwise}
	}
	return list
}
