// SPDX-License-Identifier: Apache-2.0

package entries

import (
	"slices"
	"strings"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/controllers/target"
)

// Drift is what a read shows not to be as it should be on the network ACL: the reason for which the
// run ends if it stays so, and in words. The zero value: nothing.
type Drift struct{ Reason, Message string }

// DriftState is what reads of the network ACL come to.
type DriftState int

const (
	// InSync: the last read showed nothing odd, or what a repair under way puts right.
	InSync DriftState = iota
	// Unconfirmed: it did, and another one decides, or the run was aborted.
	Unconfirmed
	// Drifted: two reads showed that a third party changed the run's rules, which are to be
	// restored.
	Drifted
)

// maxDriftRepairs is how often rules that a third party removed or overrode are restored: a fourth
// time is a conflict with another tool, which does harm in a network.
const maxDriftRepairs = 3

// ConfirmDrift holds the network ACL as last read against what the run began with. What two reads
// in a row show ends the run, unless it can be put back.
func (e *Entries) ConfirmDrift(valid []v1alpha1.Rule) DriftState {
	return e.Confirm(e.mode.FindDrift(valid))
}

// Confirm is ConfirmDrift for what a read showed.
func (e *Entries) Confirm(drift Drift) DriftState {
	underway := e.seen.repair.what != "" && drift.Reason == v1alpha1.AbortDriftDetected
	if drift.Reason == "" || underway {
		e.seen.drift.Clear()
		return InSync
	}

	confirmed := e.seen.drift.Observe(drift.Reason, drift.Message, e.Now)
	switch {
	case !confirmed:
		return Unconfirmed
	case drift.Reason != v1alpha1.AbortDriftDetected:
		e.Abort(drift.Reason, "%s", drift.Message)
		return Unconfirmed
	case e.driftPolicy() == v1alpha1.OnDriftAbort:
		e.Abort(drift.Reason, "%s, and spec.onDrift is Abort", drift.Message)
		return Unconfirmed
	case e.Status().DriftRepairs >= maxDriftRepairs:
		e.Abort(drift.Reason, "%s, again after %s", drift.Message, problem.Plural(maxDriftRepairs, "repair", "repairs"))
		return Unconfirmed
	}

	e.seen.repair = repairUnderway{what: drift.Message}
	return Drifted
}

// driftPolicy is what the run does about drift, as the spec had it when it began.
func (e *Entries) driftPolicy() v1alpha1.OnDrift {
	if with := e.Status().StartedWith; with != nil {
		return with.OnDrift
	}
	return v1alpha1.OnDriftReapply
}

// FindAssociationDrift says that the network ACL is gone, or that the subnet is no longer on place,
// where it should be; nil: that was not there in the last read.
func (e *Entries) FindAssociationDrift(place *networkacl.ACL) Drift {
	switch subnetID := e.Object.Spec.SubnetID; {
	case e.seen.acl == nil:
		return Drift{v1alpha1.AbortNetworkACLDeleted, "network ACL " + e.Status().NetworkACL.ID + " was deleted"}
	case place != nil && !slices.Contains(place.SubnetIDs, subnetID):
		return Drift{v1alpha1.AbortSubnetLeft, "subnet " + subnetID + " is no longer on network ACL " + place.ID}
	}
	return Drift{}
}

// FindOtherSubnets says that the network ACL serves another subnet.
func (e *Entries) FindOtherSubnets() Drift {
	if others := e.seen.acl.OtherSubnets(e.Object.Spec.SubnetID); len(others) > 0 {
		return Drift{v1alpha1.AbortNetworkACLShared, target.DescribeOthersOn(e.seen.acl.ID, others)}
	}
	return Drift{}
}

// FindRuleDrift says what of the run's rules a third party removed or overrode.
func (e *Entries) FindRuleDrift(valid []v1alpha1.Rule) Drift {
	// First whether there is room at all: without it no repair helps.
	if _, err := e.replan(valid); err != nil {
		return Drift{v1alpha1.AbortPlanDoesNotFit, err.Error()}
	}
	if drift := networkacl.Drift(valid, e.seen.acl.Entries, run.Desired(e.Object), e.Now); len(drift) > 0 {
		return Drift{v1alpha1.AbortDriftDetected, "a third party changed network ACL " + e.seen.acl.ID + ": " + strings.Join(drift, "; ")}
	}
	return Drift{}
}

func (e *Entries) replan(valid []v1alpha1.Rule) (networkacl.Plan, error) {
	_, released, _ := ledger.Lines(e.Object)
	return networkacl.NewPlan(networkacl.PlanInput{
		NetworkACLID: e.Status().NetworkACL.ID, Desired: run.Desired(e.Object), Observed: e.seen.acl.Entries,
		Owned: append(slices.Clip(valid), released...), Quota: e.Quota.Value,
	})
}
