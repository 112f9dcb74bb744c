// SPDX-License-Identifier: Apache-2.0

package report

import (
	_ "embed"
	"html/template"
	"io"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
	"join": func(texts []string) string { return strings.Join(texts, ", ") },
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

// What is an entry in words.
func (e Entry) What() string { return e.what() }

// Symbol is a word for the result.
func (c Check) Symbol() string { return c.Result.symbol() }

// After says how long after the start the promise was kept.
func (c Check) After() string { return c.after() }
