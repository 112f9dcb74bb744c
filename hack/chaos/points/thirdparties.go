// SPDX-License-Identifier: Apache-2.0

package points

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/hack/chaos/rig"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// What third parties do in scenarios. A fault may have kept the run from where they would do it: then they do nothing.

// before the rules of any run, and behind all that there is.
const beforeAll, behindAll = 50, 200

// recovering waits until the rules are gone and the agents awaited.
func (p *play) recovering() error {
	return p.until(func() bool {
		obj := p.seen()
		return obj.Status.RestoredTime != nil && obj.Status.CompletionTime == nil
	})
}

func (p *play) editAsThirdParty(edit func(*region.Region) error) error {
	p.begin()
	return p.w.EditAsThirdParty(edit)
}

func (p *play) meddle(edit func(*region.Region) error) error {
	p.begin()
	return p.w.Meddle(edit)
}

// removeRule deletes one of the run's rules.
func (p *play) removeRule() error {
	id, rules := p.serving(), p.seen().Status.Rules
	if id == "" || len(rules) == 0 {
		return nil
	}
	return p.meddle(func(r *region.Region) error {
		return missing(r.DeleteNetworkACLEntry(id, int(rules[0].RuleNumber), true))
	})
}

// missing takes what isn't there for deleted.
func missing(err error) error {
	if failure, ok := err.(*region.Error); ok && strings.HasSuffix(failure.Code, ".NotFound") { //nolint:errorlint // the Region wraps nothing
		return nil
	}
	return err
}

func allowing(number int, cidr string) acl.Entry {
	return acl.Entry{RuleNumber: number, Egress: true, Allow: true, Protocol: acl.All, CIDR: netip.MustParsePrefix(cidr)}
}

// override allows an address that the run denies, in front of its rules.
func (p *play) override() error {
	address := p.w.Sim.World().Hosts[0].Addresses[0]
	return p.editAsThirdParty(func(r *region.Region) error {
		return r.CreateNetworkACLEntry(aloneACL, allowing(beforeAll, address+"/32"))
	})
}

// startTask has ECS take an agent for connected, for as long as it takes the probe to call RunTask: a
// task starts, and is stopped.
func (p *play) startTask() error {
	p.begin()
	instances := p.w.Sim.Region().ContainerInstances()
	i := slices.IndexFunc(instances, func(i region.ContainerInstance) bool { return i.SubnetID == p.scenario.subnet && !i.AgentConnected })
	if i < 0 {
		return nil
	}

	p.w.Sim.Region().SetAgentConnected(instances[i].ARN, true)
	if err := p.run(11 * time.Second); err != nil {
		return err
	}
	if p.struck || p.seen().Status.CompletionTime != nil {
		return p.meddle(func(*region.Region) error { return nil }) // a fault may have kept the probe from it
	}
	if !p.w.HasStartedTask() {
		return errors.New("the probe started no task, though an agent was connected")
	}
	return p.meddle(func(*region.Region) error { return nil }) // the agents follow the network ACLs again
}

// editClone adds an entry to the clone that serves.
func (p *play) editClone() error {
	id := p.serving()
	if id == "" {
		return nil
	}
	return p.meddle(func(r *region.Region) error {
		return r.CreateNetworkACLEntry(id, allowing(behindAll, "198.51.100.0/24"))
	})
}

// takeEditBack deletes that entry.
func (p *play) takeEditBack() error {
	networkACL := p.seen().Status.NetworkACL
	if networkACL == nil {
		return nil
	}
	return p.meddle(func(r *region.Region) error { return missing(r.DeleteNetworkACLEntry(networkACL.ID, behindAll, true)) })
}

// editOriginal adds an entry to the network ACL that the clone is a copy of.
func (p *play) editOriginal() error {
	return p.editAsThirdParty(func(r *region.Region) error {
		return r.CreateNetworkACLEntry(sharedACL, allowing(behindAll, "198.51.100.0/24"))
	})
}

// deleteOriginal deletes the network ACL that the clone is a copy of, once the subnet has left it. From then on the clone is
// the subnet's own, with the tag that says so and the same entries.
func (p *play) deleteOriginal() error {
	clone := p.serving()
	if clone == "" {
		return nil
	}
	if err := p.meddle(func(r *region.Region) error { return r.DeleteNetworkACL(aloneACL) }); err != nil {
		return err
	}
	p.w.MayAdopt = true
	p.w.Adjust = func(expected rig.Snapshot) {
		lines := slices.DeleteFunc(expected[aloneACL], func(line string) bool { return strings.HasPrefix(line, "tag ") })
		found, _ := p.w.Sim.Region().NetworkACL(clone)
		expected[clone] = append(lines, "tag "+ownership.TagAdopted+"="+found.Tags[ownership.TagAdopted])
		delete(expected, aloneACL)
	}
	return nil
}
