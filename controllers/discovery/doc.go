// SPDX-License-Identifier: Apache-2.0

// Package discovery finds where the agents of a target connect to, and what else AWS says of the
// target: the container instances of a cluster in a subnet, the hosts that ECS names to their
// agents, the addresses of those hosts and of the VPC's endpoints for ECS, who else is in the
// subnet, and the quotas that bound a plan.
//
// It promises that a host is never made up: it comes out of ECS's answer or out of the spec; and
// that nothing of the ECS API itself, which the callers under test need, is ever a destination. It
// only reads, and keeps nothing between calls: a History is for its caller to keep. Answers are
// sorted, so that the same facts read the same every time.
package discovery
