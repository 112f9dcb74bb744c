// SPDX-License-Identifier: Apache-2.0

package region

import (
	"maps"
	"regexp"
	"slices"
)

// Names of attributes that agents report and task definitions require.
const (
	attributeLogDriver      = "com.amazonaws.ecs.capability.logging-driver."
	attributeTaskRole       = "com.amazonaws.ecs.capability.task-iam-role"
	attributeTaskRoleOnHost = "com.amazonaws.ecs.capability.task-iam-role-network-host"
	attributeECR            = "com.amazonaws.ecs.capability.ecr-auth"
	attributeExecutionECR   = "ecs.capability.execution-role-ecr-pull"
	attributeExecutionLogs  = "ecs.capability.execution-role-awslogs"
	attributePrivileged     = "com.amazonaws.ecs.capability.privileged-container"
	attributeTaskENI        = "ecs.capability.task-eni"
)

// capabilities are attributes without a value that the agent of the ECS-optimized AMI reports.
// There are more: these are those that task definitions are known here to require, and a version of
// Docker's API.
var capabilities = []string{
	attributeLogDriver + "json-file", attributeLogDriver + "syslog", attributeLogDriver + "awslogs", attributeLogDriver + "none",
	attributeTaskRole, attributeTaskRoleOnHost, attributeECR, attributeExecutionECR, attributeExecutionLogs, attributePrivileged, attributeTaskENI,
	"com.amazonaws.ecs.capability.docker-remote-api.1.44",
}

// Attributes are the built-in attributes of a container instance and its custom ones. Capabilities
// have no value.
func (v View) Attributes(i ContainerInstance) map[string]string {
	sub := v.s.subnets.m[i.SubnetID]
	attributes := map[string]string{
		"ecs.subnet-id": i.SubnetID, "ecs.vpc-id": sub.VPCID, "ecs.availability-zone": sub.AvailabilityZone,
		"ecs.instance-type": i.InstanceType, "ecs.ami-id": i.AMI, "ecs.os-type": "linux", "ecs.os-family": "LINUX",
		"ecs.cpu-architecture": "x86_64",
	}
	for _, name := range capabilities {
		if !i.Outside {
			attributes[name] = ""
		}
	}
	if i.External {
		for _, name := range []string{"ecs.subnet-id", "ecs.vpc-id", "ecs.availability-zone", "ecs.instance-type", "ecs.ami-id"} {
			delete(attributes, name)
		}
		attributes[attributeExternal] = ""
	}
	maps.Copy(attributes, i.Attributes)
	return attributes
}

var ecrImage = regexp.MustCompile(`^\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(\.cn)?/`)

// requiredAttributes are the attributes that a container instance needs for the tasks of a
// definition, by name.
func requiredAttributes(doc document) []string {
	required := map[string]bool{
		attributeTaskENI:        doc.NetworkMode == awsvpc,
		attributeTaskRole:       doc.TaskRole != "" && doc.NetworkMode != "host",
		attributeTaskRoleOnHost: doc.TaskRole != "" && doc.NetworkMode == "host",
	}
	for _, c := range doc.Containers {
		if ecrImage.MatchString(c.Image) {
			required[attributeECR] = true
			required[attributeExecutionECR] = doc.ExecutionRole != ""
		}
		if c.Log != nil && c.Log.Driver != "" {
			required[attributeLogDriver+c.Log.Driver] = true
			if c.Log.Driver == "awslogs" && doc.ExecutionRole != "" {
				required[attributeExecutionLogs] = true
			}
		}
		if c.Privileged {
			required[attributePrivileged] = true
		}
	}
	maps.DeleteFunc(required, func(_ string, is bool) bool { return !is })
	return slices.Sorted(maps.Keys(required))
}
