// SPDX-License-Identifier: Apache-2.0

package agents

import (
	"fmt"
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
}

// String is the line as the agent's log file has it.
func (l Line) String() string {
	return fmt.Sprintf("level=%s time=%s msg=%q", l.Level, l.Time.UTC().Format(time.RFC3339), l.Text)
}

// journal is the end of an agent's log.
type journal struct {
	mu    sync.Mutex
	lines []Line
}

func (j *journal) add(level, format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.lines) == logLines {
		j.lines = append(j.lines[:0], j.lines[1:]...)
	}
	j.lines = append(j.lines, Line{Time: time.Now(), Level: level, Text: fmt.Sprintf(format, args...)})
}

func (j *journal) info(format string, args ...any) { j.add("info", format, args...) }
func (j *journal) warn(format string, args ...any) { j.add("warn", format, args...) }
func (j *journal) fail(format string, args ...any) { j.add("error", format, args...) }

func (j *journal) all() []Line {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]Line(nil), j.lines...)
}
