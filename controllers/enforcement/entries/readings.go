// SPDX-License-Identifier: Apache-2.0

package entries

import (
	"slices"
	"time"

	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// Readings are what the reads of the network ACL came to, by any pass.
type Readings struct {
	// ReadAt is when the network ACL was last read; zero: never.
	ReadAt time.Time
	// EnforcedSince is since when every read shows that everything is denied, by rules of this run;
	// zero: the last one does not.
	EnforcedSince time.Time
	// Force is what the network ACL does with the run's destinations.
	Force networkacl.Force
	// DeniesAll says that the subnet's network ACL denies every destination of the run.
	DeniesAll bool
	// SubnetsHit are the subnets that the denies of a run that is on act on.
	SubnetsHit []string
	// Displacement says that the network ACL is not the subnet's; empty: it is.
	Displacement string
	// Unconfirmed says that another read is to decide what the last one showed.
	Unconfirmed bool
	// Suspected is what reads show that is not acted on yet: another read may show that the last
	// one only lagged.
	Suspected []string
	// CarriedOver describes the third party's changes that this pass made too; empty: none.
	CarriedOver string
}

// Readings are what the reads of the network ACL came to.
func (e *Entries) Readings() Readings { return e.ReadingsWith() }

// ReadingsWith are the readings with further things that two reads are to agree on.
func (e *Entries) ReadingsWith(others ...*networkacl.Confirmation) Readings {
	undecided := slices.Concat([]*networkacl.Confirmation{&e.seen.drift}, others, []*networkacl.Confirmation{&e.seen.stripped})
	return Readings{
		ReadAt: e.seen.readAt, EnforcedSince: e.seen.enforcedSince,
		Force: e.force(), DeniesAll: e.deniesAll(),
		SubnetsHit: e.target.Hit(e.seen.acl), Displacement: e.describeDisplacement(),
		Unconfirmed: slices.ContainsFunc(undecided, (*networkacl.Confirmation).IsPending),
		Suspected:   append(e.suspectedDrift(), describePending(undecided)...),
	}
}

// describePending says what another read is to confirm, and when.
func describePending(undecided []*networkacl.Confirmation) []string {
	var pending []string
	for _, each := range undecided {
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
