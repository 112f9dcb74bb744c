// SPDX-License-Identifier: Apache-2.0

// Package ledger writes the object of a run: it promises that a line is stored before AWS is asked
// for its entry, and that each write compares what the pass rests on: the object's identity, its
// deletion, its status, and while no run is on also its spec.
//
// Nothing else writes an object, its finalizer included. What the status is to say is decided
// elsewhere: a pass changes Object's status, and Persist stores it. The package makes no call to
// AWS; its Fence is what calls that change something there rest on.
package ledger
