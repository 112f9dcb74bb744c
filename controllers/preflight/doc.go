// SPDX-License-Identifier: Apache-2.0

// Package preflight decides whether a run may begin, and how its rules would be put on the network
// ACL: it promises that nothing is written to AWS, and that a plan is made by the checks by which a
// run begins. What prevents a start at the first look is reported alone, so that a run which can't
// begin costs little, except missing permissions, of which all are named; everything else is
// reported at once.
//
// gather asks AWS and the DNS, and fills Findings. The checks that checks.go lists go by these
// alone; checkPermissions asks AWS, and checkRuns the API server. What they find makes up a Report.
// MakeReady and SettlePlacement have a run begin by it, and Plan puts it into a plan. What differs
// between the modes is in mode.go.
package preflight
