// SPDX-License-Identifier: Apache-2.0

// Package verification brings status.callers in line with what CloudTrail shows of the callers of a
// run whose rules are gone: it promises that a pass waits for CloudTrail for a moment at most, and
// that the status says no more than the reads do.
//
// It does not decide when the run is over, and calls nothing but LookupEvents.
package verification
