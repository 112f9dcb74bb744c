// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

// place is where a run takes place: what it names, and the network ACL that the subnet has.
type place struct {
	mode                 v1alpha1.NetworkACLMode
	cluster, subnet, acl string
	// instances is what the ids of its container instances begin with.
	instances string
}

// What the default world has.
const (
	cluster   = world.DefaultCluster
	dedicated = world.DedicatedSubnet // alone on its network ACL
	shared    = world.SharedSubnet    // on the VPC's default one with another
	bystander = world.PlainSubnet

	sharedACL = world.SharedACL
	vpc       = world.DefaultVPC
)

// single are the places of single runs, one for each mode.
var single = []place{
	{mode: v1alpha1.NetworkACLModeInPlace, cluster: cluster, subnet: dedicated, acl: world.DedicatedACL},
	{mode: v1alpha1.NetworkACLModeClone, cluster: cluster, subnet: shared, acl: sharedACL},
}

// singleWorld is the default world, but with two agents of the cluster in either of the subnets and the other cluster's
// elsewhere, so that runs in both have the same to do.
func singleWorld() *world.World {
	w := world.Default()
	for i := range w.Clusters {
		for j := range w.Clusters[i].ContainerInstances {
			if at := &w.Clusters[i].ContainerInstances[j]; w.Clusters[i].Name != cluster {
				at.Subnet, at.PrivateIP = bystander, "10.0.3.12"
			}
		}
		if w.Clusters[i].Name == cluster {
			w.Clusters[i].ContainerInstances = append(w.Clusters[i].ContainerInstances, world.ContainerInstance{
				ID: strings.Repeat("5", 32), EC2InstanceID: "i-0e5f6071829304152", Subnet: shared, PrivateIP: "10.0.2.13",
			})
		}
	}
	return w
}

const (
	// maxFleet is how many places of each mode there is room for: a VPC of their own has 256 subnets.
	maxFleet = 256
	// vpcClones is how many clones a VPC gets, with as many originals beside them: EC2 allows it 200 network ACLs.
	vpcClones = 64
	// clonesFrom keeps the ids of the places with clones apart from the others.
	clonesFrom = 1 << 16
)

// fleetPlaces are n places of a mode in the world of the fleet.
func fleetPlaces(mode v1alpha1.NetworkACLMode, n int) []place {
	from := 0
	if mode == v1alpha1.NetworkACLModeClone {
		from = clonesFrom
	}
	places := make([]place, n)
	for i := range places {
		places[i] = place{
			mode: mode, cluster: cluster, subnet: fleetSubnet(from + i), acl: fleetID("acl-0", from+i), instances: fmt.Sprintf("%031x", from+i),
		}
	}
	return places
}

func fleetSubnet(i int) string { return fleetID("subnet-0", i) }

func fleetID(prefix string, i int) string { return fmt.Sprintf("%s%016x", prefix, i) }

// fleetWorld is the default world with two agents of one cluster in each place. The subnets of runs in place have a network
// ACL to themselves, and those of runs on a clone share theirs with one other subnet.
func fleetWorld(inPlace, clones int) *world.World {
	w := world.Default()
	w.NetworkACLs = slices.DeleteFunc(w.NetworkACLs, func(a world.NetworkACL) bool { return !a.Default })
	w.Subnets = nil
	w.Clusters = []world.Cluster{{Name: cluster}}
	for i, p := range fleetPlaces(v1alpha1.NetworkACLModeInPlace, inPlace) {
		addPlace(w, p, vpc, i, fmt.Sprintf("10.0.%d", i))
	}
	addClonePlaces(w, clones, 1)
	return w
}

// addClonePlaces adds places for clones in VPCs of their own, of which the first has the number firstVPC.
func addClonePlaces(w *world.World, clones, firstVPC int) {
	for i, p := range fleetPlaces(v1alpha1.NetworkACLModeClone, clones) {
		net, at := firstVPC+i/vpcClones, i%vpcClones
		id := fleetID("vpc-0", net)
		if at == 0 {
			w.VPCs = append(w.VPCs, world.VPC{ID: id, CIDR: fmt.Sprintf("10.%d.0.0/16", net)})
			w.NetworkACLs = append(w.NetworkACLs, world.NetworkACL{
				ID: fleetID("acl-0", 2*clonesFrom+net), VPC: id, Default: true, Entries: w.NetworkACLs[0].Entries,
			})
		}
		addPlace(w, p, id, clonesFrom+i, fmt.Sprintf("10.%d.%d", net, at))
		w.Subnets = append(w.Subnets, world.Subnet{
			ID: fleetSubnet(2*clonesFrom + i), VPC: id, CIDR: fmt.Sprintf("10.%d.%d.0/24", net, 128+at),
			AvailabilityZone: w.Region + "a", NetworkACL: p.acl,
		})
	}
}

func addPlace(w *world.World, p place, vpc string, number int, network string) {
	w.NetworkACLs = append(w.NetworkACLs, world.NetworkACL{ID: p.acl, VPC: vpc, Entries: w.NetworkACLs[0].Entries})
	w.Subnets = append(w.Subnets, world.Subnet{
		ID: p.subnet, VPC: vpc, CIDR: network + ".0/24", AvailabilityZone: w.Region + "a", NetworkACL: p.acl,
		Tags: map[string]string{"agentdisconnect.dev/allow": "true"},
	})
	in := &w.Clusters[slices.IndexFunc(w.Clusters, func(c world.Cluster) bool { return c.Name == p.cluster })]
	for j := range 2 {
		in.ContainerInstances = append(in.ContainerInstances, world.ContainerInstance{
			ID: p.instances + strconv.Itoa(j), EC2InstanceID: fmt.Sprintf("i-0%015x%d", number, j), Subnet: p.subnet,
			PrivateIP: fmt.Sprintf("%s.%d", network, 11+j),
		})
	}
}

// about are the calls that name what belongs to a place, or the network ACL that a run there made.
func about(all []timedCall, p place, clone string) []timedCall {
	var of []timedCall
	for _, c := range all {
		text := fmt.Sprint(c.Params)
		if strings.Contains(text, p.subnet) || strings.Contains(text, p.acl) || p.instances != "" && strings.Contains(text, p.instances) ||
			clone != "" && strings.Contains(text, clone) {
			of = append(of, c)
		}
	}
	return of
}
