// SPDX-License-Identifier: Apache-2.0

// Package faults makes single calls of the simulated AWS go wrong in the ways that real ones do: errors before and
// after the effect, answers that never arrive, latency, throttling, reads that lag behind writes, and permissions that
// were withdrawn.
//
// A fault names the actions that it applies to (ec2:CreateNetworkAclEntry, ec2:Describe*, *) and lasts until it is
// removed or has been used up. Nothing here is random: with the same calls in the same order the same ones fail. Every
// fault counts for itself, and the first that was added wins where two would answer the same call.
//
// Hooks let a test act at an exact point of a call, for instance delete an object between an effect and its answer.
package faults
