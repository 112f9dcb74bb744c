// SPDX-License-Identifier: Apache-2.0

package history

import (
	"net/netip"
	"slices"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/agents"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

// cluster is the ECS cluster that runs are about.
const (
	cluster = world.DefaultCluster
	// taskFamily is that of its task definition.
	taskFamily = "demo"
)

func (p *play) agentsDown(op Op) { p.down[Subnets[op.Subnet]] = true }
func (p *play) agentsUp(op Op)   { delete(p.down, Subnets[op.Subnet]) }

func (p *play) addInstance(op Op) {
	p.instances++
	address := netip.AddrFrom4([4]byte{10, 0, 9, byte(p.instances)})
	_, _ = p.region.AddContainerInstance(cluster, "", region.ContainerInstance{SubnetID: Subnets[op.Subnet], PrivateIP: address, AgentConnected: true})
}

func (p *play) removeInstance(op Op) {
	all := slices.DeleteFunc(p.region.ContainerInstances(), func(i region.ContainerInstance) bool { return i.SubnetID != Subnets[op.Subnet] })
	if chosen, ok := choose(all, op.Pick); ok {
		_ = p.region.RemoveContainerInstance(chosen.ARN)
	}
}

// rotate gives a host other addresses. It keeps one at least, as hosts of AWS do.
func (p *play) rotate(op Op) {
	kind := []agents.Kind{agents.ACS, agents.TCS}[op.Pick%len(Hosts)]
	p.sim.SetHost(kind, Hosts[op.Pick%len(Hosts)], op.Addresses...)
	p.hosts[op.Pick%len(Hosts)] = op.Addresses
}

// mirror has ECS say of each agent what its subnet's network ACL makes of it.
func (p *play) mirror() {
	for _, instance := range p.region.ContainerInstances() {
		p.region.SetAgentConnected(instance.ARN, !p.down[instance.SubnetID] && slices.ContainsFunc(p.hosts[0], func(address netip.Addr) bool {
			return p.reachable(instance.SubnetID, address)
		}))
	}
}
