// SPDX-License-Identifier: Apache-2.0

// Package process builds the product's programs and runs its manager as a process of its own, on whatever its environment
// points at. It ends no process that it did not start.
package process
