// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/clones"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// Placement is how the rules of a run would be put on a network ACL.
type Placement struct {
	mode   v1alpha1.NetworkACLMode
	reason v1alpha1.NetworkACLModeReason
	// rules are new ledger lines. Those of a clone name no network ACL yet.
	rules []v1alpha1.Rule
	// copies are the entries that a clone begins with.
	copies []clones.Copy
	// renumbered says that the copies have other numbers than their originals.
	renumbered bool
}

// chooseMode decides which network ACL a run uses, and says why.
func (t *Findings) chooseMode(spec *v1alpha1.AgentDisconnectSpec) (v1alpha1.NetworkACLMode, v1alpha1.NetworkACLModeReason) {
	switch {
	case spec.NetworkACLMode != "":
		return spec.NetworkACLMode, v1alpha1.NetworkACLModeRequested
	case len(t.acl.OtherSubnets(spec.SubnetID)) > 0 || t.subnetOnClone || len(t.foreign) > 0:
		return v1alpha1.NetworkACLModeClone, v1alpha1.NetworkACLModeShared
	default:
		return v1alpha1.NetworkACLModeInPlace, v1alpha1.NetworkACLModeOnlySubnet
	}
}

// choosePlacement is how the rules of a run that owns nothing yet would be put on the subnet's
// network ACL.
func (p *Preflight) choosePlacement(t *Findings) (Placement, error) {
	mode, reason := t.chooseMode(&p.Object.Spec)
	if mode == v1alpha1.NetworkACLModeClone {
		plan, err := clones.NewPlan(t.acl.Entries, run.Desired(p.Object), p.Quota.Value)
		if err == nil {
			err = p.checkRules(t, plan.Rules)
		}
		return Placement{mode, reason, plan.Rules, plan.Copies, plan.Renumbered}, p.Quota.Explain(err)
	}
	plan, err := networkacl.NewPlan(networkacl.PlanInput{
		NetworkACLID: t.acl.ID, Desired: run.Desired(p.Object), Observed: t.acl.Entries, Quota: p.Quota.Value,
	})
	if err == nil {
		err = p.checkRules(t, plan.Create)
	}
	return Placement{mode: mode, reason: reason, rules: plan.Create}, p.Quota.Explain(err)
}
