// SPDX-License-Identifier: Apache-2.0

package view

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Wrap breaks a text between words so that each line fits the width; all but the first begin with
// the indentation. What the first line has in that place stays as it is. A word that doesn't fit a
// line stays whole, so that it can be copied. A width of 0 leaves the text in one line.
func Wrap(text string, width, indent int) []string {
	text = clean(text)
	if width <= 0 || length(text) <= width {
		return []string{text}
	}

	var lines []string
	head := []rune(text)[:min(indent, width)] // the text is longer than that
	current, empty := string(head), true
	for word := range strings.FieldsSeq(strings.TrimPrefix(text, string(head))) {
		if !empty && length(current)+1+length(word) > width {
			lines = append(lines, current)
			current, empty = strings.Repeat(" ", indent), true
		}
		if !empty {
			current += " "
		}
		current += word
		empty = false
	}
	return append(lines, current)
}

// cut shortens a text to the width.
func cut(text string, width int) string {
	text = clean(text)
	if width <= 0 || length(text) <= width {
		return text
	}
	return strings.TrimRight(string([]rune(text)[:width-1]), " ") + "…"
}

// pad fills a text up with spaces.
func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-length(text)))
}

// clean has a space for each control character: a message that a third party wrote must not steer
// the terminal.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

func length(text string) int { return utf8.RuneCountInString(text) }
