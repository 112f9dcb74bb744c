// SPDX-License-Identifier: Apache-2.0

package original

import (
	"fmt"
	"slices"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

const (
	// closeAfter is how long reads must agree on a change of the original before the clone denies
	// what it closes. Terraform and people who replace a rule remove it and add it again some
	// seconds later, half a minute where AWS throttles them. A subnet that is cut off for longer
	// than its neighbours is worse than a rule that closes three quarters of a minute later.
	closeAfter = 45 * time.Second
	// watchFor is how long the original is read every few seconds after a change of it, or after
	// the clone followed one: what takes a rule away for a moment puts it back within that.
	watchFor = time.Minute
)

// Reads are what the reads of the network ACL that a clone is a copy of came to, the last
// ones of them in a row.
type Reads struct {
	id      string
	entries []networkacl.Entry
	// since is when reads began to show the entries, and read when the last one did.
	since, read time.Time
	// closed is when reads last began to show that something is denied which the read before
	// allowed; zero: none did.
	closed time.Time
	// pending says that the last read shows a change that the clone has yet to follow.
	pending bool
	// watchUntil is until when the original is read every few seconds; zero: not.
	watchUntil time.Time
}

// Observe adds a read. What an earlier one showed is forgotten where it was of another network ACL.
func (o *Reads) Observe(acl *networkacl.ACL, now time.Time) {
	switch {
	case acl == nil:
		return
	case acl.ID != o.id || now.Before(o.read):
		*o = Reads{id: acl.ID, entries: acl.Entries, since: now}
	case !sameEntries(o.entries, acl.Entries):
		if networkacl.ChangeOf(o.entries, acl.Entries).Closes {
			o.closed = now
		}
		o.entries, o.since = acl.Entries, now
		o.Watch(now)
	}

	o.read = now
}

// Watch has the original read every few seconds for a while.
func (o *Reads) Watch(now time.Time) { o.watchUntil = now.Add(watchFor) }

// IsWatched reports whether the original is to be read again a few seconds after the last read.
func (o *Reads) IsWatched() bool { return o.read.Before(o.watchUntil) }

// HasStood reports whether reads have shown the same for so long that the clone may deny what they
// do.
func (o *Reads) HasStood() bool { return o.read.Sub(o.since) >= closeAfter }

// settledAt is when a clone with the entries may be put into service, if they stay as they are: two
// reads some seconds apart agree on them, and what the last change closed has stood. A network ACL
// that lacks a rule for a moment is not copied.
func (o *Reads) settledAt() time.Time {
	settled := o.since.Add(networkacl.ConfirmInterval)
	if !o.closed.IsZero() {
		settled = run.Latest(settled, o.closed.Add(closeAfter))
	}
	return settled
}

// isSettled reports whether that time has come.
func (o *Reads) isSettled() bool { return !o.read.Before(o.settledAt()) }

// sameEntries reports whether two reads show the same entries, in any order.
func sameEntries(a, b []networkacl.Entry) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(e networkacl.Entry) bool { return !slices.ContainsFunc(b, e.Equal) })
}

// CheckSettled makes a run wait while the network ACL that its clone is a copy of was changed a
// moment ago.
func (o *Reads) CheckSettled() *problem.Problem {
	if o.isSettled() {
		return nil
	}
	why := "two reads of it must agree before it is copied"
	if settled := o.settledAt(); !o.closed.IsZero() && settled.Sub(o.closed) >= closeAfter {
		why = fmt.Sprintf("at %s it was changed to allow less, which may be the first half of a change; a clone of it is put into service at %s unless that changes",
			o.closed.UTC().Format(time.RFC3339), settled.UTC().Format(time.RFC3339))
	}
	return problem.Wait(v1alpha1.ReasonNetworkACLUnsettled, "network ACL %s: %s", o.id, why)
}

// SetPending notes whether the last read shows a change that the clone has yet to follow.
func (o *Reads) SetPending(pending bool) { o.pending = pending }

// Pending describes the change that the clone has yet to follow, and until when it waits; empty:
// there is none.
func (o *Reads) Pending() string {
	if !o.pending {
		return ""
	}
	return fmt.Sprintf("network ACL %s was changed to allow less, as read since %s: the clone is changed in the same way at %s unless that changes",
		o.id, o.since.UTC().Format(time.RFC3339), o.since.Add(closeAfter).UTC().Format(time.RFC3339))
}

// ID is that of the network ACL that was last read; empty: none was.
func (o *Reads) ID() string { return o.id }

// DeniesAgentsMessage is about a network ACL, by id.
const DeniesAgentsMessage = "network ACL %s does not allow outbound TCP port 443 to any address of the agents' hosts, though ECS says that agents are connected: a clone of it would cut the subnet off"

// DeniesAgents reports whether a network ACL lets no traffic of the run's out to any address that
// the run denies, though agents are connected: then the read shows a moment of a change, or the
// agents don't go that way. denied are the destinations that the run denies, and connected says
// that an agent is connected.
func DeniesAgents(acl *networkacl.ACL, denied []networkacl.Destination, connected bool) bool {
	return len(denied) > 0 && connected &&
		!slices.ContainsFunc(denied, func(d networkacl.Destination) bool { return networkacl.LetsOut(acl.Entries, d) })
}

// CheckAgents refuses to copy a network ACL that denies the agents, as DeniesAgents has it.
func CheckAgents(acl *networkacl.ACL, denied []networkacl.Destination, connected bool) error {
	if DeniesAgents(acl, denied, connected) {
		return problem.Refuse(v1alpha1.ReasonNetworkACLDeniesAgents, DeniesAgentsMessage+". Correct its outbound rules, or, if the agents use a proxy, name that in spec.additionalEndpoints", acl.ID)
	}
	return nil
}
