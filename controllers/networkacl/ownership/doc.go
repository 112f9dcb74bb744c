// SPDX-License-Identifier: Apache-2.0

// Package ownership puts into the tags of a network ACL who owns which of its entries, and reads it
// there, for a reader who has nothing else: it promises that what can't be read is named, and that
// nothing is claimed by it.
//
// It turns values into values: it writes no tag and deletes no entry.
package ownership
