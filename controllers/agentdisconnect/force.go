// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"time"

	"k8s.io/utils/ptr"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// force is what the network ACL as last read does with the run's destinations. Where it is not the
// subnet's it does nothing.
func (s *scope) force() networkacl.Force {
	if !s.seen.onSubnet(s.obj) {
		return networkacl.Force{Open: run.Desired(s.obj)}
	}
	valid, _ := ledger.Valid(s.obj)
	return networkacl.Enforcement(valid, s.seen.acl.Entries, run.Desired(s.obj))
}

// recordEnforced notes, after a read of the network ACL, since when rules of this run have been in
// force. A read that shows otherwise ends that, also where it may only lag: what agents do
// meanwhile is not credited to the run.
func (s *scope) recordEnforced() {
	switch inForce := s.force().InForce(); {
	case !inForce:
		s.seen.enforcedSince = time.Time{}
	case s.seen.enforcedSince.IsZero():
		s.seen.enforcedSince = s.now
	}
}

// confirmForce reads the network ACL once more where agents were seen disconnected since it was
// last read: they count only if the rules are in force after that too.
func (r *Reconciler) confirmForce(ctx context.Context, s *scope) error {
	if s.aclRead || s.seen.enforcedSince.IsZero() || !s.seen.history.Polls.AreTwoSince(s.seen.enforcedSince) || !s.hasUncredited() {
		return nil
	}
	return r.readACL(ctx, s)
}

// hasUncredited reports whether a tracked agent is disconnected and was not seen so under the
// run's rules.
func (s *scope) hasUncredited() bool {
	return len(run.SelectAgents(s.status().Agents, func(i v1alpha1.ContainerInstance) bool {
		return i.DisconnectedTime == nil && !ptr.Deref(i.Connected, true)
	})) > 0
}

// creditDisconnections notes which agents were seen disconnected under rules of this run.
func (s *scope) creditDisconnections() {
	agents := s.status().Agents
	if s.phase != run.Active || agents == nil || !s.seen.enforcedForTwoPolls() {
		return
	}
	for i := range agents.ContainerInstances {
		instance := &agents.ContainerInstances[i]
		connected, left, agreed := s.seen.history.Polls.Agreed(instance.ARN, s.seen.enforcedSince)
		if agreed && !connected && !left && instance.DisconnectedTime == nil {
			instance.DisconnectedTime = run.Stamp(s.now)
		}
	}
	if run.AllDisconnected(agents) && agents.DisconnectedTime == nil {
		agents.DisconnectedTime = run.Stamp(s.now)
	}
}
