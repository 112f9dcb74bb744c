// SPDX-License-Identifier: Apache-2.0

package report

import (
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// callerLanes have a lane for each caller: from its first AGENT until it recovered, or until the time
// that it had was over.
func callerLanes(doc *Document, end time.Time) []lane {
	if doc.Callers == nil {
		return nil
	}

	var all []lane
	for _, c := range doc.Callers.Worst {
		until, class, note := c.FirstAgent.Add(secondsOf(doc.Callers.RecoverWithinSeconds)), "unsure", "not known whether it recovered"
		switch {
		case c.Recovered != nil:
			until, class, note = c.Recovered.Time, "good", "recovered"
		case c.Outcome == string(v1alpha1.CallerNotRecovered):
			class, note = "bad", "did not recover"
		}

		l := lane{
			Title: c.shortName(), Note: c.name() + ": " + c.outcome(), Thin: true,
			Legend: "Callers, in the order of their table: a red diamond is their first or last AGENT, a green circle a task that was started; the bar is the time that a caller took, or had.",
			Bands:  []band{{c.FirstAgent.Time, until, "", note, class}},
			Marks:  []mark{{c.FirstAgent.Time, clock(c.FirstAgent) + " first AGENT of " + c.name(), "repair"}},
		}
		if c.LastAgent.After(c.FirstAgent.Time) {
			l.Marks = append(l.Marks, mark{c.LastAgent.Time, clock(c.LastAgent) + " last AGENT of " + c.name(), "repair"})
		}
		if c.Recovered != nil {
			l.Marks = append(l.Marks, mark{c.Recovered.Time, clock(*c.Recovered) + " task started for " + c.name(), "good"})
		}
		all = append(all, clip(l, end))
	}
	return all
}

// shortName is what of a caller's name fits beside its lane: its begin and its end, which tell more
// than its middle.
func (c Caller) shortName() string {
	name := []rune(lastPart(or(c.Principal, c.Service)) + " / " + c.family())
	if len(name) <= laneTitle {
		return string(name)
	}
	return string(name[:laneTitle/2]) + "…" + string(name[len(name)-laneTitle/2+1:])
}
