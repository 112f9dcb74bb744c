// SPDX-License-Identifier: Apache-2.0

// Command demo cuts the agents of one subnet off and gives everything back, on this machine: a local Kubernetes control
// plane, a simulated AWS Region and the manager as it is. It shows each step of the hand-made procedure that a run
// replaces, as it is seen through the same APIs that a user has, and exits with 1 if one isn't seen.
//
// The Region is a default VPC, whose subnets share one network ACL, with agents of two clusters in them. The first act is
// a run from start to end on a clone of that network ACL; its probe and two callers meet AGENT, which are programs of their
// own with principals of their own (caller): one tries again, one gives up. While the run waits for CloudTrail, the second
// act shows a plan and a pause. The third shows which caller recovered, the report, and that a finished object stays inert.
// Throughout, ECS is asked about the agents of the other subnets: at the end, none of them has blinked.
//
//	go run ./hack/demo                 # the walk-through, about 3 minutes
//	go run ./hack/demo --playground    # leaves all of it running, with commands to try
//
// KUBEBUILDER_ASSETS names the folder with etcd, kube-apiserver and kubectl; `make demo` and `make playground` set it.
package main
