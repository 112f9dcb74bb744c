// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/agentdisconnect"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/options"
	"agentdisconnect.dev/agentdisconnect/hack/screen"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
)

const (
	// verifyingBy is when runs of a minute only look at their callers, and looksFor how long their calls
	// are counted then: less than they do it.
	verifyingBy, looksFor = 5 * time.Minute, 10 * time.Minute
)

// lookups are the calls of LookupEvents a minute while so many runs only look at their callers.
type lookups struct {
	runs      int
	perMinute float64
}

// lookingClock is a clock that is set forward. What waits on it, which a read of CloudTrail does, has
// its time go by at once.
type lookingClock struct{ *clocktesting.FakeClock }

// After implements clock.Clock.
func (c lookingClock) After(d time.Duration) <-chan time.Time {
	c.Step(d)
	over := make(chan time.Time, 1)
	over <- c.Now()
	return over
}

// onClock are runs that one reconciler takes through their lives on a clock that is set forward.
type onClock struct {
	kube       client.Client
	clock      lookingClock
	reconciler *agentdisconnect.Reconciler
	due        map[client.ObjectKey]time.Time
}

// countLookups must have the objects to itself: no manager may be running.
func countLookups(ctx context.Context, kube client.Client, runs int) (m lookups, err error) {
	clock := lookingClock{clocktesting.NewFakeClock(time.Now())}
	s, err := sim.Start(ctx, sim.Options{NoAgents: true, World: fleetWorld(runs, 0), Clock: clock})
	if err != nil {
		return m, err
	}
	defer s.Close()

	opts := options.Defaults()
	opts.DNSServer, opts.MaxActiveRuns = s.DNSAddr(), 0
	opts.AgentPollInterval, opts.ACLPollInterval, opts.LookupInterval = time.Minute, time.Minute, time.Minute // CloudTrail is read at an interval of its own
	sessions := aws.NewSessions(s.Config(), "agentdisconnect", "bench")
	sessions.Clock = clock
	l := newOnClock(kube, clock, agentdisconnect.New(kube, kube, &events.FakeRecorder{}, sessions, clock, opts))
	for i, p := range fleetPlaces(single[0].mode, runs) {
		obj := newObject(fmt.Sprintf("look-%d-%d", runs, i), p, shortest)
		obj.Spec.Callers = &v1alpha1.Callers{}
		if err := l.add(ctx, obj); err != nil {
			return m, err
		}
	}

	if err := l.run(ctx, verifyingBy, v1alpha1.StateVerifying); err != nil {
		return m, err
	}
	begun := byAction(s.Calls())["cloudtrail:LookupEvents"]
	if err := l.run(ctx, looksFor, v1alpha1.StateVerifying); err != nil {
		return m, err
	}
	made := byAction(s.Calls())["cloudtrail:LookupEvents"] - begun
	return lookups{runs, float64(made) / looksFor.Minutes()}, l.delete(ctx)
}

func newOnClock(kube client.Client, clock lookingClock, reconciler *agentdisconnect.Reconciler) *onClock {
	return &onClock{kube: kube, clock: clock, reconciler: reconciler, due: map[client.ObjectKey]time.Time{}}
}

func (l *onClock) add(ctx context.Context, obj *v1alpha1.AgentDisconnect) error {
	l.due[client.ObjectKeyFromObject(obj)] = l.clock.Now()
	return l.kube.Create(ctx, obj)
}

// run lets a time go by, with the passes that are due. At its end all runs must be in a state.
func (l *onClock) run(ctx context.Context, d time.Duration, state string) error {
	for end := l.clock.Now().Add(d); l.clock.Now().Before(end); {
		next := end
		for key, at := range l.due {
			if !at.After(l.clock.Now()) {
				at = l.pass(ctx, key)
				l.due[key] = at
			}
			if at.Before(next) {
				next = at
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if next.After(l.clock.Now()) {
			l.clock.SetTime(next)
		}
	}
	for key := range l.due {
		obj := &v1alpha1.AgentDisconnect{}
		if err := l.kube.Get(ctx, key, obj); err != nil {
			return err
		}
		if obj.Status.State != state {
			return fmt.Errorf("it is not %s: %s", state, describe(key.Name, []version{{object: obj}}))
		}
	}
	return nil
}

// pass gives when the next one is due.
func (l *onClock) pass(ctx context.Context, key client.ObjectKey) time.Time {
	result, err := l.reconciler.Reconcile(ctx, reconcile.Request{NamespacedName: key})
	if err != nil {
		return l.clock.Now().Add(passError)
	}
	return l.clock.Now().Add(max(result.RequeueAfter, time.Millisecond))
}

// delete deletes the objects, which wait for nothing.
func (l *onClock) delete(ctx context.Context) error {
	for key := range l.due {
		obj := &v1alpha1.AgentDisconnect{}
		obj.Namespace, obj.Name = key.Namespace, key.Name
		if err := l.kube.Delete(ctx, obj); err != nil {
			return err
		}
		l.pass(ctx, key)
	}
	return nil
}

func (f *figures) printLookups(out *screen.Screen) {
	var rows []screen.Row
	for i, each := range f.lookups {
		cells := []string{fmt.Sprint(each.runs), fmt.Sprintf("%.1f", each.perMinute), ""}
		if i > 0 {
			cells[2] = ratio(each.perMinute, f.lookups[0].perMinute)
		}
		rows = append(rows, screen.Row{Cells: cells})
	}
	out.Print(screen.Bold, "\nCalls of CloudTrail while runs of one account and Region are Verifying")
	out.Table([]string{"RUNS", "LOOKUPEVENTS A MINUTE", "RATIO"}, rows)
}
