// SPDX-License-Identifier: Apache-2.0

// Package enforcement keeps the denies of one run on one network ACL, in place or on a clone: it
// promises that a deny is in the ledger, in the tags and in the dead man's switch before it is in
// AWS, that what reads show of a third party is acted on only when two agree, and that nothing is
// removed which is not proved to be the run's.
//
// Every step finds out where the one before came to, and can be repeated from any point. What a
// later pass needs to know of reads is in an Observation.
package enforcement
