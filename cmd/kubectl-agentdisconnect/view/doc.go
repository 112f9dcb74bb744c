// SPDX-License-Identifier: Apache-2.0

// Package view turns an AgentDisconnect and a time into what a person or a pipeline reads: lines,
// tables and a verdict.
//
// It promises that each line follows from the object and the time alone, that a message of a
// condition is printed as it is stored, and that a view never claims more than the status does. It
// asks no cluster, reads no clock and ends no process.
//
// To show something more of a run, write a part (see parts) that gives one line, and add it to the
// list.
package view
