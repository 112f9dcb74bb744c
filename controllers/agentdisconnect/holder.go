// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"context"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// readyFor is how long an object counts as ready to start after a pass found it so. It is a little longer than the
// objects that wait need to come round again.
const readyFor = 2 * waitInterval

// holders sees to it that one run at a time works on a network ACL. Only the leader reconciles, so a lock of the process
// is enough; what it guards is in the objects' status. It is one lock a network ACL, and nobody waits for it: a start that
// AWS holds up must not hold up another run's end.
type holders struct {
	mu sync.Mutex
	// starting are the network ACLs that a run is beginning on.
	starting map[string]bool
	// ready says which objects were of late ready to begin.
	ready map[types.UID]readiness
}

type readiness struct {
	aclID string
	at    time.Time
}

// hold calls begin, which makes s the holder of the network ACL, if no other run holds it and none that is older is ready
// to. Otherwise the error names the other one.
func (h *holders) hold(ctx context.Context, r *Reconciler, s *scope, aclID string, begin func() error) error {
	if !h.enter(s, aclID) {
		return wait(v1alpha1.ReasonHolder, "another run is about to begin on network ACL %s: this run begins when that one is over", aclID)
	}
	defer h.leave(aclID)
	others, err := r.free(ctx, s, aclID)
	if err != nil {
		return err
	}
	for i := range others {
		if other := &others[i]; older(other, s.obj) && h.isReady(other, aclID, s.now) {
			return wait(v1alpha1.ReasonHolder, "%s is older and about to begin on network ACL %s: this run begins when that one is over", name(other), aclID)
		}
	}
	if err := begin(); err != nil {
		return err
	}
	h.withdraw(s.obj.UID)
	return nil
}

// enter takes the lock of the network ACL if it is free, and notes that the object is ready.
func (h *holders) enter(s *scope, aclID string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ready == nil {
		h.ready, h.starting = map[types.UID]readiness{}, map[string]bool{}
	}
	if h.starting[aclID] {
		return false
	}
	// One that was turned away is not noted: the one inside would wait for it, and neither would begin.
	h.ready[s.obj.UID] = readiness{aclID, s.now}
	h.starting[aclID] = true
	return true
}

// leave gives the lock of the network ACL back.
func (h *holders) leave(aclID string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.starting, aclID)
}

// free gives all other objects, or an error that names the run which holds the network ACL.
func (r *Reconciler) free(ctx context.Context, s *scope, aclID string) (others []v1alpha1.AgentDisconnect, err error) {
	var all v1alpha1.AgentDisconnectList
	if err := r.reader.List(ctx, &all); err != nil {
		return nil, stored(err)
	}
	others = slices.DeleteFunc(all.Items, func(o v1alpha1.AgentDisconnect) bool { return o.UID == s.obj.UID })
	for i := range others {
		if other := &others[i]; holds(other, s.clients.Region, aclID) {
			return nil, wait(v1alpha1.ReasonHolder, "%s holds network ACL %s: this run begins when that one is over", name(other), aclID)
		}
	}
	return others, nil
}

// isReady says whether a pass of late found an object that has not begun ready to begin on the network ACL.
func (h *holders) isReady(obj *v1alpha1.AgentDisconnect, aclID string, now time.Time) bool {
	h.mu.Lock()
	ready, ok := h.ready[obj.UID]
	h.mu.Unlock()
	return ok && ready.aclID == aclID && now.Sub(ready.at) < readyFor &&
		obj.Status.StartTime == nil && obj.DeletionTimestamp.IsZero()
}

// withdraw takes back that an object is ready to begin.
func (h *holders) withdraw(uid types.UID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.ready, uid)
}

// holds says whether a run has begun on a network ACL and is not over.
func holds(obj *v1alpha1.AgentDisconnect, region, aclID string) bool {
	status := &obj.Status
	return status.StartTime != nil && status.CompletionTime == nil &&
		status.NetworkACL != nil && status.NetworkACL.ID == aclID &&
		(status.Target == nil || status.Target.Region == region)
}

func older(a, b *v1alpha1.AgentDisconnect) bool {
	if a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.UID < b.UID
	}
	return a.CreationTimestamp.Before(&b.CreationTimestamp)
}

func name(obj client.Object) string { return obj.GetNamespace() + "/" + obj.GetName() }
