// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"agentdisconnect.dev/agentdisconnect/hack/stack"
)

const (
	// shortest is the shortest run that the API accepts.
	shortest = time.Minute
	// creators is how many objects are created at once.
	creators = 8
)

// fleet is what was measured with a manager as it comes, and with many objects at once.
type fleet struct {
	// inPlace are the endings of the runs that have their network ACL to themselves, clones those of the others.
	inPlace, clones *ends
	// restarts are the endings of runs in place after a restart of the manager.
	restarts *restarts
	// idle, full and peak are the manager's resident memory before the first object, the most while all of them were
	// blocking, and the most ever, without the runs on clones.
	idle, full, peak bytes
}

// ends are how the runs of one mode ended.
type ends struct {
	// deleted are those that were deleted one after another, expired those that ended all at once.
	deleted, expired endings
	// sharing is how many objects expired in the second in which most of them did.
	sharing int
	traces  []string
}

// watched is a stack of which everything is seen.
type watched struct {
	stack    *stack.Stack
	objects  *objects
	recorded *calls
}

func measureFleet(ctx context.Context, s *stack.Stack, set settings, progress func(string, ...any)) (*fleet, error) {
	m := &fleet{}
	var err error
	if m.idle, _, err = residentMemory(s.ManagerPID()); err != nil {
		return nil, err
	}
	objects, err := follow(ctx, s)
	if err != nil {
		return nil, err
	}
	defer objects.Close()
	w := &watched{s, objects, recordCalls(s.Sim)}
	defer w.recorded.stop()

	if m.inPlace, err = w.measureEnds(ctx, fleetPlaces(single[0].mode, set.objects), set, &m.full, progress); err != nil {
		return nil, err
	}
	if _, m.peak, err = residentMemory(s.ManagerPID()); err != nil {
		return nil, err
	}
	var unused bytes
	if m.clones, err = w.measureEnds(ctx, fleetPlaces(single[1].mode, set.clones), set, &unused, progress); err != nil {
		return nil, err
	}
	m.restarts, err = w.measureRestarts(ctx, fleetPlaces(single[0].mode, set.objects), set.others, progress)
	return m, err
}

// measureEnds has runs deleted in some of the places, and then expire in all of them.
func (w *watched) measureEnds(ctx context.Context, places []place, set settings, memory *bytes, progress func(string, ...any)) (*ends, error) {
	m, mode := &ends{}, places[0].mode
	progress("%s: measuring deletions", mode)
	if err := m.measureDeletions(ctx, w, places[:set.runs+1]); err != nil {
		return nil, err
	}
	progress("%s: starting %d objects", mode, len(places))
	running, err := createAll(ctx, w.objects, "expire", places, shortest)
	if err != nil {
		return nil, err
	}
	progress("%s: waiting for %d objects to expire", mode, len(places))
	return m, m.measureExpiry(ctx, w, running, memory)
}

// running is a run in a place whose rules are in place.
type running struct {
	place
	name      string
	installed version
}

// clone is the id of the network ACL that the run made; empty: none.
func (r *running) clone() string {
	if acl := r.installed.object.Status.NetworkACL; acl.OriginalID != "" {
		return acl.ID
	}
	return ""
}

// createAll creates an object for each place, and waits until the rules of all of them are in place.
func createAll(ctx context.Context, objects *objects, what string, places []place, duration time.Duration) ([]running, error) {
	all := make([]running, len(places))
	group, creating := errgroup.WithContext(ctx)
	group.SetLimit(creators)
	for i, p := range places {
		all[i] = running{place: p, name: objectName(what, p.mode, i)}
		group.Go(func() error {
			_, err := objects.create(creating, all[i].name, p, duration)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for i := range all {
		var err error
		// The DNS server gives its addresses in turn to all that ask: a run among others may begin before it knows all six.
		if all[i].installed, err = objects.until(ctx, all[i].name, func(v version) bool {
			return installed(v) && len(v.object.Status.Rules) == len(theRules)
		}); err != nil {
			return nil, err
		}
		if err := asMeant(all[i].installed.object, all[i].place); err != nil {
			return nil, err
		}
	}
	return all, nil
}
