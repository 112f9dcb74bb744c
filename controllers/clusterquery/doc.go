// SPDX-License-Identifier: Apache-2.0

// Package clusterquery writes and reads the expressions of ECS's cluster query language that the
// controller uses: it promises to read back exactly what it writes, and nothing else.
package clusterquery
