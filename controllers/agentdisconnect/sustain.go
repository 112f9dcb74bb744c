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
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// active keeps the rules of a run in place: it looks at agents, hosts and network ACL as each is
// due, and repairs what is missing or ends the run.
func (r *Reconciler) active(ctx context.Context, s *scope) error {
	trouble := r.moveExpiration(ctx, s)
	if _, fatal := errors.AsType[*problem.StoreError](trouble); fatal {
		return trouble
	}
	if s.phase != run.Active {
		return r.end(ctx, s)
	}
	trouble = errors.Join(trouble, r.maintain(ctx, s))
	if !r.clock.Now().Before(run.Expiration(s.status())) {
		return r.endIfOver(ctx, s) // whatever the run's end cut off is no trouble
	}
	return r.endIfAborted(ctx, s, trouble)
}

// maintain looks at the run, and repairs it, for as long as it lasts.
func (r *Reconciler) maintain(ctx context.Context, s *scope) error {
	ctx, cancel, _ := r.within(ctx, s)
	defer cancel()
	looking, cancel := context.WithTimeout(ctx, observeTimeout)
	defer cancel()
	if err := r.verifyAccount(looking, s); err != nil {
		return err
	}
	valid, invalid := ledger.Valid(s.obj)
	due, hit := !s.now.Before(s.nextACLRead(r.options)), s.hit()
	var beside besideSubnets
	asking, stop := context.WithCancel(ctx)
	defer stop()
	trouble := errors.Join(invalid, together(
		func() error {
			err := r.observe(looking, s)
			if beside = r.lookBeside(ctx, s); s.status().Abort != nil || s.seen.target.IsPending() || len(r.lacking(s, beside)) > 0 {
				stop() // a longer look would hold up what ends the run
			}
			return err
		},
		func() error {
			if !due {
				return nil
			}
			_, err := r.lookForOthers(asking, s, hit) // a look that takes longer than the others, and is remembered
			if errors.Is(err, context.Canceled) && ctx.Err() == nil {
				s.unseen.about, s.unseen.err = "", nil // it was stopped
				return nil
			}
			return err
		},
	))
	trouble = errors.Join(trouble, r.judgeHit(ctx, s, beside), r.learnQuota(looking, s, anyAge), r.relearnQuota(looking, s, valid))
	switch {
	case s.status().Abort != nil || invalid != nil || !s.mayHit():
	case !s.isCutOver():
		if !s.maySpread() {
			break // the clone would bring the denies to the subnet
		}
		trouble = errors.Join(trouble, r.abortIfQuotaExceeded(s, r.cutOver(ctx, s)))
	case !s.seen.aclRead.IsZero():
		repaired := r.repair(ctx, s, valid)
		trouble = errors.Join(trouble, repaired, s.seen.switchFailure)
	}
	s.creditDisconnections()
	return trouble
}

// endIfAborted ends a run in the pass that aborted it: the reason is written before anything is
// taken back.
func (r *Reconciler) endIfAborted(ctx context.Context, s *scope, trouble error) error {
	if s.status().Abort == nil {
		return trouble
	}
	if err := s.ledger.Persist(ctx); err != nil {
		return err
	}
	return r.endIfOver(ctx, s)
}

// endIfOver ends the run in the same pass that found it over.
func (r *Reconciler) endIfOver(ctx context.Context, s *scope) error {
	s.phase, _ = run.PhaseAt(s.obj, r.clock.Now())
	if s.phase == run.Active {
		return nil
	}
	return r.end(ctx, s)
}

// verifyAccount gets the clients of the run's Region, and makes sure that they are of the run's
// account: that something isn't found says nothing in another one.
func (r *Reconciler) verifyAccount(ctx context.Context, s *scope) error {
	recorded := s.status().Target
	if recorded == nil || s.status().NetworkACL == nil {
		return problem.Refuse(v1alpha1.ReasonLedgerInvalid, "status.target or status.networkACL was removed: the run can't be undone without it. Restore it (kubectl edit --subresource=status)")
	}
	s.clients = r.sessions.In(recorded.Region)
	account, err := s.clients.AccountID(ctx, s.now)
	if err != nil {
		return err
	}
	if account != recorded.AccountID {
		return problem.Refuse(v1alpha1.ReasonWrongAccount, "the run works in account %s, and the manager's credentials are of account %s: restore the manager's role in account %s", recorded.AccountID, account, recorded.AccountID)
	}
	return nil
}

// observe looks at whatever is due, side by side, and ends the run where its target is no longer
// what it was.
func (r *Reconciler) observe(ctx context.Context, s *scope) error {
	status := s.status()
	due := !s.now.Before(s.nextACLRead(r.options))
	if due {
		s.seen.targetLooked = s.now
	}
	t := targetObservation{tracked: run.AgentARNs(status.Agents)}
	trouble := together(
		func() error {
			if !due {
				return nil
			}
			return r.fetchACL(ctx, s)
		},
		func() error { return r.observeTarget(ctx, s, due, &t) },
		func() (err error) { t.agentsGone, err = r.watchAgents(ctx, s, status.StartTime.Time); return },
		func() error { return r.lookUp(ctx, s, ptr.Deref(status.Target.IPv6, false)) },
		func() error {
			known, err := r.lookUpProtected(ctx, s)
			if len(known) == 0 {
				return explainUnprotected(err)
			}
			s.seen.protected = known // what is missing was found by an earlier look, or is by a later one
			return nil
		},
	)
	if due {
		s.seen.lookFailed.own = t.subnetErr != nil
	}
	if t.untracked != nil && status.Agents != nil {
		status.Agents.Uncounted = t.untracked
	}
	if t.subnet.ipv6 {
		status.Target.IPv6 = new(true) // also where it was given to the subnet during the run
	}
	if len(t.subnet.ranges) > 0 {
		s.seen.subnetRanges = t.subnet.ranges
	}
	named, unanswered := r.askAgain(ctx, s)
	s.join(append(t.hosts, named...), t.private)
	if t.privateRead {
		s.releasePrivate(t.private)
	}
	s.exempt()
	if s.aclRead {
		s.recordEnforced()
	}
	return errors.Join(trouble, unanswered, r.confirmForce(ctx, s), r.judgeTarget(ctx, s, due, &t))
}

// targetObservation is what a pass saw of the target beside the network ACL.
type targetObservation struct {
	tracked                   []string
	untracked                 *int32
	subnet                    subnet
	subnetErr                 error
	agentsGone, clusterIsGone bool
	hosts                     []discovery.Host
	// private are the VPC's endpoints for the sessions; privateRead says that AWS named them.
	private     []v1alpha1.Endpoint
	privateRead bool
}

// observeTarget looks at subnet and cluster, and at what joined them since the run began.
func (r *Reconciler) observeTarget(ctx context.Context, s *scope, due bool, t *targetObservation) error {
	if !due {
		return nil
	}
	target, spec := s.status().Target, &s.obj.Spec
	return together(
		func() error {
			t.subnet, t.subnetErr = describeSubnet(ctx, s.clients.EC2, spec.SubnetID)
			return nil
		},
		func() (err error) { t.clusterIsGone, err = clusterGone(ctx, s.clients.ECS, target.ClusterARN); return },
		func() (err error) { t.hosts, err = r.observeNewInstances(ctx, s, t); return },
		func() error {
			endpoints, err := s.seen.cache.Endpoints.Get(s.now, target.VPCID, func() ([]discovery.VPCEndpoint, error) {
				return discovery.VPCEndpoints(ctx, s.clients.EC2, s.clients.Region, target.VPCID)
			})
			t.private = privateEndpoints(run.StartSpec(s.obj), endpoints, ptr.Deref(target.IPv6, false))
			t.privateRead = err == nil
			return err
		},
	)
}

// observeNewInstances counts the container instances in the subnet that are not tracked, and asks
// what they connect to.
func (r *Reconciler) observeNewInstances(ctx context.Context, s *scope, t *targetObservation) ([]discovery.Host, error) {
	clusterARN := s.status().Target.ClusterARN
	present, err := discovery.ListContainerInstances(ctx, s.clients.ECS, clusterARN, s.obj.Spec.SubnetID, v1alpha1.MaxContainerInstances)
	if aws.HasCode(err, aws.CodeClusterNotFound) {
		return nil, nil // said by the look at the cluster
	}
	if err != nil {
		return nil, err
	}
	uncounted := slices.DeleteFunc(present, func(arn string) bool { return slices.Contains(t.tracked, arn) })
	t.untracked = new(int32(len(uncounted)))
	unanswered := r.askForHosts(ctx, s, clusterARN, uncounted)
	return wantedHosts(run.StartSpec(s.obj), s.seen.history.Hosts.Of(uncounted)), unanswered
}

// judgeTarget ends the run where two looks agree that its target is no longer what it was.
func (r *Reconciler) judgeTarget(ctx context.Context, s *scope, due bool, t *targetObservation) error {
	status, spec := s.status(), &s.obj.Spec
	switch {
	case run.AllLeft(status.Agents): // two polls agreed
		if gone, err := clusterGone(ctx, s.clients.ECS, status.Target.ClusterARN); err == nil && gone {
			s.abort(v1alpha1.AbortClusterGone, clusterGoneMessage, status.Target.ClusterARN)
		}
		s.abort(v1alpha1.AbortAgentsLeft, "none of the %d tracked container instances is in the cluster any more", len(status.Agents.ContainerInstances))
	case t.agentsGone || t.clusterIsGone:
		s.abortIfConfirmed(v1alpha1.AbortClusterGone, clusterGoneMessage, status.Target.ClusterARN)
	case aws.HasCode(t.subnetErr, aws.CodeSubnetNotFound):
		s.abortIfConfirmed(v1alpha1.AbortSubnetLeft, "subnet %s was deleted", spec.SubnetID)
	case t.subnetErr != nil:
		return t.subnetErr
	case due && !r.consents(t.subnet.tags, s.obj.Namespace):
		s.abortIfConfirmed(v1alpha1.AbortConsentWithdrawn, "the owner of subnet %s withdrew its consent: the tag %s no longer allows namespace %s", spec.SubnetID, r.options.ConsentTagKey, s.obj.Namespace)
	case due:
		s.seen.target.Clear()
	}
	return nil
}

const clusterGoneMessage = "cluster %s is gone or no longer active"

// nextACLRead is when the network ACL is to be read again: soon after a read that did not show what
// it should.
func (s *scope) nextACLRead(options Options) time.Time {
	// A read for a new address must not put off the look at the rest of the target, which goes with
	// it.
	look := s.seen.targetLooked.Add(options.ACLPollInterval)
	switch {
	case s.seen.aclRead.IsZero():
		return s.now
	case s.seen.network.IsPending() || s.seen.target.IsPending() || s.seen.hit.IsPending() || s.seen.changed.IsPending() || s.seen.stripped.IsPending(),
		s.cloned() && s.seen.originalReads.isWatched():
		return run.Earliest(look, s.seen.aclRead.Add(networkacl.ConfirmInterval))
	case !s.seen.denied(s.obj):
		return run.Earliest(look, s.seen.aclRead.Add(readBackInterval))
	}
	return run.Earliest(look, s.seen.aclRead.Add(options.ACLPollInterval))
}

// readACL reads the run's network ACL into the memory, and that which a clone was copied from, and
// notes whether the rules are in force.
func (r *Reconciler) readACL(ctx context.Context, s *scope) error {
	if err := r.fetchACL(ctx, s); err != nil {
		return err
	}
	s.recordEnforced()
	return nil
}

// fetchACL is readACL without a look at what else the pass knows, for use beside other calls.
func (r *Reconciler) fetchACL(ctx context.Context, s *scope) error {
	recorded := s.status().NetworkACL
	var acl, original *networkacl.ACL
	var err error
	if s.cloned() {
		var found map[string]*networkacl.ACL
		ids := slices.DeleteFunc([]string{recorded.ID, recorded.OriginalID}, func(id string) bool { return id == "" })
		found, err = ec2acl.ReadAll(ctx, s.clients.EC2, ids...)
		acl, original = found[recorded.ID], found[recorded.OriginalID]
	} else {
		acl, err = ec2acl.Read(ctx, s.clients.EC2, recorded.ID)
	}
	if err != nil {
		return err
	}
	if acl == nil || s.cloned() && original == nil {
		s.clients.ForgetAccount() // not found, or not in the account that the run works in
	}
	s.seen.originalReads.observe(original, s.now)
	s.seen.acl, s.seen.original, s.seen.aclRead, s.aclRead = acl, original, s.now, true
	s.seen.noteMissing(s.now)
	s.aclReadAt = r.clock.Now()
	return nil
}

// abortIfConfirmed ends the run once two looks at the target found the same.
func (s *scope) abortIfConfirmed(reason, format string, args ...any) {
	if s.seen.target.Observe(reason, fmt.Sprintf(format, args...), s.now) {
		s.abort(reason, format, args...)
	}
}

// abort ends the run before its time. The first reason stays.
func (s *scope) abort(reason, format string, args ...any) {
	if s.status().Abort == nil {
		const most = 1024 // as the API bounds it
		s.status().Abort = &v1alpha1.Abort{Reason: reason, Message: aws.Truncate(fmt.Sprintf(format, args...), most), Time: *run.Stamp(s.now)}
	}
}
