// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// readyFor is how long an object counts as ready to start after a pass found it so. It is a little longer than the
// objects that wait need to come round again.
const readyFor = 2 * waitInterval

// holders sees to it that one run at a time works on a network ACL. Only the leader reconciles, so a lock of the process
// is enough; what it guards is in the objects' status. It is one lock a network ACL, and nobody waits for it: a start that
// AWS holds up must not hold up another run's end.
type holders struct {
	mu sync.Mutex
	// starting are the claims of the runs that are about to begin, by name.
	starting map[string]claim
	// ready says which objects were of late ready to begin.
	ready map[types.UID]readiness
	// begun are the runs that began in this process and are not known to be over: a list of objects may be older.
	begun map[types.UID]bool
}

type readiness struct {
	claim claim
	at    time.Time
	// queued says that nothing kept it from beginning but the number of runs that are on.
	queued bool
}

// claim is what a run needs for itself: a network ACL that it writes to; or, for a clone, one that nobody else writes to
// and a subnet that nobody else moves.
type claim struct {
	aclID, subnetID string
	mode            v1alpha1.NetworkACLMode
}

// claimOf is what a run that has not begun would need.
func claimOf(s *scope, t *target) claim {
	mode, _ := t.chooseMode(&s.obj.Spec)
	return claim{t.acl.ID, s.obj.Spec.SubnetID, mode}
}

// conflicts reports whether two runs can't be on together: clones of one network ACL for different subnets can.
func (c claim) conflicts(o claim) bool {
	return c.aclID == o.aclID && (c.mode != v1alpha1.NetworkACLModeClone || o.mode != v1alpha1.NetworkACLModeClone || c.subnetID == o.subnetID)
}

// hold calls begin, which makes s the holder of what it claims, if no other run holds it and none that is older is ready
// to. Otherwise the error names the other one.
func (h *holders) hold(ctx context.Context, r *Reconciler, s *scope, c claim, begin func() error) error {
	if other := h.enter(s, c); other != "" {
		return problem.Wait(v1alpha1.ReasonHolder, "%s is about to begin on network ACL %s: this run begins when that one is over", other, c.aclID)
	}
	queued := false
	defer func() { h.leave(s.obj, queued) }()
	others, err := r.free(ctx, s, c)
	if err != nil {
		return err
	}
	for i := range others {
		if other := &others[i]; older(other, s.obj) && h.isReady(other, c, s.now) {
			return problem.Wait(v1alpha1.ReasonHolder, "%s is older and about to begin on network ACL %s: this run begins when that one is over", name(other), c.aclID)
		}
	}
	if queued = !h.reserve(s, others, r.options.MaxActiveRuns); queued {
		return problem.Wait(v1alpha1.ReasonTooManyRuns, "%s on or about to begin, which is as many as the manager allows at once (--max-active-runs): this run begins when one of them is over", problem.Plural(r.options.MaxActiveRuns, "run is", "runs are"))
	}
	err = begin()
	if _, unsure := errors.AsType[*problem.StoreError](err); err != nil && !unsure {
		h.finish(s.obj.UID) // else it counts as on until a pass reads that it isn't
	}
	if err == nil {
		h.withdraw(s.obj.UID)
	}
	return err
}

// reserve counts s among the runs that are on, unless there are as many as may be, or older ones wait for the places that
// are left. 0: any number may be on.
func (h *holders) reserve(s *scope, others []v1alpha1.AgentDisconnect, most int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	on, ahead := map[types.UID]bool{}, 0
	for i := range others {
		other := &others[i]
		switch ready := h.ready[other.UID]; {
		case run.IsOn(&other.Status) || h.begun[other.UID]:
			on[other.UID] = true
		case ready.queued && s.now.Sub(ready.at) < readyFor && other.DeletionTimestamp.IsZero() && older(other, s.obj):
			ahead++
		}
	}
	maps.DeleteFunc(h.begun, func(uid types.UID, _ bool) bool { return !on[uid] }) // those are no longer there
	if most > 0 && len(on)+ahead >= most {
		return false
	}
	h.begun[s.obj.UID] = true
	return true
}

// finish counts a run no longer among those that are on.
func (h *holders) finish(uid types.UID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.begun, uid)
}

// enter takes the lock of the network ACL and notes that the object is ready; or gives the name of who has the lock.
func (h *holders) enter(s *scope, c claim) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ready == nil {
		h.ready, h.starting, h.begun = map[types.UID]readiness{}, map[string]claim{}, map[types.UID]bool{}
	}
	for other, claimed := range h.starting {
		if claimed.conflicts(c) {
			return other
		}
	}
	// One that was turned away is not noted: the one inside would wait for it, and neither would begin.
	h.ready[s.obj.UID] = readiness{c, s.now, h.ready[s.obj.UID].queued}
	h.starting[name(s.obj)] = c
	return ""
}

// leave gives the lock of the network ACL back, and notes whether the object waits for its turn alone.
func (h *holders) leave(obj *v1alpha1.AgentDisconnect, queued bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.starting, name(obj))
	if ready, ok := h.ready[obj.UID]; ok {
		ready.queued = queued
		h.ready[obj.UID] = ready
	}
}

// free gives all other objects, or an error that names the run which holds what is claimed.
func (r *Reconciler) free(ctx context.Context, s *scope, c claim) (others []v1alpha1.AgentDisconnect, err error) {
	holder, others, err := r.findHolder(ctx, s.obj, s.clients.Region, c)
	if holder != nil {
		return nil, problem.Wait(v1alpha1.ReasonHolder, "%s holds network ACL %s: this run begins when that one is over", name(holder), c.aclID)
	}
	return others, err
}

// findHolder gives all other objects, and the one among them whose run holds what is claimed; nil: none does.
func (r *Reconciler) findHolder(ctx context.Context, obj *v1alpha1.AgentDisconnect, region string, c claim) (holder *v1alpha1.AgentDisconnect, others []v1alpha1.AgentDisconnect, err error) {
	var all v1alpha1.AgentDisconnectList
	if err := r.reader.List(ctx, &all); err != nil {
		return nil, nil, problem.FromStore(err)
	}
	others = slices.DeleteFunc(all.Items, func(o v1alpha1.AgentDisconnect) bool { return o.UID == obj.UID })
	for i := range others {
		if holds(&others[i], region, c) {
			return &others[i], others, nil
		}
	}
	return nil, others, nil
}

// isReady reports whether a pass of late found an object that has not begun ready to begin on what is claimed.
func (h *holders) isReady(obj *v1alpha1.AgentDisconnect, c claim, now time.Time) bool {
	h.mu.Lock()
	ready, ok := h.ready[obj.UID]
	h.mu.Unlock()
	return ok && ready.claim.conflicts(c) && now.Sub(ready.at) < readyFor &&
		obj.Status.StartTime == nil && obj.DeletionTimestamp.IsZero()
}

// withdraw takes back that an object is ready to begin.
func (h *holders) withdraw(uid types.UID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.ready, uid)
}

// holds reports whether a run that is on holds what is claimed. A subnet that is on a clone has that for its network ACL.
func holds(obj *v1alpha1.AgentDisconnect, region string, c claim) bool {
	acl, target := obj.Status.NetworkACL, obj.Status.Target
	if !run.IsOn(&obj.Status) || acl == nil || target != nil && target.Region != region {
		return false
	}
	held := claim{acl.ID, obj.Spec.SubnetID, acl.Mode}
	if acl.Mode == v1alpha1.NetworkACLModeClone {
		held.aclID = acl.OriginalID
	}
	return held.conflicts(c) || acl.ID != "" && acl.ID == c.aclID
}

func older(a, b *v1alpha1.AgentDisconnect) bool {
	if a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.UID < b.UID
	}
	return a.CreationTimestamp.Before(&b.CreationTimestamp)
}

func name(obj client.Object) string { return obj.GetNamespace() + "/" + obj.GetName() }
