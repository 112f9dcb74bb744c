// SPDX-License-Identifier: Apache-2.0

package networkacl

// Outcome is what is known after a call that changes something.
type Outcome int

const (
	// Done: AWS acknowledged the call.
	Done Outcome = iota
	// Taken: an entry with that number is there already. It has to be read before anything is said
	// of it.
	Taken
	// Refused: AWS answered that it did nothing.
	Refused
	// Unknown: no answer came that reports whether the call took effect.
	Unknown
	// Stale: the association is no longer the subnet's, so nothing was done. The subnet has to be
	// read afresh.
	Stale
	// InUse: the network ACL has a subnet, so nothing was done.
	InUse
	// Missing: AWS says that what was to go isn't there. Against a read that shows it that proves
	// nothing: see IsGone.
	Missing
)

// IsGone reports whether what was to be deleted is gone, given whether the last read shows it. AWS
// may say that something isn't there which it shows, as a part of it that lags does: then reads
// decide.
func (o Outcome) IsGone(shown bool) bool { return o == Done || o == Missing && !shown }
