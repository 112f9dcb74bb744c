// SPDX-License-Identifier: Apache-2.0

// Package brakes reads halts, alarms and the safety lever of AWS FIS, and decides what they mean for a run.
//
// It promises that a start is refused unless every brake was read and none is engaged, that one read of an engaged brake ends
// a run, and that an alarm or a lever which can't be read ends a run that is on after a minute. It knows no pass and writes nothing:
// package braking applies what it decides.
package brakes
