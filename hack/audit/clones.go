// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
)

// cloning: a clone is in the status of its run before AWS is asked for it, and has its tags from
// the beginning.
func (a *Audit) cloning(c call.Call, runs []*v1alpha1.AgentDisconnect) {
	tags := tagsIn(c, "TagSpecification.1.")
	for _, obj := range runs {
		acl := obj.Status.NetworkACL
		if acl.Mode != v1alpha1.NetworkACLModeClone || tags[ownership.TagClone] != string(obj.UID) {
			continue
		}
		a.checkInTime(obj, "a clone")
		if acl.State != v1alpha1.CloneCreating || acl.LastAttemptTime == nil || c.Param("ClientToken") == "" ||
			tags[ownership.TagOriginal] != acl.OriginalID || tags[ownership.TagSubnet] != obj.Spec.SubnetID {
			a.violated(Recorded, "a clone was requested that is not as the status has it: %v", c.Params)
		}
		return
	}
	a.violated(Recorded, "a network ACL was requested that no run names which has begun and has a finalizer: %v", c.Params)
}

// discarding: only network ACLs that a manager made.
func (a *Audit) discarding(c call.Call, _ []*v1alpha1.AgentDisconnect) {
	id := c.Param("NetworkAclId")
	if _, known := a.Clone(id); !known {
		a.violated(Foreign, "network ACL %s was to be deleted, which no manager created", id)
	}
}

// moving: a subnet is moved from its network ACL to the clone that was made for it, and from there
// back.
func (a *Audit) moving(c call.Call, runs []*v1alpha1.AgentDisconnect) {
	subnet, from := a.associated(c.Param("AssociationId"))
	if subnet == "" {
		return // not any more: AWS refuses that
	}
	to := c.Param("NetworkAclId")
	onto, _ := a.Clone(to)
	off, _ := a.Clone(from)
	switch {
	case onto.Subnet == subnet && onto.Original == from:
		a.movingOnto(onto, to, runs)
	case off.Subnet == subnet && off.Original == to:
		a.movingBack(off, from, runs)
	default:
		a.violated(Foreign, "subnet %s was to be moved from network ACL %s to %s", subnet, from, to)
	}
}

// associated is the subnet of an association, and the network ACL that it has.
func (a *Audit) associated(association string) (subnet, id string) {
	for _, found := range a.region.View(present).NetworkACLs() {
		for _, each := range found.Associations {
			if each.ID == association {
				return each.SubnetID, found.ID
			}
		}
	}
	return "", ""
}

// movingOnto: a subnet gets its clone while the run is on, consents, and has it in its status.
func (a *Audit) movingOnto(made Clone, id string, runs []*v1alpha1.AgentDisconnect) {
	for _, obj := range runs {
		acl := obj.Status.NetworkACL
		if made.UID != string(obj.UID) || acl.ID != id || acl.OriginalID != made.Original {
			continue
		}
		a.checkInTime(obj, "clone "+id+" for subnet "+made.Subnet)
		a.checkConsent(made.Original, made.Subnet, "clone "+id)
		if acl.State != v1alpha1.CloneAssociating {
			a.violated(Recorded, "subnet %s was to be put on clone %s before the status said so", made.Subnet, id)
		}
		return
	}
	a.violated(Recorded, "subnet %s was to be moved from network ACL %s to %s", made.Subnet, made.Original, id)
}

// movingBack: the status of the run names the clone that the subnet leaves.
func (a *Audit) movingBack(made Clone, id string, runs []*v1alpha1.AgentDisconnect) {
	for _, obj := range runs {
		if acl := obj.Status.NetworkACL; made.UID == string(obj.UID) && acl.ID == id && acl.OriginalID == made.Original {
			return
		}
	}
	a.violated(Restored, "subnet %s was to be moved back from clone %s to %s, and no status names the clone", made.Subnet, id, made.Original)
}
