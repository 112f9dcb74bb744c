// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"slices"
	"strings"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/deadman"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
)

// tagging: only the product's tags, on the network ACL of a run that has begun, and there only the
// run's own.
func (a *Audit) tagging(c call.Call, runs []*v1alpha1.AgentDisconnect) {
	tags, id := tagsIn(c, ""), c.Param("ResourceId.1")
	a.checkKeys(c, tags)
	for _, obj := range runs {
		if obj.Status.NetworkACL.ID != id {
			continue
		}
		for key := range tags {
			if _, isClone := a.Clone(id); !isClone && !slices.Contains(ownership.TagKeys(string(obj.UID)), key) {
				a.violated(Recorded, "network ACL %s was to get the tag %s, which is not the run's", id, key)
			}
		}
		return
	}
	a.violated(Recorded, "tags were requested on %s, which is the network ACL of no run that has begun and has a finalizer", id)
}

// untagging: only the product's tags, and those of a run only when none of its rules is left.
func (a *Audit) untagging(c call.Call, _ []*v1alpha1.AgentDisconnect) {
	tags, id := tagsIn(c, ""), c.Param("ResourceId.1")
	a.checkKeys(c, tags)
	found, there := a.region.NetworkACL(id)
	if !there {
		return
	}
	for _, made := range a.Left(found) {
		if _, removed := tags[ownership.TagDomain+made.UID]; removed && made.UID != "" {
			a.violated(TagsLast, "the tags of a run were to be removed from %s before rule %d", id, made.RuleNumber)
		}
	}
}

// checkKeys: a call names keys of the product, of one network ACL.
func (a *Audit) checkKeys(c call.Call, tags map[string]string) {
	if len(tags) == 0 {
		a.violated(Foreign, "%s was requested without a key: that is all tags", c.Name())
	}
	if !strings.HasPrefix(c.Param("ResourceId.1"), "acl-") || c.Param("ResourceId.2") != "" {
		a.violated(Foreign, "%s was requested on something else than one network ACL: %v", c.Name(), c.Params)
	}
	for key := range tags {
		if !strings.HasPrefix(key, ownership.TagDomain) {
			a.violated(Foreign, "%s was requested for tag %s, which is not the product's", c.Name(), key)
		}
	}
}

// holdTagsAgainst: the tags on a network ACL claim no entry that the ledger of their run lacks.
func (a *Audit) holdTagsAgainst(runs []*v1alpha1.AgentDisconnect) {
	if !a.holds(Overclaimed) {
		return
	}
	for _, obj := range runs {
		found, _ := a.region.NetworkACL(obj.Status.NetworkACL.ID)
		claims, _ := ownership.ParseClaims(found.Tags)
		for _, claim := range claims {
			if claim.UID != string(obj.UID) {
				continue
			}
			for _, rule := range claim.Rules {
				if !slices.ContainsFunc(obj.Status.Rules, func(line v1alpha1.Rule) bool { return line.RuleNumber == rule.Number }) {
					a.violated(Overclaimed, "the tags on %s claim rule %d of run %s, which its ledger gave up", found.ID, rule.Number, obj.Name)
				}
			}
		}
	}
}

// scheduling: only schedules that are named after a run. One that is made or changed is of a run
// that has begun.
func (a *Audit) scheduling(c call.Call, runs []*v1alpha1.AgentDisconnect) {
	name := c.Param("Name")
	if run, asks := strings.CutSuffix(name, ".0"); asks && c.Action == "DeleteSchedule" {
		name = run + ".1" // no rule has number 0: whether schedules may be deleted is all that is asked
	}
	uid, _, ours := deadman.ParseName(name)
	if !ours {
		a.violated(Schedules, "%s was requested for schedule %q, which is not the product's", c.Name(), c.Param("Name"))
	}
	known := slices.ContainsFunc(runs, func(obj *v1alpha1.AgentDisconnect) bool { return string(obj.UID) == uid })
	if !known && c.Action != "DeleteSchedule" {
		a.violated(Schedules, "%s was requested for schedule %q, which belongs to no run that has begun and has a finalizer", c.Name(), c.Param("Name"))
	}
}
