// SPDX-License-Identifier: Apache-2.0

// Package overdue says by how long the rules of runs outlast their end, as a gauge: it promises that
// the gauge grows also where no pass comes to the end of a run, and in a replica that is not leader.
//
// It reads the manager's cache when metrics are collected, and changes nothing.
package overdue
