// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// plan determines what a run would do and writes it into the status. It works on a copy of the
// object without a run: what the status says of one that is over stays.
func (r *reconciliation) plan(ctx context.Context) error {
	if r.Status().CompletionTime == nil {
		r.Status().ObservedMode = v1alpha1.ModePlan
	}

	if run.IsPlanned(r.Object) {
		return nil
	}

	r.Reservations.Withdraw(r.Object.UID) // it was perhaps about to begin

	seen := r.seen.draftFor(r.Object.Generation)
	draft := newReconciliation(r.reconciler, r.Draft(&seen.Learned), seen)
	plan, err := draft.preflight.Plan(ctx)
	if err != nil {
		return err
	}

	r.seen.draft = nil
	r.Status().Plan = plan
	return nil
}

// planWakes are what a plan leaves to the next pass, after one that ended with a failure.
func (r *reconciliation) planWakes(failure *problem.Problem) []run.Wake {
	if failure != nil || run.IsPlanned(r.Object) {
		return nil
	}
	return []run.Wake{{At: r.Now, Why: "the plan is not made yet"}}
}

// draftFor gives what earlier passes saw for the same plan, so that it is finished by and by where
// AWS is slow or limits the rate. Agents are polled anew: a plan is about one poll.
func (s *state) draftFor(generation int64) *state {
	if s.draft == nil || s.draftOf != generation {
		s.draft, s.draftOf = &state{}, generation
	}
	s.draft.History.Polls.Forget()
	return s.draft
}
