// SPDX-License-Identifier: Apache-2.0

package networkacl

import "time"

// How long reads may lag behind writes. AWS says that it can be minutes.
const (
	// ConfirmInterval is between two reads that must agree before something is held against what
	// they are of.
	ConfirmInterval = 5 * time.Second
	// LackingFor is how long, by a process's own reads, an entry whose creation was never answered
	// must be lacking before it counts as never made, beside the time that the ledger tells: clocks
	// of two managers differ.
	LackingFor = 30 * time.Second
	// SettleFor is how long after our last write a read that contradicts it is put down to lag.
	SettleFor = 2 * time.Minute
	// AmbiguousFor is how long reads must lack an entry whose creation was never answered before it
	// counts as never made.
	AmbiguousFor = 5 * time.Minute
)

// Since is since when all reads in a row show something. The zero value: the last one did not.
type Since struct{ at time.Time }

// Observe adds a read that shows it, and gives since when all do. A clock that was set back proves
// nothing: it begins anew.
func (s *Since) Observe(now time.Time) time.Time {
	if s.at.IsZero() || s.isAheadOf(now) {
		s.at = now
	}
	return s.at
}

// isAheadOf reports whether it began in what the clock now calls the time to come.
func (s Since) isAheadOf(now time.Time) bool { return now.Before(s.at) }

// Clear notes a read that does not show it.
func (s *Since) Clear() { s.at = time.Time{} }

// Time gives since when; zero: the last read did not show it.
func (s Since) Time() time.Time { return s.at }

// HasLasted reports whether reads have shown it for so long.
func (s Since) HasLasted(long time.Duration, now time.Time) bool {
	return !s.at.IsZero() && now.Sub(s.at) >= long
}

// Confirmation tells what two reads in a row show from what one does, which may only lag. The zero
// value has seen nothing.
type Confirmation struct {
	reason, what string
	// since is since when reads show it.
	since Since
	// reads is how many reads in a row showed it, the last one that counts at the time at.
	reads int
	at    time.Time
}

// Observe adds a read that showed something for a reason, in words for people, and reports whether
// that confirms it: an earlier read showed it too, ConfirmInterval before or more, and none between
// them another. What was confirmed takes two reads again.
func (c *Confirmation) Observe(reason, what string, now time.Time) (confirmed bool) {
	if reason != c.reason || c.since.isAheadOf(now) {
		*c = Confirmation{reason: reason}
	}

	c.since.Observe(now)
	c.what = what
	if c.reads > 0 && now.Sub(c.at) < ConfirmInterval {
		return false // too soon to say more than the one before
	}

	c.reads, c.at = c.reads+1, now
	if c.reads < 2 {
		return false
	}

	c.reads = 0
	return true
}

// Clear forgets what reads showed: the last one did not.
func (c *Confirmation) Clear() { *c = Confirmation{} }

// Since gives when the reads in a row began that showed it, the last read among them. The zero
// time: the last one did not.
func (c *Confirmation) Since() time.Time { return c.since.Time() }

// IsPending reports whether a read showed something that another one is to confirm.
func (c *Confirmation) IsPending() bool { return c.reads > 0 }

// Pending gives what is suspected, in words, and after when a read decides. ok is false where
// nothing is, or nothing that people are told.
func (c *Confirmation) Pending() (what string, decides time.Time, ok bool) {
	return c.what, c.Since().Add(ConfirmInterval), c.IsPending() && c.what != ""
}
