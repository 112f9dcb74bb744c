// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"k8s.io/utils/ptr"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/conditions"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// Plan determines what a run would do, and gives the plan. AWS is only read, and asked by DryRun.
// It is for a pass that is a draft. The error is what passes by itself: then there is no plan yet.
func (p *Preflight) Plan(ctx context.Context) (*v1alpha1.Plan, error) {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	r := p.gather(ctx)
	if worst := problem.Explain(r.Err()); worst != nil && !worst.NotBefore.IsZero() && !worst.Stalled {
		return nil, r.Err() // the Region does not answer: there is nothing to plan with
	}

	plan := &v1alpha1.Plan{Time: *run.Stamp(p.Now), ObservedGeneration: p.Object.Generation, Endpoints: p.Status().Endpoints}
	r.add(p.previewOthers(ctx, r, plan), previewNetworkACL(r, plan), p.previewAgents(ctx, r, plan), checkStartDeadline(r.Findings))
	held := p.checkRuns(ctx, r)
	if held == nil {
		held = checkConnected(r.Findings) // of a run that is on they would be its work
	}

	if held != nil {
		r.withdraw(v1alpha1.ReasonAlreadyDenied) // by the rules of the run that holds the network ACL
	}

	r.add(held, checkDraining(r.Findings), p.addNotes(ctx, r))
	r.note(timeNotes(r.Findings)...)
	return plan, r.putInto(plan)
}

// putInto has a plan say what stands against the run and what is worth knowing. An error that
// passes by itself is no part of it: the plan is made again.
func (r *Report) putInto(plan *v1alpha1.Plan) (err error) {
	for _, note := range r.notes[:min(len(r.notes), v1alpha1.MaxNotes)] {
		plan.Notes = append(plan.Notes, aws.Truncate(note, 1024))
	}
	plan.Refusals, err = refusals(r.Err())
	plan.WouldStart = new(len(plan.Refusals) == 0)
	return err
}

// previewOthers names the other clusters in the subnet. Where they are allowed a run doesn't look
// for them: then it is no failure that they can't be looked for.
func (p *Preflight) previewOthers(ctx context.Context, r *Report, plan *v1alpha1.Plan) error {
	others := r.others.ARNs
	if r.spec().OtherClusters == v1alpha1.OtherClustersAllow && p.Clients != nil {
		arns, complete, err := discovery.OtherClusters(ctx, p.Clients.ECS, r.spec().Cluster, r.hit()...)
		switch {
		case err != nil && !problem.Explain(err).Stalled:
			return err
		case err != nil:
			r.note("other clusters in the subnet are allowed, and the search for them failed: " + problem.Explain(err).Message)
		case !complete:
			r.note(fmt.Sprintf("the Region has more than %d clusters, and the manager checked no more than that for container instances in the subnet", discovery.MaxClusters))
		}
		others = arns
	}

	plan.OtherClusters = others[:min(len(others), v1alpha1.MaxNamed)]
	return nil
}

// checkRuns says which other run stands in the way, or that there are as many as may be on at once.
func (p *Preflight) checkRuns(ctx context.Context, r *Report) error {
	if r.acl == nil {
		return nil
	}

	others, held := p.findHolder(ctx, r)
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
func refusals(failure error) ([]v1alpha1.Refusal, error) {
	if fatal, ok := errors.AsType[*problem.StoreError](failure); ok {
		return nil, fatal
	}

	if failure == nil {
		return nil, nil
	}

	var all []v1alpha1.Refusal
	for _, each := range problem.All(failure) {
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
func previewNetworkACL(r *Report, plan *v1alpha1.Plan) (err error) {
	if r.acl == nil {
		return nil
	}

	others := r.acl.OtherSubnets(r.spec().SubnetID)
	plan.NetworkACL = &v1alpha1.PlannedNetworkACL{
		ID: r.acl.ID, Mode: r.mode.name(), ModeReason: r.modeReason,
		OtherSubnets: new(int32(len(others))), OtherSubnetIDs: others[:min(len(others), v1alpha1.MaxNamed)],
	}

	plan.Headroom = &v1alpha1.Headroom{EntryQuota: new(int32(r.quota.Value))}
	if note := r.quota.Note(); note != "" {
		plan.Headroom.EntryQuotaAssumed = new(true)
		r.note(note)
	}

	if len(r.denied()) > 0 {
		r.placement, err = r.place()
	}

	if err == nil || problem.Explain(err).Reason == v1alpha1.ReasonAlreadyDenied {
		err = cmp.Or(r.mode.checkAgentsPass(r.Findings), err) // that it has settled is for a start to wait for
	}

	for _, rule := range r.placement.rules {
		plan.Rules = append(plan.Rules, v1alpha1.PlannedRule{RuleNumber: rule.RuleNumber, CIDR: rule.CIDR, Hostname: rule.Hostname})
	}

	if r.placement.renumbered {
		plan.NetworkACL.Renumbered = new(true)
	}

	room := networkacl.Room(r.acl.Entries, r.placement.rules, r.quota.Value)
	plan.Headroom.IPv4Entries, plan.Headroom.IPv6Entries = new(int32(room[networkacl.IPv4])), new(int32(room[networkacl.IPv6]))
	r.mode.preview(plan, r)
	return err
}

// previewAgents says which agents would be hit, which container instances RunTask goes on working
// on, and how many of those are external.
func (p *Preflight) previewAgents(ctx context.Context, r *Report, plan *v1alpha1.Plan) error {
	poll, polled := r.polls.Latest()
	if r.cluster.ARN == "" || r.instances == nil || len(r.instances) > 0 && !polled {
		return nil
	}

	connected := slices.DeleteFunc(slices.Clone(r.instances), func(arn string) bool { return !poll.IsConnected(arn) })
	plan.Agents = &v1alpha1.PlannedAgents{
		Total: new(int32(len(r.instances))), Connected: new(int32(len(connected))),
		ContainerInstances: connected[:min(len(connected), v1alpha1.MaxNamed)],
	}

	outside, more, err := discovery.OutsideInstances(ctx, p.Clients.ECS, r.cluster.ARN, r.instances, discovery.MaxOutside)
	if err != nil {
		return err
	}

	plan.Outside = &v1alpha1.InstanceList{Total: new(int32(len(outside))), ContainerInstances: outside[:min(len(outside), v1alpha1.MaxNamed)]}
	if more {
		plan.Outside.AtLeast = new(true)
	}

	if len(outside) == 0 {
		return nil
	}

	external, more, err := discovery.ExternalInstances(ctx, p.Clients.ECS, r.cluster.ARN, outside)
	if external > 0 {
		note := problem.Plural(external, "container instance of the cluster is", "container instances of the cluster are") + " external (ECS Anywhere): in no subnet, and not tracked"
		if more {
			note += "; only the first 100 outside the subnet were checked"
		}
		r.note(note)
	}
	return err
}

// timeNotes say what keeps a run from starting at once without standing against it.
func timeNotes(f *Findings) []string {
	var notes []string
	if after := f.spec().StartAfter; after != nil && f.now.Before(after.Time) {
		notes = append(notes, "the run would not start before "+problem.FormatTime(after.Time)+" (spec.startAfter)")
	}
	if ptr.Deref(f.spec().Suspend, false) {
		notes = append(notes, "the run would not start while spec.suspend is true")
	}
	return append(notes, conditions.ShortDuration(f.object))
}
