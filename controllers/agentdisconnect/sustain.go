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
	trouble := r.keep(ctx, s)
	if !r.clock.Now().Before(expiration(s.status())) {
		return r.endIfOver(ctx, s) // whatever the run's end cut off is no trouble
	}
	return r.endIfAborted(ctx, s, trouble)
}

// keep looks at the run, and repairs it, for as long as it lasts.
func (r *Reconciler) keep(ctx context.Context, s *scope) error {
	ctx, cancel, _ := r.within(ctx, s)
	defer cancel()
	looking, cancel := context.WithTimeout(ctx, observeTimeout)
	defer cancel()
	if err := r.enter(looking, s); err != nil {
		return err
	}
	sound, unsound := s.ledger()
	trouble := errors.Join(unsound, r.observe(looking, s))
	if s.status().Abort == nil && unsound == nil && !s.seen.aclRead.IsZero() {
		trouble = errors.Join(trouble, r.repair(ctx, s, sound))
	}
	return trouble
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
	case allLeft(status.Agents): // two polls agreed
		if gone, err := clusterGone(ctx, s.clients.ECS, status.Target.ClusterARN); err == nil && gone {
			s.abort(v1alpha1.AbortClusterGone, clusterGoneMessage, status.Target.ClusterARN)
		}
		s.abort(v1alpha1.AbortAgentsLeft, "none of the %d container instances that counted is in the cluster any more", len(status.Agents.ContainerInstances))
	case agentsGone || clusterIsGone:
		s.abortIfConfirmed(v1alpha1.AbortClusterGone, clusterGoneMessage, status.Target.ClusterARN)
	case aws.HasCode(subnetErr, aws.CodeSubnetNotFound):
		s.abortIfConfirmed(v1alpha1.AbortSubnetLeft, "subnet %s was deleted", spec.SubnetID)
	case subnetErr != nil:
		return errors.Join(trouble, subnetErr)
	case aclDue && !r.consents(current.tags, s.obj.Namespace):
		s.abortIfConfirmed(v1alpha1.AbortConsentWithdrawn, "the owner of subnet %s took its consent back: the tag %s no longer allows namespace %s", spec.SubnetID, r.options.ConsentTagKey, s.obj.Namespace)
	case aclDue:
		s.seen.target = suspicion{}
	}
	return trouble
}

const clusterGoneMessage = "cluster %s is gone or no longer active"

// nextACLRead is when the network ACL is to be read again: soon after a read that did not show what it should.
func (s *scope) nextACLRead(options Options) time.Time {
	switch {
	case s.seen.aclRead.IsZero():
		return s.now
	case s.seen.network.reads > 0 || s.seen.target.reads > 0:
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
	if acl == nil {
		s.clients.ForgetAccount() // not found, or not in the account that the run works in
	}
	s.seen.acl, s.seen.aclRead, s.aclRead = acl, s.now, true
	return nil
}

// abortIfConfirmed ends the run once two looks at the target found the same.
func (s *scope) abortIfConfirmed(reason, format string, args ...any) {
	if s.seen.target.confirmed(reason, s.now) {
		s.abort(reason, format, args...)
	}
}

// abort ends the run before its time. The first reason stays.
func (s *scope) abort(reason, format string, args ...any) {
	if s.status().Abort == nil {
		const most = 1024 // as the API bounds it
		s.status().Abort = &v1alpha1.Abort{Reason: reason, Message: aws.Truncate(fmt.Sprintf(format, args...), most), Time: *stamp(s.now)}
	}
}
