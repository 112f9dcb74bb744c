// SPDX-License-Identifier: Apache-2.0

package entries

import (
	"context"
	"slices"
	"time"

	"k8s.io/utils/ptr"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// force is what the network ACL as last read does with the run's destinations. Where it is not the
// subnet's it does nothing.
func (e *Entries) force() networkacl.Force {
	if !e.IsOnSubnet() {
		return networkacl.Force{Open: run.Desired(e.Object)}
	}
	valid, _ := ledger.Valid(e.Object)
	return networkacl.Enforcement(valid, e.seen.acl.Entries, run.Desired(e.Object))
}

// recordEnforced notes, after a read of the network ACL, since when rules of this run have been in
// force. A read that shows otherwise ends that, also where it may only lag: what agents do
// meanwhile is not credited to the run.
func (e *Entries) recordEnforced() {
	switch enforced := e.force().InForce(); {
	case !enforced:
		e.seen.enforcedSince = time.Time{}
	case e.seen.enforcedSince.IsZero():
		e.seen.enforcedSince = e.Now
	}
}

// ConfirmEnforced notes since when the rules have been in force. It reads the network ACL once more
// where agents were seen disconnected since it was last read: they count only if the rules are in
// force after that too.
func (e *Entries) ConfirmEnforced(ctx context.Context) error {
	if e.hasRead {
		e.recordEnforced()
	}
	if e.hasRead || e.seen.enforcedSince.IsZero() || !e.History.Polls.AreTwoSince(e.seen.enforcedSince) || !e.hasUncreditedAgent() {
		return nil
	}
	return e.ReadACL(ctx)
}

// hasUncreditedAgent reports whether a tracked agent is disconnected and was not seen so under the
// run's rules.
func (e *Entries) hasUncreditedAgent() bool {
	return len(run.SelectAgents(e.Status().Agents, func(i v1alpha1.ContainerInstance) bool {
		return i.DisconnectedTime == nil && !ptr.Deref(i.Connected, true)
	})) > 0
}

// CreditDisconnections notes which agents were seen disconnected under rules of this run.
func (e *Entries) CreditDisconnections() {
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

// enforcedForTwoPolls reports whether the last two polls were both made while rules of the run were
// in force: not before they were seen so, and not after the last read, which still shows it.
func (e *Entries) enforcedForTwoPolls() bool {
	return !e.seen.enforcedSince.IsZero() && e.History.Polls.AreTwoSince(e.seen.enforcedSince) && !e.seen.readAt.Before(e.History.Polls.LatestAt())
}

// describeDisplacement says that the network ACL that carries the rules is not the subnet's, as
// last read; empty: it is.
func (e *Entries) describeDisplacement() string {
	switch acl := e.Status().NetworkACL; {
	case acl == nil || e.IsOnSubnet():
		return ""
	case e.seen.acl == nil:
		return "network ACL " + acl.ID + " was not found in the last read"
	default:
		return "subnet " + e.Object.Spec.SubnetID + " is not on network ACL " + acl.ID + ", as last read"
	}
}

// deniesAll reports whether the network ACL that the subnet has, as last read, denies every
// destination of the run.
func (e *Entries) deniesAll() bool {
	return e.IsOnSubnet() && len(run.Desired(e.Object)) > 0 && len(e.OpenDestinations()) == 0
}

// IsOnSubnet reports whether the network ACL that carries the rules is the subnet's, as last read.
func (e *Entries) IsOnSubnet() bool {
	return e.seen.acl != nil && slices.Contains(e.seen.acl.SubnetIDs, e.Object.Spec.SubnetID)
}

// OpenDestinations are the destinations that the network ACL as last read lets through.
func (e *Entries) OpenDestinations() []networkacl.Destination {
	return slices.DeleteFunc(run.Desired(e.Object), func(d networkacl.Destination) bool {
		_, denied := networkacl.Denied(e.seen.acl.Entries, d)
		return denied
	})
}
