// SPDX-License-Identifier: Apache-2.0

package braking

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log"

	"agentdisconnect.dev/agentdisconnect/controllers/brakes"
	"agentdisconnect.dev/agentdisconnect/controllers/pass"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// patience bounds what a pass spends on reading brakes: with AWS not answering, a pass that took
// longer would hold up the rest of what the run needs.
const patience = 4 * time.Second

// Memory is what passes of this process saw of the brakes of one run. The zero value is empty.
type Memory struct {
	// unreadSince is when the first attempt failed to read all brakes, of those since it last succeeded;
	// zero: the last one succeeded.
	unreadSince time.Time
}

// Braking applies the brakes in one pass.
type Braking struct {
	*pass.Pass

	seen *Memory
}

// New makes one for a pass. seen is what earlier passes saw.
func New(p *pass.Pass, seen *Memory) *Braking { return &Braking{p, seen} }

// Apply aborts a run that is on where a brake is engaged, and has the pass go on with its end. The
// reason is stored before anything is removed. Of any other run it asks nothing.
func (b *Braking) Apply(ctx context.Context) error {
	if !b.isOn() {
		return nil
	}

	stop := b.findStop(ctx)
	if stop == nil {
		return nil
	}

	b.Abort(stop.Reason, "%s", stop.Message)
	if err := b.Ledger.Persist(ctx); err != nil {
		return err
	}
	b.UpdatePhase(b.Clock.Now())
	return nil
}

// isOn reports whether a brake has something to end.
func (b *Braking) isOn() bool {
	return b.Phase == run.Active || b.Phase == run.Suspended && b.Status().StartTime != nil
}

// isLifting reports whether the run is suspended and its rules are still to be lifted: no call to AWS
// comes before that.
func (b *Braking) isLifting() bool { return b.Phase == run.Suspended && !run.IsLifted(b.Status()) }

// findStop gives why the run ends now; nil: no brake is engaged.
func (b *Braking) findStop(ctx context.Context) *brakes.Stop {
	ctx, cancel, _ := b.Within(ctx)
	defer cancel()
	ctx, cancel = context.WithTimeout(ctx, patience)
	defer cancel()

	halts, err := b.Halts.Look(ctx)
	if err != nil {
		log.FromContext(ctx).V(1).Info("Could not read the halts: the run goes on, and none starts", "error", err.Error())
	}
	if stop := brakes.StopForHalts(halts); stop != nil || b.isLifting() {
		return stop
	}
	return b.findStopInAWS(ctx)
}

// findStopInAWS reads the alarms of the run and the safety lever, each at most once in an interval.
func (b *Braking) findStopInAWS(ctx context.Context) *brakes.Stop {
	wanted, target := b.wanted(), b.Status().Target
	if wanted.IsNothing() || target == nil {
		return nil
	}

	b.UseRegion(target.Region)
	if account, err := b.Clients.AccountID(ctx, b.Now); err == nil && account != target.AccountID {
		return nil // the alarms of another account say nothing of this run; the look at the account says why
	}
	at := brakes.Place{AccountID: target.AccountID, Region: target.Region}
	reading := b.Brakes.Read(ctx, b.Clients, brakes.Since(b.Now), wanted)
	if stop := brakes.CheckRunning(wanted, reading, at); stop != nil {
		return stop
	}

	missing := brakes.Missing(wanted, reading, at)
	switch {
	case missing == "":
		b.seen.unreadSince = time.Time{}
		return nil
	case b.seen.unreadSince.IsZero():
		b.seen.unreadSince = b.Now
	}
	return brakes.CheckUnreadable(missing, b.seen.unreadSince, b.Now)
}

// wanted is what stops the run in AWS.
func (b *Braking) wanted() brakes.Wanted {
	wanted := brakes.Wanted{Lever: b.Options.FISSafetyLever}
	if with := b.Status().StartedWith; with != nil {
		wanted.Alarms = brakes.AlarmNames(with.StopConditions)
	}
	return wanted
}

// Wakes are what the brakes leave to the next pass.
func (b *Braking) Wakes() []run.Wake {
	if !b.isOn() || b.wanted().IsNothing() {
		return nil
	}
	return []run.Wake{{At: brakes.Since(b.Now).Add(brakes.Interval), Why: "the alarms are to be read"}}
}
