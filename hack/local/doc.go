// SPDX-License-Identifier: Apache-2.0

// Command local runs the product without a Kubernetes cluster: a control plane on this machine, and the manager as a process,
// with the user's own AWS credentials.
//
// It promises that AWS is only read until a run is created, unless an earlier start left runs on, and that it ends every run and
// waits for each before it ends itself.
// It simulates nothing: see hack/demo for that.
package main
