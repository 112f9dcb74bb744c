// SPDX-License-Identifier: Apache-2.0

// Package deadmanswitch keeps the dead man's switch of one run in line with its ledger: it promises
// that a deny on a clone has a schedule that deletes it before AWS is asked for it, that the
// schedules fire no earlier than the run ends, and that the switch counts as armed only while looks
// show its schedules.
//
// Package deadman makes the calls.
package deadmanswitch
