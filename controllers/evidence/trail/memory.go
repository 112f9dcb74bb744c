// SPDX-License-Identifier: Apache-2.0

package trail

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"time"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/evidence/record"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// memory is what a reader knows of the calls.
type memory struct {
	calls map[string]record.Call // by eventID: an event that comes twice is one call
	// unreadable and foreign are the times of the events that are no calls, by their ids.
	unreadable, foreign map[string]time.Time
	// newest is the time of the newest event of each name.
	newest map[string]time.Time
	// readAt is when the last read that succeeded began. Reads so far went back to since, and what
	// they showed is known from completeSince on.
	readAt, since, completeSince time.Time
}

func newMemory() memory {
	return memory{calls: map[string]record.Call{}, unreadable: map[string]time.Time{}, foreign: map[string]time.Time{}, newest: map[string]time.Time{}}
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
		m.foreign[e.id] = e.time
	case err != nil:
		m.unreadable[e.id] = e.time
	default:
		if _, ok := m.calls[call.EventID]; !ok {
			m.calls[call.EventID] = call
		}
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

// trim forgets what is too old, and the oldest of what is too much.
func (m *memory) trim(now time.Time) {
	oldest := now.Add(-keptFor)
	if len(m.calls) > mostCalls {
		times := make([]time.Time, 0, len(m.calls))
		for _, call := range m.calls {
			times = append(times, call.Time)
		}
		slices.SortFunc(times, time.Time.Compare)
		// Calls of one second are kept or forgotten together, since completeSince is a second.
		oldest = run.Latest(oldest, times[len(times)-mostCalls-1].Add(time.Second))
	}

	maps.DeleteFunc(m.calls, func(_ string, call record.Call) bool { return call.Time.Before(oldest) })
	for _, events := range []map[string]time.Time{m.unreadable, m.foreign} {
		maps.DeleteFunc(events, func(_ string, at time.Time) bool { return at.Before(oldest) })
		for id := range events {
			if len(events) <= mostCalls {
				break
			}
			delete(events, id) // they are only counted
		}
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
	for _, call := range m.calls {
		if !call.Time.Before(since) {
			a.Calls = append(a.Calls, call)
		}
	}
	slices.SortFunc(a.Calls, func(x, y record.Call) int {
		return cmp.Or(x.Time.Compare(y.Time), cmp.Compare(x.EventID, y.EventID))
	})
	a.Unreadable, a.Foreign = countSince(m.unreadable, since), countSince(m.foreign, since)
	return a
}

func countSince(events map[string]time.Time, since time.Time) (n int) {
	for _, at := range events {
		if !at.Before(since) {
			n++
		}
	}
	return n
}
