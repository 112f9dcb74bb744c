// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	utilwait "k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// fieldOwner names the controller's writes in managedFields.
const fieldOwner = client.FieldOwner("agentdisconnect")

// writeBackoff bounds the tries of one write to the object. After the first, the API server itself
// compares what is guarded, and takes up the newest version as often as it takes: a second try is
// as a rule the last.
var writeBackoff = utilwait.Backoff{Steps: 6, Duration: 2 * time.Millisecond, Factor: 3, Jitter: 1, Cap: 100 * time.Millisecond}

var (
	// ErrReplaced says that the object was deleted and another made under its name.
	ErrReplaced = errors.New("the object was replaced by another of the same name")
	// ErrChanged says that the object is no longer as the pass knows it.
	ErrChanged = errors.New("the object was written or deleted during the pass")
	// ErrOvertaken says that another write came first, which changed nothing that this one rests
	// on.
	ErrOvertaken = errors.New("other clients modified the object at the same time")
)

// objectWrite is one write to the object.
type objectWrite struct {
	// change makes the change to a copy of what the API server has.
	change func(*v1alpha1.AgentDisconnect)
	send   func(context.Context, client.Object, client.Patch) error
	// retake, if set, makes the change part of an object of which something guarded was written
	// meanwhile, or refuses to.
	retake func(latest *v1alpha1.AgentDisconnect) error
}

func (l *Ledger) statusWrite() objectWrite {
	return objectWrite{
		change: func(obj *v1alpha1.AgentDisconnect) { l.obj.Status.DeepCopyInto(&obj.Status) },
		send: func(ctx context.Context, obj client.Object, patch client.Patch) error {
			return l.store.client.Status().Patch(ctx, obj, patch, fieldOwner)
		},
	}
}

// write makes one write to the object. A conflict about what the pass does not rest on, such as an
// annotation, is no reason to give up: the change is made to the object as it is by now.
func (l *Ledger) write(ctx context.Context, write objectWrite) error {
	lock := lockVersion
	return problem.FromStore(retry.OnError(writeBackoff, wasOvertaken, func() error {
		wanted, asked := l.stored.DeepCopy(), l.store.clock.Now()
		write.change(wanted)
		if equality.Semantic.DeepEqual(wanted, l.stored) {
			return nil
		}
		patch, err := lock(l.stored, wanted)
		if err != nil {
			return err
		}

		switch err = write.send(ctx, wanted, patch); {
		case err == nil:
			l.rebase(wanted)
			l.fence.renew(l.stored, asked)
			return nil
		case apierrors.IsConflict(err):
			lock = lockGuarded
		case apierrors.IsInvalid(err) && patch.Type() == types.JSONPatchType:
			lock = lockVersion // something guarded was written, or is stored in other words than the pass knows it by
		default:
			return err
		}

		latest, asked := &v1alpha1.AgentDisconnect{}, l.store.clock.Now()
		if err := l.store.reader.Get(ctx, client.ObjectKeyFromObject(l.obj), latest); err != nil {
			return err
		}
		if changed := compareGuarded(l.stored, latest); changed == nil {
			l.rebase(latest)
		} else if write.retake == nil {
			return changed
		} else if err := write.retake(latest); err != nil {
			return err
		}
		l.fence.renew(l.stored, asked)
		return ErrOvertaken
	}))
}

func wasOvertaken(err error) bool { return errors.Is(err, ErrOvertaken) }

// rebase takes over a newer version of the object. The spec and its generation stay those that the
// pass began with.
func (l *Ledger) rebase(latest *v1alpha1.AgentDisconnect) {
	known := latest.DeepCopy()
	known.Generation, known.Spec = l.stored.Generation, l.stored.Spec
	l.stored = known
	l.obj.ObjectMeta = *known.ObjectMeta.DeepCopy()
}

// compareGuarded gives an error if something differs that the writes of a pass rest on: the
// object's identity, its deletion, its status and its spec.
func compareGuarded(known, latest *v1alpha1.AgentDisconnect) error {
	switch {
	case known.UID != latest.UID:
		return ErrReplaced
	case !known.DeletionTimestamp.Equal(latest.DeletionTimestamp),
		guardsSpec(known) && known.Generation != latest.Generation,
		!equality.Semantic.DeepEqual(known.Status, latest.Status):
		return ErrChanged
	}
	return nil
}

// guardsSpec reports whether the writes of a pass rest on the spec. Those of a run that is on or
// being undone do not: what such a run follows of the spec, the next pass does, which a change of
// the spec itself asks for.
func guardsSpec(obj *v1alpha1.AgentDisconnect) bool {
	status := &obj.Status
	begun := status.StartTime != nil || run.TouchedAWS(status)
	return !begun || run.IsOver(status)
}

// lockVersion has the API server refuse the change unless the object is of the very version that is
// known. It is the write of most passes, since few objects are written by others meanwhile.
func lockVersion(known, wanted *v1alpha1.AgentDisconnect) (client.Patch, error) {
	patch := client.MergeFromWithOptions(known, client.MergeFromWithOptimisticLock{})
	data, err := patch.Data(wanted)
	return client.RawPatch(patch.Type(), data), err
}

// lockGuarded has the API server refuse the change if something guarded differs. It compares as
// part of the write, so that writes of other things can't keep this one from being made, however
// many there are.
func lockGuarded(known, wanted *v1alpha1.AgentDisconnect) (client.Patch, error) {
	type operation struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value"`
	}
	test := func(path string, value any) operation { return operation{"test", path, value} }

	operations := []operation{
		test("/metadata/uid", known.UID),
		test("/metadata/deletionTimestamp", known.DeletionTimestamp), // null: there is none
		test("/status", known.Status),
	}
	if guardsSpec(known) {
		operations = append(operations, test("/metadata/generation", known.Generation))
	}
	if !equality.Semantic.DeepEqual(known.Status, wanted.Status) {
		operations = append(operations, operation{"add", "/status", wanted.Status})
	}
	if !equality.Semantic.DeepEqual(known.Finalizers, wanted.Finalizers) {
		operations = append(operations, test("/metadata/finalizers", known.Finalizers), operation{"add", "/metadata/finalizers", append([]string{}, wanted.Finalizers...)})
	}
	data, err := json.Marshal(operations)
	return client.RawPatch(types.JSONPatchType, data), err
}

// hasSameLines reports whether two statuses of an object have the same lines, of the same network
// ACL.
func hasSameLines(a, b *v1alpha1.AgentDisconnectStatus) bool {
	return equality.Semantic.DeepEqual(a.Rules, b.Rules) && equality.Semantic.DeepEqual(a.NetworkACL, b.NetworkACL)
}
