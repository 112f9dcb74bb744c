// SPDX-License-Identifier: Apache-2.0

// Package clone puts the denies of one run on a copy of its subnet's network ACL: it promises that
// the copy serves the subnet only while it has what the original has, that it changes and deletes
// no network ACL which is not proved to be the run's copy, and that the subnet gets the original
// back unless that would lose what a third party changed.
//
// Every step finds out where the one before came to, and can be repeated from any point.
package clone
