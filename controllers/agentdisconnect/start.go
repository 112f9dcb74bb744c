// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"errors"
	"time"

	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/nacl"
)

// start gets a run ready and begins it: target, endpoints, agents, a plan that fits, permission for every write and for
// undoing it. What fails here costs none of the run's duration, and nothing was written to AWS.
func (r *Reconciler) start(ctx context.Context, s *scope) error {
	t, plan, counted, err := r.makeReady(ctx, s)
	if err != nil || counted == nil {
		r.holders.withdraw(s.obj.UID)
		return err
	}
	err = r.holders.hold(ctx, r, s, t.acl.ID, func() error { return r.begin(ctx, s, t, plan, counted) })
	if err != nil {
		return err
	}
	trouble := r.install(ctx, s, plan.Create)
	trouble = errors.Join(trouble, r.readACL(ctx, s))
	return r.endIfAborted(ctx, s, r.fits(s, trouble))
}

// makeReady finds out all that a start needs. No agents that count, without an error: a second poll is still due.
func (r *Reconciler) makeReady(ctx context.Context, s *scope) (*target, nacl.Plan, []v1alpha1.ContainerInstance, error) {
	t, err := r.resolve(ctx, s)
	if err == nil {
		err = r.prepare(ctx, s, t)
	}
	if err != nil {
		return nil, nacl.Plan{}, nil, err
	}
	plan, err := nacl.NewPlan(nacl.PlanInput{
		NetworkACLID: t.acl.ID, Desired: desired(s.status()), Observed: t.acl.Entries, Quota: r.options.EntryQuota,
	})
	if err != nil {
		return nil, nacl.Plan{}, nil, err
	}
	counted, err := r.counted(s, t)
	return t, plan, counted, err
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

// counted gives the agents that were connected on two polls in a row: those that count. Nil without an error: a second
// poll is still due.
func (r *Reconciler) counted(s *scope, t *target) ([]v1alpha1.ContainerInstance, error) {
	var instances []v1alpha1.ContainerInstance
	connectedOnce := false
	for _, arn := range t.instances {
		connectedOnce = connectedOnce || s.seen.polls[len(s.seen.polls)-1].connected[arn]
		if connected, gone, ok := s.seen.agreed(arn, time.Time{}); ok && connected && !gone {
			instances = append(instances, v1alpha1.ContainerInstance{ARN: arn, Connected: ptr.To(true)})
		}
	}
	if !connectedOnce || (len(s.seen.polls) == 2 && len(instances) == 0) {
		return nil, refuse(v1alpha1.ReasonNoConnectedAgents, "none of the %d container instances of cluster %s in subnet %s has a connected agent: start the agents, then the run begins",
			len(t.instances), s.obj.Spec.Cluster, s.obj.Spec.SubnetID)
	}
	return instances, nil
}

// begin makes the run a fact, before the first write to AWS: first the finalizer, then times, target and ledger.
func (r *Reconciler) begin(ctx context.Context, s *scope, t *target, plan nacl.Plan, counted []v1alpha1.ContainerInstance) error {
	if err := r.setFinalizer(ctx, s, controllerutil.AddFinalizer); err != nil {
		return err
	}
	now, spec, status := r.clock.Now(), &s.obj.Spec, s.status()
	status.StartTime = stamp(now)
	status.ExpirationTime = stamp(status.StartTime.Add(spec.Duration.Duration))
	status.Target = &v1alpha1.Target{AccountID: t.accountID, Region: s.clients.Region, ClusterARN: t.cluster.ARN, VPCID: t.subnet.vpcID}
	status.NetworkACL = &v1alpha1.NetworkACL{ID: t.acl.ID, Mode: v1alpha1.NetworkACLModeInPlace}
	if spec.NetworkACLMode == v1alpha1.NetworkACLModeInPlace {
		status.NetworkACL.Sharing = ptr.To(true)
	}
	status.Agents = &v1alpha1.Agents{ContainerInstances: counted}
	count(status.Agents)
	status.Rules = attempt(plan.Create, now)
	s.mode, _ = ModeAt(s.obj, now)
	s.seen.startRun(len(t.instances) - len(counted))
	s.setConditions(nil)
	return r.persist(ctx, s)
}
