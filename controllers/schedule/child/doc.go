// SPDX-License-Identifier: Apache-2.0

// Package child makes the runs of an AgentDisconnectSchedule, and reads what became of them. It
// promises that a run which a person asks for does the same as one at a time of the schedule.
//
// It asks no cluster, and decides nothing about when a run is due.
package child
