// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/clones"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
)

// What calls ask for, and what a status has of it.

// place is where an entry stands within its network ACL.
type place struct {
	egress bool
	number int
}

func placeOf(e acl.Entry) place { return place{e.Egress, e.RuleNumber} }

func placeIn(c call.Call) place {
	number, _ := strconv.Atoi(c.Param("RuleNumber"))
	return place{c.Param("Egress") == "true", number}
}

// spot is where the entry stands that a call is about: its network ACL, direction and number.
func spot(c call.Call) string {
	return c.Param("NetworkAclId") + " egress=" + c.Param("Egress") + " " + c.Param("RuleNumber")
}

func cidrIn(c call.Call) string { return cmp.Or(c.Param("CidrBlock"), c.Param("Ipv6CidrBlock")) }

// subject is the entry that a call is about, as it stands in the Region.
func (a *Audit) subject(c call.Call) (e acl.Entry, there bool) {
	found, _ := a.region.NetworkACL(c.Param("NetworkAclId"))
	i := slices.IndexFunc(found.Entries, func(e acl.Entry) bool { return placeOf(e) == placeIn(c) })
	if i < 0 {
		return acl.Entry{}, false
	}
	return found.Entries[i], true
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

// HasBegun reports whether the run of an object has begun and has a finalizer, with all that its
// end takes.
func HasBegun(obj *v1alpha1.AgentDisconnect) bool {
	status := &obj.Status
	return controllerutil.ContainsFinalizer(obj, v1alpha1.Finalizer) && status.StartTime != nil && status.ExpirationTime != nil &&
		status.Target != nil && status.NetworkACL != nil
}

// lineFor is the line by which the ledger of a run names the entry that a call asks for; nil: there
// is none.
func lineFor(obj *v1alpha1.AgentDisconnect, c call.Call) *v1alpha1.Rule {
	if c.Param("Egress") != "true" || c.Param("RuleAction") != "deny" || c.Param("Protocol") != "-1" {
		return nil
	}
	for i, rule := range obj.Status.Rules {
		if rule.NetworkACLID == c.Param("NetworkAclId") && strconv.Itoa(int(rule.RuleNumber)) == c.Param("RuleNumber") &&
			rule.CIDR == cidrIn(c) && rule.State == v1alpha1.RuleCreating && rule.LastAttemptTime != nil {
			return &obj.Status.Rules[i]
		}
	}
	return nil
}

// gaveUp reports whether the ledger of a run has given up the entry that a call is about.
func gaveUp(runs []*v1alpha1.AgentDisconnect, c call.Call) bool {
	for _, obj := range runs {
		for _, rule := range obj.Status.Rules {
			if rule.NetworkACLID == c.Param("NetworkAclId") && c.Param("Egress") == "true" && strconv.Itoa(int(rule.RuleNumber)) == c.Param("RuleNumber") {
				return rule.State == v1alpha1.RuleReleased
			}
		}
	}
	return false
}

// hasCopy reports whether the status of a run has the entry that a call asks for as a copy of one
// of its original.
func hasCopy(obj *v1alpha1.AgentDisconnect, c call.Call) bool {
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
		c.Param("RuleAction") == action && c.Param("Protocol") == e.Protocol && cidrIn(c) == e.CIDR.String() &&
		(ports == "" || ports == c.Param("PortRange.From")+"-"+c.Param("PortRange.To"))
}
