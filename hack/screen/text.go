// SPDX-License-Identifier: Apache-2.0

package screen

import (
	"strings"
	"unicode/utf8"
)

const gap = "  "

// Row is a row of a table.
type Row struct {
	Cells []string
	Style Style
}

// Table writes rows in columns under a header. Cells of the last column are wrapped to the width, the others are as wide
// as they need to be.
func (s *Screen) Table(header []string, rows []Row) {
	all := rows
	if header != nil {
		all = append([]Row{{Cells: header, Style: Dim}}, rows...)
	}
	widths := make([]int, 0, len(header))
	for _, row := range all {
		for len(widths) < len(row.Cells) {
			widths = append(widths, 0)
		}
		for i, cell := range row.Cells {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range all {
		s.Block(row.Style, layOut(row.Cells, widths, s.width()))
	}
}

// layOut gives a row as lines.
func layOut(cells []string, widths []int, width int) string {
	var b strings.Builder
	b.WriteString(indent)
	if len(cells) == 0 {
		return ""
	}
	for i, cell := range cells[:len(cells)-1] {
		b.WriteString(cell)
		b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)))
		b.WriteString(gap)
	}
	lead := utf8.RuneCountInString(b.String())
	room := max(width-lead, leastWidth/2)
	lines := wrap(cells[len(cells)-1], room)
	b.WriteString(strings.Join(lines, "\n"+strings.Repeat(" ", lead)))
	return trimEnds(b.String())
}

func trimEnds(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// wrap breaks a line between words so that each piece fits the width. Pieces of an indented line are indented as the first
// is, and two columns more. A word that doesn't fit a line stays whole, so that it can be copied.
func wrap(line string, width int) []string {
	if utf8.RuneCountInString(line) <= width {
		return []string{line}
	}
	text := strings.TrimLeft(line, " ")
	lead := line[:len(line)-len(text)]
	next := lead
	if lead != "" {
		next += indent
	}
	var pieces []string
	current := lead
	empty := true
	for word := range strings.FieldsSeq(text) {
		if !empty && utf8.RuneCountInString(current)+1+utf8.RuneCountInString(word) > width {
			pieces = append(pieces, current)
			current, empty = next, true
		}
		if !empty {
			current += " "
		}
		current += word
		empty = false
	}
	return append(pieces, current)
}
