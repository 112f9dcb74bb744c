// SPDX-License-Identifier: Apache-2.0

package entries

import (
	"context"
	"reflect"
	"time"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/removal"
)

// Observation is what the passes of this process saw of a run's network ACL. It tells two reads in
// a row from one; a restart loses it and costs the reads. The zero value is empty.
type Observation struct {
	// acl is the network ACL as last read, at readAt. Nil: it was not there.
	acl    *networkacl.ACL
	readAt time.Time
	// enforcedSince is since when every read of the network ACL shows that it denies everything, by
	// rules of this run; zero: the last one does not.
	enforcedSince time.Time
	// tags are the tags on the network ACL that carries the rules, as last written or as two reads
	// in a row had them.
	// Nil: not known; empty: they were removed.
	tags map[string]string
	// written are the tags as this process last wrote them with success; nil: it did not.
	written map[string]string
	// missingLines is since when reads show tags that claim rules which the ledger lacks.
	missingLines networkacl.Since
	// drift is what is not as it should be on the network ACL, and stripped that the ownership tags
	// are not all there.
	drift, stripped networkacl.Confirmation
	// repair is what is being repaired on the network ACL.
	repair repairUnderway
	// switchFailure is what kept the dead man's switch from being looked at, armed, or rid of
	// schedules without a rule, when that was last due; nil: nothing.
	switchFailure error
	// removed is what reads and answers show of entries that are to go.
	removed removal.Evidence
	// missing is since when reads lack the run's network ACL.
	missing networkacl.Since
}

// ForgetBeforeStart forgets what was seen before the run began: it says nothing of the run.
func (e *Entries) ForgetBeforeStart() {
	e.seen.acl, e.seen.tags, e.seen.written, e.seen.readAt = nil, nil, nil, time.Time{}
	e.seen.enforcedSince = time.Time{}
	for _, confirmation := range []*networkacl.Confirmation{&e.seen.drift, &e.seen.stripped} {
		confirmation.Clear()
	}
	e.seen.repair = repairUnderway{}
}

// ACLOfPass is the network ACL as this pass read it; nil: it did not, or it was not there.
func (e *Entries) ACLOfPass() *networkacl.ACL {
	if !e.hasRead {
		return nil
	}
	return e.seen.acl
}

// LastACL is the network ACL as the last read by any pass had it; nil: it was not there.
func (e *Entries) LastACL() *networkacl.ACL { return e.seen.acl }

// HasReadACL reports whether this pass read the network ACL.
func (e *Entries) HasReadACL() bool { return e.hasRead }

// ReadAt is when the network ACL was last read by any pass; zero: never.
func (e *Entries) ReadAt() time.Time { return e.seen.readAt }

// FencedOnRead are the clients for changes that rest, beside the object, on the network ACL as this
// pass read it. Nothing rests on a read that was made before the pass, as nothing does in a pass
// without one.
func (e *Entries) FencedOnRead() aws.Fenced {
	if e.readAt.IsZero() {
		return e.Fenced()
	}
	read := e.readAt
	return e.Fenced(func(context.Context) (time.Time, error) { return read, nil })
}

// ReadACL reads the run's network ACL, and notes whether the rules are in force.
func (e *Entries) ReadACL(ctx context.Context) error {
	if err := e.FetchACL(ctx); err != nil {
		return err
	}
	e.recordEnforced()
	return nil
}

// ReadACLFirst is ReadACL where no pass of this process read it yet.
func (e *Entries) ReadACLFirst(ctx context.Context) error {
	if !e.seen.readAt.IsZero() {
		return nil
	}
	return e.ReadACL(ctx)
}

// FetchACL is ReadACL without a look at what else the pass knows, for use beside other calls.
func (e *Entries) FetchACL(ctx context.Context) error { return e.fetchACL(ctx, time.Time{}) }

// PollACL is FetchACL for a regular look at rules that were all there when last read. A read of
// other runs does that was made half an interval after the last one or later.
func (e *Entries) PollACL(ctx context.Context) error {
	before, original := e.seen.acl, e.mode.LastOriginal()
	err := e.fetchACL(ctx, e.seen.readAt.Add(e.Options.ACLPollInterval/2))
	if unchanged := reflect.DeepEqual(before, e.seen.acl) && reflect.DeepEqual(original, e.mode.LastOriginal()); err == nil && e.readAt.IsZero() && !unchanged {
		return e.FetchACL(ctx) // a change is judged by a read of this pass
	}
	return err
}

func (e *Entries) fetchACL(ctx context.Context, since time.Time) error {
	reads := e.Clients.Polled(since)
	acl, err := e.mode.DescribeACL(ctx, reads)
	if err != nil {
		return err
	}

	if acl == nil {
		e.Clients.ForgetAccount() // not found, or not in the account that the run works in
	}

	asOf := e.AsOf(reads)
	e.seen.NoteRead(acl, asOf)
	e.hasRead, e.readAt = true, e.Clock.Now()
	if asOf.Before(e.Now) {
		e.readAt = time.Time{}
	}
	return nil
}

// NoteRead takes in a read of the network ACL; nil: it was not there.
func (o *Observation) NoteRead(acl *networkacl.ACL, now time.Time) {
	o.acl, o.readAt = acl, now
	if acl != nil {
		o.missing.Clear()
	} else {
		o.missing.Observe(now)
	}
}
