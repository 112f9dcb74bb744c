// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"context"
	"slices"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/deadmanswitch"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/pass"
	"agentdisconnect.dev/agentdisconnect/controllers/target"
)

// lackingFor is how long, by this process's own reads, an entry whose creation was never answered
// must be lacking before it counts as never made, beside the time that the ledger tells: clocks of
// two managers differ.
const lackingFor = 30 * time.Second

// Enforcement is the denies of a run in one pass.
type Enforcement struct {
	*pass.Pass

	target        *target.Target
	deadManSwitch *deadmanswitch.Switch
	hooks         Hooks
	seen          *Observation
	// aclRead says that the network ACL was read in this pass, the last time at aclReadAt.
	aclRead   bool
	aclReadAt time.Time
	// untagged says that the run's tags were removed from the network ACL in this pass.
	untagged bool
	// undecided, if set, says that the tags claim rules that the ledger lacks, which a later read
	// confirms or not. Until then the tags stay as they are.
	undecided error
}

// Hooks are what the denies ask of the pass.
type Hooks struct {
	// Warn tells people about something that was done, by reason and note.
	Warn func(reason, note string)
	// SetConditions brings the conditions in line with what is known. The next write of the status
	// stores them.
	SetConditions func()
}

// New gives the denies of a run in a pass. seen is what earlier passes saw of them.
func New(on *target.Target, armed *deadmanswitch.Switch, seen *Observation, hooks Hooks) *Enforcement {
	return &Enforcement{Pass: on.Pass, target: on, deadManSwitch: armed, hooks: hooks, seen: seen}
}

// Observation is what the passes of this process saw of a run's network ACL. It tells two reads in
// a row from one; a restart loses it and costs the reads. The zero value is empty.
type Observation struct {
	// acl is the network ACL as last read, at aclRead. Nil: it was not there.
	acl     *networkacl.ACL
	aclRead time.Time
	// enforcedSince is since when every read of the network ACL shows that it denies everything, by
	// rules of this run; zero: the last one does not.
	enforcedSince time.Time
	// original is the network ACL that a clone was copied from, as read together with acl. Nil: it
	// was not there.
	original *networkacl.ACL
	// tags are the tags on the network ACL that carries the rules, as last written or as two reads
	// in a row had them.
	// Nil: not known; empty: they were removed.
	tags map[string]string
	// unledgered is since when reads show tags that claim rules which the ledger lacks; zero: the
	// last one does not.
	unledgered time.Time
	// network is what is not as it should be on the network ACL, changed how the original of a
	// clone was changed, and stripped that the ownership tags are not all there.
	network, changed, stripped networkacl.Confirmation
	// repair is what is being repaired on the network ACL.
	repair repairUnderway
	// switchFailure is what kept the dead man's switch from being looked at, armed, or rid of
	// schedules without a rule, when that was last due; nil: nothing.
	switchFailure error
	// contradicted says since when reads contradict a line of the ledger that is to be undone, by
	// rule number.
	contradicted map[int32]time.Time
	// deleted says when AWS acknowledged the deletion of an entry.
	deleted map[entryKey]time.Time
	// aclMissing is since when reads lack the run's network ACL; zero: they don't.
	aclMissing time.Time
}

// Begin forgets what was seen before the run began: it says nothing of the run. acl is the network
// ACL that the subnet has.
func (e *Enforcement) Begin(acl *networkacl.ACL) {
	e.seen.acl, e.seen.tags, e.seen.aclRead = nil, nil, time.Time{}
	e.seen.original = acl // of a clone; InPlace has none and doesn't look
	e.seen.enforcedSince = time.Time{}
	for _, confirmation := range []*networkacl.Confirmation{&e.seen.network, &e.seen.changed, &e.seen.stripped} {
		confirmation.Clear()
	}
	e.seen.repair = repairUnderway{}
}

// ACL is the network ACL as this pass read it; nil: it did not, or it was not there.
func (e *Enforcement) ACL() *networkacl.ACL {
	if !e.aclRead {
		return nil
	}
	return e.seen.acl
}

// HasRead reports whether this pass read the network ACL.
func (e *Enforcement) HasRead() bool { return e.aclRead }

// ReadAt is when the network ACL was last read by any pass; zero: never.
func (e *Enforcement) ReadAt() time.Time { return e.seen.aclRead }

// EnforcedSince is since when every read shows that the network ACL denies everything, by rules of
// this run; zero: the last one does not.
func (e *Enforcement) EnforcedSince() time.Time { return e.seen.enforcedSince }

// SwitchFailure is what kept the dead man's switch from being as it is to be; nil: nothing.
func (e *Enforcement) SwitchFailure() error { return e.seen.switchFailure }

// IsUnconfirmed reports whether another read is to decide what the last one showed.
func (e *Enforcement) IsUnconfirmed() bool {
	return e.seen.network.IsPending() || e.seen.changed.IsPending() || e.seen.stripped.IsPending() ||
		e.IsCloned() && e.Original.IsWatched()
}

// entryKey names the place of an entry: network ACL and number.
type entryKey struct {
	aclID  string
	number int32
}

func entryOf(line v1alpha1.Rule) entryKey { return entryKey{line.NetworkACLID, line.RuleNumber} }

func (o *Observation) noteDeleted(line v1alpha1.Rule, now time.Time) {
	if o.deleted == nil {
		o.deleted = map[entryKey]time.Time{}
	}
	o.deleted[entryOf(line)] = now
}

func (o *Observation) noteContradicted(number int32, now time.Time) {
	if o.contradicted == nil {
		o.contradicted = map[int32]time.Time{}
	}
	o.contradicted[number] = now
}

// fencedOnRead are the clients for changes that rest, beside the object, on the network ACL as this
// pass read it.
func (e *Enforcement) fencedOnRead() aws.Fenced {
	if !e.aclRead {
		return e.Fenced()
	}
	read := e.aclReadAt
	return e.Fenced(func(context.Context) (time.Time, error) { return read, nil })
}

// ReadACL reads the run's network ACL and that which a clone was copied from, and
// notes whether the rules are in force.
func (e *Enforcement) ReadACL(ctx context.Context) error {
	if err := e.FetchACL(ctx); err != nil {
		return err
	}
	e.RecordEnforced()
	return nil
}

// FetchACL is ReadACL without a look at what else the pass knows, for use beside other calls.
func (e *Enforcement) FetchACL(ctx context.Context) error {
	recorded := e.Status().NetworkACL
	var acl, original *networkacl.ACL
	var err error
	if e.IsCloned() {
		var found map[string]*networkacl.ACL
		ids := slices.DeleteFunc([]string{recorded.ID, recorded.OriginalID}, func(id string) bool { return id == "" })
		found, err = ec2acl.ReadAll(ctx, e.Clients.EC2, ids...)
		acl, original = found[recorded.ID], found[recorded.OriginalID]
	} else {
		acl, err = ec2acl.Read(ctx, e.Clients.EC2, recorded.ID)
	}
	if err != nil {
		return err
	}
	if acl == nil || e.IsCloned() && original == nil {
		e.Clients.ForgetAccount() // not found, or not in the account that the run works in
	}
	e.Original.Observe(original, e.Now)
	e.seen.Note(acl, original, e.Now)
	e.aclRead, e.aclReadAt = true, e.Clock.Now()
	return nil
}

// Note takes in a read of the network ACL, and of that which a clone was copied from; nil: it was
// not there.
func (o *Observation) Note(acl, original *networkacl.ACL, now time.Time) {
	o.acl, o.original, o.aclRead = acl, original, now
	switch {
	case acl != nil:
		o.aclMissing = time.Time{}
	case o.aclMissing.IsZero() || now.Before(o.aclMissing):
		o.aclMissing = now
	}
}
