// SPDX-License-Identifier: Apache-2.0

// Package child makes the runs of an AgentDisconnectSchedule, and reads what became of them: it promises
// that a run which a person asks for differs from one at a time of the schedule in nothing but its name
// and its times.
//
// It asks no cluster, and decides nothing about when a run is due.
package child
