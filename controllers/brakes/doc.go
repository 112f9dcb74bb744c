// SPDX-License-Identifier: Apache-2.0

// Package brakes reads what stops runs that have nothing wrong with themselves, and decides what that means for a run.
//
// It promises that a start is refused unless every brake was read and none is engaged, that one read of an engaged brake ends
// a run, and that a brake which can't be read ends a run that is on after a minute. It knows no pass and writes nothing:
// package braking applies what it decides.
package brakes
