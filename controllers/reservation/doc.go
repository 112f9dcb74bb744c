// SPDX-License-Identifier: Apache-2.0

// Package reservation decides which run may begin on which network ACL: it promises that in one
// process no two runs begin on the same one, and that older runs come first.
//
// It knows of runs what their objects say, and what passes of this process reported. That a run has to
// wait may come from the informer; that it may begin comes from a list past it. It writes nothing. Two managers hold no lock in common: that a run is alone is looked
// at once more by its caller, after the start was stored.
package reservation
