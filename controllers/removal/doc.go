// SPDX-License-Identifier: Apache-2.0

// Package removal undoes what a run owns on network ACLs, given claims and reads: it promises that
// an entry counts as owned only where the whole of it is what is claimed, and as gone only where AWS
// said so, or reads that can no longer lag show it.
//
// It has two callers, which differ in where claims come from and in what they record beside: the
// controller has the lines of its ledger (OfLine), the sweep and the kubectl plugin have tags
// (OfTag). It knows no object, stores nothing, has no words for people, and does not say what there
// is to undo, nor whether a claim is to be believed.
package removal
