// SPDX-License-Identifier: Apache-2.0

package run

import (
	"time"
)

const (
	// StaleIntervals is how many intervals may go by without an answer before what was seen last
	// counts as unknown: one or two are lost to throttling or to a change of the leader.
	StaleIntervals = 4
	// shortestBelief is for how long an answer is believed at least: ECS and reads of EC2 lag by
	// that much anyway.
	shortestBelief = time.Minute
	// NoteInterval is how often at most the status is written only to say when the agents were last
	// looked at.
	NoteInterval = time.Minute
)

// Look is when something was last looked at by this process, and for how long what it showed may be
// said.
type Look struct {
	// At is when; zero: not since the process started.
	At      time.Time
	GoodFor time.Duration
}

// LookedAt is a look at something that is looked at once an interval.
func LookedAt(at time.Time, interval time.Duration) Look {
	return Look{at, max(StaleIntervals*interval, shortestBelief)}
}

// Fresh reports whether what the look showed may still be said.
func (l Look) Fresh(now time.Time) bool { return !l.At.IsZero() && now.Sub(l.At) < l.GoodFor }
