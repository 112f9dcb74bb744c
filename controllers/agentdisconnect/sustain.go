// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"errors"
	"fmt"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/nacl"
)

// sustain keeps the rules of a run in place: it looks at agents, hosts and network ACL as each is due, and repairs what
// is missing or ends the run.
func (r *Reconciler) sustain(ctx context.Context, s *scope) error {
	if err := r.moveExpiration(ctx, s); err != nil {
		return err
	}
	if s.mode != ModeActive {
		return r.end(ctx, s)
	}
	ctx, cancel, _ := r.within(ctx, s)
	defer cancel()
	if err := r.enter(ctx, s); err != nil {
		return err
	}
	sound, unsound := s.ledger()
	trouble := errors.Join(unsound, r.observe(ctx, s))
	if s.status().Abort == nil && unsound == nil && !s.seen.aclRead.IsZero() {
		trouble = errors.Join(trouble, r.repair(ctx, s, sound))
	}
	return r.endIfAborted(ctx, s, trouble)
}

// endIfAborted ends a run in the pass that aborted it: the reason is written before anything is taken back.
func (r *Reconciler) endIfAborted(ctx context.Context, s *scope, trouble error) error {
	if s.status().Abort == nil {
		return trouble
	}
	if err := r.persist(ctx, s); err != nil {
		return err
	}
	return r.endIfOver(ctx, s)
}

// endIfOver ends the run in the same pass that found it over.
func (r *Reconciler) endIfOver(ctx context.Context, s *scope) error {
	s.mode, _ = ModeAt(s.obj, r.clock.Now())
	if s.mode == ModeActive {
		return nil
	}
	return r.end(ctx, s)
}

// moveExpiration follows a change of spec.duration.
func (r *Reconciler) moveExpiration(ctx context.Context, s *scope) error {
	status := s.status()
	expires := stamp(status.StartTime.Add(s.obj.Spec.Duration.Duration))
	if status.ExpirationTime.Equal(expires) {
		return nil
	}
	status.ExpirationTime = expires
	if err := r.persist(ctx, s); err != nil {
		return err
	}
	s.mode, _ = ModeAt(s.obj, s.now)
	return nil
}

// enter gets the clients of the run's Region, and makes sure that they are of the run's account: that something isn't
// found says nothing in another one.
func (r *Reconciler) enter(ctx context.Context, s *scope) error {
	recorded := s.status().Target
	if recorded == nil || s.status().NetworkACL == nil {
		return refuse(v1alpha1.ReasonLedgerInvalid, "status.target or status.networkACL was removed: nothing can be undone without it. Put it back (kubectl edit --subresource=status)")
	}
	s.clients = r.sessions.In(recorded.Region)
	account, err := s.clients.AccountID(ctx, s.now)
	if err != nil {
		return err
	}
	if account != recorded.AccountID {
		return refuse(v1alpha1.ReasonWrongAccount, "the run works in account %s, and the manager's credentials are of account %s: give the manager back its role in account %s", recorded.AccountID, account, recorded.AccountID)
	}
	return nil
}

// observe looks at whatever is due, side by side, and ends the run where its target is no longer what it was.
func (r *Reconciler) observe(ctx context.Context, s *scope) error {
	status, spec := s.status(), &s.obj.Spec
	aclDue := !s.now.Before(s.nextACLRead(r.options))
	var current subnet
	var subnetErr error
	var agentsGone, clusterIsGone bool
	trouble := together(
		func() error { return r.readACLIf(ctx, s, aclDue) },
		func() error {
			if aclDue && r.options.ConsentTagKey != "" {
				current, subnetErr = describeSubnet(ctx, s.clients.EC2, spec.SubnetID)
			}
			return nil
		},
		func() (err error) {
			if aclDue {
				clusterIsGone, err = clusterGone(ctx, s.clients.ECS, status.Target.ClusterARN)
			}
			return
		},
		func() (err error) { agentsGone, err = r.watchAgents(ctx, s, status.StartTime.Time); return },
		func() error { return r.lookUp(ctx, s) },
	)
	switch {
	case agentsGone || clusterIsGone:
		s.abort(v1alpha1.AbortClusterGone, "cluster %s is gone or no longer active", status.Target.ClusterARN)
	case allLeft(status.Agents):
		s.abort(v1alpha1.AbortAgentsLeft, "none of the %d container instances that counted is in the cluster any more", len(status.Agents.ContainerInstances))
	case aws.HasCode(subnetErr, aws.CodeSubnetNotFound):
		s.abort(v1alpha1.AbortSubnetLeft, "subnet %s was deleted", spec.SubnetID)
	case subnetErr != nil:
		return errors.Join(trouble, subnetErr)
	case aclDue && !r.consents(current.tags, s.obj.Namespace):
		s.abort(v1alpha1.AbortConsentWithdrawn, "the owner of subnet %s took its consent back: the tag %s no longer allows namespace %s", spec.SubnetID, r.options.ConsentTagKey, s.obj.Namespace)
	}
	return trouble
}

// nextACLRead is when the network ACL is to be read again: soon after a read that did not show what it should.
func (s *scope) nextACLRead(options Options) time.Time {
	switch {
	case s.seen.aclRead.IsZero():
		return s.now
	case s.seen.oddReads > 0:
		return s.seen.aclRead.Add(oddReadInterval)
	case !s.seen.denied(s.status()):
		return s.seen.aclRead.Add(readBackInterval)
	}
	return s.seen.aclRead.Add(options.ACLPollInterval)
}

func (r *Reconciler) readACLIf(ctx context.Context, s *scope, due bool) error {
	if !due {
		return nil
	}
	return r.readACL(ctx, s)
}

// readACL reads the run's network ACL into the memory.
func (r *Reconciler) readACL(ctx context.Context, s *scope) error {
	acl, err := nacl.Read(ctx, s.clients.EC2, s.status().NetworkACL.ID)
	if err != nil {
		return err
	}
	s.seen.acl, s.seen.aclRead, s.aclRead = acl, s.now, true
	return nil
}

// abort ends the run before its time. The first reason stays.
func (s *scope) abort(reason, format string, args ...any) {
	if s.status().Abort == nil {
		const most = 1024 // as the API bounds it
		s.status().Abort = &v1alpha1.Abort{Reason: reason, Message: aws.Truncate(fmt.Sprintf(format, args...), most), Time: *stamp(s.now)}
	}
}
