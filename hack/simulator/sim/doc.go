// SPDX-License-Identifier: Apache-2.0

// Package sim starts a simulated AWS on loopback: the APIs of one account, DNS, the control plane of ECS, and the agents
// of the world's container instances, whose packets pass through the network ACL of their subnet.
//
// Everything that Start started ends with Close or with its context. Nothing outlives either.
package sim
