// SPDX-License-Identifier: Apache-2.0

package removal

import (
	"slices"

	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
)

// Disposition is what becomes of a clone.
type Disposition int

const (
	// Leave: nothing is done with it. The sweep alone decides so, before it asks for a disposition:
	// where the tags do not prove that the clone, or all of it, is the run's. The ledger proves that.
	Leave Disposition = iota
	// Delete: nothing uses it.
	Delete
	// Return: it serves its subnet, which gets the original back; then it goes.
	Return
	// Adopt: it serves its subnet, and there is no original to restore. It stays, without anything
	// of the run.
	Adopt
	// Edited: it serves its subnet with a third party's edit, which is not thrown away. The denies
	// go, and it stays until the edit is gone or stands in the original too.
	Edited
	// InUse: another subnet uses it. The denies go, and it stays until that one has left.
	InUse
)

// DispositionOf decides what becomes of a clone that was made for a subnet, by a read of it and of
// its original; nil: not there. edited says that a third party edited it while it served.
func DispositionOf(clone, original *networkacl.ACL, subnetID string, edited bool) Disposition {
	switch {
	case clone == nil, len(clone.SubnetIDs) == 0:
		return Delete // AWS itself reports whether it is there, and deletes none that a subnet is on
	case !slices.Contains(clone.SubnetIDs, subnetID):
		return InUse
	case original == nil:
		return Adopt
	case edited:
		return Edited
	default:
		return Return
	}
}
