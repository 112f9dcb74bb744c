// SPDX-License-Identifier: Apache-2.0

// Package preflight keeps AWS's answers on which a start rests: it promises that each answer is
// believed for a bounded time, and that a question which takes many calls is asked once for all
// objects that wait for it.
//
// It makes no call of its own: who asks gives the call along. Whether a run may begin is decided by
// its callers, so far.
package preflight
