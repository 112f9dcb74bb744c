// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"context"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/clones"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/original"
	"agentdisconnect.dev/agentdisconnect/controllers/parallel"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
)

// mode is what differs, before a run begins, between one in place and one on a clone. What further
// differs is a method more, and never an if about the chosen mode.
type mode interface {
	// name is what the API calls the mode.
	name() v1alpha1.NetworkACLMode
	// gather asks AWS for what a run in this mode alone needs.
	gather(ctx context.Context, p *Preflight, f *Findings) error
	// checkPermissions asks AWS by dry runs whether it allows all that the run writes and undoes.
	checkPermissions(ctx context.Context, client aws.FencedEC2, f *Findings) error
	// checkRoom refuses what AWS would have no room for, apart from entries: those are the plan's.
	checkRoom(f *Findings) error
	// checkSettled makes a run wait while the network ACL that it would copy is being changed, and
	// checkAgentsPass refuses to copy one that denies the agents, though they are connected.
	checkSettled(f *Findings) error
	checkAgentsPass(f *Findings) error
	// place plans the rules of a run that owns nothing yet.
	place(f *Findings) (Placement, error)
	// begin writes into the status which network ACL the run begins on, and with which lines.
	begin(status *v1alpha1.AgentDisconnectStatus, f *Findings, how Placement)
	// preview adds to a plan for what there is room beside the entries.
	preview(plan *v1alpha1.Plan, r *Report)
}

// Placement is how the rules of a run would be put on a network ACL.
type Placement struct {
	// rules are new ledger lines. Those of a clone name no network ACL yet.
	rules []v1alpha1.Rule
	// copies are the entries that a clone begins with.
	copies []clones.Copy
	// renumbered says that the copies have other numbers than their originals.
	renumbered bool
}

// chooseMode decides how the run uses the network ACL as read now, and says why. A later read may
// lead to another choice: then the run doesn't begin in that pass.
func (f *Findings) chooseMode() {
	name, spec := v1alpha1.NetworkACLModeInPlace, f.spec()
	switch {
	case f.acl == nil:
		return
	case spec.NetworkACLMode != "":
		name, f.modeReason = spec.NetworkACLMode, v1alpha1.NetworkACLModeRequested
	case len(f.acl.OtherSubnets(spec.SubnetID)) > 0 || f.subnetOnClone || len(f.foreign) > 0:
		name, f.modeReason = v1alpha1.NetworkACLModeClone, v1alpha1.NetworkACLModeShared
	default:
		f.modeReason = v1alpha1.NetworkACLModeOnlySubnet
	}

	f.mode = inPlace{}
	if name == v1alpha1.NetworkACLModeClone {
		f.mode = onClone{}
	}
}

// place is how the rules of the run would be put on the network ACL, or why they can't be.
func (f *Findings) place() (Placement, error) {
	how, err := f.mode.place(f)
	if err == nil {
		err = checkRules(f, how.rules)
	}
	return how, f.quota.Explain(err)
}

// inPlace is the mode in which the rules are put on the subnet's own network ACL.
type inPlace struct{}

func (inPlace) name() v1alpha1.NetworkACLMode { return v1alpha1.NetworkACLModeInPlace }

func (inPlace) gather(context.Context, *Preflight, *Findings) error { return nil }

func (inPlace) checkPermissions(ctx context.Context, client aws.FencedEC2, f *Findings) error {
	return ec2acl.CheckInPlace(ctx, client, f.acl)
}

func (inPlace) checkRoom(f *Findings) error {
	// The most lines that a ledger may come to hold: running out of tags later would end the run.
	reserve := map[string]string{}
	for _, key := range ownership.TagKeys(f.self.UID) {
		reserve[key] = ""
	}
	if free := ownership.TagRoom(f.acl.Tags, f.self, reserve); free < 0 {
		return problem.Refuse(v1alpha1.ReasonTagsFull, "network ACL %s has no room for the run's ownership tags: delete %d of its tags (a network ACL can have 50)", f.acl.ID, -free)
	}
	return nil
}

func (inPlace) checkSettled(*Findings) error    { return nil }
func (inPlace) checkAgentsPass(*Findings) error { return nil }

func (inPlace) place(f *Findings) (Placement, error) {
	plan, err := networkacl.NewPlan(networkacl.PlanInput{
		NetworkACLID: f.acl.ID, Desired: f.denied(), Observed: f.acl.Entries, Quota: f.quota.Value,
	})
	return Placement{rules: plan.Create}, err
}

func (inPlace) begin(status *v1alpha1.AgentDisconnectStatus, f *Findings, how Placement) {
	status.NetworkACL = &v1alpha1.NetworkACL{ID: f.acl.ID}
	status.Rules = ledger.Unattempted(how.rules)
}

func (inPlace) preview(plan *v1alpha1.Plan, r *Report) {
	owned := r.self
	owned.Rules = r.placement.rules
	plan.Headroom.Tags = new(int32(ownership.TagRoom(r.acl.Tags, owned, owned.Tags())))
}

// onClone is the mode in which the rules are put on a clone of the network ACL, which only the
// run's subnet gets.
type onClone struct{}

func (onClone) name() v1alpha1.NetworkACLMode { return v1alpha1.NetworkACLModeClone }

// gather makes sure that the dead man's switch can be armed, and counts the network ACLs of the
// VPC.
func (onClone) gather(ctx context.Context, p *Preflight, f *Findings) error {
	return parallel.Do(
		func() error { return p.deadManSwitch.Check(ctx) },
		func() (err error) {
			f.cloneRoom, err = p.Cache.CloneRoom.Get(p.Now, f.acl.VPCID, func() (int, error) { return roomForClone(ctx, p.Clients, f.acl.VPCID) })
			f.cloneRoomKnown = err == nil
			return
		},
	)
}

func (onClone) checkPermissions(ctx context.Context, client aws.FencedEC2, f *Findings) error {
	return ec2acl.CheckCloning(ctx, client, f.acl, f.spec().SubnetID)
}

// checkRoom is about the VPC: a clone has only the run's tags.
func (onClone) checkRoom(f *Findings) error {
	if !f.cloneRoomKnown || f.cloneRoom >= 1 {
		return nil
	}
	return problem.Refuse(v1alpha1.ReasonQuotaExceeded, "VPC %s has no room for another network ACL (L-B4A6D682; 200 unless the manager may read the quota with servicequotas:GetServiceQuota): delete one that is not used, or raise the quota", f.acl.VPCID)
}

func (onClone) checkSettled(f *Findings) error { return f.original.CheckSettled().AsError() }

func (onClone) checkAgentsPass(f *Findings) error {
	return original.CheckAgents(f.acl, f.denied(), f.polls.HasConnected())
}

func (onClone) place(f *Findings) (Placement, error) {
	plan, err := clones.NewPlan(f.acl.Entries, f.denied(), f.quota.Value)
	return Placement{plan.Rules, plan.Copies, plan.Renumbered}, err
}

// begin leaves out the lines, which follow when the clone has an id.
func (onClone) begin(status *v1alpha1.AgentDisconnectStatus, f *Findings, how Placement) {
	status.NetworkACL = &v1alpha1.NetworkACL{
		OriginalID: f.acl.ID, State: v1alpha1.CloneCreating, Attempt: 1, Baseline: clones.FormatCopies(how.copies),
	}
}

func (onClone) preview(plan *v1alpha1.Plan, r *Report) {
	r.note("the permissions to change and delete the clone can be checked only when it exists: a run checks them before the clone serves the subnet, and does not move the subnet without them")
	plan.Headroom.NetworkACLs = new(int32(r.cloneRoom - 1))
}
