// SPDX-License-Identifier: Apache-2.0

// Command bench measures the product on this machine, with every simulated AWS call taking 50 ms: a local Kubernetes
// control plane, a simulated AWS Region and the manager as a process of its own.
//
//	go run ./hack/bench                        # hours: all parts, with 1,000 runs that block together
//	go run ./hack/bench --only=runs            # about 10 minutes: single runs, and 100 that end together
//	go run ./hack/bench --only=runs --trace    # also each call and each write of an object of one run, in order
//	go run ./hack/bench --only=together        # the calls of runs that block at the same time (--together=100: fewer)
//	go run ./hack/bench --only=mass            # 1,000 runs that end in one second, at the account's rates
//	go run ./hack/bench --only=crowd           # a restart beside 10,000 objects
//
// Both modes are measured: InPlace in a subnet alone on its network ACL, Clone in one that shares it with another.
//
// Times are given in round trips, which is elapsed time divided by what one call takes: they say how many calls had to
// wait for one another, and hold for any latency as long as the machine itself is fast beside it. The wait between the two
// polls that a start needs is left out by having the manager poll as often as it may, every 10 ms; the polls are still made.
// Counts of calls are exact: the reconciler runs on a clock that is set forward.
//
// It exits with 1 if a figure could not be measured, and never because a figure is bad. KUBEBUILDER_ASSETS names the folder
// with etcd and kube-apiserver; `make bench` sets it.
package main
