// SPDX-License-Identifier: Apache-2.0

package callers

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"agentdisconnect.dev/agentdisconnect/controllers/evidence/record"
)

// caller tells callers apart.
type caller struct {
	principal record.Principal
	family    string
}

// Judge judges the callers of a run.
func Judge(calls []record.Call, facts Facts) Verdict {
	j := judgement{facts: facts, instances: facts.instancesByID(), meeting: facts.meeting(), byCaller: map[caller][]record.Call{}, errors: map[string]int{}}
	for _, call := range distinct(calls) {
		j.add(call)
	}

	found := j.judgeCallers()
	slices.SortFunc(found, compareCallers)
	j.Callers = found[:min(len(found), MostCallers)]
	j.Errors, j.OtherErrors = worstErrors(j.errors)
	end := j.meeting.To
	j.Settled = !end.IsZero() && facts.knows(end.Add(facts.RecoverWithin))
	return j.Verdict
}

// distinct gives each call once, in an order that depends on the calls alone.
func distinct(calls []record.Call) []record.Call {
	if isDistinct(calls) {
		return calls
	}
	sorted := slices.Clone(calls)
	slices.SortFunc(sorted, inOrder)
	return slices.CompactFunc(sorted, func(a, b record.Call) bool { return a.EventID == b.EventID })
}

// isDistinct reports whether calls are in order, each once, as package trail gives them.
func isDistinct(calls []record.Call) bool {
	for i := range calls[min(1, len(calls)):] {
		if inOrder(calls[i], calls[i+1]) >= 0 {
			return false
		}
	}
	return true
}

func inOrder(a, b record.Call) int {
	return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.EventID, b.EventID))
}

// judgement is a verdict in the making.
type judgement struct {
	Verdict

	facts     Facts
	meeting   Period
	instances map[string]Instance
	byCaller  map[caller][]record.Call // on the cluster, from when the denies stood
	errors    map[string]int
}

// add counts a call.
func (j *judgement) add(call record.Call) {
	during := j.meeting.contains(call.Time)
	if call.Withheld && during {
		j.Withheld++
	}

	if !j.facts.isOnCluster(call) || j.facts.isProbe(call) || call.Time.Before(j.meeting.From) {
		return
	}

	by := caller{call.Principal, call.Family}
	j.byCaller[by] = append(j.byCaller[by], call)
	if !during {
		return
	}

	j.Calls++
	if call.ErrorCode != "" {
		j.errors[call.ErrorCode]++
	}
	if j.met(call) {
		j.MetCalls++
	}
	if tasks := j.hangingTasks(call); tasks > 0 {
		j.Window.Calls++
		j.Window.Tasks += tasks
	}
}

// met reports whether a call met AGENT by the run's doing.
func (j *judgement) met(call record.Call) bool {
	return j.meeting.contains(call.Time) && slices.ContainsFunc(call.Failures, func(failure record.Failure) bool {
		_, tracked := j.instances[instanceID(failure.ARN)]
		return failure.Reason == "AGENT" && tracked
	})
}

// hangingTasks counts the tasks that a call put on tracked container instances under the denies,
// before ECS was seen to report the agent there as disconnected.
func (j *judgement) hangingTasks(call record.Call) (n int) {
	if !j.facts.Denies.contains(call.Time) {
		return 0
	}

	for _, task := range call.Tasks {
		instance, tracked := j.instances[instanceID(task.ContainerInstance)]
		if tracked && (instance.Disconnected.IsZero() || call.Time.Before(instance.Disconnected)) {
			n++
		}
	}
	return n
}

// judgeCallers gives those that met AGENT, and counts them.
func (j *judgement) judgeCallers() []Caller {
	var found []Caller
	for by, calls := range j.byCaller {
		if !slices.ContainsFunc(calls, j.met) {
			continue
		}

		judged := j.judge(by, calls)
		found = append(found, judged)
		j.Met++
		switch {
		case !judged.RecoveredAt.IsZero():
			j.Recovered++
		case judged.Outcome == NotRecovered:
			j.NotRecovered++
		default:
			j.NotKnown++
		}
		if judged.Extra > 0 {
			j.StartedTwice++
		}
	}
	return found
}

// judge judges a caller that met AGENT, by its calls in the order of time.
func (j *judgement) judge(by caller, calls []record.Call) Caller {
	c := Caller{Principal: by.principal, Family: by.family}
	for _, call := range calls {
		if j.meeting.contains(call.Time) {
			c.Calls++
		}
		if !j.met(call) {
			continue
		}
		c.MetCalls++
		c.LastAgent = call.Time
		if c.MetCalls == 1 {
			c.FirstAgent = call.Time
		}
	}

	deadline := c.FirstAgent.Add(j.facts.RecoverWithin)
	started := map[string]bool{}
	for _, call := range calls {
		// What the first AGENT left started is no recovery from it. Another call of the same second may
		// be one: which came first is not known.
		first := call.Time.Equal(c.FirstAgent) && j.met(call)
		if first || call.Time.Before(c.FirstAgent) || call.Time.After(deadline) || len(call.Tasks) == 0 {
			continue
		}
		if c.RecoveredAt.IsZero() {
			c.RecoveredAt = call.Time
		}
		for _, task := range call.Tasks {
			started[task.ARN] = true
		}
	}

	c.Started, c.Extra = len(started), j.extraTasks(calls)
	c.Outcome = j.outcome(c, deadline)
	return c
}

func (j *judgement) outcome(c Caller, deadline time.Time) Outcome {
	switch {
	case c.RecoveredAt.IsZero() && j.facts.knows(deadline):
		return NotRecovered
	case c.Extra > 0:
		return StartedTwice
	case c.RecoveredAt.IsZero():
		return NotKnown
	}
	return Recovered
}

// compareCallers sorts the worst first.
func compareCallers(a, b Caller) int {
	rank := []Outcome{NotRecovered, StartedTwice, NotKnown, Recovered}
	return cmp.Or(
		cmp.Compare(slices.Index(rank, a.Outcome), slices.Index(rank, b.Outcome)),
		a.FirstAgent.Compare(b.FirstAgent),
		cmp.Compare(a.Principal.String(), b.Principal.String()),
		cmp.Compare(a.Family, b.Family),
	)
}

// worstErrors gives the most frequent codes, and counts the calls with others.
func worstErrors(errors map[string]int) (worst []ErrorCount, others int) {
	for _, code := range slices.Sorted(maps.Keys(errors)) {
		worst = append(worst, ErrorCount{Code: code, Calls: errors[code]})
	}
	slices.SortStableFunc(worst, func(a, b ErrorCount) int { return cmp.Compare(b.Calls, a.Calls) })

	for _, each := range worst[min(len(worst), MostErrors):] {
		others += each.Calls
	}
	return worst[:min(len(worst), MostErrors)], others
}
