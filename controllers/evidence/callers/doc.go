// SPDX-License-Identifier: Apache-2.0

// Package callers judges from calls of RunTask and StartTask who met AGENT in a run and who
// recovered: it promises that the verdict depends on the calls and the facts alone, in whatever
// order and however often the calls come, and that it claims nothing which the trail can't show.
//
// It makes no calls, and reads no clock.
package callers
