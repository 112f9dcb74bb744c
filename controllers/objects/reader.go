// SPDX-License-Identifier: Apache-2.0

package objects

import (
	"context"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

const (
	// page is how many objects one request lists. A page of objects of 1,000 agents has about 40 MiB of JSON, one of usual ones 2.
	page = 200
	// completed is the field by which the API server selects objects whose run is not over.
	completed = "status.completionTime"
	// knownFor is for how long one look at the informer serves all that ask. It may be old by more anyway.
	knownFor = time.Second
)

// Reader lists objects. It is safe for concurrent use once passes begin.
type Reader struct {
	past client.Reader
	// informer is the cache of a manager that has the objects of all namespaces; nil: it has not.
	informer client.Reader
	clock    clock.PassiveClock

	mu      sync.Mutex
	known   []Object
	knownAt time.Time
}

// NewReader makes a reader that lists past the cache.
func NewReader(past client.Reader) *Reader { return &Reader{past: past} }

// UseInformer has a reader ask a cache where an answer may be old. The cache must have the objects of all namespaces. It is to be called
// before the first pass.
func (r *Reader) UseInformer(cache client.Reader, clk clock.PassiveClock) {
	r.informer, r.clock = cache, clk
}

// HasInformer reports whether Known asks for less than Unfinished does.
func (r *Reader) HasInformer() bool { return r.informer != nil }

// Known are the objects without a completionTime as the informer has them, which may be old by a few seconds: enough to keep a run
// waiting, and never to have it begin. Without an informer they are Unfinished. Do not change them, nor the slice.
func (r *Reader) Known(ctx context.Context) ([]Object, error) {
	if r.informer == nil {
		return r.Unfinished(ctx)
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock.Now()
	if age := now.Sub(r.knownAt); !r.knownAt.IsZero() && age >= 0 && age < knownFor {
		return r.known, nil
	}

	all, err := ListCached(ctx, r.informer)
	if err != nil {
		return nil, err
	}
	r.known, r.knownAt = nil, now
	for _, o := range all {
		if o.Status.CompletionTime == nil {
			r.known = append(r.known, o)
		}
	}
	return r.known, nil
}

// KnownAll are all objects as the informer has them. Without one they are All.
func (r *Reader) KnownAll(ctx context.Context) ([]Object, error) {
	if r.informer == nil {
		return r.All(ctx)
	}
	return ListCached(ctx, r.informer)
}

// ListCached lists what a manager's cache has. Do not change the objects.
func ListCached(ctx context.Context, cache client.Reader) ([]Object, error) {
	var list List
	err := cache.List(ctx, &list, client.UnsafeDisableDeepCopy)
	return list.Items, err
}

// GetCached gives an object that a manager's cache has. Do not change it.
func GetCached(ctx context.Context, cache client.Reader, key client.ObjectKey) (o Object, known bool) {
	err := cache.Get(ctx, key, &o, client.UnsafeDisableDeepCopy)
	return o, err == nil
}

// Unfinished are all objects without a completionTime, read past the cache.
func (r *Reader) Unfinished(ctx context.Context) ([]Object, error) {
	all, err := r.list(ctx, client.MatchingFields{completed: ""})
	if apierrors.IsBadRequest(err) { // the CRD is of an earlier version, which has no such field to select by
		return r.All(ctx)
	}
	return all, err
}

// All are all objects, read past the cache.
func (r *Reader) All(ctx context.Context) ([]Object, error) { return r.list(ctx) }

// list lists in pages, all of them as of the time of the first: the API server answers with an error where it no longer can. Each
// page is stripped before the next is asked for.
func (r *Reader) list(ctx context.Context, which ...client.ListOption) (all []Object, err error) {
	for next := ""; ; {
		var list v1alpha1.AgentDisconnectList
		if err := r.past.List(ctx, &list, append(which, client.Limit(page), client.Continue(next))...); err != nil {
			return nil, err
		}
		for i := range list.Items {
			all = append(all, Of(&list.Items[i]))
		}
		if next = list.Continue; next == "" {
			return all, nil
		}
	}
}
