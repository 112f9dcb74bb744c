// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"testing"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

func TestEachPlaceHasTwoAgentsAndTheNetworkACLOfItsMode(t *testing.T) {
	inPlace, clones := fleetPlaces(v1alpha1.NetworkACLModeInPlace, maxFleet), fleetPlaces(v1alpha1.NetworkACLModeClone, maxFleet)
	for name, c := range map[string]struct {
		world  *world.World
		places []place
	}{
		"single": {singleWorld(), single},
		"fleet":  {fleetWorld(maxFleet, maxFleet), slices.Concat(inPlace, clones)},
		"mass":   {massSettings{runs: 2000}.world(), massSettings{runs: 2000}.places()},
	} {
		t.Run(name, func(t *testing.T) {
			if err := c.world.Validate(); err != nil {
				t.Fatal(err)
			}
			s, err := sim.Start(t.Context(), sim.Options{NoAgents: true, World: c.world})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.Close)
			agents, subnets := map[string]int{}, map[string]int{}
			for _, i := range s.Region().ContainerInstances() {
				agents[i.SubnetID]++
			}
			for _, sub := range s.Region().View(time.Time{}).Subnets() {
				subnets[sub.NetworkACLID]++
			}
			for _, p := range c.places {
				want := 1
				if p.mode == v1alpha1.NetworkACLModeClone {
					want = 2
				}
				if agents[p.subnet] != 2 || subnets[p.acl] != want {
					t.Errorf("%s (%s) has %d agents, and its network ACL %d subnets", p.subnet, p.mode, agents[p.subnet], subnets[p.acl])
				}
			}
		})
	}
}
