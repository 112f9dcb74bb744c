// SPDX-License-Identifier: Apache-2.0

package rig

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	phase "agentdisconnect.dev/agentdisconnect/controllers/run"
)

// Allowance is by how much the last rule may outlast its run where nothing keeps the manager from its work: a pass that
// failed is repeated after 10 seconds at most, and what a read contradicts is read twice more.
const Allowance = 30 * time.Second

// Wrong is what a world's history did wrong, by the promise that it broke.
type Wrong struct {
	// Leaks are what was left behind in AWS, and objects that are neither over nor gone.
	Leaks []string
	// Foreign are changes of what third parties own, and calls that would have been some.
	Foreign []string
	// Late are runs whose rules outlasted them.
	Late []string
	// Strange is all else: a manager that spins, and what it says of callers that is not so.
	Strange []string
}

// None reports whether nothing is wrong.
func (w Wrong) None() bool { return len(w.All()) == 0 }

// All are all of it, a line each.
func (w Wrong) All() []string { return slices.Concat(w.Leaks, w.Foreign, w.Late, w.Strange) }

// Wrong holds the world against the promises, at the end of a history: every run is over or deleted.
func (w *World) Wrong(ctx context.Context) (Wrong, error) {
	var wrong Wrong
	for _, trace := range w.Traces() {
		wrong.Leaks = append(wrong.Leaks, "left in AWS: "+trace)
	}
	var all v1alpha1.AgentDisconnectList
	if err := w.plane.Client.List(ctx, &all, client.InNamespace(w.Namespace)); err != nil {
		return wrong, err
	}
	for i := range all.Items {
		if obj := &all.Items[i]; !Over(obj) {
			wrong.Leaks = append(wrong.Leaks, "not over: "+Describe(obj))
		}
	}
	for _, line := range w.Difference() {
		wrong.Foreign = append(wrong.Foreign, "different from a Region without a manager: "+line)
	}
	wrong.Foreign = append(wrong.Foreign, w.wrongInHub()...)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, line := range w.broken {
		wrong.Foreign = append(wrong.Foreign, "requested from AWS: "+line)
	}
	for _, r := range w.runs {
		if by := r.stood.Sub(later(r.ended, w.hampered)); !r.stood.IsZero() && by > Allowance {
			wrong.Late = append(wrong.Late, fmt.Sprintf("rules of %s were in place until %s, %s after its end at %s (a fault blocked the manager until %s)",
				r.name, r.stood.UTC().Format(time.TimeOnly), by, r.ended.UTC().Format(time.TimeOnly), w.hampered.UTC().Format(time.TimeOnly)))
		}
	}
	wrong.Strange = slices.Clone(w.strange)
	for _, untruth := range w.untruths {
		if untruth.Left {
			wrong.Leaks = append(wrong.Leaks, untruth.Text)
		} else {
			wrong.Strange = append(wrong.Strange, untruth.Text)
		}
	}
	return wrong, nil
}

// Over reports whether nothing is to be done about an object any more.
func Over(obj *v1alpha1.AgentDisconnect) bool {
	status := &obj.Status
	return phase.IsOver(status) && len(obj.Finalizers) == 0 && obj.DeletionTimestamp == nil &&
		(obj.Spec.RunID == "" || obj.Spec.RunID == status.RunID)
}

// Describe is an object on a few lines, for a person who looks for what went wrong.
func Describe(obj *v1alpha1.AgentDisconnect) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s: finalizers %v, deleted %v, started %v, expires %v, completed %v, restored %v, abort %v, network ACL %+v, rules %v",
		obj.Name, obj.Finalizers, obj.DeletionTimestamp != nil, obj.Status.StartTime, obj.Status.ExpirationTime, obj.Status.CompletionTime,
		obj.Status.RestoredTime, obj.Status.Abort, obj.Status.NetworkACL, obj.Status.Rules)
	for _, c := range obj.Status.Conditions {
		fmt.Fprintf(&text, "\n  %s=%s %s: %s", c.Type, c.Status, c.Reason, c.Message)
	}
	return text.String()
}

// RoundTrips is the longest chain of steps, each begun after the one before it was answered, between the end of the latest
// run and the last trace of it.
func (w *World) RoundTrips() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	var ended time.Time
	for _, r := range w.runs {
		ended = later(r.endedReal, ended)
	}
	if ended.IsZero() || w.goneAt.IsZero() {
		return 0
	}
	var within []*Record
	for _, r := range w.records {
		if !r.Begun.Before(ended) && !r.Begun.After(w.goneAt) && !r.Ended.IsZero() {
			within = append(within, r)
		}
	}
	// The longest chain of intervals apart takes the one that ends first, and so on.
	slices.SortFunc(within, func(a, b *Record) int { return cmp.Compare(a.Ended.UnixNano(), b.Ended.UnixNano()) })
	chain, last := 0, time.Time{}
	for _, r := range within {
		if r.Begun.After(last) {
			chain, last = chain+1, r.Ended
		}
	}
	return chain
}
