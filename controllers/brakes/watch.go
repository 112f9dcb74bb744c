// SPDX-License-Identifier: Apache-2.0

package brakes

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/objects"
	"agentdisconnect.dev/agentdisconnect/controllers/priority"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// standing has a series while halts are watched and can be listed: else their number is not known.
var standing = prometheus.NewGaugeVec(prometheus.GaugeOpts{
	Name: "agentdisconnect_halts",
	Help: "AgentDisconnectHalts that there are. Above 0: all runs are halted.",
}, nil)

func init() { metrics.Registry.MustRegister(standing) }

// haltChanged stands for a change of halts, whichever it was: what they mean is read anew.
type haltChanged struct{}

// Watch follows the halts in a cache, and reports each change to the source. The cache must be able
// to list them, which takes the CRD and the permission. It returns when the cache has all of them. The
// context is that of the manager.
func (h *Halts) Watch(ctx context.Context, c cache.Cache) error {
	informer, err := c.GetInformer(ctx, &v1alpha1.AgentDisconnectHalt{})
	if err != nil {
		return fmt.Errorf("watching the AgentDisconnectHalts: %w", err)
	}
	notify := func(any) {
		if halts, err := list(ctx, c); err == nil {
			standing.WithLabelValues().Set(float64(len(halts)))
		}
		select {
		case h.changes <- event.TypedGenericEvent[haltChanged]{}:
		default: // one that waits to be taken stands for this one too
		}
	}
	h.Follow(c)
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc: notify, DeleteFunc: notify, UpdateFunc: func(_, latest any) { notify(latest) },
	})
	return err
}

// Check asks the API server whether the halts can still be listed. A watch that lost the permission ends
// without a word, and leaves the cache as it was: then no run starts, until a check succeeds.
func (h *Halts) Check(ctx context.Context) error {
	found, err := list(ctx, h.reader)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unread = err
	if err != nil {
		standing.Reset()
		if isMissing(err) {
			h.unread = nil
		}
		return err
	}
	standing.WithLabelValues().Set(float64(len(found)))
	return nil
}

// Source has every object whose run is not over processed when the halts change, with its own
// priority: those that are on before those that have not begun.
func (h *Halts) Source(list func(context.Context) ([]objects.Object, error)) source.Source {
	enqueue := func(ctx context.Context, _ event.TypedGenericEvent[haltChanged], q priority.Queue) {
		all, err := list(ctx)
		if err != nil {
			log.FromContext(ctx).Error(err, "Could not list the objects after a change of halts: each sees it at its next pass")
			return
		}
		for i := range all {
			if !run.IsOver(&all[i].Status) {
				priority.Enqueue(q, &all[i], priority.OfKnown(&all[i], h.clock.Now()))
			}
		}
	}
	return source.TypedChannel(h.changes, handler.TypedFuncs[haltChanged, reconcile.Request]{GenericFunc: enqueue})
}
