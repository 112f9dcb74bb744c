// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"cmp"
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

// Plan determines what a run would do, and gives the plan. AWS is only read, and asked by DryRun.
// It is for a pass that is a draft. The error is what passes by itself: then there is no plan yet.
func (p *Preflight) Plan(ctx context.Context) (*v1alpha1.Plan, error) {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	t, trouble := p.gather(ctx)
	if worst := problem.Explain(trouble); worst != nil && !worst.NotBefore.IsZero() && !worst.Stalled {
		return nil, trouble // the Region does not answer: there is nothing to plan with
	}
	err := p.preview(ctx, t, trouble)
	return p.Status().Plan, err
}

// preview makes the plan of what is known. An error that passes by itself is no part of it:
// the plan is made again.
func (p *Preflight) preview(ctx context.Context, t *Findings, trouble error) error {
	plan := &v1alpha1.Plan{Time: *run.Stamp(p.Now), ObservedGeneration: p.Object.Generation, Endpoints: p.Status().Endpoints}
	p.Status().Plan = plan
	trouble = errors.Join(trouble, p.previewOthers(ctx, t), p.previewNetworkACL(t), p.previewAgents(ctx, t), p.timeTrouble())
	held := p.previewRuns(ctx, t)
	if agents := plan.Agents; held == nil && agents != nil && *agents.Total > 0 && *agents.Connected == 0 {
		held = p.noneConnected(t) // of a run that is on they would be its work
	}
	if held != nil {
		trouble = withoutAlreadyDenied(trouble) // by the rules of the run that holds the network ACL
	}
	trouble = errors.Join(trouble, held, p.checkDraining(t))
	notes, err := p.listNotes(ctx, t)
	trouble = errors.Join(trouble, err)
	plan.Notes = append(plan.Notes, notes...)
	plan.Notes = append(plan.Notes, p.timeNotes()...)
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
func (p *Preflight) previewOthers(ctx context.Context, t *Findings) error {
	plan, others := p.Status().Plan, t.others
	if p.Object.Spec.OtherClusters == v1alpha1.OtherClustersAllow && p.Clients != nil {
		arns, complete, err := discovery.OtherClusters(ctx, p.Clients.ECS, p.Object.Spec.Cluster, t.hit(&p.Object.Spec)...)
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
func (p *Preflight) previewRuns(ctx context.Context, t *Findings) error {
	if t.acl == nil {
		return nil
	}
	others, held := p.Reservations.CheckFree(ctx, p.Object, p.Clients.Region, p.ReservationFor(t))
	on := 0
	for i := range others {
		if run.IsOn(&others[i].Status) {
			on++
		}
	}
	if most := p.Options.MaxActiveRuns; held == nil && most > 0 && on >= most {
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
func (p *Preflight) previewNetworkACL(t *Findings) error {
	if t.acl == nil {
		return nil
	}
	plan, others := p.Status().Plan, t.acl.OtherSubnets(p.Object.Spec.SubnetID)
	mode, reason := t.chooseMode(&p.Object.Spec)
	plan.NetworkACL = &v1alpha1.PlannedNetworkACL{
		ID: t.acl.ID, Mode: mode, ModeReason: reason,
		OtherSubnets: new(int32(len(others))), OtherSubnetIDs: others[:min(len(others), v1alpha1.MaxNamed)],
	}
	plan.Headroom = &v1alpha1.Headroom{EntryQuota: new(int32(p.Quota.Value))}
	if note := p.Quota.Note(); note != "" {
		plan.Headroom.EntryQuotaAssumed = new(true)
		plan.Notes = append(plan.Notes, note)
	}
	var how Placement
	var err error
	if len(run.Desired(p.Object)) > 0 {
		how, err = p.choosePlacement(t)
	}
	if mode == v1alpha1.NetworkACLModeClone && (err == nil || problem.Explain(err).Reason == v1alpha1.ReasonAlreadyDenied) {
		err = cmp.Or(p.checkAgentsPass(t.acl), err) // that it has settled is for a start to wait for
	}
	for _, rule := range how.rules {
		plan.Rules = append(plan.Rules, v1alpha1.PlannedRule{RuleNumber: rule.RuleNumber, CIDR: rule.CIDR, Hostname: rule.Hostname})
	}
	if how.renumbered {
		plan.NetworkACL.Renumbered = new(true)
	}
	room := networkacl.Room(t.acl.Entries, how.rules, p.Quota.Value)
	plan.Headroom.IPv4Entries, plan.Headroom.IPv6Entries = new(int32(room[networkacl.IPv4])), new(int32(room[networkacl.IPv6]))
	if mode == v1alpha1.NetworkACLModeClone {
		plan.Notes = append(plan.Notes, "the permissions to change and delete the clone can be checked only when it exists: a run checks them before the clone serves the subnet, and does not move the subnet without them")
		plan.Headroom.NetworkACLs = new(int32(t.cloneRoom - 1))
	} else {
		tags := p.Ownership(how.rules).Tags()
		plan.Headroom.Tags = new(int32(ownership.TagRoom(t.acl.Tags, p.Ownership(how.rules), tags)))
	}
	return err
}

// previewAgents says which agents would be hit, and which container instances RunTask goes on
// working on.
func (p *Preflight) previewAgents(ctx context.Context, t *Findings) error {
	poll, polled := p.History.Polls.Latest()
	if t.cluster.ARN == "" || t.instances == nil || len(t.instances) > 0 && !polled {
		return nil
	}
	plan := p.Status().Plan
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
	outside, more, err := discovery.OutsideInstances(ctx, p.Clients.ECS, t.cluster.ARN, t.instances, discovery.MaxOutside)
	if err != nil {
		return err
	}
	plan.Outside = &v1alpha1.InstanceList{Total: new(int32(len(outside))), ContainerInstances: outside[:min(len(outside), v1alpha1.MaxNamed)]}
	if more {
		plan.Outside.AtLeast = new(true)
	}
	return p.previewExternal(ctx, t, outside)
}

// previewExternal says how many of the instances outside the subnet are external.
func (p *Preflight) previewExternal(ctx context.Context, t *Findings, outside []string) error {
	if len(outside) == 0 {
		return nil
	}
	n, more, err := discovery.ExternalInstances(ctx, p.Clients.ECS, t.cluster.ARN, outside)
	if n > 0 {
		note := problem.Plural(n, "container instance of the cluster is", "container instances of the cluster are") + " external (ECS Anywhere): in no subnet, and not tracked"
		if more {
			note += "; only the first 100 outside the subnet were checked"
		}
		p.Status().Plan.Notes = append(p.Status().Plan.Notes, note)
	}
	return err
}

// timeTrouble is what of the times in the spec stands against a start for good.
func (p *Preflight) timeTrouble() error {
	if deadline := run.StartDeadline(p.Object); p.Object.Spec.StartDeadline != nil || p.Object.Spec.StartAfter != nil {
		if !p.Now.Before(deadline) {
			return problem.Refuse(v1alpha1.AbortStartDeadlineExceeded, "the start deadline %s is past: move spec.startDeadline or spec.startAfter", deadline.UTC().Format(time.RFC3339))
		}
	}
	return nil
}

// timeNotes say what keeps a run from starting at once without standing against it.
func (p *Preflight) timeNotes() []string {
	var notes []string
	if after := p.Object.Spec.StartAfter; after != nil && p.Now.Before(after.Time) {
		notes = append(notes, "the run would not start before "+after.UTC().Format(time.RFC3339)+" (spec.startAfter)")
	}
	if ptr.Deref(p.Object.Spec.Suspend, false) {
		notes = append(notes, "the run would not start while spec.suspend is true")
	}
	if short := conditions.ShortDuration(p.Object); short != "" {
		notes = append(notes, short)
	}
	return notes
}
