// SPDX-License-Identifier: Apache-2.0

// Package evidence holds what shows that a run did what it is for: package record understands the
// records of calls, package trail reads them, package callers judges who met AGENT and recovered, and
// package verification has the status of a run say so. Packages probe and probetasks call RunTask;
// the others change nothing in AWS.
package evidence
