// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"context"
	"slices"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/answers"
	"agentdisconnect.dev/agentdisconnect/controllers/conditions"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/clones"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/parallel"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// notYet makes a run that is ready wait for spec.startAfter.
func (p *Preflight) notYet() error {
	after := p.Object.Spec.StartAfter
	if after == nil || !p.Now.Before(after.Time) {
		return nil
	}
	return problem.Wait(v1alpha1.ReasonNotYet, "the run is ready and begins at %s; %s known", after.UTC().Format(time.RFC3339), conditions.DescribeEndpoints(p.Status().Endpoints))
}

// heldUp are the reasons that another run on the network ACL gives rise to: then that is what this
// one waits for.
var heldUp = []string{
	v1alpha1.ReasonNetworkACLTemporary, v1alpha1.ReasonNoConnectedAgents, v1alpha1.ReasonNoRoom, v1alpha1.ReasonQuotaExceeded,
	v1alpha1.ReasonTagsFull,
}

// MakeReady determines all that a start needs. No tracked agents, without an error: a second poll
// is still due.
func (p *Preflight) MakeReady(ctx context.Context) (*Findings, []v1alpha1.ContainerInstance, error) {
	t, counted, err := p.findAgents(ctx)
	if err == nil && counted != nil {
		err = p.notYet()
	}
	return t, counted, err
}

// findAgents is MakeReady without a look at the time to start.
func (p *Preflight) findAgents(ctx context.Context) (*Findings, []v1alpha1.ContainerInstance, error) {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	t, err := p.gather(ctx)
	var counted []v1alpha1.ContainerInstance
	if err == nil {
		t.notes, err = p.listNotes(ctx, t)
	}
	if err == nil {
		p.Original.Observe(t.acl, p.Now)
		var how Placement
		if how, err = p.choosePlacement(t); err != nil && problem.Explain(err).Reason == v1alpha1.ReasonAlreadyDenied {
			err = p.explainDenied(ctx, t, how.mode, err)
		}
	}
	if err == nil {
		counted, err = p.trackedAgents(t)
	}
	if err == nil && counted != nil {
		err = p.checkPermissions(ctx, t, answers.AnswerTTL)
	}
	if err != nil && t.acl != nil && slices.Contains(heldUp, problem.Explain(err).Reason) {
		if _, held := p.Reservations.CheckFree(ctx, p.Object, p.Clients.Region, p.ReservationFor(t)); held != nil {
			err = held
		}
	}
	return t, counted, err
}

// trackedAgents gives the agents that were connected on two polls in a row. Nil
// without an error: some were on the last poll, and another one is due.
func (p *Preflight) trackedAgents(t *Findings) ([]v1alpha1.ContainerInstance, error) {
	var instances []v1alpha1.ContainerInstance
	connectedNow := false
	latest, _ := p.History.Polls.Latest()
	for _, arn := range t.instances {
		connectedNow = connectedNow || latest.IsConnected(arn)
		if connected, gone, ok := p.History.Polls.Agreed(arn, time.Time{}); ok && connected && !gone {
			instances = append(instances, v1alpha1.ContainerInstance{ARN: arn, Connected: new(true)})
		}
	}
	if !connectedNow {
		return nil, p.noneConnected(t)
	}
	return instances, p.checkDraining(t)
}

func (p *Preflight) noneConnected(t *Findings) *problem.Problem {
	return problem.Refuse(v1alpha1.ReasonNoConnectedAgents, "none of the %d container instances of cluster %s in subnet %s has a connected agent: start the agents, then the run begins",
		len(t.instances), p.Object.Spec.Cluster, p.Object.Spec.SubnetID)
}

// SettlePlacement reads the network ACL once more, now that no other run can begin on it: much may
// have happened since it was first read. It says how the run's rules are put there, or why the run
// can't begin after all. The finalizer is added meanwhile, to save a round trip.
func (p *Preflight) SettlePlacement(ctx context.Context, t *Findings) (Placement, error) {
	reserved := p.ReservationFor(t)
	subnetID := p.Object.Spec.SubnetID
	if reserved.Mode == v1alpha1.NetworkACLModeClone {
		if err := p.checkOriginal(t.acl); err != nil {
			return Placement{}, err // without a write of the object, however often it is tried
		}
	}
	looking, cancel := context.WithTimeout(ctx, answers.LookTimeout)
	defer cancel()
	if err := parallel.Do(
		func() (err error) {
			t.acl, err = ec2acl.ReadOfSubnet(looking, p.Clients.EC2, subnetID)
			return
		},
		func() (err error) { t.foreign, err = p.findForeignClones(looking, reserved.NetworkACLID); return },
		func() error { return p.Ledger.AddFinalizer(ctx) },
	); err != nil {
		return Placement{}, err
	}

	if err := p.check(t); err != nil {
		return Placement{}, err
	}
	if p.ReservationFor(t) != reserved {
		return Placement{}, problem.Wait(v1alpha1.ReasonAWSUnavailable, "the network ACL of subnet %s changed just now: the run is prepared again", subnetID)
	}

	p.Original.Observe(t.acl, p.Now)
	how, err := p.choosePlacement(t)
	if err == nil && how.mode == v1alpha1.NetworkACLModeClone {
		err = p.checkOriginal(t.acl)
	}
	if err != nil {
		return Placement{}, err
	}
	if phase, _ := run.PhaseAt(p.Object, p.Clock.Now()); phase != run.Pending {
		return Placement{}, problem.Wait(v1alpha1.ReasonNotYet, "the run's start deadline passed while it was prepared")
	}
	return how, nil
}

// InitStatus writes into the status what a run begins with.
func (p *Preflight) InitStatus(t *Findings, how Placement, counted []v1alpha1.ContainerInstance, now time.Time) {
	spec, status := &p.Object.Spec, p.Status()
	status.RunID = spec.RunID
	status.StartTime = run.Stamp(now)
	status.ExpirationTime = run.Stamp(status.StartTime.Add(spec.Duration.Duration))
	status.StartedWith = run.StartedWith(spec)
	status.Target = &v1alpha1.Target{AccountID: t.accountID, Region: p.Clients.Region, ClusterARN: t.cluster.ARN, VPCID: t.subnet.VPCID}
	if t.subnet.IPv6 {
		status.Target.IPv6 = new(true)
	}
	status.Agents = &v1alpha1.Agents{ContainerInstances: counted, Uncounted: new(int32(len(t.instances) - len(counted)))}
	run.CountAgents(status.Agents)
	if how.mode == v1alpha1.NetworkACLModeClone {
		status.NetworkACL = &v1alpha1.NetworkACL{
			Mode: how.mode, ModeReason: how.reason, OriginalID: t.acl.ID,
			State: v1alpha1.CloneCreating, Attempt: 1, Baseline: clones.FormatCopies(how.copies),
			DeadManSwitch: p.deadManSwitch.Initial(how.mode, run.Expiration(status)),
		}
		return // its lines follow when the clone has an id
	}
	status.NetworkACL = &v1alpha1.NetworkACL{ID: t.acl.ID, Mode: how.mode, ModeReason: how.reason, DeadManSwitch: p.deadManSwitch.Initial(how.mode, run.Expiration(status))}
	status.Rules = ledger.Unattempted(how.rules)
}
