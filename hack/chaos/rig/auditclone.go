// SPDX-License-Identifier: Apache-2.0

package rig

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/clones"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// The audit's part about clones.

func (a *audit) clone(id string) (madeClone, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	made, known := a.clones[id]
	return made, known
}

// cloning: a clone is in the status of its run before AWS is asked for it, and has its tags from the beginning.
func (a *audit) cloning(c call.Call) {
	tags := tagsIn(c, "TagSpecification.1.")
	for _, obj := range a.world.begun() {
		acl := obj.Status.NetworkACL
		if acl.Mode != v1alpha1.NetworkACLModeClone || tags[ownership.TagClone] != string(obj.UID) {
			continue
		}
		a.inTime(obj, "a clone")
		if acl.State != v1alpha1.CloneCreating || acl.LastAttemptTime == nil || c.Param("ClientToken") == "" ||
			tags[ownership.TagOriginal] != acl.OriginalID || tags[ownership.TagSubnet] != obj.Spec.SubnetID {
			a.violation("a clone was requested that is not as the status has it: %v", c.Params)
		}
		return
	}
	a.violation("a network ACL was requested that no run names which has begun and has a finalizer: %v", c.Params)
}

// cloned notes which network ACL was made. Tokens may have given one that is known.
func (a *audit) cloned(c call.Call) {
	tags := tagsIn(c, "TagSpecification.1.")
	for _, found := range a.world.region.View(now).NetworkACLs() {
		if uid := tags[ownership.TagClone]; uid != "" && found.Tags[ownership.TagClone] == uid {
			a.mu.Lock()
			a.clones[found.ID] = madeClone{uid, tags[ownership.TagOriginal], tags[ownership.TagSubnet]}
			a.mu.Unlock()
			a.note(found)
		}
	}
}

// copied reports whether the status of a run has the entry that a call asks for as a copy of one of its original.
func copied(obj *v1alpha1.AgentDisconnect, c call.Call) bool {
	acl := obj.Status.NetworkACL
	if acl.Mode != v1alpha1.NetworkACLModeClone || acl.ID != c.Param("NetworkAclId") {
		return false
	}
	for _, lines := range [][]string{acl.Baseline, acl.CarryOver} {
		copies, _ := clones.ParseCopies(lines)
		if slices.ContainsFunc(copies, func(copied clones.Copy) bool { return asksFor(c, copied.InClone()) }) {
			return true
		}
	}
	return false
}

// asksFor reports whether a call asks for an entry.
func asksFor(c call.Call, e networkacl.Entry) bool {
	action, ports := "deny", ""
	if e.Allow {
		action = "allow"
	}
	if e.PortRange != nil {
		ports = fmt.Sprintf("%d-%d", e.PortRange.From, e.PortRange.To)
	}
	return c.Param("RuleNumber") == strconv.Itoa(int(e.Number)) && c.Param("Egress") == fmt.Sprint(e.Egress) &&
		c.Param("RuleAction") == action && c.Param("Protocol") == e.Protocol && cidrOf(c) == e.CIDR.String() &&
		(ports == "" || ports == c.Param("PortRange.From")+"-"+c.Param("PortRange.To"))
}

// replacing: only copies, on a clone, in the place of what a manager itself put there.
func (a *audit) replacing(c call.Call) {
	made, known := a.clone(c.Param("NetworkAclId"))
	for _, obj := range a.world.begun() {
		if !known || made.uid != string(obj.UID) || !copied(obj, c) {
			continue
		}
		a.inTime(obj, "copy "+place(c))
		if entry, there := a.standing(c); there {
			if _, ours := a.ours(c.Param("NetworkAclId"), entry); !ours {
				a.violation("entry %s was to be replaced, which is a third party's: %s", place(c), region.DescribeEntry(entry))
			}
		}
		return
	}
	a.violation("entry %s was to be replaced, which is no copy on a clone: %v", place(c), c.Params)
}

func (a *audit) discarding(c call.Call) {
	id := c.Param("NetworkAclId")
	if _, known := a.clone(id); !known {
		a.violation("network ACL %s was to be deleted, which no manager created", id)
	}
}

func (a *audit) discarded(c call.Call) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for at := range a.made {
		if strings.HasPrefix(at, c.Param("NetworkAclId")+" ") {
			delete(a.made, at)
		}
	}
	delete(a.claims, c.Param("NetworkAclId"))
}

// moving: a subnet is moved from its original to the clone that was made for it while the run is on, and from there back.
func (a *audit) moving(c call.Call) {
	to := c.Param("NetworkAclId")
	subnet, from := "", ""
	for _, found := range a.world.region.View(now).NetworkACLs() {
		for _, association := range found.Associations {
			if association.ID == c.Param("AssociationId") {
				subnet, from = association.SubnetID, found.ID
			}
		}
	}
	if subnet == "" {
		return // not any more: AWS refuses that
	}
	if made, known := a.clone(from); known && made.subnet == subnet && made.original == to {
		return
	}
	for _, obj := range a.world.begun() {
		acl := obj.Status.NetworkACL
		if made, _ := a.clone(to); made.uid == string(obj.UID) && made.subnet == subnet && made.original == from && acl.ID == to {
			a.inTime(obj, "clone "+to+" for subnet "+subnet)
			a.onConsenting(from, subnet, "clone "+to)
			if acl.State != v1alpha1.CloneAssociating {
				a.violation("subnet %s was to be put on clone %s before the status said so", subnet, to)
			}
			return
		}
	}
	a.violation("subnet %s was to be moved from network ACL %s to %s", subnet, from, to)
}
