// SPDX-License-Identifier: Apache-2.0

// Package stack runs all of the product on this machine: a local Kubernetes control plane with the CRD, a simulated AWS
// Region, and the manager as a process of its own, wired to both as it would be to the real ones.
//
// Everything listens on loopback, and the manager's environment has nothing but what points it there: no credentials,
// profile or proxy of the user's reach it. Close stops what was started, in an order in which nothing loses what it
// depends on, and ends no other process.
package stack
