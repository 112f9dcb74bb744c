// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"context"
	"time"

	"k8s.io/utils/ptr"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// Force is what the network ACL as last read does with the run's destinations. Where it is not the
// subnet's it does nothing.
func (e *Enforcement) Force() networkacl.Force {
	if !e.onSubnet() {
		return networkacl.Force{Open: run.Desired(e.Object)}
	}
	valid, _ := ledger.Valid(e.Object)
	return networkacl.Enforcement(valid, e.seen.acl.Entries, run.Desired(e.Object))
}

// RecordEnforced notes, after a read of the network ACL, since when rules of this run have been in
// force. A read that shows otherwise ends that, also where it may only lag: what agents do
// meanwhile is not credited to the run.
func (e *Enforcement) RecordEnforced() {
	switch inForce := e.Force().InForce(); {
	case !inForce:
		e.seen.enforcedSince = time.Time{}
	case e.seen.enforcedSince.IsZero():
		e.seen.enforcedSince = e.Now
	}
}

// ConfirmForce reads the network ACL once more where agents were seen disconnected since it was
// last read: they count only if the rules are in force after that too.
func (e *Enforcement) ConfirmForce(ctx context.Context) error {
	if e.aclRead || e.seen.enforcedSince.IsZero() || !e.History.Polls.AreTwoSince(e.seen.enforcedSince) || !e.hasUncredited() {
		return nil
	}
	return e.ReadACL(ctx)
}

// hasUncredited reports whether a tracked agent is disconnected and was not seen so under the
// run's rules.
func (e *Enforcement) hasUncredited() bool {
	return len(run.SelectAgents(e.Status().Agents, func(i v1alpha1.ContainerInstance) bool {
		return i.DisconnectedTime == nil && !ptr.Deref(i.Connected, true)
	})) > 0
}

// CreditDisconnections notes which agents were seen disconnected under rules of this run.
func (e *Enforcement) CreditDisconnections() {
	agents := e.Status().Agents
	if e.Phase != run.Active || agents == nil || !e.enforcedForTwoPolls() {
		return
	}
	for i := range agents.ContainerInstances {
		instance := &agents.ContainerInstances[i]
		connected, left, agreed := e.History.Polls.Agreed(instance.ARN, e.seen.enforcedSince)
		if agreed && !connected && !left && instance.DisconnectedTime == nil {
			instance.DisconnectedTime = run.Stamp(e.Now)
		}
	}
	if run.AllDisconnected(agents) && agents.DisconnectedTime == nil {
		agents.DisconnectedTime = run.Stamp(e.Now)
	}
}

// Hit are the subnets that the denies of a run that is on act on, as the network ACL was last read.
func (e *Enforcement) Hit() []string { return e.target.Hit(e.seen.acl) }

// enforcedForTwoPolls reports whether the last two polls were both made while rules of the run were
// in force: not before they were seen so, and not after the last read, which still shows it.
func (e *Enforcement) enforcedForTwoPolls() bool {
	return !e.seen.enforcedSince.IsZero() && e.History.Polls.AreTwoSince(e.seen.enforcedSince) && !e.seen.aclRead.Before(e.History.Polls.LatestAt())
}

// Elsewhere says that the network ACL that carries the rules is not the subnet's, as last read;
// empty: it is.
func (e *Enforcement) Elsewhere() string {
	switch acl := e.Status().NetworkACL; {
	case acl == nil || e.onSubnet():
		return ""
	case e.seen.acl == nil:
		return "network ACL " + acl.ID + " was not found in the last read"
	default:
		return "subnet " + e.Object.Spec.SubnetID + " is not on network ACL " + acl.ID + ", as last read"
	}
}
