// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"agentdisconnect.dev/agentdisconnect/hack/screen"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
)

const (
	// silentRegion is one whose calls are never answered.
	silentRegion = "eu-silent-1"
	// restartedRun is long enough to create all objects and to restart the manager before it is over.
	restartedRun = 2 * time.Minute
	// untilLost is longer than any caller waits.
	untilLost = time.Hour
)

// restarts are how the runs of one manager ended after it was restarted: with no other work, and beside objects whose Region
// does not answer.
type restarts struct{ alone, beside endings }

// measureRestarts measures both, in the same places.
func (w *watched) measureRestarts(ctx context.Context, places []place, others int, progress func(string, ...any)) (*restarts, error) {
	m, err := &restarts{}, error(nil)
	progress("restarting the manager with %d runs", len(places))
	if m.alone, err = w.measureRestart(ctx, "alone", places, 0); err != nil {
		return nil, err
	}
	progress("restarting it with %d runs, beside %d objects whose Region does not answer", len(places), others)
	m.beside, err = w.measureRestart(ctx, "beside", places, others)
	return m, err
}

func (w *watched) measureRestart(ctx context.Context, what string, places []place, others int) (endings, error) {
	remove := w.stack.Sim.Faults().Add(faults.Fault{
		Action: "*", When: func(c call.Call) bool { return c.Region == silentRegion }, Latency: faults.Duration(untilLost),
	})
	defer remove()
	runs, err := createAll(ctx, w.objects, what, places, restartedRun)
	if err != nil {
		return endings{}, err
	}
	if err := w.createSilent(ctx, others); err != nil {
		return endings{}, err
	}
	before := len(w.recorded.ended())
	if err := w.stack.RestartManager(ctx); err != nil {
		return endings{}, err
	}
	restarted := time.Now()
	for i := range runs {
		if restarted.After(runs[i].expires()) {
			return endings{}, errors.New("the machine is too slow: a run was over before the manager was restarted")
		}
	}

	for i := range runs {
		if _, err := w.objects.until(ctx, runs[i].name, restored); err != nil {
			return endings{}, err
		}
	}
	var m endings
	changed := changes(w.recorded.ended()[before:])
	for i := range runs {
		one, err := endingOf(runs[i].place, runs[i].clone(), changed)
		if err != nil {
			return endings{}, err
		}
		m.add(runs[i].expires(), one)
	}
	return m, nil
}

// createSilent creates objects whose Region does not answer.
func (w *watched) createSilent(ctx context.Context, n int) error {
	group, creating := errgroup.WithContext(ctx)
	group.SetLimit(creators)
	for i := range n {
		group.Go(func() error {
			obj := newObject(fmt.Sprintf("silent-%d", i), single[0], time.Hour)
			obj.Spec.Region = silentRegion
			return w.stack.Client.Create(creating, obj)
		})
	}
	return group.Wait()
}

func (f *figures) printRestarts(out *screen.Screen) {
	m := f.fleet.restarts
	row := func(name string, s samples, aim, ratio string) screen.Row {
		return screen.Row{Cells: []string{name, seconds(s.median()), seconds(s.percentile(99)), seconds(slices.Max(s)), aim, ratio}}
	}
	alone, beside := m.alone.lifted, m.beside.lifted
	out.Print(screen.Bold, "\nThe end of %d runs after a restart of the manager, from expirationTime to the last rule gone", len(alone))
	out.Table([]string{"", "P50", "P99", "MAX", "AIM FOR P99", "RATIO OF P99"}, []screen.Row{
		row("with no other work", alone, "", ""),
		row(fmt.Sprintf("beside %d objects whose Region doesn't answer", f.set.others), beside, "2 or less",
			ratio(beside.percentile(99).Seconds(), alone.percentile(99).Seconds())),
	})
}
