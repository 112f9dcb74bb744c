// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"errors"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/controllers/deadman"
	"agentdisconnect.dev/agentdisconnect/controllers/deadmanswitch"
	"agentdisconnect.dev/agentdisconnect/controllers/pass"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// moveExpiration follows a change of spec.duration, unless it makes the run longer than the manager
// allows. A run ends no later than its switch and its tags say: they come first where it gets
// longer, and last where it gets shorter. What AWS says against it leaves a run its time, and is no
// reason not to look after it.
func (r *reconciliation) moveExpiration(ctx context.Context) (failure error) {
	status, before := r.Status(), r.Status().ExpirationTime
	expires := run.Stamp(status.StartTime.Add(r.Object.Spec.Duration.Duration))
	grows := expires.After(run.Expiration(status))
	if grows && r.Object.Spec.Duration.Duration > r.Options.MaxDuration {
		expires = before
	}

	if grows && !before.Equal(expires) {
		if failure = r.prolong(ctx, before, expires); failure != nil {
			return failure
		}
	}

	if !before.Equal(expires) {
		status.ExpirationTime = expires
		if err := r.Ledger.Persist(ctx); err != nil {
			return err
		}
		r.UpdatePhase(r.Now)
	}

	if r.Phase != run.Active && r.Phase != run.Suspended {
		return nil // it is over: its end takes all that away
	}
	return r.shorten(ctx)
}

// prolong has switch and tags say a later end.
func (r *reconciliation) prolong(ctx context.Context, before, expires *metav1.Time) error {
	ctx, cancel := context.WithTimeout(ctx, pass.ObserveTimeout)
	defer cancel()
	if err := r.VerifyAccount(ctx); err != nil {
		return err
	}

	if err := r.deadManSwitch.Reschedule(ctx, expires.Time); err != nil {
		return err
	}

	r.Status().ExpirationTime = expires
	err := r.enforcement.EnsureOwnershipTagsIfPlaced(ctx)
	r.Status().ExpirationTime = before
	return err
}

// shorten has tags and switch say an earlier end, if they don't.
func (r *reconciliation) shorten(ctx context.Context) error {
	armable, expires := run.DeadManSwitch(r.Status()), run.Expiration(r.Status())
	moved := r.First.ExpirationTime != nil && expires.Before(r.First.ExpirationTime.Time)
	due := armable != nil && !deadmanswitch.Fires(r.Status()).Equal(deadman.Time(expires))
	if !moved && !due {
		return nil
	}

	ctx, cancel := context.WithTimeout(ctx, pass.ObserveTimeout)
	defer cancel()
	if err := r.VerifyAccount(ctx); err != nil {
		return err
	}
	return errors.Join(r.enforcement.EnsureOwnershipTagsIfPlaced(ctx), r.deadManSwitch.Reschedule(ctx, expires))
}
