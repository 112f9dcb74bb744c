// SPDX-License-Identifier: Apache-2.0

package removal

import (
	"time"

	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
)

// Evidence is what one process saw of the entries that runs own, in reads and answers. It tells
// what all reads in a row show from what one does, which may only lag; a restart loses it and costs
// the time. The zero value saw nothing.
type Evidence struct{ all map[place]seen }

// seen is what was seen of one entry.
type seen struct {
	// deleted is since when AWS's acknowledgement says that it is deleted.
	deleted networkacl.Since
	// lacking is since when reads lack it, and taken says that the last one shows another at its
	// number.
	lacking networkacl.Since
	taken   bool
}

// Next notes what a read shows of an entry, and says what its removal takes next.
func (e *Evidence) Next(claim Claim, observed []networkacl.Entry, now time.Time) Next {
	s := e.all[claim.place]
	shown, taken := claim.isIn(observed)
	s.taken = taken
	if shown {
		s.lacking.Clear()
	} else {
		s.lacking.Observe(now)
	}

	if !s.deleted.Time().IsZero() {
		s.deleted.Observe(now) // for a clock that was set back
	}

	next := decide(claim, s, now)
	if next.Step == StepDelete {
		s.deleted.Clear() // it stands again
	}

	e.put(claim, s)
	return next
}

// IsGone reports whether an entry is gone for certain, as far as the last reads and answers tell.
func (e *Evidence) IsGone(claim Claim, now time.Time) bool {
	s := e.all[claim.place]
	return !s.deleted.Time().IsZero() || !s.lacking.Time().IsZero() && decide(claim, s, now).Step == StepGone
}

// Acknowledge notes that AWS deleted an entry.
func (e *Evidence) Acknowledge(claim Claim, now time.Time) {
	s := e.all[claim.place]
	s.deleted.Clear()
	s.deleted.Observe(now)
	e.put(claim, s)
}

// Forget notes that AWS is asked to create an entry: what was seen of one in its place says nothing
// of it.
func (e *Evidence) Forget(claim Claim) { delete(e.all, claim.place) }

// ForgetLacking forgets which entries reads lack. What AWS deleted stays so.
func (e *Evidence) ForgetLacking() {
	for at, s := range e.all {
		s.lacking.Clear()
		e.all[at] = s
	}
}

func (e *Evidence) put(claim Claim, s seen) {
	if e.all == nil {
		e.all = map[place]seen{}
	}
	e.all[claim.place] = s
}
