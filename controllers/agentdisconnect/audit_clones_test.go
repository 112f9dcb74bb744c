// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

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

// The audit's part about tags and clones.

// madeClone is a network ACL that the manager made: for which run, of which one, for which subnet.
type madeClone struct{ uid, original, subnet string }

func (a *audit) clone(id string) (madeClone, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	made, known := a.clones[id]
	return made, known
}

// cloning: a clone is in the status of its run before AWS is asked for it, and has its tags from the beginning.
func (a *audit) cloning(c call.Call, runs []v1alpha1.AgentDisconnect) {
	tags := tagsIn(c, "TagSpecification.1.")
	for _, obj := range runs {
		acl := obj.Status.NetworkACL
		if acl.Mode != v1alpha1.NetworkACLModeClone || tags[ownership.TagClone] != string(obj.UID) {
			continue
		}
		a.inTime(&obj, "a clone")
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
	for _, found := range a.world.sim.Region().View(zero).NetworkACLs() {
		if found.Tags[ownership.TagClone] == tags[ownership.TagClone] {
			a.mu.Lock()
			a.clones[found.ID] = madeClone{tags[ownership.TagClone], tags[ownership.TagOriginal], tags[ownership.TagSubnet]}
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

// replacing: only copies, on a clone, in the place of what the manager itself put there.
func (a *audit) replacing(c call.Call, runs []v1alpha1.AgentDisconnect) {
	made, known := a.clone(c.Param("NetworkAclId"))
	for _, obj := range runs {
		if !known || made.uid != string(obj.UID) || !copied(&obj, c) {
			continue
		}
		a.inTime(&obj, "copy "+place(c))
		if entry, there := a.standing(c); there && !a.ours(c, entry) {
			a.violation("entry %s was to be replaced, which is a third party's: %+v", place(c), entry)
		}
		return
	}
	a.violation("entry %s was to be replaced, which is no copy on a clone: %v", place(c), c.Params)
}

func (a *audit) discarding(c call.Call, _ []v1alpha1.AgentDisconnect) {
	id := c.Param("NetworkAclId")
	if _, known := a.clone(id); !known {
		a.violation("network ACL %s was to be deleted, which the manager did not create", id)
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
func (a *audit) moving(c call.Call, runs []v1alpha1.AgentDisconnect) {
	to := c.Param("NetworkAclId")
	subnet, from := "", ""
	for _, found := range a.world.sim.Region().View(zero).NetworkACLs() {
		for _, association := range found.Associations {
			if association.ID == c.Param("AssociationId") {
				subnet, from = association.SubnetID, found.ID
			}
		}
	}
	if subnet == "" {
		return // not any more: AWS refuses that
	}
	for _, obj := range runs {
		acl := obj.Status.NetworkACL
		switch made, _ := a.clone(acl.ID); {
		case made.uid != string(obj.UID) || made.subnet != subnet || made.original != acl.OriginalID:
		case from == acl.OriginalID && to == acl.ID:
			a.inTime(&obj, "clone "+to+" for subnet "+subnet)
			a.onConsenting(from, subnet, "clone "+to)
			if acl.State != v1alpha1.CloneAssociating {
				a.violation("subnet %s was to be put on clone %s before the status said so", subnet, to)
			}
			return
		case from == acl.ID && to == acl.OriginalID:
			return
		}
	}
	a.violation("subnet %s was to be moved from network ACL %s to %s", subnet, from, to)
}

// tagging: only the product's tags, on the network ACL of a run that has begun.
func (a *audit) tagging(c call.Call, runs []v1alpha1.AgentDisconnect) {
	tags, id := tagsIn(c, ""), c.Param("ResourceId.1")
	a.keysOfOurs(c, tags)
	for _, obj := range runs {
		if acl := obj.Status.NetworkACL; acl.ID != id {
			continue
		}
		for key := range tags {
			_, isClone := a.clone(id)
			if !slices.Contains(ownership.TagKeys(string(obj.UID)), key) && !isClone {
				a.violation("network ACL %s was to get the tag %s, which is not the run's", id, key)
			}
		}
		return
	}
	a.violation("tags were requested on %s, which is the network ACL of no run that has begun and has a finalizer", id)
}

// untagging: only the product's tags, and those of a run only when none of its rules is left.
func (a *audit) untagging(c call.Call, _ []v1alpha1.AgentDisconnect) {
	tags, id := tagsIn(c, ""), c.Param("ResourceId.1")
	a.keysOfOurs(c, tags)
	a.mu.Lock()
	claims := a.claims[id]
	a.mu.Unlock()
	for _, claim := range claims {
		if _, removed := tags[ownership.TagDomain+claim.UID]; !removed {
			continue
		}
		found, _ := a.world.sim.Region().NetworkACL(id)
		for _, e := range found.Entries {
			a.mu.Lock()
			made := a.made[fmt.Sprintf("%s egress=%t %d", id, e.Egress, e.RuleNumber)]
			a.mu.Unlock()
			owned := slices.ContainsFunc(claim.Rules, func(r ownership.ClaimedRule) bool { return int(r.Number) == e.RuleNumber })
			if made == e && e.Egress && !e.Allow && owned {
				a.violation("the tags of a run were to be removed from %s before rule %d", id, e.RuleNumber)
			}
		}
	}
}

func (a *audit) keysOfOurs(c call.Call, tags map[string]string) {
	if len(tags) == 0 {
		a.violation("%s was requested without a key: that is all tags", c.Name())
	}
	if c.Param("ResourceId.2") != "" {
		a.violation("%s was requested on more than one resource", c.Name())
	}
	for key := range tags {
		if !strings.HasPrefix(key, ownership.TagDomain) {
			a.violation("%s was requested for tag %s, which is not the product's", c.Name(), key)
		}
	}
}

// tagged notes what the tags on a network ACL claim after the manager wrote them.
func (a *audit) tagged(c call.Call) {
	if found, there := a.world.sim.Region().NetworkACL(c.Param("ResourceId.1")); there {
		a.note(found)
	}
}

func (a *audit) note(found region.ACL) {
	claims, _ := ownership.ParseClaims(found.Tags)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.claims[found.ID] = claims
}

// claimed reports whether the manager wrote a line of a run's ledger into the tags of the network ACL. A third party may have
// stripped them since.
func (a *audit) claimed(obj *v1alpha1.AgentDisconnect, rule v1alpha1.Rule) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.ContainsFunc(a.claims[rule.NetworkACLID], func(claim ownership.Claim) bool {
		return claim.UID == string(obj.UID) && claim.Covers(rule)
	})
}

// tagsIn are the tags that a call names: key to value.
func tagsIn(c call.Call, prefix string) map[string]string {
	tags := map[string]string{}
	for n := 1; ; n++ {
		at := prefix + "Tag." + strconv.Itoa(n)
		key, named := c.Params[at+".Key"]
		if !named {
			return tags
		}
		tags[fmt.Sprint(key)] = c.Param(at + ".Value")
	}
}

// claimedAsLedgered: the tags on a network ACL claim no entry that the ledger of their run lacks, or has given up for another
// reason than that the tags are about to shrink. A ledger that was edited by hand is not held against them.
func (a *audit) claimedAsLedgered(runs []v1alpha1.AgentDisconnect) {
	for _, obj := range runs {
		found, there := a.world.sim.Region().NetworkACL(obj.Status.NetworkACL.ID)
		if a.world.edited || !there {
			continue
		}
		claims, _ := ownership.ParseClaims(found.Tags)
		for _, claim := range claims {
			for _, rule := range claim.Rules {
				if claim.UID == string(obj.UID) && line(&obj, rule.Number) == nil {
					a.violation("the tags on %s claim rule %d of run %s, which its ledger gave up", found.ID, rule.Number, obj.Name)
				}
			}
		}
	}
}

// released reports whether the ledger of a run has given up the entry that a call is about.
func released(c call.Call, runs []v1alpha1.AgentDisconnect) bool {
	for _, obj := range runs {
		for _, rule := range obj.Status.Rules {
			if rule.NetworkACLID == c.Param("NetworkAclId") && c.Param("Egress") == "true" && strconv.Itoa(int(rule.RuleNumber)) == c.Param("RuleNumber") {
				return rule.State == v1alpha1.RuleReleased
			}
		}
	}
	return false
}
