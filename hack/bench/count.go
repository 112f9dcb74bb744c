// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/agentdisconnect"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/options"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
)

const (
	// countedRun is long enough for what a manager does once a minute to count as it should.
	countedRun = time.Hour
	// passError is how soon a pass that failed is repeated, about as the work queue would.
	passError = time.Second
)

// counted are the calls of one run, by action, with the intervals that a manager has without flags.
type counted struct {
	installing, blocking, restoring map[string]int
	blocked                         time.Duration
}

// counter takes one object through its life on a clock that is set forward, so that its calls can be counted exactly.
type counter struct {
	sim        *sim.Simulator
	kube       client.Client
	clock      *clocktesting.FakeClock
	reconciler *agentdisconnect.Reconciler
	key        client.ObjectKey
	due        time.Time
	seen       int
}

// countCalls must have the objects to itself: no manager may be running.
func countCalls(ctx context.Context, kube client.Client, p place) (*counted, error) {
	s, err := sim.Start(ctx, sim.Options{NoAgents: true, World: singleWorld()})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	c, err := newCounter(ctx, s, kube, newObject(objectName("count", p.mode, 0), p, countedRun))
	if err != nil {
		return nil, err
	}
	m := &counted{}
	if m.installing, err = c.until(ctx, installed); err != nil {
		return nil, err
	}
	for _, i := range s.Region().ContainerInstances() {
		s.Region().SetAgentConnected(i.ARN, false)
	}
	begun := c.clock.Now()
	latest, err := c.get(ctx)
	if err != nil {
		return nil, err
	}
	expires := latest.Status.ExpirationTime.Time
	if m.blocking, err = c.until(ctx, func(version) bool { return !c.due.Before(expires) }); err != nil {
		return nil, err
	}
	m.blocked = expires.Sub(begun)
	if m.restoring, err = c.until(ctx, restored); err != nil {
		return nil, err
	}
	for _, i := range s.Region().ContainerInstances() {
		s.Region().SetAgentConnected(i.ARN, true)
	}
	_, err = c.until(ctx, func(v version) bool { return v.object.Status.CompletionTime != nil })
	return m, err
}

// newCounter creates an object, and a manager for it that has the flags' defaults.
func newCounter(ctx context.Context, s *sim.Simulator, kube client.Client, obj *v1alpha1.AgentDisconnect) (*counter, error) {
	if err := kube.Create(ctx, obj); err != nil {
		return nil, err
	}
	opts := options.Defaults()
	opts.DNSServer = s.DNSAddr()
	clock := clocktesting.NewFakeClock(time.Now())
	sessions := aws.NewSessions(s.Config(), "agentdisconnect", "bench")
	sessions.Clock = clock
	return &counter{
		sim: s, kube: kube, clock: clock, key: client.ObjectKeyFromObject(obj), due: clock.Now(),
		reconciler: agentdisconnect.New(kube, kube, &events.FakeRecorder{}, sessions, clock, opts),
	}, nil
}

// until makes passes until the object is as it should be, and gives the calls that they made.
func (c *counter) until(ctx context.Context, is func(version) bool) (map[string]int, error) {
	idle := false
	for {
		obj, err := c.get(ctx)
		switch {
		case err != nil:
			return nil, err
		case is(version{object: obj}):
			all := c.sim.Calls()
			made := all[c.seen:]
			c.seen = len(all)
			return byAction(made), nil
		case idle:
			return nil, fmt.Errorf("the controller has no more work: %s", describe(c.key.Name, []version{{object: obj}}))
		}
		c.clock.SetTime(c.due)
		result, err := c.reconciler.Reconcile(ctx, reconcile.Request{NamespacedName: c.key})
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			c.due = c.due.Add(passError)
		default:
			idle = result.RequeueAfter == 0
			c.due = c.due.Add(result.RequeueAfter)
		}
	}
}

func (c *counter) get(ctx context.Context) (*v1alpha1.AgentDisconnect, error) {
	obj := &v1alpha1.AgentDisconnect{}
	err := c.kube.Get(ctx, c.key, obj)
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("the counted object was deleted: %w", err)
	}
	return obj, err
}
