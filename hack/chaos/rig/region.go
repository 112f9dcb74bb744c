// SPDX-License-Identifier: Apache-2.0

package rig

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/controllers/deadman"
	"agentdisconnect.dev/agentdisconnect/controllers/evidence/probetasks"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// now is the present of a Region's View.
var now time.Time

// Snapshot is what there is in a Region that a network ACL's owner sees: for each network ACL, by id, its entries, its tags
// and its subnets, a sorted line each. The ids of associations, which every swap changes, are not in it.
type Snapshot map[string][]string

func snapshot(r *region.Region) Snapshot {
	s := Snapshot{}
	v := r.View(now)
	for _, found := range v.NetworkACLs() {
		lines := []string{"of " + found.VPCID}
		for _, e := range found.Entries {
			lines = append(lines, region.DescribeEntry(e))
		}
		for key, value := range found.Tags {
			lines = append(lines, "tag "+key+"="+value)
		}
		for _, association := range found.Associations {
			lines = append(lines, "subnet "+association.SubnetID)
		}
		slices.Sort(lines)
		s[found.ID] = lines
	}
	for _, subnet := range v.Subnets() {
		s[subnet.ID] = []string{fmt.Sprint(subnet.Tags)}
	}
	for _, group := range v.ScheduleGroups() {
		s["schedule group "+group.Name] = []string{fmt.Sprint(group.Tags)}
	}
	for _, schedule := range v.Schedules() {
		s["schedule "+schedule.Group+"/"+schedule.Name] = []string{schedule.Expression, schedule.Target.Input}
	}
	for _, vpc := range v.VPCs() {
		s[vpc.ID] = []string{fmt.Sprint(vpc.Tags)}
	}
	return s
}

// difference says what is in got and not in want, and the other way round, a sorted line each.
func difference(got, want Snapshot) []string {
	var lines []string
	for _, id := range slices.Sorted(maps.Keys(got)) {
		if _, there := want[id]; !there {
			lines = append(lines, fmt.Sprintf("%s is new: %s", id, strings.Join(got[id], ", ")))
			continue
		}
		for _, line := range got[id] {
			if !slices.Contains(want[id], line) {
				lines = append(lines, fmt.Sprintf("%s has %s", id, line))
			}
		}
		for _, line := range want[id] {
			if !slices.Contains(got[id], line) {
				lines = append(lines, fmt.Sprintf("%s lacks %s", id, line))
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(want)) {
		if _, there := got[id]; !there {
			lines = append(lines, id+" is gone")
		}
	}
	return lines
}

// EditAsThirdParty has a third party edit the Region: its changes must be there in the end. It is done to the Region, and to the
// one that Wrong compares it with, in which no manager ever did anything.
func (w *World) EditAsThirdParty(edit func(*region.Region) error) error {
	if err := edit(w.region); err != nil {
		return fmt.Errorf("a third party's edit: %w", err)
	}
	w.Audit.Observe()
	w.follow()
	if err := edit(w.untouched); err != nil {
		return fmt.Errorf("a third party's edit of the Region without a manager: %w", err)
	}
	return nil
}

// Meddle has a third party edit what a manager owns: the Region alone.
func (w *World) Meddle(edit func(*region.Region) error) error {
	if err := edit(w.region); err != nil {
		return fmt.Errorf("a third party's edit of owned resources: %w", err)
	}
	w.Audit.Observe()
	w.follow()
	return nil
}

// Difference says how the Region differs from one in which no manager ever did anything; empty: not at all.
func (w *World) Difference() []string {
	got, want := snapshot(w.region), snapshot(w.untouched)
	if w.Adjust != nil {
		w.Adjust(want)
	}
	return difference(got, want)
}

// Traces are what there is of the product in AWS, a line each; empty: nothing.
func (w *World) Traces() []string {
	var traces []string
	for _, found := range w.region.View(now).NetworkACLs() {
		adopted := w.MayAdopt && found.Tags[ownership.TagAdopted] != ""
		for _, made := range w.Audit.Left(found) {
			if !adopted || made.UID != "" {
				traces = append(traces, fmt.Sprintf("entry of %s: %s", made.ACL, region.DescribeEntry(made.Entry)))
			}
		}
		for key := range found.Tags {
			if strings.HasPrefix(key, ownership.TagDomain) && (key != ownership.TagAdopted || !adopted) {
				traces = append(traces, "tag "+key+" of "+found.ID)
			}
		}
		if _, made := w.Audit.Clone(found.ID); made && !adopted {
			traces = append(traces, "clone "+found.ID)
		}
	}
	for _, schedule := range w.region.Schedules() {
		if strings.HasPrefix(schedule.Name, deadman.Prefix) {
			traces = append(traces, "schedule "+schedule.Name)
		}
	}
	slices.Sort(traces)
	return append(traces, w.TasksLeft()...)
}

// HasStartedTask reports whether a probe started a task.
func (w *World) HasStartedTask() bool {
	view := w.region.View(now)
	return slices.ContainsFunc(view.Clusters(), func(c region.Cluster) bool {
		return slices.ContainsFunc(view.Tasks(c.ARN), func(t region.Task) bool { return t.StartedBy == probetasks.StartedBy })
	})
}

// TasksLeft are the tasks of probes that ECS was not told to stop, a line each.
func (w *World) TasksLeft() []string {
	var left []string
	view := w.region.View(now)
	for _, cluster := range view.Clusters() {
		for _, task := range view.Tasks(cluster.ARN) {
			if _, err := probetasks.ParseGroup(task.Group); err == nil && task.StoppingAt.IsZero() {
				left = append(left, "task "+task.ARN+" of a probe")
			}
		}
	}
	return left
}

// Blocked reports whether a subnet has no way to any address of the control plane.
func (w *World) Blocked(subnet string) bool {
	for _, host := range w.Sim.World().Hosts {
		for _, address := range host.Addresses {
			packet := acl.Packet{Egress: true, Protocol: acl.TCP, Remote: netip.MustParseAddr(address), Port: 443}
			if w.region.Allows(subnet, packet) {
				return false
			}
		}
	}
	return true
}

// follow has ECS say of each agent what its subnet's network ACL makes of it.
func (w *World) follow() {
	w.following.Lock()
	defer w.following.Unlock()
	for _, instance := range w.region.ContainerInstances() {
		if connected := !w.stopped[instance.ARN] && !w.Blocked(instance.SubnetID); connected != instance.AgentConnected {
			w.region.SetAgentConnected(instance.ARN, connected)
		}
	}
}

// followWrites keeps agents in step with what managers do.
func (w *World) followWrites() {
	for _, action := range []string{"ec2:*NetworkAclEntry", "ec2:ReplaceNetworkAclAssociation"} {
		w.faults.After(action, func(c call.Call) {
			if !c.DryRun && c.Error == "" {
				w.follow()
			}
		})
	}
}

// SetAgent stops the agent of a container instance, or starts it again; it connects if its network ACL lets it.
func (w *World) SetAgent(arn string, running bool) {
	w.following.Lock()
	w.stopped[arn] = !running
	w.following.Unlock()
	if !running {
		w.region.SetAgentConnected(arn, false)
	}
	w.follow()
}
