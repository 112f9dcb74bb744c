// SPDX-License-Identifier: Apache-2.0

// Package gauges computes metrics from the objects in the manager's cache when they are collected:
// by how long rules outlast their run, and how many objects are in which state. It promises that they
// are right also where no pass comes to the end of a run, and in a replica that is not leader.
//
// It changes nothing.
package gauges
