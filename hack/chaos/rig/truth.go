// SPDX-License-Identifier: Apache-2.0

package rig

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/evidence/probetasks"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	phase "agentdisconnect.dev/agentdisconnect/controllers/run"
)

// trailDelay is by how much CloudTrail may be late without the verdict on callers being wrong.
const trailDelay = 15 * time.Minute

// Untruth is what a manager wrote of the callers of a run that is not so, or what was left of the run
// in AWS while it only looked at its callers.
type Untruth struct {
	UID, Text string
	// Left: it is of the second sort.
	Left bool
}

// Untruths are all so far.
func (w *World) Untruths() []Untruth {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.untruths)
}

// holdAgainstTruth holds a status against what the callers did, and the Region against what it says.
func (w *World) holdAgainstTruth(obj *v1alpha1.AgentDisconnect) {
	w.mu.Lock()
	calls, skewed := slices.Clone(w.calls), w.skewed
	w.mu.Unlock()

	var found []Untruth
	if !skewed { // by a clock that is wrong, CloudTrail is complete too early or too late
		for _, text := range untruthsOf(&obj.Status, calls) {
			found = append(found, Untruth{UID: string(obj.UID), Text: obj.Name + ": " + text})
		}
	}
	if phase.IsVerifying(&obj.Status) {
		for _, left := range w.leftOf(string(obj.UID)) {
			found = append(found, Untruth{UID: string(obj.UID), Text: obj.Name + " looks at its callers, and there is " + left, Left: true})
		}
	}

	w.mu.Lock()
	defer w.mu.Unlock()
	w.untruths = append(w.untruths, found...)
}

// leftOf is what there is of a run in AWS, a line each.
func (w *World) leftOf(uid string) (left []string) {
	view := w.region.View(now)
	for _, acl := range view.NetworkACLs() {
		for _, made := range w.Audit.Left(acl) {
			if made.UID == uid {
				left = append(left, "an entry of "+made.ACL)
			}
		}
		for _, key := range ownership.TagKeys(uid) {
			if _, has := acl.Tags[key]; has {
				left = append(left, "tag "+key+" of "+acl.ID)
			}
		}
		if clone, made := w.Audit.Clone(acl.ID); made && clone.UID == uid && acl.Tags[ownership.TagAdopted] == "" {
			left = append(left, "clone "+acl.ID)
		}
	}
	for _, schedule := range view.Schedules() {
		if strings.Contains(schedule.Name, uid) {
			left = append(left, "schedule "+schedule.Name)
		}
	}
	for _, cluster := range view.Clusters() {
		for _, task := range view.Tasks(cluster.ARN) {
			if of, err := probetasks.ParseGroup(task.Group); err == nil && of.UID == uid && task.StoppingAt.IsZero() {
				left = append(left, "task "+task.ARN)
			}
		}
	}
	return left
}

// truth is what happened to the callers of a run.
type truth struct {
	status *v1alpha1.AgentDisconnectStatus
	calls  []Call
	// AGENT between these times is the run's doing, and a caller has within from then on.
	from, until time.Time
	within      time.Duration
}

// untruthsOf says what of a status's callers is not so, a line each.
func untruthsOf(status *v1alpha1.AgentDisconnectStatus, calls []Call) (lines []string) {
	seen := status.Callers
	if seen == nil || seen.ObservedTime == nil || status.StartTime == nil || status.EnforcedTime == nil || status.Agents == nil || status.RestoredTime == nil {
		return nil
	}

	t := truth{
		status: status, calls: calls, from: later(status.StartTime.Time, status.EnforcedTime.Time).Truncate(time.Second),
		until: phase.AgentFailuresUntil(status), within: phase.RecoverWithin(phase.StartedCallers(status)),
	}
	for i := range seen.Callers {
		lines = append(lines, t.holdCaller(&seen.Callers[i])...)
	}
	for _, c := range calls {
		if t.met(c) && t.isKnown(c) && !slices.ContainsFunc(seen.Callers, func(o v1alpha1.Caller) bool { return isBy(c, o) && !o.FirstAgentTime.After(c.Time) }) {
			lines = append(lines, fmt.Sprintf("%s met AGENT at %s, and the status does not say so", c.Role, c.Time.UTC().Format(time.TimeOnly)))
		}
	}
	return append(lines, t.holdVerdict()...)
}

// holdCaller holds what a status says of a caller against what it did.
func (t truth) holdCaller(said *v1alpha1.Caller) (lines []string) {
	wrong := func(format string, args ...any) {
		lines = append(lines, fmt.Sprintf("%s is said to be %s from AGENT at %s: ", said.Principal, said.Outcome, said.FirstAgentTime.UTC().Format(time.TimeOnly))+fmt.Sprintf(format, args...))
	}
	metThen, startedThen := false, false
	for _, c := range t.calls {
		if !isBy(c, *said) {
			continue
		}
		metThen = metThen || t.met(c) && c.Time.Equal(said.FirstAgentTime.Time)
		if !t.recovers(said.FirstAgentTime.Time, c) {
			continue
		}
		startedThen = startedThen || said.RecoveredTime != nil && c.Time.Equal(said.RecoveredTime.Time)
		switch at := c.Time.UTC().Format(time.TimeOnly); {
		case said.Outcome == v1alpha1.CallerNotRecovered && c.isShownInTime():
			wrong("it had a task started at %s, which CloudTrail showed at %s", at, c.ShownAt.UTC().Format(time.TimeOnly))
		case t.isKnown(c) && (said.RecoveredTime == nil || said.RecoveredTime.After(c.Time)):
			wrong("it had a task started at %s, and CloudTrail is known until %s", at, t.status.Callers.CompleteUntil.UTC().Format(time.TimeOnly))
		}
	}
	if !metThen {
		wrong("it did not meet AGENT then")
	}
	if said.RecoveredTime != nil && !startedThen {
		wrong("it had no task started at %s", said.RecoveredTime.UTC().Format(time.TimeOnly))
	}
	return lines
}

// holdVerdict holds the totals of a run that is over against what happened, where CloudTrail showed
// all of it in time.
func (t truth) holdVerdict() (lines []string) {
	status := t.status
	if status.CompletionTime == nil || !phase.KnowsCallers(status) {
		return nil
	}

	first, recovered := map[[3]string]time.Time{}, map[[3]string]bool{}
	for _, c := range t.calls { // in the order of time
		who := [3]string{c.Role, c.Service, c.Family}
		if !c.Time.Before(t.from) && !c.Time.After(t.until.Add(t.within)) && !c.isShownInTime() {
			return nil
		}
		if _, known := first[who]; !known && t.met(c) {
			first[who] = c.Time
		}
		if at, known := first[who]; known && t.recovers(at, c) {
			recovered[who] = true
		}
	}

	met, did, state := len(first), len(recovered), status.State
	if got := status.Callers; int(got.Met) != met || int(got.Recovered) != did || got.NotKnown != 0 {
		lines = append(lines, fmt.Sprintf("%d callers met AGENT and %d recovered, and the status has %d, %d and %d not known", met, did, got.Met, got.Recovered, got.NotKnown))
	}
	requires := phase.RequiresRecovery(status)
	if state == v1alpha1.StateCallersDidNotRecover && did == met || state == v1alpha1.StateNoCallerMetAgent && met > 0 ||
		state == v1alpha1.StateCallersNotObserved || state == v1alpha1.StateCompleted && requires && (met == 0 || did < met) {
		lines = append(lines, fmt.Sprintf("%d callers met AGENT and %d recovered, and the run is %s", met, did, state))
	}
	return lines
}

// met reports whether a call met AGENT by the run's doing.
func (t truth) met(c Call) bool {
	return !c.Time.Before(t.from) && !c.Time.After(t.until) && slices.ContainsFunc(t.status.Agents.ContainerInstances, func(i v1alpha1.ContainerInstance) bool {
		return c.Failures[i.ARN] == "AGENT"
	})
}

// recovers reports whether a call is a recovery from AGENT at a time. Callers ask for one task, so
// that no call does both.
func (t truth) recovers(from time.Time, c Call) bool {
	return c.Tasks > 0 && !c.Time.Before(from) && !c.Time.After(from.Add(t.within))
}

// isKnown reports whether the status is to rest on a call: CloudTrail was complete for its second.
func (t truth) isKnown(c Call) bool {
	seen := t.status.Callers
	return c.isShownInTime() && seen.CompleteSince != nil && seen.CompleteUntil != nil &&
		!c.Time.Before(seen.CompleteSince.Time) && !c.Time.Add(time.Second).After(seen.CompleteUntil.Time)
}

func (c Call) isShownInTime() bool { return !c.ShownAt.After(c.Time.Add(trailDelay)) }

// isBy reports whether a call was made by a caller of a status.
func isBy(c Call, said v1alpha1.Caller) bool {
	return c.Role == said.Principal && c.Service == said.Service && c.Family == said.Family
}
