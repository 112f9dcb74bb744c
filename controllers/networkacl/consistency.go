// SPDX-License-Identifier: Apache-2.0

package networkacl

import "time"

// ConfirmInterval is between two reads that must agree before something is held against what they
// are of.
const ConfirmInterval = 5 * time.Second

// Confirmation tells what two reads in a row show from what one does, which may only lag. The zero
// value has seen nothing.
type Confirmation struct {
	reason, what string
	// first is when a read first showed it.
	first time.Time
	// reads is how many reads in a row showed it, the last one that counts at the time at.
	reads int
	at    time.Time
}

// Observe adds a read that showed something for a reason, in words for people, and reports whether
// that confirms it: an earlier read showed it too, ConfirmInterval before or more, and none between
// them another. What was confirmed takes two reads again.
func (c *Confirmation) Observe(reason, what string, now time.Time) (confirmed bool) {
	if reason != c.reason || now.Before(c.first) { // a clock that was set back proves nothing
		*c = Confirmation{reason: reason, first: now}
	}
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
func (c *Confirmation) Since() time.Time { return c.first }

// IsPending reports whether a read showed something that another one is to confirm.
func (c *Confirmation) IsPending() bool { return c.reads > 0 }

// Pending gives what is suspected, in words, and after when a read decides. ok is false where
// nothing is, or nothing that people are told.
func (c *Confirmation) Pending() (what string, decides time.Time, ok bool) {
	return c.what, c.first.Add(ConfirmInterval), c.IsPending() && c.what != ""
}
