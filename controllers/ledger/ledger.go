// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// recordTimeout bounds the writing down of what AWS answered. With the call before it, it fits the
// manager's grace period.
const recordTimeout = 5 * time.Second

// Store is where the objects are.
type Store struct {
	client client.Client
	// reader reads past the cache: what a write rests on must not be what was true a while ago.
	reader client.Reader
	clock  clock.PassiveClock
}

// NewStore makes a store of a client that writes and a reader that reads past the cache.
func NewStore(c client.Client, reader client.Reader, clk clock.PassiveClock) *Store {
	return &Store{client: c, reader: reader, clock: clk}
}

// Hooks are what a ledger asks its pass, and tells it.
type Hooks struct {
	// Creates reports whether the pass may create rules: it does not once the spec was changed, as
	// by a suspension.
	Creates func() bool
	// Retaken is called when a Record found the object deleted or edited since the pass began, and
	// Object was brought in line with that.
	Retaken func()
}

// Ledger writes one object in one pass. Its methods are called by one goroutine, but for the fence.
type Ledger struct {
	store *Store
	hooks Hooks
	// obj is the object; its status is what the pass will have written at its end.
	obj *v1alpha1.AgentDisconnect
	// stored is the object as the API server has it, with the spec that the pass began with. It is
	// replaced, never changed.
	stored *v1alpha1.AgentDisconnect
	fence  fence
}

// Open begins a pass over an object, as the API server had it at the time asked or later. The pass
// works on that object, whose status the ledger writes.
func (s *Store) Open(obj *v1alpha1.AgentDisconnect, asked time.Time, hooks Hooks) *Ledger {
	l := &Ledger{store: s, hooks: hooks, obj: obj, stored: obj.DeepCopy()}
	l.fence = fence{
		reader: s.reader, clock: s.clock, name: client.ObjectKeyFromObject(obj), creates: hooks.Creates,
	}
	l.fence.renew(l.stored, asked)
	return l
}

// Fence gives the time at which the object was last known to be as the pass knows it, and asks the
// API server where that is a while ago. It is an aws.Fence, safe for concurrent use.
func (l *Ledger) Fence(ctx context.Context) (time.Time, error) { return l.fence.check(ctx) }

// HasChanges reports whether the pass changed the status since it was last stored.
func (l *Ledger) HasChanges() bool {
	return !equality.Semantic.DeepEqual(l.obj.Status, l.stored.Status)
}

// Persist writes the status if the pass changed it, provided that what the pass rests on is as it
// was.
func (l *Ledger) Persist(ctx context.Context) error { return l.write(ctx, l.statusWrite()) }

// Record writes what became known of entries after AWS was called. Unlike Persist it does not give
// up when the object was deleted or edited in between: what AWS answered stays true. But where the
// ledger was written too, another manager took over while this one was paused: then the answer is
// about what that one has changed since, and reads decide.
func (l *Ledger) Record(ctx context.Context, change func(*v1alpha1.AgentDisconnectStatus)) error {
	// Neither the run's end nor a stop of the manager may lose the answer.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()

	change(&l.obj.Status)
	write := l.statusWrite()
	write.retake = func(latest *v1alpha1.AgentDisconnect) error {
		switch {
		case latest.UID != l.obj.UID:
			return ErrReplaced
		case !hasSameLines(&latest.Status, &l.stored.Status):
			return ErrChanged
		}
		*l.obj, l.stored = *latest.DeepCopy(), latest // the pass goes on with the same object
		l.hooks.Retaken()
		change(&l.obj.Status)
		return nil
	}
	return l.write(ctx, write)
}

// AddFinalizer adds the finalizer, provided that what the pass rests on is as it was. The status
// stays as it is.
func (l *Ledger) AddFinalizer(ctx context.Context) error {
	return l.changeFinalizer(ctx, controllerutil.AddFinalizer)
}

// RemoveFinalizer removes it, with the same provision.
func (l *Ledger) RemoveFinalizer(ctx context.Context) error {
	return l.changeFinalizer(ctx, controllerutil.RemoveFinalizer)
}

func (l *Ledger) changeFinalizer(ctx context.Context, change func(client.Object, string) bool) error {
	return l.write(ctx, objectWrite{
		change: func(obj *v1alpha1.AgentDisconnect) { change(obj, v1alpha1.Finalizer) },
		send: func(ctx context.Context, obj client.Object, patch client.Patch) error {
			return l.store.client.Patch(ctx, obj, patch, fieldOwner)
		},
	})
}

// Delete deletes the object, unless it was written since the ledger last stored it. One that is
// gone is no error.
func (l *Ledger) Delete(ctx context.Context) error {
	uid, version := l.stored.UID, l.stored.ResourceVersion
	only := client.Preconditions{UID: &uid, ResourceVersion: &version}
	return client.IgnoreNotFound(l.store.client.Delete(ctx, l.obj.DeepCopy(), only))
}
