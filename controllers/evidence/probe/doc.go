// SPDX-License-Identifier: Apache-2.0

// Package probe calls RunTask while the agents of a run are disconnected, and sees what it answers:
// it promises that each attempt is in the status before AWS is asked, and that the probe is over
// only once ECS shows no task of the run that is not stopped.
//
// Package probetasks makes the calls, package run keeps the counts. What the answers mean for the
// run, package conditions says.
package probe
