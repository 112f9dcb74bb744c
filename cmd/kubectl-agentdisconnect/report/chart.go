// SPDX-License-Identifier: Apache-2.0

package report

import (
	"slices"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// chart is the timeline as it is drawn: lanes below each other on one axis of time. A lane may have
// bands, steps and marks, in any mix, so that another kind of thing is another function in lanes.
type chart struct {
	From, To time.Time
	Lanes    []lane
	Rulers   []ruler
	// Thinned says that entries were left out of the timeline.
	Thinned bool
}

// lane is one row of the chart.
type lane struct {
	Title string
	Bands []band
	Steps []step
	// Most is the number that the steps are drawn against.
	Most int32
	// Legend says what the marks are, and Note more about the lane.
	Legend, Note string
	// Thin lanes are of many.
	Thin  bool
	Marks []mark
}

// band is a span of time. Class is how it is drawn, a name of the style sheet.
type band struct {
	From, To           time.Time
	Label, Note, Class string
}

// step is a number from a time on; nil: it is not known.
type step struct {
	At    time.Time
	Value *int32
	Total int32
}

// mark is a moment.
type mark struct {
	At          time.Time
	Note, Class string
}

// ruler is a moment across all lanes.
type ruler struct {
	At           time.Time
	Label, Class string
}

// lanes are all that a chart may have, from top to bottom, and the callers below them. One that
// comes to nothing is left out.
var lanes = []func(*Document, time.Time) lane{stateLane, forceLane, suspendedLane, agentsLane, probeLane, changesLane}

// chartOf is the chart of a run; nil: there is nothing to draw.
func chartOf(doc *Document) *chart {
	c := &chart{From: doc.begins(), To: doc.ends(), Thinned: slices.ContainsFunc(doc.Timeline, func(e Entry) bool { return e.Count > 1 })}
	if len(doc.Timeline) == 0 || !c.From.Before(c.To) {
		return nil
	}

	// What came before the start, at the most a quarter of the whole, is drawn as far as it fits.
	c.From = latest(doc.Timeline[0].Time.Time, c.From.Add(-c.To.Sub(c.From)/4))
	for _, draw := range lanes {
		c.Lanes = append(c.Lanes, draw(doc, c.To))
	}
	c.Lanes = append(c.Lanes, callerLanes(doc, c.To)...)
	c.Lanes = slices.DeleteFunc(c.Lanes, func(l lane) bool { return len(l.Bands)+len(l.Steps)+len(l.Marks) == 0 })

	if at := doc.Times.Started; at != nil {
		c.Rulers = append(c.Rulers, ruler{at.Time, "start", "start"})
	}
	if at := doc.Times.Aborted; at != nil {
		c.Rulers = append(c.Rulers, ruler{at.Time, "aborted", "bad"})
	} else if at := doc.Times.Expires; at != nil {
		c.Rulers = append(c.Rulers, ruler{at.Time, "time over", "end"})
	}
	c.Rulers = slices.DeleteFunc(c.Rulers, func(r ruler) bool { return r.At.Before(c.From) || r.At.After(c.To) })
	return c
}

// stateLane has a band for each state, up to the next one.
func stateLane(doc *Document, end time.Time) lane {
	l := lane{Title: "state"}
	for _, at := range doc.states() {
		l.Bands = append(l.Bands, band{at.from, at.to, at.state, at.note, stateClass(at.state)})
	}
	return clip(l, end)
}

// forceLane has the spans in which the rules were in force, and what the manager did to keep them
// so.
func forceLane(doc *Document, end time.Time) lane {
	l := lane{Title: "rules in force", Legend: "Rules: a diamond is a repair by the manager."}
	for _, at := range doc.states() {
		if at.state == "Blocking" {
			l.Bands = append(l.Bands, band{at.from, at.to, "", "rules in force", "force"})
		}
	}
	l.Marks = doc.marks("RulesRepaired", "repair")
	return clip(l, end)
}

func suspendedLane(doc *Document, end time.Time) lane {
	l := lane{Title: "suspended"}
	for i, entry := range doc.Timeline {
		if entry.Type != "Suspended" {
			continue
		}
		until := end
		for _, next := range doc.Timeline[i+1:] {
			if next.Type == "Resumed" || next.Type == "Aborted" || next.Type == "Verdict" || next.Type == "State" && next.Reason == "Recovering" {
				until = next.Time.Time
				break
			}
		}
		l.Bands = append(l.Bands, band{entry.Time.Time, until, "", "suspended", "suspended"})
	}
	return clip(l, end)
}

func agentsLane(doc *Document, _ time.Time) lane {
	l := lane{Title: "agents disconnected"}
	for _, entry := range doc.Timeline {
		if entry.Type == "Agents" && entry.Total != nil {
			l.Steps = append(l.Steps, step{entry.Time.Time, entry.Disconnected, *entry.Total})
			l.Most = max(l.Most, *entry.Total)
		}
	}
	return l
}

// probeLane has the first and the last call of the probe with each outcome.
func probeLane(doc *Document, _ time.Time) lane {
	l := lane{Title: "RunTask by the probe", Legend: "RunTask: a red diamond is the first or the last call that failed with AGENT, a dark one that with another outcome."}
	for _, outcome := range doc.Probe {
		class := "change"
		if outcome.Reason == v1alpha1.ProbeAgent {
			class = "repair"
		}
		l.Marks = append(l.Marks, mark{outcome.First.Time, clock(outcome.First) + " first call with " + outcome.Reason, class})
		if outcome.Count > 1 {
			l.Marks = append(l.Marks, mark{outcome.Last.Time, clock(outcome.Last) + " last call with " + outcome.Reason, class})
		}
	}
	return l
}

func changesLane(doc *Document, _ time.Time) lane {
	return lane{Title: "changes carried over", Marks: doc.marks("OriginalCarriedOver", "change")}
}

// marks are the moments of one type.
func (d *Document) marks(of, class string) []mark {
	var marks []mark
	for _, entry := range d.Timeline {
		if entry.Type == of {
			marks = append(marks, mark{entry.Time.Time, clock(entry.Time) + " " + entry.what() + ": " + entry.Message, class})
		}
	}
	return marks
}

// inState is a span of time in which the run was in a state.
type inState struct {
	from, to    time.Time
	state, note string
}

// states are the spans of the states, in order.
func (d *Document) states() []inState {
	var all []inState
	for _, entry := range d.Timeline {
		if entry.Type != "State" && entry.Type != "Verdict" {
			continue
		}
		at := entry.Time.Time
		if n := len(all); n > 0 {
			all[n-1].to = at
		}
		all = append(all, inState{at, d.ends(), entry.Reason, entry.what()})
	}
	return all
}

// stateClass is how a state is drawn.
func stateClass(state string) string {
	switch state {
	case "Blocking":
		return "force"
	case "Suspended", "Waiting":
		return "suspended"
	case "Refused":
		return "bad"
	}
	return "other"
}

// clip cuts bands off at the end, and leaves out those of no length.
func clip(l lane, end time.Time) lane {
	for i := range l.Bands {
		if l.Bands[i].To.After(end) {
			l.Bands[i].To = end
		}
	}
	l.Bands = slices.DeleteFunc(l.Bands, func(b band) bool { return !b.From.Before(b.To) })
	return l
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
