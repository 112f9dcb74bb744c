// SPDX-License-Identifier: Apache-2.0

// Package rig breaks the manager on purpose, in process and on a clock that is set forward by hand.
//
// Start brings up one API server and etcd for a whole program. On it, NewWorld makes worlds that know nothing of each other:
// each has a namespace, a simulated Region that is called over the wire, a fake clock, and one manager (reconciler and
// sweeper) that is driven pass by pass. Whatever the manager asks of AWS, and whatever it writes to Kubernetes, is a Step
// with a name that is the same in each run of the same history, though calls are made side by side. A Tap sees each Step
// before it takes effect and before its answer arrives, and says what goes wrong there.
//
// Callers call RunTask beside the manager, each as a principal of its own. What a status says of them
// is held against what they did and when CloudTrail showed it.
//
// A world watches its manager: each call is held against what is promised (see package audit), and
// Wrong says what the run left behind, what became of what third parties own, and what came late.
package rig
