// SPDX-License-Identifier: Apache-2.0

package trail

import (
	"errors"
	"time"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/evidence/record"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// memory is what a reader knows of the calls.
type memory struct {
	calls sequence[record.Call]
	// unreadable and foreign are the events that are no calls.
	unreadable, foreign sequence[mark]
	// newest is the time of the newest event of each name.
	newest map[string]time.Time
	// readAt is when the last read that succeeded began. Reads so far went back to since, and what
	// they showed is known from completeSince on.
	readAt, since, completeSince time.Time
}

func newMemory() memory {
	return memory{
		calls: newSequence(markOfCall), unreadable: newSequence(markOfMark), foreign: newSequence(markOfMark),
		newest: map[string]time.Time{},
	}
}

// entry is an event as LookupEvents has it.
type entry struct {
	name, id, text string
	time           time.Time
}

// add takes in an event.
func (m *memory) add(e entry) {
	if e.time.After(m.newest[e.name]) {
		m.newest[e.name] = e.time
	}

	call, err := record.Parse(e.text)
	switch {
	case errors.Is(err, record.ErrForeign):
		m.foreign.add(mark{e.time, e.id})
	case err != nil:
		m.unreadable.add(mark{e.time, e.id})
	default:
		m.calls.add(call)
	}
}

// covers reports whether the reads so far went back to a time.
func (m *memory) covers(since time.Time) bool {
	return !m.readAt.IsZero() && !since.Before(m.since)
}

// readFrom gives for each name where the next read begins: by overlap behind what is known, for
// events that come late.
func (m *memory) readFrom(since time.Time, overlap time.Duration) map[string]time.Time {
	from := map[string]time.Time{record.RunTask: since, record.StartTask: since}
	if !m.covers(since) {
		return from
	}

	for name := range from {
		from[name] = run.Latest(m.since, run.Earliest(m.newest[name], m.readAt).Add(-overlap))
	}
	return from
}

// settle takes in a read that succeeded. cut is from when on it showed everything, where there was
// more than a read takes in.
func (m *memory) settle(ended *read, cut time.Time) {
	if !m.covers(ended.since) {
		m.since, m.completeSince = ended.since, ended.since
	}
	m.completeSince = run.Latest(m.completeSince, cut)
	m.readAt = ended.began
}

// order puts in order what a read added. Until then it is in no answer.
func (m *memory) order() {
	m.calls.order()
	m.unreadable.order()
	m.foreign.order()
}

// trim forgets what is too old, and the oldest of what is too much.
func (m *memory) trim(now time.Time) {
	oldest := run.Latest(now.Add(-keptFor), m.calls.beyond(mostCalls))
	m.calls.forget(oldest)
	for _, counted := range []*sequence[mark]{&m.unreadable, &m.foreign} {
		counted.forget(run.Latest(oldest, counted.beyond(mostCalls)))
	}
	m.completeSince = run.Latest(m.completeSince, oldest)
}

// answer gives what is known since a time.
func (m *memory) answer(since, now time.Time) Answer {
	a := Answer{ReadAt: m.readAt, CompleteSince: run.Latest(since, m.completeSince)}
	if m.readAt.IsZero() {
		return a
	}

	a.Age = aws.Elapsed(m.readAt, now)
	if !m.covers(since) {
		a.CompleteSince = run.Latest(m.since, m.completeSince)
	}
	a.Calls = m.calls.since(since)
	a.Unreadable, a.Foreign = len(m.unreadable.since(since)), len(m.foreign.since(since))
	return a
}
