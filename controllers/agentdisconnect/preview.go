// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/utils/ptr"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/conditions"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// plan determines what a run would do and writes it into the status. AWS is only read, and asked by
// DryRun. It works on a copy of the object without a run: what the status says of one that is over
// stays.
func (r *Reconciler) plan(ctx context.Context, s *scope) error {
	if s.status().CompletionTime == nil {
		s.status().ObservedMode = v1alpha1.ModePlan
	}
	if run.IsPlanned(s.obj) {
		return nil
	}
	r.reservations.Withdraw(s.obj.UID) // it was perhaps about to begin
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	draft := &scope{
		obj: s.obj.DeepCopy(), now: s.now, phase: run.Pending, planning: true, options: r.options,
		seen: s.seen.draftFor(s.obj.Generation), fence: s.fence,
	}
	draft.obj.Status = v1alpha1.AgentDisconnectStatus{}
	t, trouble := r.gather(ctx, draft)
	if worst := problem.Explain(trouble); worst != nil && !worst.NotBefore.IsZero() && !worst.Stalled {
		return trouble // the Region does not answer: there is nothing to plan with
	}
	if err := r.preview(ctx, draft, t, trouble); err != nil {
		return err
	}
	s.seen.draft = nil
	s.status().Plan = draft.status().Plan
	return nil
}

// draftFor gives what earlier passes saw for the same plan, so that it is finished by and by where
// AWS is slow or limits the rate. Agents are polled anew: a plan is about one poll.
func (m *memory) draftFor(generation int64) *memory {
	if m.draft == nil || m.draftOf != generation {
		m.draft, m.draftOf = newMemory(), generation
	}
	m.draft.history.Polls = discovery.Polls{}
	return m.draft
}

// preview makes the plan of what is known. An error that passes by itself is no part of it:
// the plan is made again.
func (r *Reconciler) preview(ctx context.Context, s *scope, t *target, trouble error) error {
	plan := &v1alpha1.Plan{Time: *run.Stamp(s.now), ObservedGeneration: s.obj.Generation, Endpoints: s.status().Endpoints}
	s.status().Plan = plan
	trouble = errors.Join(trouble, r.previewOthers(ctx, s, t), r.previewNetworkACL(s, t), r.previewAgents(ctx, s, t), r.timeTrouble(s))
	held := r.previewRuns(ctx, s, t)
	if agents := plan.Agents; held == nil && agents != nil && *agents.Total > 0 && *agents.Connected == 0 {
		held = r.noneConnected(s, t) // of a run that is on they would be its work
	}
	if held != nil {
		trouble = withoutAlreadyDenied(trouble) // by the rules of the run that holds the network ACL
	}
	trouble = errors.Join(trouble, held, checkDraining(s, t))
	notes, err := r.notes(ctx, s, t)
	trouble = errors.Join(trouble, err)
	plan.Notes = append(plan.Notes, notes...)
	plan.Notes = append(plan.Notes, r.timeNotes(s)...)
	for i := range plan.Notes {
		plan.Notes[i] = aws.Truncate(plan.Notes[i], 1024)
	}
	plan.Notes = plan.Notes[:min(len(plan.Notes), v1alpha1.MaxNotes)]
	plan.Refusals, err = refusals(trouble)
	plan.WouldStart = new(len(plan.Refusals) == 0)
	return err
}

// previewOthers names the other clusters in the subnet. Where they are allowed a run doesn't look
// for them: then it is no trouble that they can't be looked for.
func (r *Reconciler) previewOthers(ctx context.Context, s *scope, t *target) error {
	plan, others := s.status().Plan, t.others
	if s.obj.Spec.OtherClusters == v1alpha1.OtherClustersAllow && s.clients != nil {
		arns, complete, err := discovery.OtherClusters(ctx, s.clients.ECS, s.obj.Spec.Cluster, t.hit(&s.obj.Spec)...)
		switch {
		case err != nil && !problem.Explain(err).Stalled:
			return err
		case err != nil:
			plan.Notes = append(plan.Notes, "other clusters in the subnet are allowed, and the search for them failed: "+problem.Explain(err).Message)
		case !complete:
			plan.Notes = append(plan.Notes, fmt.Sprintf("the Region has more than %d clusters, and the manager checked no more than that for container instances in the subnet", discovery.MaxClusters))
		}
		others.ARNs = arns
	}
	plan.OtherClusters = others.ARNs[:min(len(others.ARNs), v1alpha1.MaxNamed)]
	return nil
}

// previewRuns says which other run stands in the way, or that there are as many as may be on at
// once.
func (r *Reconciler) previewRuns(ctx context.Context, s *scope, t *target) error {
	if t.acl == nil {
		return nil
	}
	others, held := r.reservations.CheckFree(ctx, s.obj, s.clients.Region, reservationFor(s, t))
	on := 0
	for i := range others {
		if run.IsOn(&others[i].Status) {
			on++
		}
	}
	if most := r.options.MaxActiveRuns; held == nil && most > 0 && on >= most {
		return problem.Wait(v1alpha1.ReasonTooManyRuns, "%s on, which is as many as the manager allows at once (--max-active-runs): a run would begin when one of them is over", problem.Plural(on, "run is", "runs are"))
	}
	return held
}

// refusals are all that stands against a start, each once. The error is what passes by itself: no
// plan is made of it.
func refusals(trouble error) ([]v1alpha1.Refusal, error) {
	if fatal, ok := errors.AsType[*problem.StoreError](trouble); ok {
		return nil, fatal
	}
	if trouble == nil {
		return nil, nil
	}
	var all []v1alpha1.Refusal
	for _, each := range problem.All(trouble) {
		if !each.Stalled && each.Reason != v1alpha1.ReasonHolder && each.Reason != v1alpha1.ReasonTooManyRuns {
			return nil, each
		}
		refusal := v1alpha1.Refusal{Reason: each.Reason, Message: aws.Truncate(each.Message, 1024)}
		if !slices.Contains(all, refusal) {
			all = append(all, refusal)
		}
	}
	return all[:min(len(all), v1alpha1.MaxRefusals)], nil
}

// previewNetworkACL says which network ACL would be used, what would be put on it, and for what
// more there is room.
func (r *Reconciler) previewNetworkACL(s *scope, t *target) error {
	if t.acl == nil {
		return nil
	}
	plan, others := s.status().Plan, otherSubnets(t.acl, s.obj.Spec.SubnetID)
	mode, reason := t.chooseMode(&s.obj.Spec)
	plan.NetworkACL = &v1alpha1.PlannedNetworkACL{
		ID: t.acl.ID, Mode: mode, ModeReason: reason,
		OtherSubnets: new(int32(len(others))), OtherSubnetIDs: others[:min(len(others), v1alpha1.MaxNamed)],
	}
	plan.Headroom = &v1alpha1.Headroom{EntryQuota: new(int32(s.quota.value))}
	if note := s.quota.note(); note != "" {
		plan.Headroom.EntryQuotaAssumed = new(true)
		plan.Notes = append(plan.Notes, note)
	}
	var how placement
	var err error
	if len(run.Desired(s.obj)) > 0 {
		how, err = r.choosePlacement(s, t)
	}
	for _, rule := range how.rules {
		plan.Rules = append(plan.Rules, v1alpha1.PlannedRule{RuleNumber: rule.RuleNumber, CIDR: rule.CIDR, Hostname: rule.Hostname})
	}
	if how.renumbered {
		plan.NetworkACL.Renumbered = new(true)
	}
	room := networkacl.Room(t.acl.Entries, how.rules, s.quota.value)
	plan.Headroom.IPv4Entries, plan.Headroom.IPv6Entries = new(int32(room[networkacl.IPv4])), new(int32(room[networkacl.IPv6]))
	if mode == v1alpha1.NetworkACLModeClone {
		plan.Notes = append(plan.Notes, "the permissions to change and delete the clone can be checked only when it exists: a run checks them before the clone serves the subnet, and does not move the subnet without them")
		plan.Headroom.NetworkACLs = new(int32(t.cloneRoom - 1))
	} else {
		tags := r.ownership(s, how.rules).Tags()
		plan.Headroom.Tags = new(int32(ownership.TagRoom(t.acl.Tags, r.ownership(s, how.rules), tags)))
	}
	return err
}

// previewAgents says which agents would be hit, and which container instances RunTask goes on
// working on.
func (r *Reconciler) previewAgents(ctx context.Context, s *scope, t *target) error {
	poll, polled := s.seen.history.Polls.Latest()
	if t.cluster.ARN == "" || t.instances == nil || len(t.instances) > 0 && !polled {
		return nil
	}
	plan := s.status().Plan
	var connected []string
	for _, arn := range t.instances {
		if poll.IsConnected(arn) {
			connected = append(connected, arn)
		}
	}
	plan.Agents = &v1alpha1.PlannedAgents{
		Total: new(int32(len(t.instances))), Connected: new(int32(len(connected))),
		ContainerInstances: connected[:min(len(connected), v1alpha1.MaxNamed)],
	}
	outside, more, err := discovery.OutsideInstances(ctx, s.clients.ECS, t.cluster.ARN, t.instances, discovery.MaxOutside)
	if err != nil {
		return err
	}
	plan.Outside = &v1alpha1.InstanceList{Total: new(int32(len(outside))), ContainerInstances: outside[:min(len(outside), v1alpha1.MaxNamed)]}
	if more {
		plan.Outside.AtLeast = new(true)
	}
	return r.previewExternal(ctx, s, t, outside)
}

// previewExternal says how many of the instances outside the subnet are external.
func (r *Reconciler) previewExternal(ctx context.Context, s *scope, t *target, outside []string) error {
	if len(outside) == 0 {
		return nil
	}
	n, more, err := discovery.ExternalInstances(ctx, s.clients.ECS, t.cluster.ARN, outside)
	if n > 0 {
		note := problem.Plural(n, "container instance of the cluster is", "container instances of the cluster are") + " external (ECS Anywhere): in no subnet, and not tracked"
		if more {
			note += "; only the first 100 outside the subnet were checked"
		}
		s.status().Plan.Notes = append(s.status().Plan.Notes, note)
	}
	return err
}

// timeTrouble is what of the times in the spec stands against a start for good.
func (r *Reconciler) timeTrouble(s *scope) error {
	if deadline := run.StartDeadline(s.obj); s.obj.Spec.StartDeadline != nil || s.obj.Spec.StartAfter != nil {
		if !s.now.Before(deadline) {
			return problem.Refuse(v1alpha1.AbortStartDeadlineExceeded, "the start deadline %s is past: move spec.startDeadline or spec.startAfter", deadline.UTC().Format(time.RFC3339))
		}
	}
	return nil
}

// timeNotes say what keeps a run from starting at once without standing against it.
func (r *Reconciler) timeNotes(s *scope) []string {
	var notes []string
	if after := s.obj.Spec.StartAfter; after != nil && s.now.Before(after.Time) {
		notes = append(notes, "the run would not start before "+after.UTC().Format(time.RFC3339)+" (spec.startAfter)")
	}
	if ptr.Deref(s.obj.Spec.Suspend, false) {
		notes = append(notes, "the run would not start while spec.suspend is true")
	}
	if short := conditions.ShortDuration(s.obj); short != "" {
		notes = append(notes, short)
	}
	return notes
}
