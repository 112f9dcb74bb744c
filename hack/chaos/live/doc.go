// SPDX-License-Identifier: Apache-2.0

// Package live breaks the product where it takes real processes: the manager's binary, kube-apiserver, etcd, and a simulated
// Region with agents, all in real time.
//
// Kill is the sample of crash points that a program can run at any length: it records the calls with which a run changes AWS,
// and ends the manager's process (SIGKILL) right before or right after some of them, drawn by a seed. For each it tells an
// Outcome, the same for the same seed but for what depends on the machine's pace:
//
//	err := live.Kill(ctx, live.Options{Seed: 1, Points: 20, Report: func(o live.Outcome) { fmt.Println(o) }})
//
// The tests beside it do more than kill: they pause a leader, stop the API server and etcd, and take objects, finalizers
// and the CRD away in the wrong order. KUBEBUILDER_ASSETS names the folder with etcd and kube-apiserver.
package live
