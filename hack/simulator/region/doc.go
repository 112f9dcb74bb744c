// SPDX-License-Identifier: Apache-2.0

// Package region is the state of one AWS Region in one account: VPCs, subnets, network ACLs, ECS clusters, container
// instances, task definitions, tasks and the events that CloudTrail recorded. It knows nothing of HTTP.
//
// Its methods are the operations of AWS on that state, with the error codes of AWS and in AWS's order of checks.
// Everything is behind one lock. States are immutable values and every change makes a new one, so that a read can be
// answered from the state of an earlier time, as AWS's own reads sometimes are.
package region
