// SPDX-License-Identifier: Apache-2.0

package rig

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/deadman"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// The audit's part about tags and schedules.

// claimed reports whether a manager wrote a line of a run's ledger into the tags of the network ACL. A third party may have
// stripped them since.
func (a *audit) claimed(obj *v1alpha1.AgentDisconnect, rule v1alpha1.Rule) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.ContainsFunc(a.claims[rule.NetworkACLID], func(claim ownership.Claim) bool {
		return claim.UID == string(obj.UID) && claim.Covers(rule)
	})
}

// tagging: only the product's tags, on the network ACL of a run that has begun.
func (a *audit) tagging(c call.Call) {
	tags, id := tagsIn(c, ""), c.Param("ResourceId.1")
	a.keysOfOurs(c, tags)
	for _, obj := range a.world.begun() {
		if obj.Status.NetworkACL.ID != id {
			continue
		}
		for key := range tags {
			if _, isClone := a.clone(id); !isClone && !slices.Contains(ownership.TagKeys(string(obj.UID)), key) {
				a.violation("network ACL %s was to get the tag %s, which is not the run's", id, key)
			}
		}
		return
	}
	a.violation("tags were requested on %s, which is the network ACL of no run that has begun and has a finalizer", id)
}

// untagging: only the product's tags, and those of a run only when none of its rules is left.
func (a *audit) untagging(c call.Call) {
	tags, id := tagsIn(c, ""), c.Param("ResourceId.1")
	a.keysOfOurs(c, tags)
	found, there := a.world.region.NetworkACL(id)
	if !there {
		return
	}
	for _, entry := range a.left([]region.ACL{found}) {
		if _, removed := tags[ownership.TagDomain+entry.uid]; removed && entry.uid != "" {
			a.violation("the tags of a run were to be removed from %s before rule %d", id, entry.RuleNumber)
		}
	}
}

// scheduling: only schedules that are named after a run. One that is made or changed is of a run that has begun.
func (a *audit) scheduling(c call.Call) {
	name := c.Param("Name")
	if run, asks := strings.CutSuffix(name, ".0"); asks && c.Action == "DeleteSchedule" {
		name = run + ".1" // no rule has number 0: whether schedules may be deleted is all that is asked
	}
	uid, _, ours := deadman.ParseName(name)
	if !ours {
		a.violation("%s was requested for schedule %q, which is not the product's", c.Name(), c.Param("Name"))
	}
	known := slices.ContainsFunc(a.world.begun(), func(obj *v1alpha1.AgentDisconnect) bool { return string(obj.UID) == uid })
	if !known && c.Action != "DeleteSchedule" {
		a.violation("%s was requested for schedule %q, which belongs to no run that has begun and has a finalizer", c.Name(), c.Param("Name"))
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

// tagged notes what the tags on a network ACL claim after a manager wrote them.
func (a *audit) tagged(c call.Call) {
	if found, there := a.world.region.NetworkACL(c.Param("ResourceId.1")); there {
		a.note(found)
	}
}

func (a *audit) note(found region.ACL) {
	claims, _ := ownership.ParseClaims(found.Tags)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.claims[found.ID] = claims
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
