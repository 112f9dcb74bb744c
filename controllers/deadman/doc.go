// SPDX-License-Identifier: Apache-2.0

// Package deadman arms Amazon EventBridge Scheduler to delete the denies of a clone a while after
// their run should have ended: traffic flows again even if the Kubernetes cluster and the
// controller in it are lost.
//
// It promises that a schedule deletes nothing but an outbound entry by its number, in a clone.
// There the number is the run's alone for as long as the schedule is there: the caller arms a
// number before it creates the entry, and takes a schedule away before anything else may get its
// number.
package deadman
