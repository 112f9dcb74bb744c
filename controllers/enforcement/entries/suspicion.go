// SPDX-License-Identifier: Apache-2.0

package entries

import (
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// Suspected is what reads show that is not acted on yet: another read may show that the last one
// only lagged.
func (e *Entries) Suspected() []string {
	return append(e.suspectedDrift(), describePending(&e.seen.drift, &e.seen.stripped)...)
}

// SuspectedBeside is Suspected with another thing that two reads are to agree on.
func (e *Entries) SuspectedBeside(other *networkacl.Confirmation) []string {
	return append(e.suspectedDrift(), describePending(&e.seen.drift, other, &e.seen.stripped)...)
}

// describePending says what another read is to confirm, and when.
func describePending(confirmations ...*networkacl.Confirmation) []string {
	var pending []string
	for _, each := range confirmations {
		if what, decides, ok := each.Pending(); ok {
			pending = append(pending, problem.Undecided(what, decides))
		}
	}
	return pending
}

// suspectedDrift are the rules that the last read does not show at work, as long as it may lag
// behind the manager's own writes.
func (e *Entries) suspectedDrift() []string {
	if e.seen.acl == nil || !e.IsOnSubnet() {
		return nil
	}
	valid, _ := ledger.Valid(e.Object)
	var suspected []string
	for _, early := range networkacl.EarlyDrift(valid, e.seen.acl.Entries, run.Desired(e.Object), e.Now) {
		suspected = append(suspected, problem.Undecided(early.What, early.Settles))
	}
	return suspected
}
