// SPDX-License-Identifier: Apache-2.0

// Package timeline says what happened in a run, and when: it promises a list that is bounded and in
// the order of time, whose first and last entries are kept, and whose counts leave out nothing.
//
// What happened is found by comparing the status with the timeline. A pass that stored the one and
// not the other loses nothing but what it alone saw, and one that is repeated adds nothing. The
// package makes no call and reads no clock. Nothing decides by a timeline: it is only shown.
package timeline
