// SPDX-License-Identifier: Apache-2.0

// Package history is a model test of the manager: seeded random histories of users, third parties, agents, crashes and faults
// in a simulated Region, each held against what the product promises, at every instant and at its end.
//
// A history is a list of operations. Every operation holds all of its own randomness, so that one can be taken out and the
// others stay as they were: of a history that fails, the shortest is found that still does (see Shrink), printed, and can be
// run again (see Replay).
//
// What the histories promise each other: nothing that even the product's documentation calls lost is drawn. That is, no
// third party takes the ownership tags off a network ACL whose run has lost its object, the numbers in a ledger are edited only
// by the operation that says so, and a number of the run is not given to a third party's entry while reads still show the run's (no API
// of AWS can tell the two apart in one call).
package history
