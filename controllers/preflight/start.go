// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"cmp"
	"context"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/answers"
	"agentdisconnect.dev/agentdisconnect/controllers/brakes"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/objects"
	"agentdisconnect.dev/agentdisconnect/controllers/parallel"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// causedByHolder are the reasons that another run on the same network ACL can cause. If there is such
// a run, this one waits for it.
var causedByHolder = []string{
	v1alpha1.ReasonNetworkACLTemporary, v1alpha1.ReasonNoConnectedAgents, v1alpha1.ReasonNoRoom, v1alpha1.ReasonQuotaExceeded,
	v1alpha1.ReasonTagsFull,
}

// MakeReady determines all that a start needs.
func (p *Preflight) MakeReady(ctx context.Context) *Report {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	r := p.gather(ctx)
	if r.Err() == nil {
		r.add(p.prepare(ctx, r))
	}

	if worst := problem.Explain(r.Err()); worst != nil && r.acl != nil && slices.Contains(causedByHolder, worst.Reason) {
		if _, held := p.findHolder(ctx, r); held != nil {
			r.against = []error{held}
		}
	}
	return r
}

// prepare goes on with a target that nothing stands against: rules, agents, permissions and the
// time to start, each only where those before allow it.
func (p *Preflight) prepare(ctx context.Context, r *Report) (err error) {
	if err = p.addNotes(ctx, r); err != nil {
		return err
	}

	r.placement, err = r.place()
	if err = p.explainDenied(ctx, r, err); err != nil {
		return err
	}

	if err = r.apply(agentChecks); err != nil {
		return err
	}

	if r.agents = trackedAgents(r.Findings); r.agents == nil {
		return nil
	}

	if err = p.checkPermissions(ctx, r.Findings, answers.AnswerTTL); err != nil {
		return err
	}
	return checkStartAfter(r.Findings)
}

// findHolder gives all other objects, or an error that names the run for which this one waits, as far as the
// informer has them.
func (p *Preflight) findHolder(ctx context.Context, r *Report) ([]objects.Object, error) {
	return p.Reservations.CheckFree(ctx, p.Object, r.Reservation())
}

// isHeld reports whether another run comes first on the network ACL.
func (p *Preflight) isHeld(ctx context.Context, r *Report) bool {
	_, held := p.findHolder(ctx, r)
	return held != nil
}

// explainDenied gives what stands behind a refusal of checkRules: the rules of another run, for
// which this one waits in its turn, or what keeps the network ACL from being copied. Any other
// refusal stays.
func (p *Preflight) explainDenied(ctx context.Context, r *Report, refusal error) error {
	if refusal == nil || problem.Explain(refusal).Reason != v1alpha1.ReasonAlreadyDenied {
		return refusal
	}
	if p.isHeld(ctx, r) {
		return nil // said when it is its turn
	}
	return cmp.Or(checkOriginal(r.Findings), refusal)
}

// trackedAgents gives the agents that were connected on two polls in a row; nil: none was, and
// another poll is due.
func trackedAgents(f *Findings) []v1alpha1.ContainerInstance {
	var agents []v1alpha1.ContainerInstance
	for _, arn := range f.instances {
		if connected, gone, ok := f.polls.Agreed(arn, time.Time{}); ok && connected && !gone {
			agents = append(agents, v1alpha1.ContainerInstance{ARN: arn, Connected: new(true)})
		}
	}
	return agents
}

// SettlePlacement reads the network ACL and the brakes once more, now that no other run can begin on
// it: much may have happened since they were first read. It settles how the run's rules are put there,
// or says why the run can't begin after all. The finalizer is added meanwhile, to save a round trip.
func (p *Preflight) SettlePlacement(ctx context.Context, r *Report) (err error) {
	reserved := r.Reservation()
	if err = checkOriginal(r.Findings); err != nil {
		return err // without a write of the object, however often it is tried
	}

	looking, cancel := context.WithTimeout(ctx, answers.LookTimeout)
	defer cancel()
	if err := parallel.Do(
		func() (err error) {
			r.acl, err = ec2acl.ReadOfSubnet(looking, p.Clients.EC2, reserved.SubnetID)
			return
		},
		func() (err error) { r.foreign, err = p.findForeignClones(looking, reserved.NetworkACLID); return },
		func() error { return brakes.CheckHalts(p.Halts.LookPastCache(looking)).AsError() },
		func() error { return p.readBrakes(looking, r.Findings, time.Time{}) }, // now, and not what runs share
		func() error { return p.Ledger.AddFinalizer(ctx) },
	); err != nil {
		return err
	}

	r.chooseMode()
	if err = r.apply(targetChecks); err != nil {
		return err
	}

	if r.Reservation() != reserved {
		return problem.Wait(v1alpha1.ReasonAWSUnavailable, "the network ACL of subnet %s changed just now: the run is prepared again", reserved.SubnetID)
	}

	p.Original.Observe(r.acl, p.Now)
	r.original = p.Original
	r.placement, err = r.place()
	if err = cmp.Or(err, checkOriginal(r.Findings)); err != nil {
		return err
	}

	if phase, _ := run.PhaseAt(p.Object, p.Clock.Now()); phase != run.Pending {
		return problem.Wait(v1alpha1.ReasonNotYet, "the run's start deadline passed while it was prepared")
	}
	return nil
}

// InitStatus writes into the status what a run begins with.
func (p *Preflight) InitStatus(r *Report, now time.Time) {
	spec, status := &p.Object.Spec, p.Status()
	status.RunID = spec.RunID
	status.StartTime = run.Stamp(now)
	status.ExpirationTime = run.Stamp(status.StartTime.Add(spec.Duration.Duration))
	status.StartedWith = run.StartedWith(spec)
	if delay := p.Options.CloudTrailDelay; spec.Callers != nil && delay != run.DefaultTrailDelay {
		status.StartedWith.CloudTrailDelay = &metav1.Duration{Duration: delay}
	}
	status.Target = &v1alpha1.Target{
		AccountID: r.accountID, RoleARN: p.Clients.Role.ARN, Region: p.Clients.Region, ClusterARN: r.cluster.ARN, VPCID: r.subnet.VPCID,
	}
	if r.subnet.IPv6 {
		status.Target.IPv6 = new(true)
	}

	status.Agents = &v1alpha1.Agents{ContainerInstances: r.agents, Uncounted: new(int32(len(r.instances) - len(r.agents)))}
	run.CountAgents(status.Agents)
	r.mode.begin(status, r.Findings, r.placement)
	status.Probe = initProbe(r.Findings)
	acl := status.NetworkACL
	acl.Mode, acl.ModeReason = r.mode.name(), r.modeReason
	acl.DeadManSwitch = p.deadManSwitch.Initial(acl.Mode, run.Expiration(status))
}
