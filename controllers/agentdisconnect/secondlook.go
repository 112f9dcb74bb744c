// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/objects"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/reservation"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// yieldFor is how long a run waits before it tries to begin again, where an older one began at the
// same moment: long enough for that one to begin first.
const yieldFor = 3 * reservation.RetryInterval

// lookAgain lists the runs once more before the first write to AWS, whichever process stored the
// start: two managers hold no lock in common, and each may have found the network ACL free before
// the other's run was stored. Each looks after that, so at least one sees the other. A run that
// sees another steps back, also the older one: the other may be writing by now.
func (r *reconciliation) lookAgain(ctx context.Context) error {
	if !r.enforcement.IsBeforeFirstWrite() {
		return nil
	}

	own := objects.Of(r.Object)
	wanted := reservation.Of(&own)
	holder, _, err := r.Reservations.FindHolder(ctx, r.Object, wanted)
	switch {
	case err != nil:
		return err
	case holder == nil && r.Phase == run.Suspended:
		// Its tags are written without an attempt at an entry: the ledger says here that it goes
		// on.
		_, err := r.Ledger.Intend(ctx, r.Status().Rules)
		return err
	case holder == nil:
		return nil // what is written to AWS next is written to the ledger first
	}

	held := problem.Wait(v1alpha1.ReasonHolder, "%s began on network ACL %s at the same moment: this run begins when that one is over", run.Name(holder), wanted.NetworkACLID)
	if err := r.stepBack(ctx, held); err != nil {
		return err
	}

	if reservation.IsOlder(holder, r.Object) {
		r.seen.yields, r.seen.yieldsUntil = held, r.Now.Add(yieldFor)
	}
	return held
}

// stepBack takes the start of a run back of which nothing was written to AWS. The write fails where
// another process has written the object since this pass read it.
func (r *reconciliation) stepBack(ctx context.Context, held *problem.Problem) error {
	status := r.Status()
	status.StartTime, status.ExpirationTime, status.StartedWith = nil, nil, nil
	status.Target, status.Agents, status.NetworkACL, status.Rules, status.Probe = nil, nil, nil, nil, nil
	r.UpdatePhase(r.Clock.Now())
	r.chooseEnforcement()
	r.setConditions(held)
	if err := r.Ledger.Persist(ctx); err != nil {
		return err
	}
	r.Reservations.Finish(r.Object.UID)
	return r.Ledger.RemoveFinalizer(ctx)
}

// yield has a run wait for an older one that began at the same moment.
func (r *reconciliation) yield() error {
	if r.seen.yields == nil || !r.Now.Before(r.seen.yieldsUntil) {
		r.seen.yields, r.seen.yieldsUntil = nil, time.Time{}
		return nil
	}
	return r.seen.yields
}
