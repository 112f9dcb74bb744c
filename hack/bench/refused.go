// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/hack/screen"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
)

// refusedFor is how long the calls of a refused object are counted.
const refusedFor = 10 * time.Minute

// refused are the calls of an object that can't begin, in refusedFor.
type refused struct {
	why            string
	reads, dryRuns int
}

// countRefused counts the calls of objects that are refused for want of consent and since no agent is connected: the cheapest and
// nearly the dearest reason.
func countRefused(ctx context.Context, kube client.Client) ([]refused, error) {
	unconnected := single[0]
	unconsenting := unconnected
	unconsenting.subnet = bystander
	var all []refused
	for _, each := range []struct {
		why string
		at  place
	}{{"no consent", unconsenting}, {"no connected agent", unconnected}} {
		counts, err := countOneRefused(ctx, kube, strings.ReplaceAll(each.why, " ", "-"), each.at)
		if err != nil {
			return nil, err
		}
		one := refused{why: each.why}
		for action, n := range counts {
			if strings.HasSuffix(action, dryRunMark) {
				one.dryRuns += n
			} else {
				one.reads += n
			}
		}
		all = append(all, one)
	}
	return all, nil
}

func countOneRefused(ctx context.Context, kube client.Client, name string, p place) (map[string]int, error) {
	s, err := sim.Start(ctx, sim.Options{NoAgents: true, World: singleWorld()})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	for _, i := range s.Region().ContainerInstances() {
		s.Region().SetAgentConnected(i.ARN, false)
	}
	c, err := newCounter(ctx, s, kube, newObject("refused-"+name, p, countedRun))
	if err != nil {
		return nil, err
	}
	end := c.due.Add(refusedFor)
	counts, err := c.until(ctx, func(version) bool { return !c.due.Before(end) })
	if err != nil {
		return nil, err
	}
	obj, err := c.get(ctx)
	if err != nil {
		return nil, err
	}
	if obj.Status.StartTime != nil {
		return nil, errors.New("the run that had to be refused began")
	}
	return counts, kube.Delete(ctx, obj)
}

func (f *figures) printRefused(out *screen.Screen) {
	var rows []screen.Row
	for _, each := range f.refused {
		rows = append(rows, screen.Row{Cells: []string{
			each.why, fmt.Sprint(each.reads), fmt.Sprint(each.dryRuns), fmt.Sprintf("%.1f", float64(each.reads+each.dryRuns)/refusedFor.Minutes()),
		}})
	}
	out.Print(screen.Bold, "\nAWS calls of one refused object in its first %.0f minutes", refusedFor.Minutes())
	out.Table([]string{"REFUSED FOR", "READS", "DRY RUNS", "ALL, A MINUTE"}, rows)
}
