// SPDX-License-Identifier: Apache-2.0

// Package target says what a run's target is by now: its subnets, its agents and the addresses that
// they connect to. It promises that what AWS or the DNS did not answer counts as unknown, and that
// a run ends only where two looks agree that its target is no longer what it was.
//
// It reads, and asks nothing of AWS that changes something. What it finds is in the object's
// status; what a later pass needs of it is in a Memory.
package target
