// SPDX-License-Identifier: Apache-2.0

package rig

import (
	"fmt"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
)

// Step is one call of the manager to AWS, or one write of it to Kubernetes.
type Step struct {
	// Name is the same in each run of the same history: what is called, what about, and the ordinal number of such a call of the
	// world it is, such as "ec2:DeleteNetworkAclEntry acl-0b3d6f9a1c5e72840 80 egress #1".
	Name string
	// Action is what is called: ec2:CreateTags, or for Kubernetes kube:patch, kube:patch status and so on.
	Action string
	// Kube says that it is a write to Kubernetes.
	Kube bool
	// ReadOnly and DryRun are of calls to AWS that change nothing.
	ReadOnly, DryRun bool
	// Life counts the managers of the world, from 1: the one that calls.
	Life int
	// Time is the world's time when the step began.
	Time time.Time
	// Object is the name of the object that is written to Kubernetes.
	Object string
}

// String is the step's name.
func (s *Step) String() string { return s.Name }

// Verdict is what goes wrong at a step. The zero value lets it pass.
type Verdict struct {
	// Die ends the manager's process here: nothing that it does from now on takes effect, and no answer reaches it. Before a
	// step, AWS or Kubernetes is not asked.
	Die bool
	// Freeze stops the process here until World.Thaw; requests that it has sent go on, and it reads no answer. Another manager
	// takes over when the lease is over. Before a call to AWS it has begun, and nothing is sent yet.
	Freeze bool
	// Err is given in place of the effect (before a step) or in place of the answer (after it).
	Err error
	// Took is time that goes by at the step, before Err: a time-out.
	Took time.Duration
	// Fault is what the Region does with this one call to AWS, before the step only. Action, When and Times are set by the
	// world.
	Fault *faults.Fault
}

// Tap is told of each step twice: before it takes effect, and when the answer is about to reach the manager, with its error.
// Steps are made side by side; the world calls its tap one step at a time.
type Tap func(step *Step, after bool, err error) Verdict

// Record is a step that was made, for logs and for round trips.
type Record struct {
	Step
	// Begun and Ended are real times; Ended is zero for a step that was never answered.
	Begun, Ended time.Time
	// Err is what the manager was told; empty: it went well.
	Err string
}

// String is the record on a line: the world's time, which manager, what, and what came of it.
func (r Record) String() string {
	outcome := ""
	switch {
	case r.Err != "":
		outcome = ": " + r.Err
	case r.Ended.IsZero():
		outcome = ": no answer"
	}
	return fmt.Sprintf("%s manager %d %s%s", r.Time.UTC().Format(time.TimeOnly), r.Life, r.Name, outcome)
}
