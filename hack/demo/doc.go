// SPDX-License-Identifier: Apache-2.0

// Command demo cuts the agents of one subnet off and gives everything back, on this machine: a local Kubernetes control
// plane, a simulated AWS Region and the manager as it is. It shows each step of the hand-made procedure that a run
// replaces, as it is seen through the same APIs that a user has, and exits with 1 if one isn't seen.
//
//	go run ./hack/demo                 # the walk-through, under 3 minutes
//	go run ./hack/demo --playground    # leaves all of it running, with commands to try
//
// KUBEBUILDER_ASSETS names the folder with etcd, kube-apiserver and kubectl; `make demo` and `make playground` set it.
package main
