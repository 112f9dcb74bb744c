// SPDX-License-Identifier: Apache-2.0

package report

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// Format is a form in which a report is written.
type Format string

const (
	// Text is for a terminal.
	Text Format = "text"
	// Markdown is for a page of a wiki, an issue, or the summary of a pipeline.
	Markdown Format = "markdown"
	// HTML is one file that needs no other, with the timeline drawn.
	HTML Format = "html"
	// JUnit is for a pipeline that shows test results: a test case for each promise of the run.
	JUnit Format = "junit"
	// JSON is the Document, for programs.
	JSON Format = "json"
)

// Formats are all formats, the one for a terminal first.
func Formats() []Format { return []Format{Text, Markdown, HTML, JUnit, JSON} }

// Write writes the report of an object in a format. A run that is on is reported as it is at the
// time now.
func Write(w io.Writer, obj *v1alpha1.AgentDisconnect, format Format, now time.Time) error {
	doc := New(obj, now)
	switch format {
	case Text:
		return writeText(w, doc)
	case Markdown:
		return writeMarkdown(w, doc)
	case HTML:
		return writeHTML(w, doc)
	case JUnit:
		return writeJUnit(w, doc)
	case JSON:
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(doc)
	}
	return fmt.Errorf("there is no format %q: use %s", format, formatNames())
}

func formatNames() string {
	var names []string
	for _, format := range Formats() {
		names = append(names, string(format))
	}
	return strings.Join(names, ", ")
}
