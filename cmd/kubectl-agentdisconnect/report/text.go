// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

func writeText(w io.Writer, doc *Document) error {
	var out bytes.Buffer
	say := func(format string, args ...any) { fmt.Fprintf(&out, format+"\n", args...) }

	say("%s: %s", plain(doc.title()), plain(doc.headline()))
	if doc.Verdict.Message != "" {
		say("%s", plain(doc.Verdict.Message))
	}

	say("")
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	for _, f := range append(doc.facts(), doc.stages()...) {
		fmt.Fprintf(table, "%s\t%s\n", f.Name, plain(f.Value))
	}
	_ = table.Flush() // a buffer takes everything

	say("\nPromises")
	for _, check := range doc.promises() {
		say("  %-4s %s%s", check.Result.symbol(), check.Title, check.after())
		if check.Result != Passed && check.Message != "" {
			say("       %s: %s", plain(check.Reason), plain(check.Message))
		}
	}

	sayCallers(say, doc)
	if len(doc.Timeline) > 0 {
		say("\nTimeline")
	}
	for _, entry := range doc.Timeline {
		what := entry.what()
		if entry.Type == string(v1alpha1.TimelineCallers) {
			what = entry.Message // the numbers are in it
		}
		say("  %s  %s", clock(entry.Time), plain(what))
	}

	_, err := w.Write(out.Bytes())
	return err
}

// sayCallers writes some lines for each caller: names are long.
func sayCallers(say func(string, ...any), doc *Document) {
	if doc.Callers == nil {
		return
	}

	say("\nCallers\n  %s", plain(doc.Callers.describe()))
	for _, note := range doc.callerNotes() {
		say("  %s", plain(note))
	}
	for _, c := range doc.Callers.Worst {
		say("  %-16s %s", plain(c.outcome()), plain(c.name()))
		say("  %-16s met AGENT in %s, %s", "", c.met(), c.when())
		if c.Recovered != nil {
			say("  %-16s task started at %s", "", c.recovery())
		}
	}
}

// promises are the checks that are listed. Those of single callers are in a list of their own.
func (d *Document) promises() []Check {
	return slices.DeleteFunc(slices.Clone(d.Checks), func(c Check) bool { return c.Name == callerCheck })
}

func writeMarkdown(w io.Writer, doc *Document) error {
	var out bytes.Buffer
	say := func(format string, args ...any) { fmt.Fprintf(&out, format+"\n", args...) }

	say("# %s: %s\n", markdown(doc.title()), markdown(doc.headline()))
	if doc.Verdict.Message != "" {
		say("%s\n", markdown(doc.Verdict.Message))
	}

	say("| | |\n|---|---|")
	for _, f := range append(doc.facts(), doc.stages()...) {
		say("| %s | %s |", f.Name, markdown(f.Value))
	}

	say("\n## Promises\n\n| kept | promise | why |\n|---|---|---|")
	for _, check := range doc.promises() {
		why := ""
		if check.Result != Passed && check.Message != "" {
			why = check.Reason + ": " + check.Message
		}
		say("| %s | %s%s | %s |", check.Result.symbol(), check.Title, check.after(), markdown(why))
	}

	if doc.Callers != nil {
		say("\n## Callers\n\n%s\n", markdown(doc.Callers.describe()))
		for _, note := range doc.callerNotes() {
			say("- %s", markdown(note))
		}
	}
	if doc.Callers != nil && len(doc.Callers.Worst) > 0 {
		say("\n| | caller | family | met AGENT | task started |\n|---|---|---|---|---|")
		for _, c := range doc.Callers.Worst {
			say("| %s | %s | %s | %s, %s | %s |", markdown(c.outcome()), markdown(c.who()), markdown(c.family()), c.met(), c.when(), c.recovery())
		}
	}

	if len(doc.Timeline) > 0 {
		say("\n## Timeline\n\n| time | | |\n|---|---|---|")
	}
	for _, entry := range doc.Timeline {
		say("| %s | %s | %s |", clock(entry.Time), markdown(entry.what()), markdown(entry.Message))
	}

	_, err := w.Write(out.Bytes())
	return err
}

// headline is the state, and whether the run is over.
func (d *Document) headline() string {
	state := or(d.Verdict.State, "not processed yet")
	if !d.Verdict.Over {
		return state + ", as of " + clock(d.Time)
	}
	return state
}

// after says how long after the start a promise was kept.
func (c Check) after() string {
	if c.Seconds == nil || *c.Seconds == 0 {
		return ""
	}
	return fmt.Sprintf(", %s after the start", short(secondsOf(*c.Seconds)))
}

// plain is a text that can't steer a terminal.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return ' '
		}
		return r
	}, text)
}

// markdown is a text that is no markup, and fits a cell of a table.
func markdown(text string) string {
	var out strings.Builder
	for _, r := range plain(text) {
		if strings.ContainsRune("\\`*_{}[]<>|~&", r) {
			out.WriteByte('\\')
		}
		out.WriteRune(r)
	}
	return out.String()
}
