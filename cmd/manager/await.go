// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/brakes"
	"agentdisconnect.dev/agentdisconnect/controllers/objects"
	"agentdisconnect.dev/agentdisconnect/controllers/schedule"
)

const (
	// attemptInterval is between attempts to reach the API server. A run's end may wait for the first that succeeds.
	attemptInterval = 2 * time.Second
	// attemptTimeout bounds one: an API server that is away may not even refuse the connection.
	attemptTimeout = 10 * time.Second
	// haltsCheckInterval is how often the halts are listed beside their watch, which says nothing when it loses the permission.
	haltsCheckInterval = 30 * time.Second
	// theAPIServer is what is awaited, in a log line.
	theAPIServer = "the API server"
	// syncTimeout is practically for ever. A manager that gives up on its cache ends, and Kubernetes starts it again after waits of
	// up to five minutes, which a run's end would have to wait for.
	syncTimeout = 365 * 24 * time.Hour
)

// await repeats an attempt until it succeeds or the context ends, and logs each new reason why it does not, as a wait for what.
func await(ctx context.Context, what string, attempt func(context.Context) error) error {
	tick := time.NewTicker(attemptInterval)
	defer tick.Stop()
	for said := ""; ; {
		bounded, cancel := context.WithTimeout(ctx, attemptTimeout)
		err := attempt(bounded)
		cancel()
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		if err.Error() != said {
			said = err.Error()
			ctrl.Log.Info("Waiting for "+what, "error", said)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// meet waits for an API server that answers, and gives the id of the cluster.
func meet(ctx context.Context, config *rest.Config, scheme *runtime.Scheme, watched []string) (id string, err error) {
	reader, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return "", fmt.Errorf("setting up a client for the API server: %w", err)
	}
	err = await(ctx, theAPIServer, func(ctx context.Context) (err error) {
		if id, err = clusterID(ctx, reader); err != nil {
			return err
		}
		return warn(ctx, reader, watched)
	})
	return id, err
}

// reading waits until the manager has read all objects, and is ready then. It runs in every replica: one that waits for the
// lease has what it needs when it gets it.
type reading struct {
	manager manager.Manager
	probes  *probes
}

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (r *reading) NeedLeaderElection() bool { return false }

// Start implements manager.Runnable.
func (r *reading) Start(ctx context.Context) error {
	err := await(ctx, theAPIServer, func(context.Context) error {
		_, err := r.manager.GetCache().GetInformer(ctx, &objects.Object{}) // as long as it takes
		return err
	})
	if err == nil {
		r.probes.ready.Store(true)
	}
	return nil // the context ended: so does the manager
}

// halting follows the halts once they can be listed, in every replica: one that waits for the lease has what it needs when it gets
// it. Until then passes ask the API server, and where that has the kind but does not show the halts, no run starts.
type halting struct {
	manager manager.Manager
	halts   *brakes.Halts
}

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (h *halting) NeedLeaderElection() bool { return false }

// Start implements manager.Runnable.
func (h *halting) Start(ctx context.Context) error {
	err := await(ctx, "halts, which need the CRD and the ClusterRole of this version", func(ctx context.Context) error {
		return h.manager.GetAPIReader().List(ctx, &v1alpha1.AgentDisconnectHaltList{}, client.Limit(1))
	})
	if err == nil {
		return h.follow(ctx)
	}
	return nil // the context ended: so does the manager
}

// follow returns when the context ends.
func (h *halting) follow(ctx context.Context) error {
	if err := h.halts.Watch(ctx, h.manager.GetCache()); err != nil {
		return err
	}
	h.check(ctx)
	return nil
}

// check asks at intervals, until the context ends, whether the halts can still be listed, and logs each new reason why not.
func (h *halting) check(ctx context.Context) {
	tick := time.NewTicker(haltsCheckInterval)
	defer tick.Stop()
	for said := ""; ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		bounded, cancel := context.WithTimeout(ctx, attemptTimeout)
		err := h.halts.Check(bounded)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			said = ""
		case err.Error() != said:
			said = err.Error()
			ctrl.Log.Error(err, "Could not list the halts: no run starts, and a new halt ends none that is on. Apply the CRDs and the ClusterRole of this version")
		}
	}
}

// scheduling sets the controller of schedules up once schedules can be listed. All controllers wait until what any of them watches
// is in the cache, so one that can't be, for want of its CRD or of the permission, would keep runs from being ended.
type scheduling struct {
	manager  manager.Manager
	watched  []string
	schedule *schedule.Reconciler
}

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (s *scheduling) NeedLeaderElection() bool { return true }

// Start implements manager.Runnable.
func (s *scheduling) Start(ctx context.Context) error {
	namespaces := s.watched
	if len(namespaces) == 0 {
		namespaces = []string{metav1.NamespaceAll}
	}
	err := await(ctx, "schedules, which need the CRD and the ClusterRole of this version", func(ctx context.Context) error {
		for _, namespace := range namespaces {
			var list v1alpha1.AgentDisconnectScheduleList
			if err := s.manager.GetAPIReader().List(ctx, &list, client.InNamespace(namespace), client.Limit(1)); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		return s.schedule.SetupWithManager(s.manager)
	}
	return nil // the context ended: so does the manager
}
