// SPDX-License-Identifier: Apache-2.0

package report

import (
	_ "embed"
	"html/template"
	"io"
	"regexp"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

//go:embed report.html.tmpl
var page string

// manyAgents is how many agents are listed before the list is folded.
const manyAgents = 30

var pageTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"clock": func(t any) string {
		if at, ok := t.(*metav1.Time); ok {
			return clock(*at)
		}
		return clock(t.(metav1.Time))
	},
	"pieces": pieces,
	"join":   func(texts []string) string { return strings.Join(texts, ", ") },
	"known": func(b *bool) string {
		switch {
		case b == nil:
			return "not known"
		case *b:
			return "connected"
		}
		return "disconnected"
	},
}).Parse(page))

// oneTime is a time as the report writes it.
var oneTime = regexp.MustCompile(`\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z`)

// piece is a part of a text: a time, in which no line is to end, or what is between times.
type piece struct{ Time, Text string }

// pieces takes a text apart at its times.
func pieces(text string) []piece {
	var all []piece
	at := 0
	for _, found := range oneTime.FindAllStringIndex(text, -1) {
		all = append(all, piece{Text: text[at:found[0]]}, piece{Time: text[found[0]:found[1]]})
		at = found[1]
	}
	return append(all, piece{Text: text[at:]})
}

// view is what the page shows: the document, and what is drawn of it.
type view struct {
	*Document

	Drawing *drawing
}

func writeHTML(w io.Writer, doc *Document) error {
	v := view{Document: doc}
	if c := chartOf(doc); c != nil {
		v.Drawing = c.draw()
	}
	return pageTemplate.Execute(w, v)
}

// Title names the object. This and what follows is for the template.
func (v view) Title() string { return v.title() }

// Headline is the state, and whether the run is over.
func (v view) Headline() string { return v.headline() }

// Facts are what was hit.
func (v view) Facts() []fact { return v.facts() }

// Stages are the times of the run.
func (v view) Stages() []fact { return v.stages() }

// Tone is how the verdict is coloured.
func (v view) Tone() string {
	switch {
	case v.Verdict.Succeeded == "True":
		return "good"
	case v.Verdict.Succeeded == "False", v.isStalled():
		return "bad"
	}
	return "open"
}

// Promises are the checks that are listed.
func (v view) Promises() []Check { return v.promises() }

// CallersInWords counts the callers by what became of them, and CallerNotes say what that leaves open.
func (v view) CallersInWords() string { return v.Callers.describe() }

// CallerNotes are for the template.
func (v view) CallerNotes() []string { return v.callerNotes() }

// AgentsInWords says how many agents were disconnected.
func (v view) AgentsInWords() string { return v.describeAgents() }

// IsFolded reports whether the list of agents is folded.
func (v view) IsFolded() bool { return v.Agents != nil && len(v.Agents.Tracked) > manyAgents }

// Since is how long after the start an entry was seen.
func (v view) Since(e Entry) string { return v.sinceStart(e.Time) }

// isStalled reports whether a person must act.
func (d *Document) isStalled() bool {
	for _, c := range d.Conditions {
		if c.Type == "Stalled" && c.Status == "True" {
			return true
		}
	}
	return false
}

// Tone is how the outcome of a caller is coloured.
func (c Caller) Tone() Result {
	switch v1alpha1.CallerOutcome(c.Outcome) {
	case v1alpha1.CallerRecovered:
		return Passed
	case v1alpha1.CallerNotRecovered, v1alpha1.CallerStartedTwice:
		return Failed
	}
	return Skipped
}

// What became of the caller, and the other cells of its row.
func (c Caller) What() string { return c.outcome() }

// Who is the principal and its service.
func (c Caller) Who() string { return c.who() }

// InFamily is the task family.
func (c Caller) InFamily() string { return c.family() }

// Met says in how many calls.
func (c Caller) Met() string { return c.met() }

// When says when it met AGENT.
func (c Caller) When() string { return c.when() }

// Recovery says when a task was started.
func (c Caller) Recovery() string { return c.recovery() }

// What is an entry in words.
func (e Entry) What() string { return e.what() }

// Symbol is a word for the result.
func (c Check) Symbol() string { return c.Result.symbol() }

// After says how long after the start the promise was kept.
func (c Check) After() string { return c.after() }
