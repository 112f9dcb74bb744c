// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// trace writes the calls and the writes of one object in the order in which they began: what waits for what is the number
// of round trips.
func trace(title string, begin time.Time, all []timedCall, versions []version) string {
	type line struct {
		at   time.Time
		text string
	}
	var lines []line
	offset := func(t time.Time) int64 { return t.Sub(begin).Milliseconds() }
	for _, c := range all {
		if c.begin.Before(begin) {
			continue
		}
		text := fmt.Sprintf("%5d–%-5d %s", offset(c.begin), offset(c.end), action(c.Call))
		if c.Error != "" && !c.DryRun {
			text += ": " + c.Error
		}
		lines = append(lines, line{c.begin, text})
	}
	var previous *v1alpha1.AgentDisconnect
	for _, v := range versions {
		if !v.at.Before(begin) {
			lines = append(lines, line{v.at, fmt.Sprintf("%5d       object: %s", offset(v.at), written(previous, v))})
		}
		previous = v.object
	}
	slices.SortStableFunc(lines, func(a, b line) int { return cmp.Compare(a.at.UnixNano(), b.at.UnixNano()) })
	var b strings.Builder
	fmt.Fprintf(&b, "%s (milliseconds)\n", title)
	for _, l := range lines {
		b.WriteString(l.text + "\n")
	}
	return b.String()
}

// written says what a write changed.
func written(before *v1alpha1.AgentDisconnect, v version) string {
	after := v.object
	switch {
	case v.deleted:
		return "gone"
	case before == nil:
		return "created"
	}
	var what []string
	if len(before.Finalizers) != len(after.Finalizers) {
		what = append(what, "finalizers")
	}
	if before.DeletionTimestamp.IsZero() && !after.DeletionTimestamp.IsZero() {
		what = append(what, "deletion asked for")
	}
	if b, a := ledger(before), ledger(after); b != a {
		what = append(what, "ledger "+b+" → "+a)
	}
	if b, a := state(before), state(after); b != a {
		what = append(what, b+" → "+a)
	}
	if len(what) == 0 {
		what = append(what, "other status")
	}
	return strings.Join(what, ", ")
}

func ledger(obj *v1alpha1.AgentDisconnect) string {
	if len(obj.Status.Rules) == 0 {
		return "empty"
	}
	counts := map[v1alpha1.RuleState]int{}
	for _, r := range obj.Status.Rules {
		counts[r.State]++
	}
	var parts []string
	for _, s := range []v1alpha1.RuleState{v1alpha1.RuleCreating, v1alpha1.RuleInstalled, v1alpha1.RuleDeleting, v1alpha1.RuleReleased} {
		if counts[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[s], s))
		}
	}
	return strings.Join(parts, " ")
}

func state(obj *v1alpha1.AgentDisconnect) string {
	if c := meta.FindStatusCondition(obj.Status.Conditions, v1alpha1.ConditionSucceeded); c != nil {
		return c.Reason
	}
	return "no state"
}
