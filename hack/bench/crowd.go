// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/hack/screen"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	"agentdisconnect.dev/agentdisconnect/hack/stack"
)

const (
	// crowdNamespace keeps the many objects apart from those that the bench follows.
	crowdNamespace = "crowd"
	// crowdRun is how long the run lasts that ends while no manager is there: long enough for its start alone.
	crowdRun = shortest
	// onRun is longer than the bench.
	onRun = 12 * time.Hour
)

// crowd is what was measured of a manager that restarts beside many objects.
type crowd struct {
	set  crowdSettings
	size int
	// ready and due are from the start of the process: until it says that it is ready, until the end that is due is acted on.
	ready, due time.Duration
	// idle is before there were objects, restarted the most until the manager settled.
	idle, restarted bytes
	settled
}

// crowdSettings are how many objects there are: runs that are over, that can't begin, and that are on.
type crowdSettings struct {
	finished, waiting, on, agents int
	settle                        time.Duration
}

func (s crowdSettings) all() int { return s.finished + s.waiting + s.on + 1 }

// isSound reports whether there is room for that many.
func (s crowdSettings) isSound() bool {
	return s.finished > 0 && s.waiting > 1 && s.on > 0 && s.on < maxFleet && s.agents >= 2 && s.agents <= 100 && s.settle > 0
}

// measureCrowd needs a stack of its own, with the world of crowdWorld.
func measureCrowd(ctx context.Context, s *stack.Stack, set crowdSettings, progress func(string, ...any)) (*crowd, error) {
	progress("taking one run to its end")
	pattern, err := finishedRun(ctx, s.Client, set.agents)
	if err != nil {
		return nil, err
	}
	m := &crowd{set: set, size: pattern.size()}
	if err := s.StartManager(ctx); err != nil {
		return nil, err
	}
	if m.idle, _, err = residentMemory(s.ManagerPID()); err != nil {
		return nil, err
	}
	objects, err := follow(ctx, s)
	if err != nil {
		return nil, err
	}
	defer objects.Close()
	recorded := recordCalls(s.Sim)
	defer recorded.stop()

	progress("starting %d runs", set.on)
	places := fleetPlaces(single[0].mode, set.on+1)
	if _, err := createAll(ctx, objects, "on", places[:set.on], onRun); err != nil {
		return nil, err
	}
	due, err := createAll(ctx, objects, "due", places[set.on:], crowdRun)
	if err != nil {
		return nil, err
	}
	if err := s.StopManager(); err != nil {
		return nil, err
	}

	if err := m.createObjects(ctx, s, pattern, places[0], progress); err != nil {
		return nil, err
	}
	if left := time.Until(due[0].expires()); left > 0 {
		if err := sleep(ctx, left); err != nil {
			return nil, err
		}
	}

	progress("restarting the manager beside %d objects", set.all())
	before, begun := len(recorded.ended()), time.Now()
	if err := s.StartManager(ctx); err != nil {
		return nil, err
	}
	m.ready = time.Since(begun)
	if _, err := objects.until(ctx, due[0].name, restored); err != nil {
		return nil, err
	}
	changed := changes(recorded.ended()[before:])[due[0].acl]
	if len(changed) == 0 {
		return nil, errors.New("no entry of the run that was due was deleted")
	}
	m.due = changed[0].begin.Sub(begun)

	progress("waiting until the manager has settled")
	if err := watchMemory(ctx, s.ManagerPID(), begun.Add(set.settle), &m.restarted); err != nil {
		return nil, err
	}
	progress("measuring the settled manager")
	m.settled, err = measureSettled(ctx, s)
	return m, err
}

// createObjects creates the objects of runs that are over and of those that can't begin: half of these for want of consent, half
// since a run that is on holds the network ACL.
func (m *crowd) createObjects(ctx context.Context, s *stack.Stack, finished *pattern, held place, progress func(string, ...any)) error {
	progress("creating %d objects", m.set.finished+m.set.waiting)
	if err := s.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: crowdNamespace}}); err != nil {
		return err
	}
	unconsenting := held
	unconsenting.subnet = unconsentingSubnet
	obj, err := finished.createAgain(ctx, s.Client)
	if err != nil {
		return err
	}
	if err := s.ControlPlane.StoreCopies(ctx, obj, m.set.finished-1); err != nil {
		return err
	}
	for name, each := range map[string]struct {
		at place
		n  int
	}{"waits": {held, m.set.waiting / 2}, "refused": {unconsenting, m.set.waiting - m.set.waiting/2}} {
		obj := newObject(name, each.at, time.Hour)
		obj.Namespace = crowdNamespace
		if err := s.Client.Create(ctx, obj); err != nil {
			return err
		}
		if err := s.ControlPlane.StoreCopies(ctx, obj, each.n-1); err != nil {
			return err
		}
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// options are those of the stack.
func (s crowdSettings) options(latency time.Duration) stack.Options {
	return stack.Options{NoManager: true, Simulator: sim.Options{NoAgents: true, Latency: latency, World: fleetWorld(s.on+1, 1)}}
}

// unconsentingSubnet is the one that shares a network ACL with the only place for a clone.
var unconsentingSubnet = fleetSubnet(2 * clonesFrom)

func (m *crowd) print(out *screen.Screen) {
	out.Print(screen.Bold, "\nA manager that restarts beside %d objects: %d finished, %d that can't begin, %d on", m.set.all(), m.set.finished, m.set.waiting, m.set.on+1)
	out.Table([]string{"", "MEASURED", "AIM"}, []screen.Row{
		{Cells: []string{"resident memory before the first object", m.idle.String(), ""}},
		{Cells: []string{fmt.Sprintf("most in the first %s", screen.Seconds(m.set.settle)), m.restarted.String(), "256 MiB"}},
		{Cells: []string{"most in a minute after that", m.memory.String(), "256 MiB"}},
		{Cells: []string{"processors used in that minute", fmt.Sprintf("%.3f", m.cpu), "0.1"}},
		{Cells: []string{"start of the process to ready", seconds(m.ready), ""}},
		{Cells: []string{"start of the process to the first change of the end that is due", seconds(m.due), "5.00 s"}},
	})
	m.printRequests(out)
	out.Print(screen.Dim, "Half of those that can't begin lack consent, half wait for a run that is on. A finished object of %d agents has %d bytes of JSON. It has the status of a run that the reconciler took to its end.", m.set.agents, m.size)
}
