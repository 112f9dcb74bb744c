// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"io"
	"strings"
)

// Size is how many columns and rows a terminal has.
type Size struct{ Width, Height int }

// Screen prints lines that stay, and on a terminal below them a block that is drawn again in place.
// Where the output is no terminal there is no block, and no line is wrapped.
type Screen struct {
	out io.Writer
	// size gives the terminal's size, which may change; nil: the output is no terminal.
	size  func() Size
	color bool
	// drawn are the lengths of the rows of the block that is on the screen.
	drawn []int
}

// NewScreen makes a screen of an output. A size of nil says that it is no terminal.
func NewScreen(out io.Writer, size func() Size, color bool) *Screen {
	return &Screen{out: out, size: size, color: color && size != nil}
}

// IsLive reports whether the screen shows a block.
func (s *Screen) IsLive() bool { return s.size != nil }

// Width is what texts are wrapped to; 0: they are not.
func (s *Screen) Width() int {
	if s.size == nil {
		return 0
	}
	return s.size().Width
}

// Print prints lines that stay, each wrapped, with its further lines indented.
func (s *Screen) Print(indent int, lines ...string) {
	var b strings.Builder
	b.WriteString(s.erasing())
	for _, line := range lines {
		for _, piece := range Wrap(line, s.Width()-1, indent) {
			b.WriteString(piece + "\n")
		}
	}
	_, _ = io.WriteString(s.out, b.String())
}

// Draw shows the block in place of the one before.
func (s *Screen) Draw(title string, lines []Line, footer string) {
	if !s.IsLive() {
		return
	}

	var b strings.Builder
	b.WriteString(s.erasing())
	size := s.size()
	for _, row := range Block(title, lines, footer, size.Width, size.Height) {
		b.WriteString(s.paint(row) + "\n")
		s.drawn = append(s.drawn, length(row.Text))
	}
	_, _ = io.WriteString(s.out, b.String())
}

// Erase takes the block away.
func (s *Screen) Erase() {
	_, _ = io.WriteString(s.out, s.erasing())
}

// erasing is the sequence that takes the block away. A terminal that became narrower since has
// wrapped its rows.
func (s *Screen) erasing() string {
	if len(s.drawn) == 0 {
		return ""
	}
	rows, width := 0, max(s.size().Width, 1)
	for _, length := range s.drawn {
		rows += max(1, (length+width-1)/width)
	}
	s.drawn = nil
	return fmt.Sprintf("\x1b[%dA\r\x1b[J", rows)
}

func (s *Screen) paint(row Row) string {
	if !s.color || row.Tone == Plain || row.Text == "" {
		return row.Text
	}
	return "\x1b[" + string(row.Tone) + "m" + row.Text + "\x1b[0m"
}
