// SPDX-License-Identifier: Apache-2.0

package clones

import (
	"fmt"

	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
)

// RenumberError says that a change of the original can't be made to its clone, whose rules would
// need other numbers.
type RenumberError struct {
	// Entry is the original's.
	Entry networkacl.Entry
	// Why says what is in its way.
	Why string
}

// Error says what to do about it. It is the same for equal input.
func (e *RenumberError) Error() string {
	return fmt.Sprintf("the original network ACL was changed in a way that can't be copied to its clone: %s: %s: revert the change, or run again, "+
		"with a clone of the network ACL as it is now", e.Entry, e.Why)
}
