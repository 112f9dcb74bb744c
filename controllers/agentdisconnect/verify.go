// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"

	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// recovered ends the wait for the agents of a run: it is over now, or once its callers were looked
// at.
func (r *reconciliation) recovered() {
	at := run.Latest(r.Now, r.Status().RestoredTime.Time)
	if run.VerifiesCallers(r.Status()) && r.Status().CompletionTime == nil {
		r.Status().RecoveredTime = run.Stamp(at)
		return
	}
	r.Status().CompletionTime = run.Stamp(r.Now)
}

// verify looks at the callers of a run of which nothing else is left to do, and ends it: when
// CloudTrail has shown all that it had to, or at the deadline. No error keeps it from that.
func (r *reconciliation) verify(ctx context.Context) {
	if r.Status().RecoveredTime.After(r.Now) {
		// Edited, or written by a manager whose clock was ahead. AGENT counts until then, so it stays as
		// late as the agents may have made callers meet it.
		r.Status().RecoveredTime = run.Stamp(run.Latest(r.Now, run.AgentFailuresUntil(r.Status())))
	}

	settled := r.verification.Observe(ctx)
	deadline := run.VerifyDeadline(r.Status())
	if settled || !deadline.IsZero() && !r.Now.Before(deadline) {
		r.Status().CompletionTime = run.Stamp(r.Now)
	}
}

// nextVerification is when the callers are looked at again.
func (r *reconciliation) nextVerification() run.Wake {
	return run.Wake{At: r.verification.NextLook(), Why: "CloudTrail is to be read"}
}
