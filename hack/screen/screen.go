// SPDX-License-Identifier: Apache-2.0

package screen

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

const (
	// Width is what lines are wrapped to where the terminal isn't narrower: it fits a log, and a page of documentation.
	Width = 100
	// leastWidth is where wrapping ends, since nothing could be read any more.
	leastWidth = 40
	indent     = "  "
	redraw     = 120 * time.Millisecond
	// plainRepeat is how often a log hears of a wait that shows nothing new, and plainChange how soon after a line of its own.
	plainRepeat = 20 * time.Second
	plainChange = 3 * time.Second
)

// Style is how a piece of text stands out on a terminal.
type Style string

// The styles, as parameters of the terminal's sequence for them.
const (
	Plain  Style = ""
	Bold   Style = "1"
	Dim    Style = "2"
	Good   Style = "32"
	Bad    Style = "31"
	Marked Style = "33"
)

var frames = []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")

// Screen is where a run is shown. Its methods may be called from any goroutine. Use New.
type Screen struct {
	out      *os.File
	terminal bool
	color    bool

	mu     sync.Mutex
	live   string // what is waited for; empty: nothing is
	detail string // what is said beside it
	since  time.Time
	shown  string // plain: what the last line about the wait said
	last   time.Time
	frame  int
	drawn  bool // terminal: the live line is on the screen
	closed chan struct{}
	ended  sync.WaitGroup
}

// New makes a screen of a file, which is a terminal or not. Close it.
func New(out *os.File) *Screen {
	terminal := term.IsTerminal(int(out.Fd())) && os.Getenv("TERM") != "dumb"
	s := &Screen{out: out, terminal: terminal, color: terminal && os.Getenv("NO_COLOR") == "", closed: make(chan struct{})}
	s.ended.Go(s.loop)
	return s
}

// Close takes the live line away.
func (s *Screen) Close() {
	close(s.closed)
	s.ended.Wait()
	s.Done()
}

func (s *Screen) loop() {
	tick := time.NewTicker(redraw)
	defer tick.Stop()
	for {
		select {
		case <-s.closed:
			return
		case <-tick.C:
			s.mu.Lock()
			s.frame++
			s.draw()
			s.mu.Unlock()
		}
	}
}

// Print writes lines, each wrapped to the width under its own indentation.
func (s *Screen) Print(style Style, format string, args ...any) {
	s.write(style, true, fmt.Sprintf(format, args...))
}

// Block writes lines as they are, for what a reader may want to copy.
func (s *Screen) Block(style Style, text string) { s.write(style, false, text) }

// Result writes how something went: a mark that stands out, what was seen, and how long it took.
func (s *Screen) Result(style Style, mark, text string, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	lead := indent + mark + " "
	for i, piece := range wrap(lead+text+gap+"("+Seconds(took)+")", s.width()) {
		if i == 0 {
			piece = indent + s.paint(style, mark) + " " + strings.TrimPrefix(piece, lead)
		}
		fmt.Fprintln(s.out, piece)
	}
	s.draw()
}

// Seconds is a duration as the screen has it.
func Seconds(d time.Duration) string {
	if d >= time.Minute {
		d = d.Round(time.Second)
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%.1fs", d.Seconds())
}

func (s *Screen) write(style Style, wrapped bool, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		pieces := []string{line}
		if wrapped {
			pieces = wrap(line, s.width())
		}
		for _, piece := range pieces {
			fmt.Fprintln(s.out, s.paint(style, piece))
		}
	}
	s.draw()
}

// Wait says what is seen while something is waited for, and a detail that changes all the time, or none. On a terminal that
// is a live line with the time it takes, until Done; elsewhere it is a line when what is seen changes, and at intervals.
func (s *Screen) Wait(what, detail string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live == "" {
		s.since, s.last, s.shown = time.Now(), time.Now(), ""
	}
	s.live, s.detail = what, detail
	s.draw()
}

// Done ends the live line.
func (s *Screen) Done() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	s.live, s.detail = "", ""
}

// draw shows the live line. The lock must be held.
func (s *Screen) draw() {
	if s.live == "" {
		return
	}
	text := s.live
	if s.detail != "" {
		text += "; " + s.detail
	}
	waited := time.Since(s.since).Round(time.Second)
	if !s.terminal {
		quiet := time.Since(s.last)
		if (s.live != s.shown && quiet >= plainChange) || quiet >= plainRepeat {
			for _, piece := range wrap(fmt.Sprintf("%s… %s (%s)", indent, text, waited), Width) {
				fmt.Fprintln(s.out, piece)
			}
			s.last, s.shown = time.Now(), s.live
		}
		return
	}
	line := []rune(fmt.Sprintf("%s%c %3s  %s", indent, frames[s.frame%len(frames)], waited, text))
	// A line that wraps could not be taken away again.
	if most := s.width() - 1; len(line) > most {
		line = append(line[:most-1], '…')
	}
	fmt.Fprint(s.out, "\r\x1b[K", s.paint(Dim, string(line)))
	s.drawn = true
}

// erase takes the live line away. The lock must be held.
func (s *Screen) erase() {
	if s.drawn {
		fmt.Fprint(s.out, "\r\x1b[K")
		s.drawn = false
	}
}

func (s *Screen) paint(style Style, text string) string {
	if !s.color || style == Plain || text == "" {
		return text
	}
	return "\x1b[" + string(style) + "m" + text + "\x1b[0m"
}

// width is how many columns there are to fill.
func (s *Screen) width() int {
	if !s.terminal {
		return Width
	}
	columns, _, err := term.GetSize(int(s.out.Fd()))
	if err != nil || columns <= 0 {
		return Width
	}
	return max(leastWidth, min(columns, Width))
}
