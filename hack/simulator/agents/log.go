// SPDX-License-Identifier: Apache-2.0

package agents

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// logLines is how much of an agent's log is kept: hours of a healthy agent, and every line of a blocked one's first half hour.
const logLines = 500

// Line is one line of an agent's log.
type Line struct {
	Time  time.Time
	Level string
	Text  string
	// Fields are what follows the text: error="…" and the like.
	Fields string
	// Planned: the session's end that the line tells of is by plan. The words are the same where TCS was silent for too long.
	Planned bool
}

// String is the line as the agent's log file has it.
func (l Line) String() string {
	line := fmt.Sprintf("level=%s time=%s msg=%q", l.Level, l.Time.UTC().Format(time.RFC3339), l.Text)
	if l.Fields != "" {
		line += " " + l.Fields
	}
	return line
}

// fields are names and values in turn, as the agent's logger writes them: texts, errors and times in words are quoted.
func fields(pairs []any) string {
	var out []string
	for n := 0; n+1 < len(pairs); n += 2 {
		switch value := pairs[n+1].(type) {
		case string, error:
			out = append(out, fmt.Sprintf("%v=%q", pairs[n], fmt.Sprint(value)))
		case time.Time:
			out = append(out, fmt.Sprintf("%v=%q", pairs[n], value.UTC().Format(time.DateTime)))
		default:
			out = append(out, fmt.Sprintf("%v=%v", pairs[n], value))
		}
	}
	return strings.Join(out, " ")
}

// journal is the end of an agent's log.
type journal struct {
	mu    sync.Mutex
	lines []Line
}

func (j *journal) add(l Line) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.lines) == logLines {
		j.lines = append(j.lines[:0], j.lines[1:]...)
	}
	l.Time = time.Now()
	j.lines = append(j.lines, l)
}

func (j *journal) info(text string, pairs ...any) {
	j.add(Line{Level: "info", Text: text, Fields: fields(pairs)})
}

func (j *journal) warn(text string, pairs ...any) {
	j.add(Line{Level: "warn", Text: text, Fields: fields(pairs)})
}

func (j *journal) fail(text string, pairs ...any) {
	j.add(Line{Level: "error", Text: text, Fields: fields(pairs)})
}

func (j *journal) all() []Line {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]Line(nil), j.lines...)
}
