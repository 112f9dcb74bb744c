// SPDX-License-Identifier: Apache-2.0

// Package pass is what one pass over an object works with: it promises that a call which changes
// AWS rests on the object being as the pass knows it, and that what a pass learned outlives it.
// VerifyAccount makes sure that the calls for a run that has begun go to its account and Region.
//
// The fields of a Pass are read by all that takes part in it, and written by this package alone. Two
// are changed by what they point to: the object's status, which says what the pass found, and what
// the pass remembers for later ones, which has methods of its own. hack/onewriter checks that.
package pass
