// SPDX-License-Identifier: Apache-2.0

// Package controlplane starts a Kubernetes control plane on loopback: etcd and kube-apiserver, with
// the product's CRD installed.
//
// It never reaches the user's cluster, and ends no process that it did not start. It runs no
// manager: see package stack.
package controlplane
