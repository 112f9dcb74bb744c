// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/hack/stack"
)

const (
	// shortest is the shortest run that the API accepts.
	shortest = time.Minute
	// memoryInterval is between two looks at the manager's memory.
	memoryInterval = time.Second
	// creators is how many objects are created at once.
	creators = 8
)

// fleet is what was measured with a manager as it comes, and with many objects at once.
type fleet struct {
	// unblocked and deleted are the times from an object's deletion until its last rule was gone, and until it was gone.
	unblocked, deleted samples
	// acted and restored are the times from expirationTime until AWS was asked to delete the first rule, and until the
	// last was gone.
	acted, restored samples
	// sharing is how many objects expired in the second in which most of them did.
	sharing int
	// idle, full and peak are the manager's resident memory before the first object, the most while all of them were
	// blocking, and the most ever.
	idle, full, peak bytes
	traces           []string
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
	recorded := recordCalls(s.Sim)
	defer recorded.stop()

	progress("measuring deletions")
	if err := m.measureDeletions(ctx, objects, recorded, set); err != nil {
		return nil, err
	}
	progress("starting %d objects", set.objects)
	names, err := createAll(ctx, objects, "expire", set.objects, shortest)
	if err != nil {
		return nil, err
	}
	if err := untilAll(ctx, objects, names, installed); err != nil {
		return nil, err
	}
	progress("waiting for %d objects to expire", set.objects)
	if err := m.measureExpiry(ctx, s, objects, recorded, names); err != nil {
		return nil, err
	}
	_, m.peak, err = residentMemory(s.ManagerPID())
	return m, err
}

// measureDeletions has some runs begin together, and deletes them one after another. One more is there for warming up.
func (m *fleet) measureDeletions(ctx context.Context, objects *objects, recorded *calls, set settings) error {
	names, err := createAll(ctx, objects, "delete", set.runs+1, time.Hour)
	if err != nil {
		return err
	}
	if err := untilAll(ctx, objects, names, installed); err != nil {
		return err
	}
	for i, name := range names {
		before := len(recorded.ended())
		asked, err := objects.delete(ctx, name)
		if err != nil {
			return err
		}
		end, err := objects.until(ctx, name, gone)
		if err != nil {
			return err
		}
		ofRun := about(recorded.ended()[before:], i)
		removed := deletions(ofRun)[fleetACL(i)]
		if len(removed) != len(theRules) {
			return fmt.Errorf("%d of %d rules of %s were deleted", len(removed), len(theRules), name)
		}
		if i == 0 {
			continue
		}
		m.unblocked = append(m.unblocked, lastEnd(removed).Sub(asked))
		m.deleted = append(m.deleted, end.at.Sub(asked))
		m.traces = []string{trace("From deletion to the object being gone", asked, ofRun, objects.of(name))}
	}
	return nil
}

// measureExpiry waits until all objects have expired, and meanwhile looks at the manager's memory.
func (m *fleet) measureExpiry(ctx context.Context, s *stack.Stack, objects *objects, recorded *calls, names []string) error {
	before := len(recorded.ended())
	expirations := make([]metav1.Time, len(names))
	perSecond := map[int64]int{}
	first := time.Now().Add(shortest)
	for i, name := range names {
		v, err := objects.until(ctx, name, installed)
		if err != nil {
			return err
		}
		expirations[i] = *v.object.Status.ExpirationTime
		perSecond[expirations[i].Unix()]++
		m.sharing = max(m.sharing, perSecond[expirations[i].Unix()])
		if expirations[i].Time.Before(first) {
			first = expirations[i].Time
		}
	}
	if err := m.watchMemory(ctx, s, first); err != nil {
		return err
	}
	if err := untilAll(ctx, objects, names, restored); err != nil {
		return err
	}
	all := recorded.ended()[before:]
	removed := deletions(all)
	latest := 0
	for i, name := range names {
		of := removed[fleetACL(i)]
		if len(of) != len(theRules) {
			return fmt.Errorf("%d of %d rules of %s were deleted", len(of), len(theRules), name)
		}
		m.acted = append(m.acted, of[0].begin.Sub(expirations[i].Time))
		m.restored = append(m.restored, lastEnd(of).Sub(expirations[i].Time))
		if m.acted[i] > m.acted[latest] {
			latest = i
		}
	}
	m.traces = append(m.traces, trace("From a second before expirationTime, for the object on which it was acted the latest",
		expirations[latest].Add(-time.Second), about(all, latest), objects.of(names[latest])))
	return nil
}

func (m *fleet) watchMemory(ctx context.Context, s *stack.Stack, until time.Time) error {
	tick := time.NewTicker(memoryInterval)
	defer tick.Stop()
	for {
		now, _, err := residentMemory(s.ManagerPID())
		if err != nil {
			return err
		}
		m.full = max(m.full, now)
		if !time.Now().Add(memoryInterval).Before(until) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// createAll creates an object for each of the first n subnets.
func createAll(ctx context.Context, objects *objects, prefix string, n int, duration time.Duration) ([]string, error) {
	names := make([]string, n)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(creators)
	for i := range names {
		names[i] = fmt.Sprintf("%s-%d", prefix, i)
		group.Go(func() error {
			_, err := objects.create(ctx, names[i], cluster, fleetSubnet(i), duration)
			return err
		})
	}
	return names, group.Wait()
}

func untilAll(ctx context.Context, objects *objects, names []string, is func(version) bool) error {
	for _, name := range names {
		if _, err := objects.until(ctx, name, is); err != nil {
			return err
		}
	}
	return nil
}

func lastEnd(all []timedCall) time.Time {
	var last time.Time
	for _, c := range all {
		if c.end.After(last) {
			last = c.end
		}
	}
	return last
}
