// SPDX-License-Identifier: Apache-2.0

package rig

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// audit holds what reaches the Region over the wire against what the product promises, at the moment when it does.
// Third parties edit the Region itself, so every call is a manager's: each entry is in the ledger, and in the tags on its network
// ACL, before AWS is asked for it, in a run that has begun and isn't over; what is deleted or replaced is what a manager
// itself made, and its run did not give up; subnets are moved to clones that were made for them, and back; denies act on subnets that
// consent, and on no address that callers or the clean-up need.
type audit struct {
	world *World

	mu sync.Mutex
	// made are the entries that managers made and have not deleted, by place.
	made map[string]madeEntry
	// clones are the network ACLs that managers made, by id, those that are deleted included.
	clones map[string]madeClone
	// claims are what the tags on a network ACL said of each run when a manager last wrote them, by its id.
	claims map[string][]ownership.Claim
	// violations are what was promised and not kept.
	violations []string
}

// madeEntry is an entry that a manager made, for which run; copies on clones are of no run.
type madeEntry struct {
	acl.Entry
	acl, uid string
}

// madeClone is a network ACL that a manager made: for which run, of which one, for which subnet.
type madeClone struct{ uid, original, subnet string }

func newAudit(w *World) *audit {
	a := &audit{world: w, made: map[string]madeEntry{}, clones: map[string]madeClone{}, claims: map[string][]ownership.Claim{}}
	a.watch("ec2:CreateNetworkAclEntry", a.creating, a.created)
	a.watch("ec2:ReplaceNetworkAclEntry", a.replacing, a.created)
	a.watch("ec2:DeleteNetworkAclEntry", a.deleting, a.deleted)
	a.watch("ec2:CreateNetworkAcl", a.cloning, a.cloned)
	a.watch("ec2:DeleteNetworkAcl", a.discarding, a.discarded)
	a.watch("ec2:ReplaceNetworkAclAssociation", a.moving, func(call.Call) {})
	a.watch("ec2:CreateTags", a.tagging, a.tagged)
	a.watch("ec2:DeleteTags", a.untagging, a.tagged)
	for _, action := range []string{"scheduler:CreateSchedule", "scheduler:UpdateSchedule", "scheduler:DeleteSchedule"} {
		a.watch(action, a.scheduling, func(call.Call) {})
	}
	return a
}

// watch has before called before the effect of each call of an action, and after once it took place.
func (a *audit) watch(action string, before, after func(call.Call)) {
	a.world.faults.Before(action, func(c call.Call) {
		if !c.DryRun {
			before(c)
		}
	})
	a.world.faults.After(action, func(c call.Call) {
		if !c.DryRun && c.Error == "" {
			after(c)
			a.world.noteEffect()
		}
	})
}

func (a *audit) found() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.violations)
}

func (a *audit) violation(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.violations = append(a.violations, fmt.Sprintf(format, args...))
}

// place is where an entry stands: its network ACL, direction and number.
func place(c call.Call) string {
	return c.Param("NetworkAclId") + " egress=" + c.Param("Egress") + " " + c.Param("RuleNumber")
}

func placeOf(aclID string, e acl.Entry) string {
	return fmt.Sprintf("%s egress=%t %d", aclID, e.Egress, e.RuleNumber)
}

// standing is the entry that a call is about, as it is.
func (a *audit) standing(c call.Call) (acl.Entry, bool) {
	found, _ := a.world.region.NetworkACL(c.Param("NetworkAclId"))
	for _, e := range found.Entries {
		if placeOf(found.ID, e) == place(c) {
			return e, true
		}
	}
	return acl.Entry{}, false
}

// ours reports whether a manager made the entry that stands on a network ACL, and for which run.
func (a *audit) ours(aclID string, e acl.Entry) (uid string, ours bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	made, known := a.made[placeOf(aclID, e)]
	return made.uid, known && made.Entry == e
}

// left are the entries that managers made and that stand.
func (a *audit) left(acls []region.ACL) (entries []madeEntry) {
	for _, found := range acls {
		for _, e := range found.Entries {
			if uid, ours := a.ours(found.ID, e); ours {
				entries = append(entries, madeEntry{e, found.ID, uid})
			}
		}
	}
	return entries
}

// inTime says that a run isn't over.
func (a *audit) inTime(obj *v1alpha1.AgentDisconnect, what string) {
	if end := obj.Status.ExpirationTime; end == nil || !a.world.Clock.Now().Before(end.Time) {
		a.violation("%s was requested after the run's end", what)
	}
}

func (a *audit) creating(c call.Call) {
	for _, obj := range a.world.begun() {
		if rule := entered(obj, c); rule != nil {
			a.inTime(obj, "rule "+place(c))
			a.hitting(c)
			if !a.claimed(obj, *rule) {
				a.violation("rule %s was requested before the tags on the network ACL had it", place(c))
			}
			return
		}
		if copied(obj, c) {
			a.inTime(obj, "copy "+place(c))
			if made, known := a.clone(c.Param("NetworkAclId")); !known || made.uid != string(obj.UID) {
				a.violation("copy %s was requested on a network ACL that is no clone of the run's", place(c))
			}
			return
		}
	}
	a.hitting(c)
	a.violation("entry %s was requested without a line in the status of a run that has begun and has a finalizer: %v", place(c), c.Params)
}

// entered is the line by which the ledger of a run names the entry that a call asks for; nil: there is none.
func entered(obj *v1alpha1.AgentDisconnect, c call.Call) *v1alpha1.Rule {
	if c.Param("Egress") != "true" || c.Param("RuleAction") != "deny" || c.Param("Protocol") != "-1" {
		return nil
	}
	for i, rule := range obj.Status.Rules {
		if rule.NetworkACLID == c.Param("NetworkAclId") && strconv.Itoa(int(rule.RuleNumber)) == c.Param("RuleNumber") &&
			rule.CIDR == cidrOf(c) && rule.State == v1alpha1.RuleCreating && rule.LastAttemptTime != nil {
			return &obj.Status.Rules[i]
		}
	}
	return nil
}

func cidrOf(c call.Call) string { return cmp.Or(c.Param("CidrBlock"), c.Param("Ipv6CidrBlock")) }

// created notes an entry, and of which run it is: denies of no copy are a run's.
func (a *audit) created(c call.Call) {
	entry, there := a.standing(c)
	if !there {
		return
	}
	uid := ""
	for _, obj := range a.world.begun() {
		if entered(obj, c) != nil {
			uid = string(obj.UID)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.made[place(c)] = madeEntry{entry, c.Param("NetworkAclId"), uid}
}

func (a *audit) deleting(c call.Call) {
	entry, there := a.standing(c)
	if a.released(c) {
		a.violation("deletion of rule %s was requested, which the run no longer owned", place(c))
	}
	if !there {
		return
	}
	if _, ours := a.ours(c.Param("NetworkAclId"), entry); !ours {
		a.violation("deletion of rule %s was requested for an entry of a third party: %s", place(c), region.DescribeEntry(entry))
	}
}

// released reports whether the ledger of a run has given up the entry that a call is about.
func (a *audit) released(c call.Call) bool {
	for _, obj := range a.world.begun() {
		for _, rule := range obj.Status.Rules {
			if rule.NetworkACLID == c.Param("NetworkAclId") && c.Param("Egress") == "true" && strconv.Itoa(int(rule.RuleNumber)) == c.Param("RuleNumber") {
				return rule.State == v1alpha1.RuleReleased
			}
		}
	}
	return false
}

func (a *audit) deleted(c call.Call) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.made, place(c))
}

// now is the present of a Region's View.
var now time.Time
