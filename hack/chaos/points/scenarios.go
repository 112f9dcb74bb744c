// SPDX-License-Identifier: Apache-2.0

package points

import (
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// Scenarios are all of them: each history InPlace, on a clone, and on a clone with a dead man's switch, and those that only
// one of them has.
func Scenarios() []Scenario {
	var all []Scenario
	for _, s := range histories() {
		inPlace, clone := s, s
		inPlace.Name, inPlace.subnet = "inplace."+s.Name, aloneSubnet
		clone.Name, clone.subnet, clone.clone = "clone."+s.Name, sharedSubnet, true
		armed := clone
		armed.Name, armed.deadMan = "armed."+s.Name, true
		all = append(all, inPlace, clone, armed)
	}
	return append(all, ownHistories()...)
}

// histories are what can happen to a run wherever its rules are.
func histories() []Scenario {
	blocking, over, remove := (*play).blocking, (*play).over, (*play).delete
	suspend := func(to bool) func(*play) error {
		return editing(func(spec *v1alpha1.AgentDisconnectSpec) { spec.Suspend = new(to) })
	}
	restoring := []string{"ec2:DeleteNetworkAclEntry", "ec2:DeleteNetworkAcl"}
	return []Scenario{
		{Name: "expire", script: creating(short)},
		{Name: "delete-waiting", script: steps(creating(short), passing(20*time.Second), remove)},
		{Name: "delete-installing", script: creating(short), during: []string{"ec2:CreateNetworkAclEntry"}, meanwhile: remove},
		{Name: "delete-blocking", script: steps(creating(short), blocking, remove)},
		{Name: "delete-restoring", script: creating(short), during: restoring, meanwhile: remove},
		{Name: "delete-recovering", script: steps(creating(short), (*play).recovering, remove)},
		{Name: "suspend", script: steps(creating(long), blocking, suspend(true), passing(2*time.Minute), suspend(false))},
		{Name: "drift", script: steps(creating(long), blocking, passing(time.Minute), (*play).removeRule)},
		{Name: "grown", script: steps(creating(short), blocking, enduring(2*short))},
		{Name: "shrunk", script: steps(creating(long), blocking, enduring(short))},
		{Name: "shrunk-past", script: steps(creating(long), blocking, passing(2*time.Minute), enduring(time.Minute))},
		{Name: "again", script: steps(creating(short), over, editing(func(spec *v1alpha1.AgentDisconnectSpec) { spec.RunID = "again" }))},
	}
}

// ownHistories are those of one mode alone.
func ownHistories() []Scenario {
	blocking := (*play).blocking
	return []Scenario{
		{Name: "inplace.overridden", subnet: aloneSubnet, script: steps(creating(long), blocking, passing(time.Minute), (*play).override)},
		{Name: "clone.edited", subnet: sharedSubnet, clone: true, script: steps(creating(short), blocking, (*play).editClone, passing(4*time.Minute), (*play).takeEditBack)},
		{Name: "clone.carry-over", subnet: sharedSubnet, clone: true, script: steps(creating(long), blocking, (*play).editOriginal)},
		{Name: "armed.edited", subnet: sharedSubnet, clone: true, deadMan: true, script: steps(creating(short), blocking, (*play).editClone, passing(4*time.Minute), (*play).takeEditBack)},
		{Name: "armed.original-deleted", subnet: aloneSubnet, clone: true, deadMan: true, script: steps(creating(short), blocking, (*play).deleteOriginal)},
		{Name: "inplace.probe", subnet: aloneSubnet, probe: true, script: steps(creating(long), blocking, passing(3*time.Minute), (*play).startTask)},
		{Name: "clone.probe", subnet: sharedSubnet, clone: true, probe: true, script: steps(creating(long), blocking, passing(3*time.Minute), (*play).startTask, (*play).delete)},
		{Name: "inplace.callers", subnet: aloneSubnet, callers: true, script: steps(creating(short), blocking, calling("batch", "nightly"), (*play).verifying, calling("batch"), judged(1, 1))},
		{Name: "clone.callers", subnet: sharedSubnet, clone: true, callers: true, script: steps(creating(short), blocking, calling("batch", "flow"), (*play).verifying, calling("batch", "flow"), judged(2, 0))},
		{Name: "inplace.delete-verifying", subnet: aloneSubnet, callers: true, script: steps(creating(short), blocking, calling("batch"), (*play).verifying, passing(5*time.Minute), (*play).deleteVerifying)},
		{Name: "spoke.inplace", subnet: aloneSubnet, spoke: true, script: creating(short)},
		{Name: "spoke.refused", subnet: aloneSubnet, spoke: true, script: steps(creating(short), blocking, refusingRole(2*short))},
		{Name: "spoke.armed", subnet: sharedSubnet, clone: true, deadMan: true, spoke: true, script: creating(short)},
		{Name: "clone.original-deleted", subnet: aloneSubnet, clone: true, script: steps(creating(short), blocking, (*play).deleteOriginal)},
	}
}
