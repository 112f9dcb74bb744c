// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"context"
	"fmt"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/answers"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// gatherCallers asks AWS whether the manager may read who called RunTask, where the run is to look at
// its callers: afterwards it would be too late.
func (p *Preflight) gatherCallers(ctx context.Context, f *Findings) error {
	if f.spec().Callers == nil {
		return nil
	}
	return p.Trail.CheckAllowed(ctx, p.Clients, answers.AnswerTTL)
}

// callersNotes are what is worth knowing of the look at the callers before a run.
func callersNotes(f *Findings) []string {
	callers := f.spec().Callers
	if callers == nil {
		return nil
	}

	note := fmt.Sprintf("after the run the manager reads from CloudTrail who met AGENT and who recovered within %s: the run is in the state Verifying for up to %s then, with nothing of it left in AWS",
		run.RecoverWithin(callers), run.VerifyTime(callers, f.trailDelay))
	if callers.Require == v1alpha1.RequireRecovery {
		note += ". It succeeds only if a caller meets AGENT and all that do recover"
	}
	return []string{note}
}
