// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/netip"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/agents"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/fabric"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// controlPlanePort is where ACS and TCS listen.
const controlPlanePort = 443

// startAgents starts the control plane and an agent for every container instance, and keeps the agents in step with the
// container instances that are registered.
func (s *Simulator) startAgents(ctx context.Context) (err error) {
	s.fabric = fabric.New(fabric.Options{Judge: s.judge, Scale: s.o.Scale})
	s.control, err = agents.StartControlPlane(ctx, agents.ControlPlaneOptions{
		Fabric: s.fabric, Scale: s.o.Scale,
		OnSession: func(kind agents.Kind, arn string, up bool) {
			if kind == agents.ACS {
				s.region.SetAgentConnected(arn, up)
			}
		},
		Payloads:     s.payloads,
		Acknowledged: s.acknowledged,
	})
	if err != nil {
		return err
	}
	for _, h := range s.world.Hosts {
		for _, a := range s.zone.Lookup(h.Name) {
			s.control.Serve(agents.Kind(h.Session), netip.AddrPortFrom(a, controlPlanePort))
		}
	}
	for _, c := range s.world.Clusters {
		for _, i := range c.ContainerInstances {
			if i.Stopped {
				s.off[s.region.ARN("ecs", "container-instance/"+c.Name+"/"+i.ID)] = true
			}
		}
	}
	s.wg.Go(func() {
		for ctx.Err() == nil {
			changed := s.region.Changed()
			s.syncEndpoints()
			s.syncAgents()
			for _, arn := range s.region.View(time.Time{}).InstancesWithPayloads() {
				s.control.SendPayloads(arn)
			}
			select {
			case <-changed:
			case <-ctx.Done():
			}
		}
	})
	return nil
}

// payloads are the tasks that ACS sends to the agent of a container instance.
func (s *Simulator) payloads(arn string) []agents.Task {
	var out []agents.Task
	v := s.region.View(time.Time{})
	for _, t := range v.Payloads(arn) {
		_, desired := t.Status(s.region.Now())
		family, revision := t.Definition()
		d, _ := v.FindTaskDefinition(t.DefinitionARN)
		out = append(out, agents.Task{ARN: t.ARN, Family: family, Version: revision, DesiredStatus: desired, Containers: containersOf(d)})
	}
	return out
}

// containersOf are the containers of a task definition as ACS has them. What a call overrides is left out.
func containersOf(d region.TaskDefinition) []agents.Container {
	var document struct {
		Containers []struct {
			agents.Container
			Reservation int                            `json:"memoryReservation"`
			Essential   *bool                          `json:"essential"`
			Environment []struct{ Name, Value string } `json:"environment"`
		} `json:"containerDefinitions"`
	}
	text, err := json.Marshal(d.Document)
	if err == nil {
		err = json.Unmarshal(text, &document)
	}
	if err != nil {
		return nil // it was checked when it was registered
	}
	containers := []agents.Container{}
	for _, c := range document.Containers {
		c.Container.Memory = cmp.Or(c.Memory, c.Reservation)
		c.Container.Essential = c.Essential == nil || *c.Essential
		c.Container.Environment = map[string]string{}
		for _, variable := range c.Environment {
			c.Container.Environment[variable.Name] = variable.Value
		}
		containers = append(containers, c.Container)
	}
	return containers
}

func (s *Simulator) acknowledged(tasks []agents.Task) {
	for _, t := range tasks {
		s.region.AcknowledgePayload(t.ARN, t.DesiredStatus)
	}
}

// judge lets a packet pass or not, by the network ACLs that are on its way now.
func (s *Simulator) judge(p fabric.Packet) bool {
	host, remote := p.Dst, p.Src
	if p.Egress {
		host, remote = p.Src, p.Dst
	}
	return s.region.Passes(p.SubnetID, host.Addr(), acl.Packet{Egress: p.Egress, Protocol: p.Protocol, Remote: remote.Addr(), Port: int(p.Dst.Port())})
}

// syncAgents starts agents of container instances that have none and stops those of instances that are gone.
func (s *Simulator) syncAgents() {
	wanted := map[string]region.ContainerInstance{}
	for _, i := range s.region.ContainerInstances() {
		if !i.Outside {
			wanted[i.ARN] = i
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	for arn, i := range wanted {
		if s.agents[arn] == nil && !s.off[arn] {
			a := s.newAgent(i)
			s.agents[arn] = a
			a.Start(s.ctx)
		}
	}
	for arn, a := range s.agents {
		_, isRegistered := wanted[arn]
		if !isRegistered {
			delete(s.tasks, arn)
		}
		if !isRegistered || s.off[arn] {
			delete(s.agents, arn)
			s.wg.Go(a.Stop) // it waits for the agent, which may be telling the Region that it is gone
		}
	}
}

// newAgent makes the agent of a container instance. The lock must be held.
func (s *Simulator) newAgent(i region.ContainerInstance) *agents.Agent {
	seed := fnv.New64a()
	_, _ = seed.Write([]byte(i.ARN))
	if s.tasks[i.ARN] == nil {
		s.tasks[i.ARN] = &agents.Tasks{}
	}
	return agents.New(agents.Options{
		Cluster: i.ClusterARN, ContainerInstanceARN: i.ARN, Fabric: s.fabric,
		Host:  fabric.Host{SubnetID: i.SubnetID, IP: i.PrivateIP, IPv6: i.IPv6},
		Scale: s.o.Scale, Seed: seed.Sum64(), Tasks: s.tasks[i.ARN],
		// The ECS API is another host than the two that the agent connects to, and its calls are no calls of a customer.
		Report: func(taskARN, status string) error {
			return s.region.SubmitTaskStateChange(i.ClusterARN, taskARN, region.TaskChange{Status: status})
		},
		Discover: func(context.Context) (agents.Endpoints, error) {
			v := s.region.View(time.Time{})
			sub, _ := v.Subnet(i.SubnetID)
			acs, tcs, _, err := v.DiscoverPollEndpoint(i.ClusterARN, i.ARN, sub.VPCID)
			return agents.Endpoints{ACS: acs, TCS: tcs}, err
		},
		Resolve: func(ctx context.Context, host string) ([]netip.Addr, error) { return s.resolve(ctx, i.SubnetID, host) },
	})
}

func (s *Simulator) stopAgents() {
	s.mu.Lock()
	running := s.agents
	s.agents = map[string]*agents.Agent{}
	s.mu.Unlock()
	for _, a := range running {
		a.Stop()
	}
	if s.control != nil {
		_ = s.control.Close()
	}
	if s.fabric != nil {
		_ = s.fabric.Close()
	}
}

// Agent is the agent of a container instance, nil if there is none.
func (s *Simulator) Agent(arn string) *agents.Agent {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.agents[arn]
}

// ControlPlane are the servers of ACS and TCS, nil without agents.
func (s *Simulator) ControlPlane() *agents.ControlPlane { return s.control }

// SetAgentRunning stops the agent of a container instance, as systemctl stop ecs does, or starts it again.
func (s *Simulator) SetAgentRunning(arn string, running bool) {
	s.mu.Lock()
	s.off[arn] = !running
	a := s.agents[arn]
	if !running {
		delete(s.agents, arn)
	}
	s.mu.Unlock()
	if !running && a != nil {
		a.Stop()
	}
	if running {
		s.syncAgents()
	}
}

// SetHost gives a host of ACS (or of TCS) these addresses, none to make it unknown. Sessions over others live on.
func (s *Simulator) SetHost(kind agents.Kind, host string, addresses ...netip.Addr) {
	if s.control != nil {
		for _, a := range addresses {
			s.control.Serve(kind, netip.AddrPortFrom(a, controlPlanePort))
		}
	}
	s.zone.set(host, addresses)
}

// WaitForAgents waits until the agents of all container instances that have a running agent of the simulator are connected,
// by ECS's account.
func (s *Simulator) WaitForAgents(ctx context.Context) error {
	for {
		changed := s.region.Changed()
		var missing []string
		for _, i := range s.region.ContainerInstances() {
			s.mu.Lock()
			off := s.off[i.ARN]
			s.mu.Unlock()
			if !i.AgentConnected && !off && !i.Outside {
				missing = append(missing, i.EC2InstanceID)
			}
		}
		if len(missing) == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("agents of %v did not connect: %w", missing, ctx.Err())
		}
	}
}
