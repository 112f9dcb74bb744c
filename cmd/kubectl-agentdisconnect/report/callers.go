// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"strings"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// callersOf are what the status says of the callers; nil: the run does not look at them.
func callersOf(status *v1alpha1.AgentDisconnectStatus) *Callers {
	if run.StartedCallers(status) == nil && status.Callers == nil {
		return nil
	}

	out := &Callers{
		Required: run.RequiresRecovery(status), Known: run.KnowsCallers(status),
		RecoverWithinSeconds: int64(run.RecoverWithin(run.StartedCallers(status)).Seconds()),
	}
	seen := status.Callers
	if seen == nil {
		return out
	}

	out.Observed, out.CompleteSince, out.CompleteUntil, out.Message = utcOf(seen.ObservedTime), utcOf(seen.CompleteSince), utcOf(seen.CompleteUntil), seen.Message
	out.Calls, out.MetCalls, out.Met, out.Recovered = seen.Calls, seen.MetCalls, seen.Met, seen.Recovered
	out.NotRecovered, out.NotKnown, out.StartedTwice = seen.NotRecovered, seen.NotKnown, seen.StartedTwice
	out.OtherErrors, out.Unreadable, out.Withheld = seen.OtherErrors, seen.Unreadable, seen.Withheld
	if seen.Window != nil {
		out.PendingTasks, out.PendingCalls = seen.Window.Tasks, seen.Window.Calls
	}
	for _, e := range seen.Errors {
		out.Errors = append(out.Errors, CallerError(e))
	}
	for _, c := range seen.Callers {
		out.Worst = append(out.Worst, Caller{
			Principal: c.Principal, Service: c.Service, Family: c.Family, Outcome: string(c.Outcome), Calls: c.Calls, MetCalls: c.MetCalls,
			StartedTasks: c.StartedTasks, ExtraTasks: c.ExtraTasks, FirstAgent: utc(c.FirstAgentTime), LastAgent: utc(c.LastAgentTime), Recovered: utcOf(c.RecoveredTime),
		})
	}
	return out
}

// describe counts the callers by what became of them; empty: the run does not look at them.
func (c *Callers) describe() string {
	switch {
	case c == nil:
		return ""
	case c.Observed == nil:
		return "not known: CloudTrail was not read"
	case c.Met == 0 && !c.Known:
		return fmt.Sprintf("none met AGENT in %s, as far as CloudTrail is known", plural(c.Calls, "call"))
	case c.Met == 0:
		return fmt.Sprintf("none met AGENT in %s", plural(c.Calls, "call"))
	}

	var parts []string
	for _, each := range []struct {
		n    int32
		what string
	}{{c.Recovered, "recovered"}, {c.NotRecovered, "did not recover"}, {c.NotKnown, "not known"}} {
		if each.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", each.n, each.what))
		}
	}
	text := fmt.Sprintf("%d met AGENT: %s", c.Met, strings.Join(parts, ", "))
	if c.StartedTwice > 0 {
		text += fmt.Sprintf("; %d started more tasks than asked for", c.StartedTwice)
	}
	return text
}

// callerNotes say what the counts leave open, and what else callers must survive.
func (d *Document) callerNotes() []string {
	c := d.Callers
	if c == nil {
		return nil
	}

	var notes []string
	add := func(applies bool, format string, args ...any) {
		if applies {
			notes = append(notes, fmt.Sprintf(format, args...))
		}
	}

	add(c.PendingTasks > 0, "%s placed before ECS reported the agents as disconnected, and hung in PENDING until they were back.", wasPlural(c.PendingTasks, "task"))
	add(c.Message != "", "CloudTrail could not be read when that was last tried: %s", c.Message)
	if c.Observed == nil {
		add(c.Message == "", "CloudTrail was not read for callers.")
		return notes
	}

	add(!c.Known && c.CompleteUntil != nil, "CloudTrail was read at %s, and may still show calls made after %s.", clockOf(c.Observed), clockOf(c.CompleteUntil))
	add(d.Times.Started.Before(c.CompleteSince), "Calls made before %s are not all known.", clockOf(c.CompleteSince))
	if listed := int32(len(c.Worst)); c.Met > listed {
		notes = append(notes, fmt.Sprintf("%s met AGENT: the object lists the %d that fared worst.", plural(c.Met-listed, "more caller"), listed))
	}
	add(len(c.Errors) > 0, "Calls that failed as a whole, and placed nothing: %s.", c.describeErrors())
	add(c.Withheld > 0, "Of %s CloudTrail does not show the cluster.", plural(c.Withheld, "more call"))
	add(c.Unreadable > 0, "%s of the account could not be understood.", plural(c.Unreadable, "event"))
	return notes
}

func (c *Callers) describeErrors() string {
	var all []string
	for _, e := range c.Errors {
		all = append(all, fmt.Sprintf("%d × %s", e.Calls, e.Code))
	}
	if c.OtherErrors > 0 {
		all = append(all, fmt.Sprintf("%d others", c.OtherErrors))
	}
	return strings.Join(all, ", ")
}

// who is the principal, and the service that made its calls.
func (c Caller) who() string {
	switch {
	case c.Service == "":
		return or(c.Principal, "unknown principal")
	case c.Principal == "":
		return c.Service
	}
	return c.Principal + ", by " + c.Service
}

// name tells the caller from the others of the run.
func (c Caller) name() string { return c.who() + ", family " + c.family() }

func (c Caller) family() string { return or(c.Family, "not known") }

// outcomes are the words for what became of a caller.
var outcomes = map[string]string{
	string(v1alpha1.CallerNotRecovered): "did not recover", string(v1alpha1.CallerStartedTwice): "started twice",
	string(v1alpha1.CallerNotKnown): "not known", string(v1alpha1.CallerRecovered): "recovered",
}

func (c Caller) outcome() string { return or(outcomes[c.Outcome], c.Outcome) }

// met says in how many of its calls the caller met AGENT.
func (c Caller) met() string { return fmt.Sprintf("%d of %s", c.MetCalls, plural(c.Calls, "call")) }

// when says when the caller met AGENT.
func (c Caller) when() string {
	if !c.LastAgent.After(c.FirstAgent.Time) {
		return "at " + clock(c.FirstAgent)
	}
	return "first at " + clock(c.FirstAgent) + ", last at " + clock(c.LastAgent)
}

// recovery says when the caller had a task, and how long after its first AGENT.
func (c Caller) recovery() string {
	switch {
	case c.Recovered == nil && c.Outcome == string(v1alpha1.CallerNotRecovered):
		return "none"
	case c.Recovered == nil:
		return "none seen"
	}
	text := fmt.Sprintf("%s (%s after)", clock(*c.Recovered), short(max(c.Recovered.Sub(c.FirstAgent.Time), 0)))
	if c.ExtraTasks > 0 {
		text += fmt.Sprintf("; %s too many", plural(c.ExtraTasks, "task"))
	}
	return text
}

// plural counts things.
func plural(n int32, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

func wasPlural(n int32, thing string) string {
	if n == 1 {
		return plural(n, thing) + " was"
	}
	return plural(n, thing) + " were"
}
