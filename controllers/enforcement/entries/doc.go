// SPDX-License-Identifier: Apache-2.0

// Package entries keeps the entries of one run on one network ACL, whichever mode the run has: it
// promises that a deny is in the ledger, in the tags and in the dead man's switch before it is in
// AWS, that drift is acted on only when two reads agree, and that no entry is deleted which the
// ledger does not have as a whole.
//
// It does not know where the network ACL comes from, nor what becomes of it: that is its Mode.
package entries
