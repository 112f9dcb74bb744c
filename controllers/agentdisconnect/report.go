// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/answers"
	"agentdisconnect.dev/agentdisconnect/controllers/conditions"
	"agentdisconnect.dev/agentdisconnect/controllers/enforcement"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/controllers/target"
	"agentdisconnect.dev/agentdisconnect/controllers/timeline"
)

// report is the one deferred write of the status that a person reads; events and metrics follow
// only after it succeeded.
func (r *reconciliation) report(ctx context.Context, failure *problem.Problem) error {
	before := r.reported()
	r.target.NoteObserved()
	r.setConditions(failure)
	r.noteTimeline()
	if err := r.Ledger.Persist(ctx); err != nil {
		return err
	}
	if failure != nil {
		log.FromContext(ctx).V(1).Info("Pass was not complete", "phase", r.Phase, "reason", failure.Reason, "message", failure.Message)
	}
	r.announce(ctx, before)
	return nil
}

// setConditions brings the conditions in line with what the pass knows so far.
func (r *reconciliation) setConditions(failure *problem.Problem) {
	acl, about, endpoints := r.enforcement.Readings(), r.target.Report(), r.Status().Endpoints
	lookups, options := &r.History.Lookups, r.Options
	conditions.Set(conditions.Input{
		Object: r.Object, Now: r.Now, Phase: r.Phase, Problem: failure,
		ACLSeen:       r.aclSeen(),
		AgentsSeen:    r.agentsSeen(),
		HostsSeen:     run.LookedAt(lookups.AnsweredAt(endpoints, r.Now), options.LookupInterval),
		EndpointsSeen: run.LookedAt(r.Cache.Endpoints.AnsweredAt(), options.ACLPollInterval+answers.AnswerTTL),
		Open:          addressesOf(acl.Force.Open), Own: acl.Force.Own, Foreign: acl.Force.Foreign,
		Elsewhere: acl.Displacement, EnforcedSince: acl.EnforcedSince, SubnetsHit: acl.SubnetsHit, Follows: r.Original.Pending(),
		Suspected: r.suspected(acl, about),
		Unsettled: lookups.Unsettled(endpoints, r.Now, options.LookupInterval), Failing: lookups.Failing(endpoints),
		Resolver: r.Resolver.String(), Unasked: about.Unasked, PathMismatch: about.PathMismatch, PrivateInSubnet: about.PrivateInSubnet,
	})
}

// aclSeen and agentsSeen are when the network ACL was read, and when ECS answered about the agents.
func (r *reconciliation) aclSeen() run.Look {
	return run.LookedAt(r.enforcement.Readings().ReadAt, r.Options.ACLPollInterval)
}

func (r *reconciliation) agentsSeen() run.Look {
	return run.LookedAt(r.History.Polls.AnsweredAt(), r.Options.AgentPollInterval)
}

// noteTimeline keeps what happened in the run. It changes the status only where the pass has
// changed something else of it, or the timeline was edited.
func (r *reconciliation) noteTimeline() {
	r.Status().Timeline = timeline.Next(timeline.Seen{
		Object: r.Object, Now: r.Now, Phase: r.Phase,
		Repaired: r.repaired, CarriedOver: r.enforcement.Readings().CarriedOver,
	})
}

// suspected is what reads and looks show that is not acted on yet.
func (r *reconciliation) suspected(acl enforcement.Readings, about target.Report) []string {
	if r.Phase != run.Active || acl.ReadAt.IsZero() {
		return nil
	}
	return append(acl.Suspected, about.Suspected...)
}

// reported is what the status said of the run before the pass.
func (r *reconciliation) reported() reported {
	was := reported{started: r.First.StartTime != nil, disconnected: r.First.Agents != nil && r.First.Agents.DisconnectedTime != nil}
	if c := meta.FindStatusCondition(r.First.Conditions, v1alpha1.ConditionSucceeded); c != nil {
		was.state = c.Reason
	}
	if c := meta.FindStatusCondition(r.First.Conditions, v1alpha1.ConditionStalled); c != nil {
		was.stalled = c.Reason
	}
	return was
}

type reported struct {
	state, stalled        string
	started, disconnected bool
}

// addressesOf are the ranges of destinations.
func addressesOf(destinations []networkacl.Destination) []string {
	var addresses []string
	for _, destination := range destinations {
		addresses = append(addresses, destination.CIDR.String())
	}
	return addresses
}

// lastReason is why the run had not begun, as the status says.
func (r *reconciliation) lastReason() string {
	if c := meta.FindStatusCondition(r.First.Conditions, v1alpha1.ConditionSucceeded); c != nil && c.Message != "" {
		return c.Message
	}
	return "the manager did not process the object in time"
}

// noteEnforced keeps when the rules of the run were first read back in force: a run of which ECS
// shows nothing goes by it.
func (r *reconciliation) noteEnforced() {
	since := r.enforcement.Readings().EnforcedSince
	if status := r.Status(); r.Phase == run.Active && status.EnforcedTime == nil && !since.IsZero() {
		status.EnforcedTime = run.Stamp(since)
	}
}
