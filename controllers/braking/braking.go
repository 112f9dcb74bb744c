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

// patience bounds what a pass spends on reading brakes: what takes longer is there for the next pass.
const patience = 2 * time.Second

// Braking applies the brakes in one pass.
type Braking struct{ *pass.Pass }

// New makes one for a pass.
func New(p *pass.Pass) *Braking { return &Braking{p} }

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

// findStop gives why the run ends now; nil: no brake is engaged.
func (b *Braking) findStop(ctx context.Context) *brakes.Stop {
	ctx, cancel, _ := b.Within(ctx)
	defer cancel()
	ctx, cancel = context.WithTimeout(ctx, patience)
	defer cancel()
	halts, err := b.Halts.Look(ctx)
	if err != nil {
		log.FromContext(ctx).Error(err, "Could not read the halts: the run goes on, and none starts")
	}
	return brakes.StopForHalts(halts)
}
