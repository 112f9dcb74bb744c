// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

// maxFleet is how many subnets of 256 addresses the VPC has room for.
const maxFleet = 256

// fleetWorld is the default world with n subnets, each with a network ACL to itself and two agents of one cluster.
func fleetWorld(n int) *world.World {
	w := world.Default()
	vpc := w.VPCs[0].ID
	w.NetworkACLs = slices.DeleteFunc(w.NetworkACLs, func(a world.NetworkACL) bool { return !a.Default })
	entries := w.NetworkACLs[0].Entries
	w.Subnets = nil
	w.Clusters = []world.Cluster{{Name: cluster}}
	for i := range n {
		w.NetworkACLs = append(w.NetworkACLs, world.NetworkACL{ID: fleetACL(i), VPC: vpc, Entries: entries})
		w.Subnets = append(w.Subnets, world.Subnet{
			ID: fleetSubnet(i), VPC: vpc, CIDR: fmt.Sprintf("10.0.%d.0/24", i), AvailabilityZone: w.Region + "a", NetworkACL: fleetACL(i),
			Tags: map[string]string{"agentdisconnect.dev/allow": "true"},
		})
		for j := range 2 {
			w.Clusters[0].ContainerInstances = append(w.Clusters[0].ContainerInstances, world.ContainerInstance{
				ID: fleetInstance(i) + strconv.Itoa(j), EC2InstanceID: fmt.Sprintf("i-0%015x%d", i, j), Subnet: fleetSubnet(i),
				PrivateIP: fmt.Sprintf("10.0.%d.%d", i, 11+j),
			})
		}
	}
	return w
}

func fleetSubnet(i int) string { return fmt.Sprintf("subnet-0%016x", i) }

func fleetACL(i int) string { return fmt.Sprintf("acl-0%016x", i) }

// fleetInstance is the id of a subnet's container instances but for the last digit.
func fleetInstance(i int) string { return fmt.Sprintf("%031x", i) }

// about are the calls that name what belongs to one subnet of the fleet.
func about(all []timedCall, i int) []timedCall {
	var of []timedCall
	for _, c := range all {
		text := fmt.Sprint(c.Params)
		if strings.Contains(text, fleetSubnet(i)) || strings.Contains(text, fleetACL(i)) || strings.Contains(text, fleetInstance(i)) {
			of = append(of, c)
		}
	}
	return of
}
