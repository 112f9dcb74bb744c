// SPDX-License-Identifier: Apache-2.0

// Package conditions computes the conditions of an object: it promises that they follow from the
// Input alone, which is what the pass knows and not what an earlier pass said, and that they claim
// nothing that was not looked at lately.
//
// Nothing else sets a condition. The package makes no call, reads no clock and decides nothing
// about the run.
package conditions
