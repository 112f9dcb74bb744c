// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/nacl"
)

// fieldOwner names the controller's writes in managedFields.
const fieldOwner = client.FieldOwner("agentdisconnect")

// scope is what one pass knows: the object, the time, and what it saw of AWS.
type scope struct {
	// obj is the object; its status is what the pass will have written at its end.
	obj *v1alpha1.AgentDisconnect
	// stored is the object as the API server has it.
	stored *v1alpha1.AgentDisconnect
	// first is the status as it was when the pass began.
	first v1alpha1.AgentDisconnectStatus
	// now is the time of the pass.
	now  time.Time
	mode Mode
	// seen is what earlier passes of this process saw.
	seen *memory
	// options are the manager's: how long a look is good for depends on its intervals.
	options Options
	// resolver names whom the manager asks for the addresses of hosts.
	resolver string
	// clients reach the Region of the run.
	clients *aws.Clients
	// proof is that the object is still as it is here.
	proof *proof
	// aclRead says that the network ACL was read in this pass, the last time at aclReadAt.
	aclRead   bool
	aclReadAt time.Time
	// unseen is why this pass could not look for other clusters, and in which subnets.
	unseen struct {
		about string
		err   error
	}
	// wake is when something is due again; zero: nothing is.
	wake time.Time
}

func (s *scope) status() *v1alpha1.AgentDisconnectStatus { return &s.obj.Status }

// due asks for a pass at the time t at the latest.
func (s *scope) due(t time.Time) {
	if s.wake.IsZero() || t.Before(s.wake) {
		s.wake = t
	}
}

// stamp is a time as the status has it: whole seconds.
func stamp(t time.Time) *metav1.Time {
	return &metav1.Time{Time: t.Truncate(time.Second)}
}

// persist writes the status if it changed, provided that nobody wrote the object since it was read.
func (r *Reconciler) persist(ctx context.Context, s *scope) error {
	patch := client.MergeFromWithOptions(s.stored, client.MergeFromWithOptimisticLock{})
	if equality.Semantic.DeepEqual(s.obj.Status, s.stored.Status) {
		return nil
	}
	asked := r.clock.Now()
	if err := r.client.Status().Patch(ctx, s.obj, patch, fieldOwner); err != nil {
		return stored(err)
	}
	s.stored = s.obj.DeepCopy()
	s.proof.renew(s.stored, asked)
	return nil
}

// record writes what became known of entries after AWS was called. Unlike persist it does not give up when the object
// was written in between: what AWS answered stays true. But where the ledger was written too, another manager took over
// while this one was paused: then the answer is about what that one has changed since, and reads decide.
func (r *Reconciler) record(ctx context.Context, s *scope, change func(*v1alpha1.AgentDisconnectStatus)) error {
	// Neither the run's end nor a stop of the manager may lose the answer.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	change(s.status())
	err := r.persist(ctx, s)
	if !apierrors.IsConflict(err) {
		return err
	}
	err = retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		latest, asked := &v1alpha1.AgentDisconnect{}, r.clock.Now()
		if err := r.reader.Get(ctx, client.ObjectKeyFromObject(s.obj), latest); err != nil {
			return err
		}
		if latest.UID != s.obj.UID {
			return errReplaced
		}
		if !sameLedger(&latest.Status, &s.stored.Status) {
			return errChanged
		}
		s.obj, s.stored = latest, latest.DeepCopy()
		s.proof.renew(latest, asked)
		s.mode, _ = ModeAt(s.obj, r.clock.Now())
		change(s.status())
		return r.persist(ctx, s)
	})
	return stored(err)
}

// sameLedger says whether two statuses of an object have the same ledger.
func sameLedger(a, b *v1alpha1.AgentDisconnectStatus) bool {
	return equality.Semantic.DeepEqual(a.Rules, b.Rules) && equality.Semantic.DeepEqual(a.NetworkACL, b.NetworkACL)
}

// errReplaced says that the object was deleted and another made under its name.
var errReplaced = errors.New("the object was replaced by another of the same name")

// setFinalizer adds or removes the finalizer, provided that nobody wrote the object since it was read. The status of the
// scope stays as it is.
func (r *Reconciler) setFinalizer(ctx context.Context, s *scope, change func(client.Object, string) bool) error {
	changed := s.stored.DeepCopy()
	if !change(changed, v1alpha1.Finalizer) {
		return nil
	}
	asked := r.clock.Now()
	if err := r.client.Patch(ctx, changed, client.MergeFromWithOptions(s.stored, client.MergeFromWithOptimisticLock{}), fieldOwner); err != nil {
		return stored(err)
	}
	changed.Status.DeepCopyInto(&s.stored.Status)
	s.stored.ObjectMeta = *changed.ObjectMeta.DeepCopy()
	s.obj.ObjectMeta = *changed.ObjectMeta.DeepCopy()
	s.proof.renew(s.stored, asked)
	return nil
}

// ledger gives the sound lines, and what is wrong with the others.
func (s *scope) ledger() (sound []v1alpha1.Rule, unsound error) {
	id := ""
	if acl := s.status().NetworkACL; acl != nil {
		id = acl.ID
	}
	var wrong []error
	for _, line := range s.status().Rules {
		if err := nacl.Sound(line, id, ranges(s.obj)); err != nil {
			wrong = append(wrong, refuse(v1alpha1.ReasonLedgerInvalid,
				"status.rules was edited: %v. Nothing is done with it: look at the entry in the network ACL, delete it there if it is this run's, then remove the line (kubectl edit --subresource=status)", err))
			continue
		}
		sound = append(sound, line)
	}
	return sound, errors.Join(wrong...)
}
