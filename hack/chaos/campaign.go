// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"agentdisconnect.dev/agentdisconnect/hack/chaos/points"
	"agentdisconnect.dev/agentdisconnect/hack/chaos/rig"
	"agentdisconnect.dev/agentdisconnect/hack/screen"
)

// plain is the kind of a scenario that is left undisturbed.
const plain = "undisturbed"

// job is a scenario with a fault of a kind at a point.
type job struct {
	scenario points.Scenario
	kind     points.Kind
	point    string
}

func (j job) name() string { return j.scenario.Name + "/" + j.kind.Name }

// campaign tries points, a few side by side, and keeps what came of it.
type campaign struct {
	set   *settings
	plane *rig.Plane
	live  *screen.Screen
	kept  *results

	points map[string]points.Points // by scenario
	jobs   []job

	mu     sync.Mutex
	tried  []points.Result
	before int // of tried, how many were in the file
}

// newCampaign shows how far it is on progress.
func newCampaign(set *settings, plane *rig.Plane, progress *os.File) (*campaign, error) {
	kept, err := openResults(set.results, set.fresh)
	if err != nil {
		return nil, err
	}
	return &campaign{set: set, plane: plane, live: screen.New(progress), kept: kept, points: map[string]points.Points{}}, nil
}

func (c *campaign) close() error {
	c.live.Close()
	return c.kept.close()
}

// find plays the scenarios undisturbed, which gives their points, and makes jobs of those.
func (c *campaign) find(ctx context.Context) error {
	var wanted []points.Scenario
	for _, s := range points.Scenarios() {
		if slices.ContainsFunc(points.Kinds(), func(k points.Kind) bool { return c.set.only.MatchString(job{scenario: s, kind: k}.name()) }) {
			wanted = append(wanted, s)
		}
	}
	err := c.each(ctx, len(wanted), "finding the points", func(ctx context.Context, i int) error {
		found, result, err := points.Find(ctx, c.plane, wanted[i])
		if err != nil {
			return err
		}
		result.Kind = plain
		c.mu.Lock()
		defer c.mu.Unlock()
		c.points[wanted[i].Name] = found
		c.tried = append(c.tried, result)
		return nil
	})
	if err != nil {
		return err
	}
	for _, s := range wanted {
		for _, k := range points.Kinds() {
			c.jobs = append(c.jobs, c.jobsOf(s, k)...)
		}
	}
	c.jobs = sample(c.jobs, c.set.sample, c.set.seed)
	return nil
}

// jobsOf are the points of a scenario at which a kind of fault is to be tried.
func (c *campaign) jobsOf(s points.Scenario, k points.Kind) (jobs []job) {
	found := c.points[s.Name]
	first := found.Shared
	if c.set.shared || c.set.point != "" {
		first = 0
	}
	for _, step := range found.Steps[first:] {
		j := job{s, k, step.Name}
		if k.On(step) && c.set.only.MatchString(j.name()) && (c.set.point == "" || c.set.point == step.Name) {
			jobs = append(jobs, j)
		}
	}
	return jobs
}

// sample draws jobs: from each scenario and kind in turn, in an order that the seed gives, until there are enough. 0: all.
func sample(jobs []job, n int, seed int64) []job {
	if n == 0 || n >= len(jobs) {
		return jobs
	}
	random := rand.New(rand.NewPCG(uint64(seed), 0)) //nolint:gosec // a seed is what it is for
	random.Shuffle(len(jobs), func(i, k int) { jobs[i], jobs[k] = jobs[k], jobs[i] })
	drawn := map[string]int{}
	turns := make(map[string]int, len(jobs)) // which one of its scenario and kind each job is
	for _, j := range jobs {
		turns[j.name()+"/"+j.point] = drawn[j.name()]
		drawn[j.name()]++
	}
	slices.SortStableFunc(jobs, func(a, b job) int { return turns[a.name()+"/"+a.point] - turns[b.name()+"/"+b.point] })
	return jobs[:n]
}

// try plays all jobs that were not played before.
func (c *campaign) try(ctx context.Context) error {
	var due []job
	for _, j := range c.jobs {
		if known, ok := c.kept.find(j); ok && c.set.point == "" {
			c.tried = append(c.tried, known)
			c.before++
			continue
		}
		due = append(due, j)
	}
	return c.each(ctx, len(due), "trying points", func(ctx context.Context, i int) error {
		result, err := points.Try(ctx, c.plane, due[i].scenario, due[i].kind, due[i].point)
		if err != nil {
			return err
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.tried = append(c.tried, result)
		return c.kept.add(due[i], result)
	})
}

// each does something n times, as many side by side as there are workers, and shows how far it is.
func (c *campaign) each(ctx context.Context, n int, what string, do func(context.Context, int) error) error {
	begun, done := time.Now(), 0
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(c.set.workers)
	for i := range n {
		group.Go(func() error {
			if within.Err() != nil {
				return within.Err()
			}
			err := do(within, i)
			c.mu.Lock()
			defer c.mu.Unlock()
			done++
			left := time.Since(begun) / time.Duration(done) * time.Duration(n-done)
			c.live.Wait(fmt.Sprintf("%s: %d of %d, %d failed, %s left", what, done, n, c.failures(), left.Round(time.Second)), "")
			return err
		})
	}
	return group.Wait()
}

// failures counts; the lock must be held.
func (c *campaign) failures() (n int) {
	for i := range c.tried {
		if c.tried[i].Failed() {
			n++
		}
	}
	return n
}
