// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"errors"
	"iter"
	"maps"
	"slices"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/answers"
	"agentdisconnect.dev/agentdisconnect/controllers/deadmanswitch"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/target"
)

// Preflight looks, in one pass, whether a run may begin.
type Preflight struct {
	*target.Target

	deadManSwitch *deadmanswitch.Switch
	seen          *Memory
}

// New makes one for a pass. seen is what earlier passes saw.
func New(on *target.Target, armed *deadmanswitch.Switch, seen *Memory) *Preflight {
	return &Preflight{Target: on, deadManSwitch: armed, seen: seen}
}

// Memory is what passes saw of what the spec names. The zero value is empty.
type Memory struct {
	// passedLook is the first look of the last pass, if nothing in it stood against the run.
	passedLook answers.Answer[firstLook]
}

// readyTimeout bounds what a pass spends on getting a run ready: about 10 round trips, and lookups.
// It takes up a worker, so it is short: where AWS is slower, the next pass goes on from what this
// one found out.
const readyTimeout = 5 * time.Second

// Report reports whether a run may begin, and if not, why.
type Report struct {
	*Findings

	// against is what stands against the run, in the order of the messages.
	against []error
	// settledEarly: the first look refused the run, and nothing further was asked.
	settledEarly bool
	// notes are what is worth knowing of the target, a sentence each.
	notes []string
	// agents are those that the run would track. None, with nothing against the run: a second poll
	// is still due.
	agents []v1alpha1.ContainerInstance
	// placement is how the rules would be put on the network ACL.
	placement Placement
}

// Err joins all that stands against the run; nil: it may begin, or a second poll is still due.
func (r *Report) Err() error { return errors.Join(r.against...) }

// IsReady reports whether the run may begin.
func (r *Report) IsReady() bool { return r.Err() == nil && r.agents != nil }

// IsSettledEarly reports whether the first look settled it, which takes three calls and not ten.
func (r *Report) IsSettledEarly() bool { return r.settledEarly }

// Notes are what is worth knowing of the target, a sentence each.
func (r *Report) Notes() []string { return r.notes }

// ACL is the network ACL that the subnet has.
func (r *Report) ACL() *networkacl.ACL { return r.acl }

// Consenting are the other subnets that a run in place hits, which were seen to consent.
func (r *Report) Consenting() iter.Seq[string] { return maps.Keys(r.shared) }

// add adds what stands against the run, unless it is nil.
func (r *Report) add(errs ...error) {
	if err := errors.Join(errs...); err != nil {
		r.against = append(r.against, problem.Flatten(err)...)
	}
}

// note adds what is worth knowing, unless it is empty.
func (r *Report) note(notes ...string) {
	r.notes = append(r.notes, slices.DeleteFunc(notes, func(n string) bool { return n == "" })...)
}

// withdraw takes out what stands against the run for a reason.
func (r *Report) withdraw(reason string) {
	r.against = slices.DeleteFunc(r.against, func(err error) bool { return problem.Explain(err).Reason == reason })
}
