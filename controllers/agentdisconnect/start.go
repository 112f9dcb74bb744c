// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/conditions"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/preflight"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// start gets a run ready and begins it: target, endpoints, agents, a plan that fits, and permission
// for every write and for undoing it. What fails here costs none of the run's duration, and nothing
// was written to AWS.
func (r *Reconciler) start(ctx context.Context, s *scope) error {
	t, counted, err := r.makeReady(ctx, s)
	if err == nil && counted != nil {
		err = s.notYet()
	}
	if err != nil || counted == nil {
		r.reservations.Withdraw(s.obj.UID)
		return err
	}
	if err := s.yield(); err != nil {
		return err
	}
	if err := r.reservations.Reserve(ctx, s.obj, s.clients.Region, reservationFor(s, t), s.now, func() error { return r.begin(ctx, s, t, counted) }); err != nil {
		return err
	}
	if err := r.lookAgain(ctx, s); err != nil {
		return err
	}
	if s.cloned() {
		return r.endIfAborted(ctx, s, r.abortIfQuotaExceeded(s, r.cutOver(ctx, s)))
	}
	trouble := r.create(ctx, s, s.status().Rules)
	trouble = errors.Join(trouble, r.readACL(ctx, s))
	if s.aclRead {
		valid, _ := ledger.Valid(s.obj)
		r.confirmDrift(s, valid)
	}
	return r.endIfAborted(ctx, s, r.abortIfQuotaExceeded(s, trouble))
}

// notYet makes a run that is ready wait for spec.startAfter.
func (s *scope) notYet() error {
	after := s.obj.Spec.StartAfter
	if after == nil || !s.now.Before(after.Time) {
		return nil
	}
	return problem.Wait(v1alpha1.ReasonNotYet, "the run is ready and begins at %s; %s known", after.UTC().Format(time.RFC3339), conditions.DescribeEndpoints(s.status().Endpoints))
}

// heldUp are the reasons that another run on the network ACL gives rise to: then that is what this
// one waits for.
var heldUp = []string{
	v1alpha1.ReasonNetworkACLTemporary, v1alpha1.ReasonNoConnectedAgents, v1alpha1.ReasonNoRoom, v1alpha1.ReasonQuotaExceeded,
	v1alpha1.ReasonTagsFull,
}

// makeReady determines all that a start needs. No tracked agents, without an error: a second poll
// is still due.
func (r *Reconciler) makeReady(ctx context.Context, s *scope) (*target, []v1alpha1.ContainerInstance, error) {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	t, err := r.gather(ctx, s)
	var counted []v1alpha1.ContainerInstance
	if err == nil {
		s.seen.notes, err = r.notes(ctx, s, t)
	}
	if err == nil {
		s.seen.originalReads.observe(t.acl, s.now)
		var how placement
		if how, err = r.choosePlacement(s, t); err != nil && problem.Explain(err).Reason == v1alpha1.ReasonAlreadyDenied {
			err = r.explainDenied(ctx, s, t, how.mode, err)
		}
	}
	if err == nil {
		counted, err = r.trackedAgents(s, t)
	}
	if err == nil && counted != nil {
		err = r.checkPermissions(ctx, s, t, preflight.AnswerTTL)
	}
	if err != nil && t.acl != nil && slices.Contains(heldUp, problem.Explain(err).Reason) {
		if _, held := r.reservations.CheckFree(ctx, s.obj, s.clients.Region, reservationFor(s, t)); held != nil {
			err = held
		}
	}
	return t, counted, err
}

// trackedAgents gives the agents that were connected on two polls in a row. Nil
// without an error: some were on the last poll, and another one is due.
func (r *Reconciler) trackedAgents(s *scope, t *target) ([]v1alpha1.ContainerInstance, error) {
	var instances []v1alpha1.ContainerInstance
	connectedNow := false
	latest, _ := s.seen.history.Polls.Latest()
	for _, arn := range t.instances {
		connectedNow = connectedNow || latest.IsConnected(arn)
		if connected, gone, ok := s.seen.history.Polls.Agreed(arn, time.Time{}); ok && connected && !gone {
			instances = append(instances, v1alpha1.ContainerInstance{ARN: arn, Connected: new(true)})
		}
	}
	if !connectedNow {
		return nil, r.noneConnected(s, t)
	}
	return instances, checkDraining(s, t)
}

func (r *Reconciler) noneConnected(s *scope, t *target) *problem.Problem {
	return problem.Refuse(v1alpha1.ReasonNoConnectedAgents, "none of the %d container instances of cluster %s in subnet %s has a connected agent: start the agents, then the run begins",
		len(t.instances), s.obj.Spec.Cluster, s.obj.Spec.SubnetID)
}

// begin makes the run a fact, before the first write to AWS: first the finalizer, then times,
// target and ledger.
func (r *Reconciler) begin(ctx context.Context, s *scope, t *target, counted []v1alpha1.ContainerInstance) error {
	how, err := r.settlePlacement(ctx, s, t)
	if err != nil {
		if _, unsure := errors.AsType[*problem.StoreError](err); unsure {
			return err
		}
		// A run that doesn't begin has nothing to clean up.
		return errors.Join(err, s.ledger.RemoveFinalizer(ctx))
	}

	now := r.clock.Now()
	r.initStatus(s, t, how, counted, now)
	s.phase, _ = run.PhaseAt(s.obj, now)
	s.setConditions(nil)
	if err := s.ledger.Persist(ctx); err != nil {
		return err
	}

	s.seen.startRun()
	s.seen.noteConsent(maps.Keys(t.shared))
	s.seen.targetLooked = s.now
	s.seen.original = t.acl // of a clone; InPlace has none and doesn't look
	return nil
}

// settlePlacement reads the network ACL once more, now that no other run can begin on it: much may
// have happened since it was first read. It says how the run's rules are put there, or why the run
// can't begin after all. The finalizer is added meanwhile, to save a round trip.
func (r *Reconciler) settlePlacement(ctx context.Context, s *scope, t *target) (placement, error) {
	reserved := reservationFor(s, t)
	subnetID := s.obj.Spec.SubnetID
	looking, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	if err := together(
		func() (err error) {
			t.acl, err = ec2acl.ReadOfSubnet(looking, s.clients.EC2, subnetID)
			return
		},
		func() (err error) { t.foreign, err = r.findForeignClones(looking, s, reserved.NetworkACLID); return },
		func() error { return s.ledger.AddFinalizer(ctx) },
	); err != nil {
		return placement{}, err
	}

	if err := r.check(s, t); err != nil {
		return placement{}, err
	}
	if reservationFor(s, t) != reserved {
		return placement{}, problem.Wait(v1alpha1.ReasonAWSUnavailable, "the network ACL of subnet %s changed just now: the run is prepared again", subnetID)
	}

	s.seen.originalReads.observe(t.acl, s.now)
	how, err := r.choosePlacement(s, t)
	if err == nil && how.mode == v1alpha1.NetworkACLModeClone {
		err = s.checkOriginal(t.acl)
	}
	if err != nil {
		return placement{}, err
	}
	if phase, _ := run.PhaseAt(s.obj, r.clock.Now()); phase != run.Pending {
		return placement{}, problem.Wait(v1alpha1.ReasonNotYet, "the run's start deadline passed while it was prepared")
	}
	return how, nil
}

// initStatus writes into the status what a run begins with.
func (r *Reconciler) initStatus(s *scope, t *target, how placement, counted []v1alpha1.ContainerInstance, now time.Time) {
	spec, status := &s.obj.Spec, s.status()
	status.RunID = spec.RunID
	status.StartTime = run.Stamp(now)
	status.ExpirationTime = run.Stamp(status.StartTime.Add(spec.Duration.Duration))
	status.StartedWith = run.StartedWith(spec)
	status.Target = &v1alpha1.Target{AccountID: t.accountID, Region: s.clients.Region, ClusterARN: t.cluster.ARN, VPCID: t.subnet.vpcID}
	if t.subnet.ipv6 {
		status.Target.IPv6 = new(true)
	}
	status.Agents = &v1alpha1.Agents{ContainerInstances: counted, Uncounted: new(int32(len(t.instances) - len(counted)))}
	run.CountAgents(status.Agents)
	if how.mode == v1alpha1.NetworkACLModeClone {
		status.NetworkACL = &v1alpha1.NetworkACL{
			Mode: how.mode, ModeReason: how.reason, OriginalID: t.acl.ID,
			State: v1alpha1.CloneCreating, Attempt: 1, Baseline: networkacl.FormatCopies(how.copies),
			DeadManSwitch: r.newSwitch(how.mode, run.Expiration(status)),
		}
		return // its lines follow when the clone has an id
	}
	status.NetworkACL = &v1alpha1.NetworkACL{ID: t.acl.ID, Mode: how.mode, ModeReason: how.reason, DeadManSwitch: r.newSwitch(how.mode, run.Expiration(status))}
	status.Rules = ledger.Unattempted(how.rules)
}
