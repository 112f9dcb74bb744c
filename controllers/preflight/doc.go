// SPDX-License-Identifier: Apache-2.0

// Package preflight decides whether a run may begin, and how its rules would be put on the network
// ACL: it promises that nothing is written to AWS, and that a plan is made by the checks by which a
// run begins. What the first look shows to stand against a start is said alone, so that a run which
// can't begin costs little; everything else is said at once.
//
// gather asks AWS and the DNS, and fills Findings; the checks, which are listed in checks.go, go by
// these alone; what they say makes up a Report. MakeReady and SettlePlacement have a run begin by
// it, and Plan puts it into a plan. What differs between the modes is in mode.go.
package preflight
