// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/utils/ptr"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/screen"
)

const planLine = "mode: Plan"

// plan applies a manifest in mode Plan, and shows what the status says of it and what AWS was asked for.
func (w *walk) plan(ctx context.Context) (string, error) {
	from := len(w.stack.Sim.Calls())
	if err := w.applyManifest(ctx, secondName, w.manifest(secondName, duration, planLine)); err != nil {
		return "", err
	}
	err := w.until(ctx, func(ctx context.Context) (bool, string, error) {
		err := w.read(ctx)
		return w.obj.Status.Plan != nil && w.is(v1alpha1.StatePlanned), w.state(), err
	})
	if err != nil {
		return "", err
	}
	plan := w.obj.Status.Plan
	w.showPlan(plan)
	// The run of act 1 reads CloudTrail meanwhile.
	made := slices.DeleteFunc(w.managerCalls(from), func(c call) bool { return c.Name() == "cloudtrail:LookupEvents" })
	changes, checks := writes(made), 0
	for _, c := range made {
		if c.DryRun {
			checks++
		}
	}
	w.screen.Table(nil, []screen.Row{
		{Cells: []string{"the manager's calls", fmt.Sprintf("%d reads, %d with DryRun; writes: %s", len(made)-checks-len(changes), checks, tally(changes))}},
	})
	if err := w.goodPlan(plan); err != nil {
		return "", err
	}
	if len(changes) > 0 {
		return "", errors.New("a plan wrote to AWS")
	}
	return "the status reports what a run would do, and the manager only read from AWS", w.asBefore(ctx)
}

func (w *walk) showPlan(plan *v1alpha1.Plan) {
	acl := ptr.Deref(plan.NetworkACL, v1alpha1.PlannedNetworkACL{})
	agents := ptr.Deref(plan.Agents, v1alpha1.PlannedAgents{})
	outside := ptr.Deref(plan.Outside, v1alpha1.InstanceList{})
	room := ptr.Deref(plan.Headroom, v1alpha1.Headroom{})
	var refusals []string
	for _, r := range plan.Refusals {
		refusals = append(refusals, r.Reason+": "+r.Message)
	}
	row := func(field, format string, args ...any) screen.Row {
		return screen.Row{Cells: []string{field, fmt.Sprintf(format, args...)}}
	}
	rows := []screen.Row{row("networkACL", "%s; mode %s, since %d other subnets are on it (%s)", acl.ID, acl.Mode, ptr.Deref(acl.OtherSubnets, 0), acl.ModeReason)}
	for i, line := range plannedRules(plan.Rules) {
		rows = append(rows, row(map[bool]string{true: "rules"}[i == 0], "%s", line))
	}
	w.screen.Print(screen.Dim, "\n  status.plan")
	w.screen.Table(nil, append(rows,
		row("agents", "%d of %d are connected, and would be disconnected", ptr.Deref(agents.Connected, 0), ptr.Deref(agents.Total, 0)),
		row("outside", "%d of the cluster's instances, on which RunTask would keep working", ptr.Deref(outside.Total, 0)),
		row("otherClusters", "%s", orNone(strings.Join(plan.OtherClusters, " "))),
		row("headroom", "%d more entries of the quota of %d, %d more network ACLs", ptr.Deref(room.IPv4Entries, 0), ptr.Deref(room.EntryQuota, 0), ptr.Deref(room.NetworkACLs, 0)),
		row("notes", "%s", orNone(strings.Join(plan.Notes, "; "))),
		row("refusals", "%s", orNone(strings.Join(refusals, "; "))),
	))
}

// plannedRules are the rules, a line for each host.
func plannedRules(rules []v1alpha1.PlannedRule) []string {
	var lines []string
	host := ""
	for _, r := range rules {
		text := fmt.Sprintf("%d %s", r.RuleNumber, r.CIDR)
		if r.Hostname == host && len(lines) > 0 {
			lines[len(lines)-1] += ", " + text
			continue
		}
		host = r.Hostname
		lines = append(lines, text)
	}
	return lines
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

// goodPlan says what a plan for the subnet lacks.
func (w *walk) goodPlan(plan *v1alpha1.Plan) error {
	addresses := 0
	for _, e := range plan.Endpoints {
		addresses += len(e.Addresses)
	}
	acl := plan.NetworkACL
	switch {
	case len(plan.Refusals) > 0:
		return fmt.Errorf("%d reasons prevent a run", len(plan.Refusals))
	case len(plan.Rules) == 0 || len(plan.Rules) != addresses:
		return fmt.Errorf("there are %d rules for %d addresses", len(plan.Rules), addresses)
	case acl == nil || acl.ID != idOf(w.original) || acl.Mode != v1alpha1.NetworkACLModeClone || acl.ModeReason != v1alpha1.NetworkACLModeShared:
		return errors.New("the plan is of another network ACL, or not to clone it")
	case plan.Agents == nil || ptr.Deref(plan.Agents.Connected, 0) == 0 || plan.Headroom == nil || plan.Outside == nil:
		return errors.New("the plan lacks agents, headroom or the instances outside")
	}
	return nil
}
