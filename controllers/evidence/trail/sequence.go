// SPDX-License-Identifier: Apache-2.0

package trail

import (
	"cmp"
	"slices"
	"time"

	"agentdisconnect.dev/agentdisconnect/controllers/evidence/record"
)

// mark is what an event is known by, and where it stands among others.
type mark struct {
	time time.Time
	id   string
}

func (m mark) compare(other mark) int {
	return cmp.Or(m.time.Compare(other.time), cmp.Compare(m.id, other.id))
}

func markOfMark(m mark) mark        { return m }
func markOfCall(c record.Call) mark { return mark{c.Time, c.EventID} }

// sequence has events in the order of time, each once. They are put in order once a read, so that the
// looks of all runs in between cost next to nothing. What it gives out never changes afterwards.
type sequence[T any] struct {
	markOf  func(T) mark
	known   map[string]struct{} // by id
	ordered []T
	// added are those that are not in order yet.
	added []T
}

func newSequence[T any](markOf func(T) mark) sequence[T] {
	return sequence[T]{markOf: markOf, known: map[string]struct{}{}}
}

// add adds an event, unless it is there already.
func (s *sequence[T]) add(event T) {
	id := s.markOf(event).id
	if _, ok := s.known[id]; !ok {
		s.known[id] = struct{}{}
		s.added = append(s.added, event)
	}
}

// order puts in order what was added. What was given out before has a list of its own.
func (s *sequence[T]) order() {
	if len(s.added) == 0 {
		return
	}
	s.ordered = slices.Concat(s.ordered, s.added)
	slices.SortFunc(s.ordered, func(x, y T) int { return s.markOf(x).compare(s.markOf(y)) })
	s.added = nil
}

// since gives those from a time on.
func (s *sequence[T]) since(from time.Time) []T { return slices.Clip(s.ordered[s.indexAt(from):]) }

// forget drops those from before a time.
func (s *sequence[T]) forget(before time.Time) {
	n := s.indexAt(before)
	for _, event := range s.ordered[:n] {
		delete(s.known, s.markOf(event).id)
	}
	s.ordered = s.ordered[n:]
}

// beyond is the time from which on there are fewer than so many; zero: there are no more in all.
// Those of one second are kept or forgotten together, since what is complete begins with a second.
func (s *sequence[T]) beyond(most int) time.Time {
	if len(s.ordered) <= most {
		return time.Time{}
	}
	return s.markOf(s.ordered[len(s.ordered)-most-1]).time.Add(time.Second)
}

func (s *sequence[T]) indexAt(from time.Time) int {
	i, _ := slices.BinarySearchFunc(s.ordered, from, func(event T, from time.Time) int { return s.markOf(event).time.Compare(from) })
	return i
}
