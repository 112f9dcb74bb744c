// SPDX-License-Identifier: Apache-2.0

// Package enforcement keeps the denies of one run on one network ACL: it promises that a phase of a
// run does not know, and need not ask, whether that is the subnet's own or a clone of it.
//
// New decides by the mode in the status. In place is here, clone in a package of its own, and what
// both do with entries, tags and reads in package entries.
package enforcement
