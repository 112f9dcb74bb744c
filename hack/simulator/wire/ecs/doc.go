// SPDX-License-Identifier: Apache-2.0

// Package ecs is the part of Amazon ECS's API (JSON 1.1, AmazonEC2ContainerServiceV20141113) that deals with clusters,
// container instances and tasks on them: parameters in, documents out. What the calls do is in package region.
package ecs
