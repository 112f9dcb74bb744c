// SPDX-License-Identifier: Apache-2.0

package view

import (
	"cmp"
	"fmt"
	"strings"

	"k8s.io/utils/ptr"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// planLabelWidth is the column of labels of a plan, two spaces included.
const planLabelWidth = 16

// Plan is the table of a plan, each text wrapped to the width; 0: none is.
func Plan(obj *v1alpha1.AgentDisconnect, width int) []string {
	plan := obj.Status.Plan
	var lines []string
	row := func(label, text string) {
		lines = append(lines, Wrap(pad(label, planLabelWidth)+text, width, planLabelWidth)...)
	}

	row("Made", stamp(plan.Time.Time)+planAge(obj))
	row("Would start", map[bool]string{true: "yes", false: "no"}[ptr.Deref(plan.WouldStart, false)])
	for _, refusal := range plan.Refusals {
		row("", refusal.Reason+": "+refusal.Message)
	}
	row("Network ACL", plannedNetworkACL(plan.NetworkACL))
	for i, text := range plannedRules(plan.Rules) {
		row(map[bool]string{true: "Rules"}[i == 0], text)
	}
	row("Agents", plannedAgents(plan.Agents))
	row("Outside", plannedOutside(plan.Outside))
	row("Other clusters", cmp.Or(strings.Join(plan.OtherClusters, ", "), "none"))
	row("Headroom", plannedHeadroom(plan.Headroom))
	for i, note := range plan.Notes {
		row(map[bool]string{true: "Notes"}[i == 0], note)
	}
	return lines
}

// planAge says of a plan that is not of the spec as it is.
func planAge(obj *v1alpha1.AgentDisconnect) string {
	if obj.Status.Plan.ObservedGeneration != obj.Generation {
		return ", of the spec as it was before"
	}
	return ""
}

func plannedNetworkACL(acl *v1alpha1.PlannedNetworkACL) string {
	if acl == nil {
		return "not known"
	}
	text := fmt.Sprintf("%s, %s (%s); other subnets on it: %d", acl.ID, acl.Mode, acl.ModeReason, ptr.Deref(acl.OtherSubnets, 0))
	if len(acl.OtherSubnetIDs) > 0 {
		text += ", " + strings.Join(acl.OtherSubnetIDs, ", ")
	}
	if int(ptr.Deref(acl.OtherSubnets, 0)) > len(acl.OtherSubnetIDs) && len(acl.OtherSubnetIDs) > 0 {
		text += ", …"
	}
	if ptr.Deref(acl.Renumbered, false) {
		text += "; copied entries get other numbers, in the same order"
	}
	return text
}

// plannedRules are the rules, a text for each host.
func plannedRules(rules []v1alpha1.PlannedRule) []string {
	if len(rules) == 0 {
		return []string{"none"}
	}
	var texts []string
	host := "\x00" // no host
	for _, r := range rules {
		text := fmt.Sprintf("%d %s", r.RuleNumber, r.CIDR)
		if r.Hostname == host {
			texts[len(texts)-1] += ", " + text
			continue
		}
		host = r.Hostname
		texts = append(texts, cmp.Or(host, "ranges of the spec")+": "+text)
	}
	return texts
}

func plannedAgents(agents *v1alpha1.PlannedAgents) string {
	if agents == nil {
		return "not known"
	}
	return fmt.Sprintf("%d of %d are connected, and would be disconnected", ptr.Deref(agents.Connected, 0), ptr.Deref(agents.Total, 0))
}

func plannedOutside(outside *v1alpha1.InstanceList) string {
	if outside == nil {
		return "not known"
	}
	text := fmt.Sprintf("%d of the cluster's container instances, on which RunTask goes on working", ptr.Deref(outside.Total, 0))
	if ptr.Deref(outside.AtLeast, false) {
		return "at least " + text
	}
	return text
}

func plannedHeadroom(room *v1alpha1.Headroom) string {
	if room == nil {
		return "not known"
	}
	var texts []string
	add := func(n *int32, what string) {
		if n != nil {
			texts = append(texts, fmt.Sprintf("%d more %s", *n, what))
		}
	}
	add(room.IPv4Entries, "IPv4 entries")
	add(room.IPv6Entries, "IPv6 entries")
	add(room.NetworkACLs, "network ACLs")
	add(room.Tags, "tags")
	quota := fmt.Sprintf("quota of entries %d", ptr.Deref(room.EntryQuota, 0))
	if ptr.Deref(room.EntryQuotaAssumed, false) {
		quota += ", assumed: AWS could not be asked"
	}
	return strings.Join(append(texts, quota), "; ")
}
