// SPDX-License-Identifier: Apache-2.0

// Package discovery finds where the agents of a target connect to: the container instances of a cluster in a subnet,
// the hosts that ECS names to their agents, and the addresses of those hosts.
//
// It promises that a host is never made up: it comes out of ECS's answer or out of the spec. It keeps nothing between
// calls; what was seen before is for the caller to keep.
package discovery
