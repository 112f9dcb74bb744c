// SPDX-License-Identifier: Apache-2.0

package sweep

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/utils/clock"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/removal"
)

// Result is what became of a finding.
type Result struct {
	// Done says that nothing of it is left that is to go.
	Done bool
	// Did has a sentence for each thing that was done: "deleted rule 80 of network ACL acl-…".
	Did []string
	// Left says what stays and why, and what to do or when to run again; empty where nothing stays.
	Left string
	// Again is when another try gets further, where nothing but time is lacking; zero: it takes a
	// person, or no more.
	Again time.Time
	// Unconfirmed says that a second read of the claim is lacking, which this Undoer alone can add.
	Unconfirmed bool
}

// Undoer undoes what was found. It remembers what it saw gone, so that undoing again gets further.
// Its methods may be called from several goroutines.
type Undoer struct {
	clock  clock.PassiveClock
	memory memory
}

// NewUndoer makes an undoer that remembers nothing yet.
func NewUndoer(clk clock.PassiveClock) *Undoer { return &Undoer{clock: clk} }

// Retain tells that looks at these places found these alone to be due. A claim there that they don't
// have is confirmed anew: its tags were gone meanwhile, or an object looked after them. What is known
// of other places stays: nothing was read there.
func (u *Undoer) Retain(due []Found, places ...Place) { u.memory.retain(due, places) }

// Undo takes away what was found, as far as it gets: it may be repeated, and stopped anywhere. What
// isn't as it was found is left. The Result says what was done also beside an error, which is
// AWS's, or says that the credentials are another account's.
func (u *Undoer) Undo(ctx context.Context, clients *aws.Clients, f Found) (Result, error) {
	return u.undo(ctx, clients, f, false)
}

// Lift takes away what of a finding acts on traffic, and leaves the rest to the object's own
// clean-up, which needs it: tags of rules in place, and schedules. A clone goes as a whole.
func (u *Undoer) Lift(ctx context.Context, clients *aws.Clients, f Found) (Result, error) {
	return u.undo(ctx, clients, f, true)
}

// undoRun is one call of Undo or Lift.
type undoRun struct {
	*absence
	f       Found
	clients *aws.Clients
	clock   clock.PassiveClock
	// lift says that tags and schedules stay.
	lift bool
	// readAt is when the network ACL was last read: what is written rests on it. Zero: not yet, and
	// nothing is written.
	readAt time.Time
	result Result
}

func (u *Undoer) undo(ctx context.Context, clients *aws.Clients, f Found, lift bool) (Result, error) {
	switch f.Kind {
	case KindAdopted:
		return Result{Left: fmt.Sprintf("network ACL %s stays the network ACL of its subnets", f.NetworkACLID)}, nil
	case KindUnreadable:
		return Result{Left: f.Problem}, nil
	}

	if clients.Region != f.Region {
		return Result{}, fmt.Errorf("what was found is in Region %s, and the clients are of Region %s", f.Region, clients.Region)
	}

	switch account, err := askAccount(ctx, clients); {
	case err != nil:
		return Result{}, err
	case account != f.AccountID:
		return Result{}, fmt.Errorf("what was found is in account %s, and the credentials are of account %s: use the credentials of the search", f.AccountID, account)
	}

	a := &undoRun{absence: u.memory.of(f, u.clock.Now()), f: f, clients: clients, clock: u.clock, lift: lift}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.begin(lift)
	err := a.perform(ctx)
	if err != nil {
		a.result.Done = false
	}

	if a.result.Done && !lift { // the tags of a lifted claim stay, and an entry may come back
		u.memory.forget(f)
	}
	return a.result, err
}

func (a *undoRun) perform(ctx context.Context) error {
	switch a.f.Kind {
	case KindSchedules:
		return a.strandedSchedules(ctx)
	case KindTasks:
		return a.stopTasks(ctx)
	}
	acl, claim, err := a.read(ctx)
	if err != nil || claim == nil {
		return err
	}
	if a.f.Kind == KindClone {
		return a.undoClone(ctx, acl, *claim)
	}
	return a.undoInPlace(ctx, acl, *claim)
}

// fencedOnRead are the clients for changes, which rest on the network ACL as last read.
func (a *undoRun) fencedOnRead() aws.Fenced {
	return a.clients.Fenced(func(context.Context) (time.Time, error) { return a.readAt, nil })
}

// remover makes the calls of a removal, on a network ACL as just read.
func (a *undoRun) remover(acl *networkacl.ACL) removal.Remover {
	return removal.Remover{EC2: a.fencedOnRead().EC2, Read: acl}
}

// read reads the network ACL anew, and the claim on it. A nil claim: there is nothing more to do.
func (a *undoRun) read(ctx context.Context) (*networkacl.ACL, *ownership.Claim, error) {
	a.readAt = a.clock.Now() // what the read shows may be that old, however long the answer takes
	acl, err := ec2acl.Read(ctx, a.clients.EC2, a.f.NetworkACLID)
	if err != nil {
		return nil, nil, err
	}

	if acl == nil {
		a.claimed.Clear()
		return nil, nil, a.endWithoutACL(ctx)
	}

	a.missing.Clear()
	claims, malformed := ownership.ParseClaims(acl.Tags)
	i := slices.IndexFunc(claims, func(c ownership.Claim) bool { return c.UID == a.f.UID })
	cloned := acl.Tags[ownership.TagClone] == a.f.UID
	switch {
	case i < 0 && !cloned && !slices.Contains(unreadableRuns(malformed), a.f.UID):
		a.claimed.Clear()
		a.result.Done = true // another process was faster
		return acl, nil, nil
	case i < 0, !a.f.is(claims[i]), cloned != (a.f.Kind == KindClone):
		a.claimed.Clear()
		a.noteWait(a.clock.Now(), "the tags of network ACL %s changed after they were found: search again", acl.ID)
		return acl, nil, nil
	}

	a.claimed.Observe(a.confirms(claims[i]), "", a.readAt)
	return acl, &claims[i], nil
}

// confirms is what reads have to agree on. What ends a run, or may end it, is part of it: reads
// from before say nothing about an entry that stands afterwards.
func (a *undoRun) confirms(claim ownership.Claim) string {
	object := a.f.Object
	if object == "" { // a manager may be there, which ends the run at its time
		object = fmt.Sprintf("past its end: %t", !a.readAt.Before(claim.Expires))
	}
	return fmt.Sprintf("%v by %v, lift alone: %t, object %s", claim.Rules, claim.Expires, a.lift, object)
}

// confirmed reports whether every read since one networkacl.SettleFor ago has shown the claim. The
// tags go at the end of a run. A read that still shows them afterwards proves nothing about an
// equal entry, which is a third party's then.
func (a *undoRun) confirmed() bool {
	since := a.claimed.Since()
	until := since.Add(networkacl.SettleFor)
	if !since.IsZero() && !a.readAt.Before(until) {
		return true
	}
	a.noteWait(until, "network ACL %s keeps what its tags claim for run %s until a second read at %s confirms them: one read may show tags that were removed since",
		a.f.NetworkACLID, a.f.UID, until.Format(time.RFC3339))
	a.result.Unconfirmed = true
	return false
}

// endWithoutACL ends an attempt on a network ACL that AWS doesn't know.
func (a *undoRun) endWithoutACL(ctx context.Context) error {
	if a.f.Kind == KindClone {
		return a.strandedSchedules(ctx)
	}
	a.result.Done = true
	return nil
}

func (a *undoRun) noteDone(format string, args ...any) {
	a.result.Did = append(a.result.Did, fmt.Sprintf(format, args...))
}

// noteLeft notes what stays.
func (a *undoRun) noteLeft(why string) {
	if why == "" || a.result.Left == why {
		return
	}
	if a.result.Left != "" {
		why = a.result.Left + "; " + why
	}
	a.result.Left = why
}

// noteWait notes what stays for now, and when it need no longer.
func (a *undoRun) noteWait(until time.Time, format string, args ...any) {
	a.noteLeft(fmt.Sprintf(format, args...))
	a.result.Again = later(a.result.Again, until)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
