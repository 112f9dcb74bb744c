// SPDX-License-Identifier: Apache-2.0

package view

import (
	"strings"
)

const (
	// labelWidth is the column of labels, a space included.
	labelWidth = 9
	// barMost and barLeast are how wide a bar may be; what has no room for the least has none.
	barMost, barLeast = 30, 8
)

// Tone is how a text stands out on a terminal, as a parameter of its sequence for that.
type Tone string

// The tones.
const (
	Plain  Tone = ""
	Bold   Tone = "1"
	Dim    Tone = "2"
	Good   Tone = "32"
	Bad    Tone = "31"
	Marked Tone = "33"
)

// Row is a row of the screen.
type Row struct {
	Text string
	Tone Tone
}

// Block lays lines out between a title and a footer, so that it fits a screen of that size beside
// what was printed before: it takes half of the screen's rows at most.
func Block(title string, lines []Line, footer string, width, height int) []Row {
	width-- // a row that fills the screen would wrap on some terminals
	rows := []Row{{}, {Text: cut(title, width), Tone: Bold}}
	most := max(height/2, 1)
	textWidth := 0
	for _, line := range lines {
		if line.Bar != nil {
			textWidth = max(textWidth, length(line.Text))
		}
	}

	for _, line := range lines {
		if line.Text == "" {
			continue
		}
		text := pad(line.Label, labelWidth) + line.Text
		switch {
		case line.Wrapped:
			for _, piece := range Wrap(text, width, labelWidth) {
				rows = append(rows, Row{Text: cut(piece, width), Tone: line.Tone})
			}
			continue
		case line.Bar != nil:
			text = pad(text, labelWidth+textWidth) + bar(*line.Bar, width-labelWidth-textWidth-2)
		}
		rows = append(rows, Row{Text: cut(text, width), Tone: line.Tone})
	}

	if len(rows) > most-1 {
		rows = rows[:most-1]
		if most > 1 {
			rows[len(rows)-1].Text = cut(rows[len(rows)-1].Text+" …", width)
		}
	}
	return append(rows, Row{Text: cut(footer, width), Tone: Dim})
}

// bar draws a part of a whole in at most that many columns, with a gap in front.
func bar(b Bar, room int) string {
	width := min(room, barMost)
	if width < barLeast || b.Whole <= 0 {
		return ""
	}
	full := int(b.Part * int64(width) / b.Whole)
	if full == 0 && b.Part > 0 {
		full = 1
	}
	return "  " + strings.Repeat("█", full) + strings.Repeat("░", width-full)
}
