// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"errors"
	"time"

	"agentdisconnect.dev/agentdisconnect/controllers/answers"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/parallel"
	"agentdisconnect.dev/agentdisconnect/controllers/pass"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/controllers/target"
)

// active keeps the rules of a run in place: it looks at agents, hosts and network ACL as each is
// due, and repairs what is missing or ends the run.
func (r *reconciliation) active(ctx context.Context) turned {
	failure := r.moveExpiration(ctx)
	if problem.IsStoreError(failure) {
		return r.rest(failure)
	}

	if r.Phase != run.Active {
		return onward()
	}

	failure = errors.Join(failure, r.maintain(ctx))
	if !r.Clock.Now().Before(run.Expiration(r.Status())) {
		r.UpdatePhase(r.Clock.Now())
		if r.Phase == run.Active {
			return r.rest(nil)
		}
		return onward() // whatever the run's end cut off is no failure
	}
	return r.endIfAborted(ctx, failure)
}

// maintain looks at the run, and repairs it, for as long as it lasts.
func (r *reconciliation) maintain(ctx context.Context) error {
	ctx, cancel, _ := r.Within(ctx)
	defer cancel()
	looking, cancel := context.WithTimeout(ctx, pass.ObserveTimeout)
	defer cancel()
	if err := r.VerifyAccount(looking); err != nil {
		return err
	}

	valid, invalid := ledger.Valid(r.Object)
	due, settled, hit := !r.Now.Before(r.nextACLRead()), r.isSettled(), r.enforcement.Readings().SubnetsHit
	if due {
		r.target.BeginLook(settled)
	}

	var beside target.BesideSubnets
	asking, stop := context.WithCancel(ctx)
	defer stop()
	failure := errors.Join(invalid, parallel.Do(
		func() error {
			err := r.observe(looking, due, settled)
			if beside = r.target.LookBeside(ctx, r.enforcement.ACLOfPass()); r.Status().Abort != nil || r.target.IsChanged() || len(r.target.LackingConsent(r.enforcement.ACLOfPass(), beside)) > 0 {
				stop() // a longer look would hold up what ends the run
			}
			return err
		},
		func() error {
			if !due {
				return nil
			}
			_, err := r.target.LookForOthers(asking, hit) // a look that takes longer than the others, and is remembered
			if errors.Is(err, context.Canceled) && ctx.Err() == nil {
				r.target.ForgetLook() // it was stopped
				return nil
			}
			return err
		},
	))
	failure = errors.Join(failure, r.target.JudgeHit(ctx, r.enforcement.ACLOfPass(), beside), r.LearnQuota(looking, answers.AnyAge), r.enforcement.RelearnQuota(looking, valid))
	if r.Status().Abort == nil && invalid == nil && r.target.MayHit() {
		failure = errors.Join(failure, r.enforcement.Maintain(ctx, valid))
	}

	r.enforcement.CreditDisconnections()
	if r.Status().Abort == nil && invalid == nil && r.target.MayHit() {
		failure = errors.Join(failure, r.runProbe(ctx))
	}
	return failure
}

// endIfAborted has the pass that aborted a run end it: the reason is written before anything is
// taken back.
func (r *reconciliation) endIfAborted(ctx context.Context, failure error) turned {
	if r.Status().Abort == nil {
		return r.rest(failure)
	}
	if err := r.Ledger.Persist(ctx); err != nil {
		return r.rest(err)
	}
	r.UpdatePhase(r.Clock.Now())
	return onward()
}

// observe looks at whatever is due, side by side, and ends the run where its target is no longer
// what it was.
func (r *reconciliation) observe(ctx context.Context, due, settled bool) error {
	var seen *target.Observation
	failure := parallel.Do(
		func() error {
			switch {
			case !due:
				return nil
			case settled:
				return r.enforcement.PollACL(ctx)
			default:
				return r.enforcement.FetchACL(ctx)
			}
		},
		func() (err error) { seen, err = r.target.Observe(ctx, due); return },
	)
	unanswered := r.target.Adopt(ctx, seen, r.enforcement.Readings().EnforcedSince)
	return errors.Join(failure, unanswered, r.enforcement.ConfirmEnforced(ctx), r.target.Judge(ctx, seen))
}

// isSettled reports whether nothing was wrong with target and rules when they were last looked at:
// then the next look may be shared with other runs.
func (r *reconciliation) isSettled() bool {
	acl := r.enforcement.Readings()
	return acl.DeniesAll && !acl.Unconfirmed && !r.target.Report().Unconfirmed
}

// nextACLRead is when the network ACL is to be read again: soon after a read that did not show what
// it should.
func (r *reconciliation) nextACLRead() time.Time {
	// A read for a new address must not put off the look at the rest of the target, which goes with
	// it.
	acl, about := r.enforcement.Readings(), r.target.Report()
	look := about.LookedAt.Add(r.Options.ACLPollInterval)
	switch {
	case acl.ReadAt.IsZero():
		return r.Now
	case acl.Unconfirmed || about.Unconfirmed:
		return run.Earliest(look, acl.ReadAt.Add(networkacl.ConfirmInterval))
	case !acl.DeniesAll:
		return run.Earliest(look, acl.ReadAt.Add(readBackInterval))
	}
	return run.Earliest(look, acl.ReadAt.Add(r.Options.ACLPollInterval))
}

// activeWakes are what a run that is on leaves to the next pass.
func (r *reconciliation) activeWakes() []run.Wake {
	wakes := []run.Wake{r.nextPoll(), {At: r.nextACLRead(), Why: "the network ACL is to be read"}, r.nextLookup()}
	return append(wakes, r.probeWakes()...)
}
