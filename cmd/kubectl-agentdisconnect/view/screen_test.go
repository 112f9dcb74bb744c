// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/cmd/kubectl-agentdisconnect/view"
)

// terminal is what a terminal of a size shows of what is written to it, as far as a screen uses it.
type terminal struct {
	size view.Size
	// rows are all rows, those that scrolled out at the top included; row and column are where the
	// cursor is.
	rows        [][]rune
	row, column int
}

func (v *terminal) Write(p []byte) (int, error) {
	text := string(p)
	for text != "" {
		r, n := utf8.DecodeRuneInString(text)
		switch {
		case strings.HasPrefix(text, "\x1b["):
			end := strings.IndexFunc(text, func(r rune) bool { return r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' })
			v.control(text[2:end], text[end])
			text = text[end+1:]
			continue
		case r == '\n':
			v.row, v.column = v.row+1, 0
		case r == '\r':
			v.column = 0
		default:
			if v.column == v.size.Width {
				v.row, v.column = v.row+1, 0
			}
			v.put(r)
		}
		text = text[n:]
	}
	return len(p), nil
}

func (v *terminal) put(r rune) {
	for len(v.rows) <= v.row {
		v.rows = append(v.rows, nil)
	}
	for len(v.rows[v.row]) <= v.column {
		v.rows[v.row] = append(v.rows[v.row], ' ')
	}
	v.rows[v.row][v.column] = r
	v.column++
}

func (v *terminal) control(parameter string, command byte) {
	switch command {
	case 'A':
		n := 0
		_, _ = fmt.Sscan(parameter, &n) // else it stays 0
		v.row = max(v.row-n, v.top())
	case 'J':
		v.rows = v.rows[:min(len(v.rows), v.row)]
	case 'm':
	default:
		panic("no such sequence: " + parameter + string(command))
	}
}

// top is the first row that is on the screen.
func (v *terminal) top() int { return max(0, max(len(v.rows), v.row+1)-v.size.Height) }

// String is what is on the screen.
func (v *terminal) String() string {
	var b strings.Builder
	for _, row := range v.rows[min(v.top(), len(v.rows)):] {
		b.WriteString(strings.TrimRight(string(row), " ") + "\n")
	}
	return b.String()
}

func newTerminal(width, height int) (*terminal, *view.Screen) {
	v := &terminal{size: view.Size{Width: width, Height: height}}
	return v, view.NewScreen(v, func() view.Size { return v.size }, true)
}

const footer = "Ctrl-C asks whether to end the run."

func draw(s *view.Screen, obj *object, at time.Time) {
	s.Draw("chaos/checkout-agents   subnet-0c2e4a6b8d1f35790 of demo", view.Lines(obj, at), footer)
}

func TestTheBlockAtBothSizes(t *testing.T) {
	const narrow = `
chaos/checkout-agents   subnet-0c2e4a6b8d1f35790 of demo
State    Blocking
Rules    6 of 6 installed, as read back, on acl-01ab775c2a21943ea (Clone)
Agents   2 of 3 disconnected    ████████████████████░░░░░░░░░░
End      in 7m0s, at 10:28:01Z  █████████░░░░░░░░░░░░░░░░░░░░░
Problem  AccessDenied: AWS denies the action ec2:DescribeNetworkAcls to role
         arn:aws:iam::123456789012:role/manager
Ctrl-C asks whether to end the run.
`
	wide := strings.Replace(narrow, " to role\n         arn", " to role arn", 1)
	obj := blocking(isStalled(v1alpha1.ReasonAccessDenied, "AWS denies the action ec2:DescribeNetworkAcls to role arn:aws:iam::123456789012:role/manager"))
	for _, tc := range []struct {
		width, height int
		want          string
	}{{80, 24, narrow}, {120, 40, wide}} {
		v, s := newTerminal(tc.width, tc.height)
		draw(s, obj, now)
		NewWithT(t).Expect(strings.Split(v.String(), "\n")).To(Equal(strings.Split(tc.want, "\n")))
	}
}

func TestTheBlockIsDrawnInPlaceBelowTheLog(t *testing.T) {
	for _, size := range []view.Size{{Width: 80, Height: 24}, {Width: 120, Height: 40}, {Width: 40, Height: 12}} {
		g := NewWithT(t)
		v, s := newTerminal(size.Width, size.Height)
		for i := range 40 {
			s.Print(11, fmt.Sprintf("10:21:%02dZ  Blocking: %s", i, blockingMessage))
			draw(s, blocking(), now.Add(time.Duration(i)*time.Second))
			draw(s, blocking(), now.Add(time.Duration(i)*time.Second))
		}

		text := string(joined(v.rows))
		for i := range 40 {
			g.Expect(strings.Count(text, fmt.Sprintf("10:21:%02dZ  Blocking", i))).To(Equal(1), "what was printed stays")
		}
		g.Expect(strings.Count(text, "State    Blocking")).To(Equal(1), "one block is left: %s", v)
		g.Expect(v.String()).To(HaveSuffix(" the run.\n"), "it is below the log")
		g.Expect(strings.Count(v.String(), "\n")).To(BeNumerically("<=", size.Height))
		for _, row := range v.rows {
			g.Expect(len(row)).To(BeNumerically("<", size.Width), "no row reaches the edge: %q", string(row))
		}

		s.Erase()
		g.Expect(string(joined(v.rows))).NotTo(ContainSubstring("State    Blocking"))
	}
}

func joined(rows [][]rune) (text []rune) {
	for _, row := range rows {
		text = append(append(text, row...), '\n')
	}
	return text
}

func TestTheBlockTakesHalfOfTheScreenAtMost(t *testing.T) {
	long := strings.Repeat("a person must look at this ", 80)
	for _, size := range []view.Size{{Width: 80, Height: 24}, {Width: 120, Height: 40}, {Width: 20, Height: 4}, {Width: 10, Height: 1}} {
		rows := view.Block("title", view.Lines(blocking(isStalled("AccessDenied", long)), now), footer, size.Width, size.Height)
		g := NewWithT(t)
		g.Expect(len(rows)).To(BeNumerically("<=", max(1, size.Height/2)))
		for _, row := range rows {
			g.Expect(utf8.RuneCountInString(row.Text)).To(BeNumerically("<", size.Width))
		}
		g.Expect(rows[len(rows)-1].Text).To(HavePrefix(footer[:min(len(footer), size.Width-2)]))
	}
}

func TestATerminalThatBecomesNarrower(t *testing.T) {
	g := NewWithT(t)
	v, s := newTerminal(120, 40)
	s.Print(11, "10:21:00Z  first")
	draw(s, blocking(), now)
	// It wraps what it shows.
	var rows [][]rune
	for _, row := range v.rows {
		for len(row) > 40 {
			rows, row = append(rows, row[:40]), row[40:]
		}
		rows = append(rows, row)
	}
	v.rows, v.row, v.size = rows, len(rows), view.Size{Width: 40, Height: 40}
	draw(s, blocking(), now)
	g.Expect(strings.Count(v.String(), "State    Blocking")).To(Equal(1), v.String())
	g.Expect(v.String()).To(HavePrefix("10:21:00Z  first\n"))
}

func TestWithoutATerminalThereAreLinesAlone(t *testing.T) {
	g := NewWithT(t)
	var b strings.Builder
	s := view.NewScreen(&b, nil, true)
	s.Print(11, "10:21:00Z  "+blockingMessage)
	draw(s, blocking(), now)
	s.Erase()
	g.Expect(b.String()).To(Equal("10:21:00Z  " + blockingMessage + "\n"))
}

func TestAMessageCannotSteerTheTerminal(t *testing.T) {
	g := NewWithT(t)
	var b strings.Builder
	s := view.NewScreen(&b, func() view.Size { return view.Size{Width: 80, Height: 24} }, false)
	evil := "\x1b[2Jgone\r\nforged"
	s.Print(0, evil)
	s.Draw(evil, view.Lines(fresh(in(unknown, v1alpha1.StateRefused, evil), isStalled("X", evil)), now), evil)
	for _, line := range view.Table([]object{*fresh(in(unknown, v1alpha1.StateWaiting, evil))}, now, false, 0) {
		s.Print(0, line)
		g.Expect(line).NotTo(ContainSubstring("\n"))
	}
	g.Expect(b.String()).NotTo(ContainSubstring("\x1b[2J"))
	g.Expect(b.String()).NotTo(ContainSubstring("\r\n"))
}
