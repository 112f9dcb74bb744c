// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"slices"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/clones"
	"agentdisconnect.dev/agentdisconnect/controllers/original"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// mayServe reports whether the clone may be put into service: it has what the original has, which
// has stood, and which does not cut the subnet off from what its agents use. It ends the run where
// the last does not hold.
func (e *Enforcement) mayServe() (bool, error) {
	wanted, ok := e.recopied()
	if !ok || !slices.Equal(clones.FormatCopies(wanted), e.Status().NetworkACL.Baseline) {
		return false, nil // the next pass makes the change to the clone
	}
	if unsettled := e.Original.CheckSettled(); unsettled != nil {
		return false, unsettled
	}
	if original.DeniesAgents(e.seen.original, run.Desired(e.Object), e.History.Polls.HasConnected()) {
		e.Abort(v1alpha1.AbortOriginalChanged, original.DeniesAgentsMessage+", so clone %s is not put into service", e.seen.original.ID, e.Status().NetworkACL.ID)
		return false, nil
	}
	return true, nil
}
