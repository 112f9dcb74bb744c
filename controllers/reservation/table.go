// SPDX-License-Identifier: Apache-2.0

package reservation

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/objects"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// readyFor is how long an object counts as ready to start after a pass found it so. It is a little
// longer than the objects that wait need to come round again.
const readyFor = 2 * RetryInterval

// Table has one run at a time begin on a network ACL. Its lock is of one process, since only the
// leader reconciles; a second look after the start is stored covers two managers. What it guards is
// in the objects' status. It is one lock a network ACL, and no
// caller waits for it: a start that AWS holds up must not hold up another run's end. It is safe for
// concurrent use.
type Table struct {
	objects       *objects.Reader
	maxActiveRuns int

	mu sync.Mutex
	// starting are the reservations of the runs that are about to begin, by name.
	starting map[string]Reservation
	// ready are the objects that were of late ready to begin.
	ready map[types.UID]readiness
	// begun are the runs that began in this process and are not known to be over: a list of objects
	// may be older.
	begun map[types.UID]bool
}

type readiness struct {
	wanted Reservation
	at     time.Time
	// queued: nothing kept it from beginning but the number of runs that are on.
	queued bool
}

// NewTable makes an empty table. maxActiveRuns is how many runs may be on at once, 0 for any number.
func NewTable(all *objects.Reader, maxActiveRuns int) *Table {
	return &Table{
		objects: all, maxActiveRuns: maxActiveRuns,
		starting: map[string]Reservation{}, ready: map[types.UID]readiness{}, begun: map[types.UID]bool{},
	}
}

// Reserve calls begin, which makes the run of an object the holder of what it wants, if no other
// run holds it and none that is older is ready to. Otherwise the error names the other one.
func (t *Table) Reserve(
	ctx context.Context, obj *v1alpha1.AgentDisconnect, wanted Reservation, now time.Time, begin func() error,
) error {
	if other := t.tryLock(obj, wanted, now); other != "" {
		return problem.Wait(v1alpha1.ReasonHolder, "%s is about to begin on network ACL %s: this run begins when that one is over",
			other, wanted.NetworkACLID)
	}
	queued := false
	defer func() { t.unlock(obj, queued) }()

	// Most that wait are turned away by what the informer shows, which costs no request.
	if t.objects.HasInformer() {
		known, err := t.CheckFree(ctx, obj, wanted)
		if err != nil {
			return err
		}
		if on, ahead := t.countPlaces(obj, known, now); t.isFull(len(on) + ahead) {
			queued = true
			return t.waitForPlace()
		}
	}

	holder, others, err := t.FindHolder(ctx, obj, wanted)
	if err := waitFor(holder, wanted, err); err != nil {
		return err
	}
	for i := range others {
		if other := &others[i]; IsOlder(other, obj) && t.isReady(other, wanted, now) {
			return problem.Wait(v1alpha1.ReasonHolder, "%s is older and about to begin on network ACL %s: this run begins when that one is over",
				run.Name(other), wanted.NetworkACLID)
		}
	}

	if queued = !t.takePlace(obj, others, now); queued {
		return t.waitForPlace()
	}

	err = begin()
	if err != nil && !problem.IsStoreError(err) {
		t.Finish(obj.UID) // else it counts as on until a pass reads that it isn't
	}
	if err == nil {
		t.Withdraw(obj.UID)
	}
	return err
}

func (t *Table) waitForPlace() error {
	return problem.Wait(v1alpha1.ReasonTooManyRuns, "%s on or about to begin, which is as many as the manager allows at once (--max-active-runs): this run begins when one of them is over",
		problem.Plural(t.maxActiveRuns, "run is", "runs are"))
}

// waitFor has a run wait for the holder of what it wants, if there is one.
func waitFor(holder *objects.Object, wanted Reservation, err error) error {
	if holder == nil {
		return err
	}
	return problem.Wait(v1alpha1.ReasonHolder, "%s holds network ACL %s: this run begins when that one is over", run.Name(holder), wanted.NetworkACLID)
}

// CheckFree gives all other objects as far as the informer has them, or an error that names the run which
// holds what is wanted. No run may begin because of it: see FindHolder.
func (t *Table) CheckFree(
	ctx context.Context, obj *v1alpha1.AgentDisconnect, wanted Reservation,
) (others []objects.Object, err error) {
	known, err := t.objects.Known(ctx)
	holder, others, err := findHolder(known, err, obj, wanted)
	if err := waitFor(holder, wanted, err); err != nil {
		return nil, err
	}
	return others, nil
}

// FindHolder gives all other objects whose run is not over, and the one among them that holds what is
// wanted; nil: none does. It lists them past the cache.
func (t *Table) FindHolder(
	ctx context.Context, obj *v1alpha1.AgentDisconnect, wanted Reservation,
) (holder *objects.Object, others []objects.Object, err error) {
	all, err := t.objects.Unfinished(ctx)
	return findHolder(all, err, obj, wanted)
}

func findHolder(
	all []objects.Object, err error, obj *v1alpha1.AgentDisconnect, wanted Reservation,
) (holder *objects.Object, others []objects.Object, _ error) {
	if err != nil {
		return nil, nil, problem.FromStore(err)
	}

	others = slices.DeleteFunc(slices.Clone(all), func(o objects.Object) bool { return o.UID == obj.UID })
	for i := range others {
		if holds(&others[i], wanted) {
			return &others[i], others, nil
		}
	}
	return nil, others, nil
}

// Withdraw notes that an object is no longer ready to begin.
func (t *Table) Withdraw(uid types.UID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.ready, uid)
}

// Finish counts a run no longer among those that are on.
func (t *Table) Finish(uid types.UID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.begun, uid)
}

// takePlace counts a run among those that are on, and reports whether it could: there are not as
// many as may be, and older ones do not wait for the places that are left.
func (t *Table) takePlace(obj *v1alpha1.AgentDisconnect, others []objects.Object, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	on, ahead := t.count(obj, others, now)
	maps.DeleteFunc(t.begun, func(uid types.UID, _ bool) bool { return !on[uid] }) // those are no longer there
	if t.isFull(len(on) + ahead) {
		return false
	}

	t.begun[obj.UID] = true
	return true
}

// countPlaces is count, for those who have not the lock.
func (t *Table) countPlaces(obj *v1alpha1.AgentDisconnect, others []objects.Object, now time.Time) (on map[types.UID]bool, ahead int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.count(obj, others, now)
}

func (t *Table) isFull(taken int) bool { return t.maxActiveRuns > 0 && taken >= t.maxActiveRuns }

// count gives the runs that are on, and how many older ones wait for a place alone.
func (t *Table) count(obj *v1alpha1.AgentDisconnect, others []objects.Object, now time.Time) (on map[types.UID]bool, ahead int) {
	on = map[types.UID]bool{}
	for i := range others {
		other := &others[i]
		switch ready := t.ready[other.UID]; {
		case run.IsOn(&other.Status) || t.begun[other.UID] && !run.IsVerifying(&other.Status):
			on[other.UID] = true
		case ready.queued && now.Sub(ready.at) < readyFor && other.DeletionTimestamp.IsZero() && IsOlder(other, obj):
			ahead++
		}
	}
	return on, ahead
}

// tryLock takes the lock of the network ACL and notes that the object is ready; or gives the name
// of the object that has the lock.
func (t *Table) tryLock(obj *v1alpha1.AgentDisconnect, wanted Reservation, now time.Time) (owner string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for other, reserved := range t.starting {
		if reserved.ConflictsWith(wanted) {
			return other
		}
	}

	// One that was turned away is not noted: the one inside would wait for it, and neither would
	// begin.
	t.ready[obj.UID] = readiness{wanted, now, t.ready[obj.UID].queued}
	t.starting[run.Name(obj)] = wanted
	return ""
}

// unlock gives the lock of the network ACL back, and notes whether the object waits for its turn
// alone.
func (t *Table) unlock(obj *v1alpha1.AgentDisconnect, queued bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.starting, run.Name(obj))
	if ready, ok := t.ready[obj.UID]; ok {
		ready.queued = queued
		t.ready[obj.UID] = ready
	}
}

// isReady reports whether a pass of late found an object that has not begun ready to begin on what
// is wanted.
func (t *Table) isReady(obj *objects.Object, wanted Reservation, now time.Time) bool {
	t.mu.Lock()
	ready, ok := t.ready[obj.UID]
	t.mu.Unlock()
	return ok && ready.wanted.ConflictsWith(wanted) && now.Sub(ready.at) < readyFor &&
		obj.Status.StartTime == nil && obj.DeletionTimestamp.IsZero()
}
