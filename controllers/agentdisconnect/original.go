// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

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

// originalReads is what the reads of the network ACL that a clone is a copy of came to, the last
// ones of them in a row.
type originalReads struct {
	id      string
	entries []networkacl.Entry
	// since is when reads began to show the entries, and read when the last one did.
	since, read time.Time
	// closed is when reads last began to show that something is denied which the read before
	// allowed; zero: none did.
	closed time.Time
	// follows describes a change that the clone has yet to follow; empty: there is none.
	follows string
	// watchUntil is until when the original is read every few seconds; zero: not.
	watchUntil time.Time
}

// observe adds a read. What an earlier one showed is forgotten where it was of another network ACL.
func (o *originalReads) observe(acl *networkacl.ACL, now time.Time) {
	switch {
	case acl == nil:
		return
	case acl.ID != o.id || now.Before(o.read):
		*o = originalReads{id: acl.ID, entries: acl.Entries, since: now}
	case !sameEntries(o.entries, acl.Entries):
		if networkacl.ChangeOf(o.entries, acl.Entries).Closes {
			o.closed = now
		}
		o.entries, o.since = acl.Entries, now
		o.watch(now)
	}
	o.read = now
}

// watch has the original read every few seconds for a while.
func (o *originalReads) watch(now time.Time) { o.watchUntil = now.Add(watchFor) }

// isWatched reports whether the original is to be read again a few seconds after the last read.
func (o *originalReads) isWatched() bool { return o.read.Before(o.watchUntil) }

// hasStood reports whether reads have shown the same for so long that the clone may deny what they
// do.
func (o *originalReads) hasStood() bool { return o.read.Sub(o.since) >= closeAfter }

// settledAt is when a clone with the entries may be put into service, if they stay as they are: two
// reads some seconds apart agree on them, and what the last change closed has stood. A network ACL
// that lacks a rule for a moment is not copied.
func (o *originalReads) settledAt() time.Time {
	settled := o.since.Add(networkacl.ConfirmInterval)
	if !o.closed.IsZero() {
		settled = run.Latest(settled, o.closed.Add(closeAfter))
	}
	return settled
}

// isSettled reports whether that time has come.
func (o *originalReads) isSettled() bool { return !o.read.Before(o.settledAt()) }

// sameEntries reports whether two reads show the same entries, in any order.
func sameEntries(a, b []networkacl.Entry) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(e networkacl.Entry) bool { return !slices.ContainsFunc(b, e.Equal) })
}

// checkSettled makes a run wait while the network ACL that its clone is a copy of was changed a
// moment ago.
func (o *originalReads) checkSettled() *problem.Problem {
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

// describePending describes what the clone waits with, and until when.
func (s *scope) describePending() string {
	o := &s.seen.originalReads
	return fmt.Sprintf("network ACL %s was changed to allow less, as read since %s: the clone is changed in the same way at %s unless that changes",
		o.id, o.since.UTC().Format(time.RFC3339), o.since.Add(closeAfter).UTC().Format(time.RFC3339))
}

// deniesAgents reports whether a network ACL lets no traffic of the run's out to any address that
// the run denies, though agents are connected: then the read shows a moment of a change, or the
// agents don't go that way.
func (s *scope) deniesAgents(acl *networkacl.ACL) bool {
	wanted := run.Desired(s.obj)
	latest, _ := s.seen.history.Polls.Latest()
	return len(wanted) > 0 && latest.HasConnected() &&
		!slices.ContainsFunc(wanted, func(d networkacl.Destination) bool { return networkacl.LetsOut(acl.Entries, d) })
}

const deniesAgentsMessage = "network ACL %s does not allow outbound TCP port 443 to any address of the agents' hosts, though ECS says that agents are connected: a clone of it would cut the subnet off"

// checkOriginal makes sure, before a run begins, that a clone of the network ACL as it is now may
// be put into service.
func (s *scope) checkOriginal(acl *networkacl.ACL) error {
	if unsettled := s.seen.originalReads.checkSettled(); unsettled != nil {
		return unsettled
	}
	if s.deniesAgents(acl) {
		return problem.Refuse(v1alpha1.ReasonNetworkACLDeniesAgents, deniesAgentsMessage+". Correct its outbound rules, or, if the agents use a proxy, name that in spec.additionalEndpoints", acl.ID)
	}
	return nil
}

// mayServe reports whether the clone may be put into service: it has what the original has, which
// has stood, and which does not cut the subnet off from what its agents use. It ends the run where
// the last does not hold.
func (r *Reconciler) mayServe(s *scope) (bool, error) {
	wanted, ok := r.recopied(s)
	if !ok || !slices.Equal(networkacl.FormatCopies(wanted), s.status().NetworkACL.Baseline) {
		return false, nil // the next pass makes the change to the clone
	}
	if unsettled := s.seen.originalReads.checkSettled(); unsettled != nil {
		return false, unsettled
	}
	if s.deniesAgents(s.seen.original) {
		s.abort(v1alpha1.AbortOriginalChanged, deniesAgentsMessage+", so clone %s is not put into service", s.seen.original.ID, s.status().NetworkACL.ID)
		return false, nil
	}
	return true, nil
}
