// SPDX-License-Identifier: Apache-2.0

package networkacl

import "fmt"

// largestQuota is the most that AWS raises the quota of entries a direction and family to.
const largestQuota = 40

// named gives a network ACL for messages. A clone that is only planned has no id.
func named(aclID string) string {
	if aclID == "" {
		return "the clone of the network ACL"
	}
	return "network ACL " + aclID
}

// NoRoomError says that no free number is small enough to come before an entry that allows a
// destination.
type NoRoomError struct {
	NetworkACLID string
	Destination  Destination
	// Allow is the entry that has to come later.
	Allow Entry
}

// Error says which entry is in the way, and what to do about it. It is the same for equal input.
func (e *NoRoomError) Error() string {
	fix := fmt.Sprintf("give rule %d a larger number", e.Allow.Number)
	if e.Allow.Number > FirstNumber {
		fix = fmt.Sprintf("free a number below %d, or %s", e.Allow.Number, fix)
	}
	return fmt.Sprintf("%s has no free number to deny %s before rule %d, which allows %s: %s",
		named(e.NetworkACLID), e.Destination, e.Allow.Number, e.Allow.traffic(), fix)
}

// QuotaError says that the network ACL can't hold the rules.
type QuotaError struct {
	// NetworkACLID is empty for a clone: its original's entries are what has to become fewer.
	NetworkACLID string
	Family       Family
	// Have is how many outbound entries of the family there are, the default entry included.
	Have int
	// Need is how many more the plan takes.
	Need int
	// Quota is how many fit.
	Quota int
}

// Error says how many entries have to go. It is the same for equal input.
func (e *QuotaError) Error() string {
	fix := fmt.Sprintf("delete %d of them", e.Have+e.Need-e.Quota)
	if e.Quota < largestQuota {
		fix += fmt.Sprintf(", or raise the quota of rules per network ACL (L-2AEEBF1A, %d at most)", largestQuota)
	}
	return fmt.Sprintf("%s has %d outbound %s rules, the default one included, of the %d that its quota allows, and the run needs %d more: %s",
		named(e.NetworkACLID), e.Have, e.Family, e.Quota, e.Need, fix)
}
