// SPDX-License-Identifier: Apache-2.0

package entries

import (
	"time"
)

// What a mode tells of its own writes, which the last read could not show.

// NoteWrittenTags notes the tags that AWS was asked to give the network ACL, and did.
func (e *Entries) NoteWrittenTags(tags map[string]string) { e.seen.tags, e.seen.written = tags, tags }

// ForgetACL forgets the network ACL as last read: it is another one from now on.
func (e *Entries) ForgetACL() { e.seen.acl = nil }

// ForgetMissing forgets since when reads lack the network ACL: it is no longer the run's.
func (e *Entries) ForgetMissing() { e.seen.missing.Clear() }

// ForgetEnforced forgets what was seen under the rules after they were lifted. It says nothing of
// what comes after, and they are put in place anew on a new read.
func (e *Entries) ForgetEnforced() {
	e.seen.drift.Clear()
	e.seen.readAt, e.seen.enforcedSince = time.Time{}, time.Time{}
	e.seen.removed.ForgetLacking()
	e.Cache.Others.Forget()
}

// ConfirmByReads adds a read that showed something, and reports whether two do. People are not told
// of it before.
func (e *Entries) ConfirmByReads(reason string) bool {
	return e.seen.drift.Observe(reason, "", e.Now)
}

// ForgetDrift notes that the last read showed everything as it should be.
func (e *Entries) ForgetDrift() { e.seen.drift.Clear() }
