// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/evidence/probetasks"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

// What AWS would name of the template's place.
const (
	vpcID       = "vpc-0f1e2d3c4b5a69788"
	clusterName = "first-Cluster-0A1B2C3D4E5F"
	sharedACL   = "acl-0f1e2d3c4b5a69788"
	roleName    = "first-ManagerRole-0A1B2C3D4E5F"
)

// subnetIDs are by the logical name.
var subnetIDs = map[string]string{"TargetSubnet": "subnet-0f1e2d3c4b5a69781", "OtherSubnet": "subnet-0f1e2d3c4b5a69782"}

// templatesPlace is the world that the template describes. Its only credentials are those of the template's role.
func templatesPlace(g *WithT) *world.World {
	w := world.Default()
	values := map[string]string{
		"AWS::Partition": "aws", "AWS::Region": w.Region, "AWS::AccountId": w.Account, "AWS::StackName": "agentdisconnect-first",
		"Vpc": vpcID, "Cluster": clusterName, "ScheduleGroup": "first-ScheduleGroup", "DeadManRole": "first-DeadManRole",
	}
	maps.Copy(values, subnetIDs)
	tmpl, _ := evaluate(g, values)

	open := []world.Entry{
		{Rule: 100, Direction: "egress", Action: "allow", CIDR: "0.0.0.0/0"},
		{Rule: 100, Direction: "ingress", Action: "allow", CIDR: "0.0.0.0/0"},
	}
	w.VPCs = []world.VPC{{ID: vpcID, CIDR: text(tmpl.Resources["Vpc"], "CidrBlock")}}
	w.NetworkACLs = []world.NetworkACL{{ID: sharedACL, VPC: vpcID, Default: true, Entries: open}}
	w.Subnets, w.TaskDefinitions = nil, nil
	cluster := world.Cluster{Name: clusterName}
	for i, name := range slices.Sorted(maps.Keys(tmpl.Resources)) {
		switch each := tmpl.Resources[name]; each.Type {
		case "AWS::EC2::Subnet":
			w.Subnets = append(w.Subnets, world.Subnet{
				ID: subnetIDs[name], VPC: vpcID, CIDR: text(each, "CidrBlock"), AvailabilityZone: w.Region + "a", PublicIP: true, Tags: tags(each),
			})
		case "AWS::EC2::Instance":
			subnet := text(each, "SubnetId")
			last := 10
			if subnet == subnetIDs["OtherSubnet"] {
				last = 74
			}
			cluster.ContainerInstances = append(cluster.ContainerInstances, world.ContainerInstance{
				ID: fmt.Sprintf("%032x", i+1), EC2InstanceID: fmt.Sprintf("i-%017x", i+1), Subnet: subnet, PrivateIP: fmt.Sprintf("10.42.0.%d", last),
			})
		case "AWS::ECS::TaskDefinition":
			container := each.Properties["ContainerDefinitions"].([]any)[0].(map[string]any)
			w.TaskDefinitions = append(w.TaskDefinitions, world.TaskDefinition{
				Family: text(each, "Family"), Image: fmt.Sprint(container["Image"]), CPU: 64, Memory: 64,
			})
		}
	}
	w.Clusters = []world.Cluster{cluster}
	w.ScheduleGroups = []string{"first-ScheduleGroup"}
	w.Roles = []world.Role{{
		ARN: "arn:aws:iam::" + w.Account + ":role/first-DeadManRole", Trust: []string{region.SchedulerPrincipal}, Allow: []string{"*"},
		Policies: documents(g, tmpl.Resources["DeadManRole"]),
	}}
	w.AccessKeys = []world.AccessKey{{
		ID: world.DefaultAccessKey, Secret: world.DefaultSecret, Role: "arn:aws:iam::" + w.Account + ":role/" + roleName, Session: "me",
		Policies: documents(g, tmpl.Resources["ManagerRole"]),
	}}
	return w
}

func text(r resource, property string) string { return fmt.Sprint(r.Properties[property]) }

func tags(r resource) map[string]string {
	all := map[string]string{}
	for _, each := range r.Properties["Tags"].([]any) {
		tag := each.(map[string]any)
		all[fmt.Sprint(tag["Key"])] = fmt.Sprint(tag["Value"])
	}
	return all
}

func documents(g *WithT, role resource) []json.RawMessage {
	var all []json.RawMessage
	for _, policy := range inlinePolicies(role) {
		document, err := json.Marshal(policy)
		g.Expect(err).NotTo(HaveOccurred())
		all = append(all, document)
	}
	return all
}

// landscape is all that a run may change in AWS: network ACLs with their entries, tags and subnets, schedules, and tasks of probes
// that are not asked to stop.
func landscape(s *sim.Simulator) []string {
	var all []string
	for _, acl := range s.Region().View(time.Time{}).NetworkACLs() {
		for _, e := range acl.Entries {
			all = append(all, acl.ID+" entry "+region.DescribeEntry(e))
		}
		for key, value := range acl.Tags {
			all = append(all, acl.ID+" tag "+key+"="+value)
		}
		for _, a := range acl.Associations {
			all = append(all, acl.ID+" subnet "+a.SubnetID)
		}
	}
	for _, each := range s.Region().Schedules() {
		all = append(all, "schedule "+each.Group+"/"+each.Name)
	}
	view := s.Region().View(time.Time{})
	for _, cluster := range view.Clusters() {
		for _, task := range view.Tasks(cluster.ARN) {
			if _, desired := task.Status(view.Now()); task.StartedBy == probetasks.StartedBy && desired != region.StatusStopped {
				all = append(all, "task "+task.ARN)
			}
		}
	}
	slices.Sort(all)
	return all
}

// writes are the names of the calls that changed something. A plan asks for permission by calls that AWS does not carry out.
func writes(s *sim.Simulator) []string {
	var names []string
	for _, c := range s.Calls() {
		if !c.ReadOnly && !c.DryRun && c.Error == "" {
			names = append(names, c.Action)
		}
	}
	return names
}
