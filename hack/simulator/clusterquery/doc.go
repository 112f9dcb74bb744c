// SPDX-License-Identifier: Apache-2.0

// Package clusterquery reads the cluster query language of Amazon ECS, which filters container instances in
// ListContainerInstances and in memberOf placement constraints, and decides which container instances match.
//
// An expression compares subjects (attribute:NAME, task:group, agentConnected, agentVersion,
// ec2InstanceId, registeredAt, runningTasksCount) by ==, !=, >, >=, <, <=, in, !in, =~, !~, exists
// and !exists or their names in words, joined by and, or, not and parentheses. Versions and numbers
// compare part by part, registeredAt as a time. An instance that lacks the subject matches no
// comparison, != included.
package clusterquery
