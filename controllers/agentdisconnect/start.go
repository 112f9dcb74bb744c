// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"errors"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/nacl"
)

// start gets a run ready and begins it: target, endpoints, agents, a plan that fits, permission for every write and for
// undoing it. What fails here costs none of the run's duration, and nothing was written to AWS.
func (r *Reconciler) start(ctx context.Context, s *scope) error {
	t, counted, err := r.makeReady(ctx, s)
	if err != nil || counted == nil {
		r.holders.withdraw(s.obj.UID)
		return err
	}
	if err := r.holders.hold(ctx, r, s, t.acl.ID, func() error { return r.begin(ctx, s, t, counted) }); err != nil {
		return err
	}
	trouble := r.install(ctx, s, s.status().Rules)
	trouble = errors.Join(trouble, r.readACL(ctx, s))
	if s.aclRead {
		sound, _ := s.ledger()
		r.judge(s, sound)
	}
	return r.endIfAborted(ctx, s, r.fits(s, trouble))
}

// makeReady finds out all that a start needs. No agents that count, without an error: a second poll is still due.
func (r *Reconciler) makeReady(ctx context.Context, s *scope) (*target, []v1alpha1.ContainerInstance, error) {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	t, err := r.resolve(ctx, s)
	if err == nil {
		err = r.prepare(ctx, s, t)
	}
	if err == nil {
		_, err = r.firstPlan(s, t)
	}
	if err != nil {
		return nil, nil, err
	}
	counted, err := r.counted(s, t)
	if err != nil {
		// Where another run has the agents disconnected, that is what this one waits for.
		if _, held := r.free(ctx, s, t.acl.ID); held != nil {
			err = held
		}
	}
	return t, counted, err
}

// firstPlan is the plan of a run that owns nothing yet.
func (r *Reconciler) firstPlan(s *scope, t *target) (nacl.Plan, error) {
	return nacl.NewPlan(nacl.PlanInput{
		NetworkACLID: t.acl.ID, Desired: desired(s.status()), Observed: t.acl.Entries, Quota: r.options.EntryQuota,
	})
}

// prepare finds the endpoints and asks about agents and permissions, all of it side by side where nothing depends on
// anything else.
func (r *Reconciler) prepare(ctx context.Context, s *scope, t *target) error {
	trouble := together(
		func() error { return r.pollAgents(ctx, s, t.cluster.ARN, t.instances) },
		func() error { return r.discover(ctx, s, t) },
		func() error { return r.checkPermissions(ctx, s, t.acl.ID) },
	)
	if trouble != nil {
		return trouble
	}
	return r.lookUp(ctx, s)
}

// checkPermissions asks AWS whether all that the run writes would be allowed.
func (r *Reconciler) checkPermissions(ctx context.Context, s *scope, aclID string) error {
	if age := s.now.Sub(s.seen.permitted); s.seen.permittedACL == aclID && age >= 0 && age < permissionTTL {
		return nil
	}
	if err := nacl.CheckPermissions(ctx, s.clients.EC2, aclID); err != nil {
		return err
	}
	s.seen.permitted, s.seen.permittedACL = s.now, aclID
	return nil
}

// counted gives the agents that were connected on two polls in a row: those that count. Nil without an error: some were on
// the last poll, and another one is due.
func (r *Reconciler) counted(s *scope, t *target) ([]v1alpha1.ContainerInstance, error) {
	var instances []v1alpha1.ContainerInstance
	connectedNow := false
	for _, arn := range t.instances {
		connectedNow = connectedNow || s.seen.polls[len(s.seen.polls)-1].connected[arn]
		if connected, gone, ok := s.seen.agreed(arn, time.Time{}); ok && connected && !gone {
			instances = append(instances, v1alpha1.ContainerInstance{ARN: arn, Connected: new(true)})
		}
	}
	if !connectedNow {
		return nil, refuse(v1alpha1.ReasonNoConnectedAgents, "none of the %d container instances of cluster %s in subnet %s has a connected agent: start the agents, then the run begins",
			len(t.instances), s.obj.Spec.Cluster, s.obj.Spec.SubnetID)
	}
	return instances, nil
}

// begin makes the run a fact, before the first write to AWS: first the finalizer, then times, target and ledger. The
// network ACL is read once more, now that nobody else can begin on it: much may have happened since it was first read.
func (r *Reconciler) begin(ctx context.Context, s *scope, t *target, counted []v1alpha1.ContainerInstance) error {
	var err error
	if t.acl, err = nacl.ReadOfSubnet(ctx, s.clients.EC2, s.obj.Spec.SubnetID); err != nil {
		return err
	}
	if err := r.admit(s, t); err != nil {
		return err
	}
	plan, err := r.firstPlan(s, t)
	if err != nil {
		return err
	}
	if err := r.setFinalizer(ctx, s, controllerutil.AddFinalizer); err != nil {
		return err
	}
	now, spec, status := r.clock.Now(), &s.obj.Spec, s.status()
	status.StartTime = stamp(now)
	status.ExpirationTime = stamp(status.StartTime.Add(spec.Duration.Duration))
	status.Target = &v1alpha1.Target{AccountID: t.accountID, Region: s.clients.Region, ClusterARN: t.cluster.ARN, VPCID: t.subnet.vpcID}
	status.NetworkACL = &v1alpha1.NetworkACL{ID: t.acl.ID, Mode: v1alpha1.NetworkACLModeInPlace}
	if spec.NetworkACLMode == v1alpha1.NetworkACLModeInPlace {
		status.NetworkACL.Sharing = new(true)
	}
	status.Agents = &v1alpha1.Agents{ContainerInstances: counted}
	count(status.Agents)
	status.Rules = attempt(plan.Create, now)
	s.mode, _ = ModeAt(s.obj, now)
	s.setConditions(nil)
	if err := r.persist(ctx, s); err != nil {
		return err
	}
	s.seen.startRun(len(t.instances) - len(counted))
	return nil
}
