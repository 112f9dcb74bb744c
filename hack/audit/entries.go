// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// creating: each entry is in the ledger, and in the tags on its network ACL, before AWS is asked
// for it, in a run that has begun and isn't over; or it is a copy, on the clone of the run whose
// status has it.
func (a *Audit) creating(c call.Call, runs []*v1alpha1.AgentDisconnect) {
	for _, obj := range runs {
		if rule := lineFor(obj, c); rule != nil {
			a.checkInTime(obj, "rule "+spot(c))
			a.checkDenied(c)
			a.checkFirst(obj, c)
			if !a.hasTagged(obj, *rule) {
				a.violated(Recorded, "rule %s was requested before the tags on the network ACL had it", spot(c))
			}
			return
		}
		if hasCopy(obj, c) {
			a.checkInTime(obj, "copy "+spot(c))
			if made, known := a.Clone(c.Param("NetworkAclId")); !known || made.UID != string(obj.UID) {
				a.violated(Recorded, "copy %s was requested on a network ACL that is no clone of the run's", spot(c))
			}
			return
		}
	}
	a.checkDenied(c)
	a.violated(Recorded, "entry %s was requested without a line in the status of a run that has begun and has a finalizer: %v", spot(c), c.Params)
}

// replacing: only copies, on a clone, in the place of what a manager itself put there.
func (a *Audit) replacing(c call.Call, runs []*v1alpha1.AgentDisconnect) {
	e, there := a.subject(c)
	if there && !a.Made(c.Param("NetworkAclId"), e) {
		a.violated(a.foreignOn(c), "entry %s was to be replaced, which is a third party's: %s", spot(c), region.DescribeEntry(e))
	}

	made, known := a.Clone(c.Param("NetworkAclId"))
	for _, obj := range runs {
		if known && made.UID == string(obj.UID) && hasCopy(obj, c) {
			a.checkInTime(obj, "copy "+spot(c))
			return
		}
	}
	a.violated(Recorded, "entry %s was to be replaced, which is no copy on a clone: %v", spot(c), c.Params)
}

// deleting: only what a manager itself made, and its run did not give up.
func (a *Audit) deleting(c call.Call, runs []*v1alpha1.AgentDisconnect) {
	e, there := a.subject(c)
	if gaveUp(runs, c) {
		a.violated(Recorded, "deletion of rule %s was requested, which the run no longer owned", spot(c))
	}
	if there && !a.Made(c.Param("NetworkAclId"), e) {
		a.violated(a.foreignOn(c), "deletion of rule %s was requested for an entry of a third party: %s", spot(c), region.DescribeEntry(e))
	}
}

// foreignOn is the promise that a change of a third party's entry breaks.
func (a *Audit) foreignOn(c call.Call) Promise {
	on, _ := a.region.NetworkACL(c.Param("NetworkAclId"))
	if _, isClone := a.Clone(on.ID); isClone && len(on.Associations) == 0 {
		return IdleClone
	}
	return Foreign
}
