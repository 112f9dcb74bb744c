// SPDX-License-Identifier: Apache-2.0

// Package problem turns what went wrong in a pass into one reason and a message that names the fix:
// it promises the same words for the same cause, and first the error that must be solved first; of
// two that are equal, the one that was joined first.
//
// It also has the words that messages share: counts, lists and times. It does not decide what
// becomes of the run.
package problem
