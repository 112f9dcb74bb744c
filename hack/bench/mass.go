// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/options"
	"agentdisconnect.dev/agentdisconnect/controllers/ratelimit"
	"agentdisconnect.dev/agentdisconnect/hack/screen"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
	"agentdisconnect.dev/agentdisconnect/hack/stack"
)

const (
	// massRun is longer than it takes to start all runs: their end is moved once all of them block.
	massRun = 2 * time.Hour
	// massNotice is how far away the common end is when it is written down: long enough to write all of them, and for the
	// bucket of changes to be full again.
	massNotice = time.Minute
	// oneOnClone is one of how many runs that is on a clone.
	oneOnClone = 10
)

// massSettings are how many runs end in the same second, and how many times the manager's default rates its limits are: all of
// it then goes that many times as fast.
type massSettings struct {
	runs   int
	faster float64
}

func (s massSettings) isSound() bool {
	return s.runs >= oneOnClone && s.runs <= maxMass && s.faster > 0
}

// maxMass still has a VPC for all of them.
const maxMass = 10000

func (s massSettings) limits() (reads, changes float64) {
	o := options.Defaults()
	return o.AWSReadRate * s.faster, o.AWSChangeRate * s.faster
}

// places are those of the runs, the ones on clones last.
func (s massSettings) places() []place {
	return slices.Concat(s.inPlace(), fleetPlaces(v1alpha1.NetworkACLModeClone, s.clones()))
}

func (s massSettings) clones() int { return s.runs / oneOnClone }

func (s massSettings) inPlace() []place {
	return fleetPlaces(v1alpha1.NetworkACLModeInPlace, s.runs-s.clones())
}

// world has room for the runs of each mode in VPCs of their own.
func (s massSettings) world() *world.World {
	w := togetherWorld(s.inPlace())
	addClonePlaces(w, s.clones(), len(w.VPCs)+1)
	return w
}

// mass are the ends of runs that are due in the same second, while the manager keeps to the account's rates.
type mass struct {
	set             massSettings
	limit           ratelimit.Limit // of changes
	blocking        settled         // the manager, while all of them block
	inPlace, clones endings
	// calls are those that were made for all ends, by action.
	calls map[string]int
}

func (f *figures) measureMass(ctx context.Context, progress func(string, ...any)) error {
	set := f.set.mass
	reads, changes := set.limits()
	progress("starting for %d runs that end in one second", set.runs)
	o := stack.Options{
		Simulator:   sim.Options{NoAgents: true, Latency: f.set.latency, World: set.world()},
		ManagerArgs: []string{fmt.Sprintf("--aws-read-rate=%g", reads), fmt.Sprintf("--aws-change-rate=%g", changes)},
	}
	f.mass = &mass{set: set, limit: ratelimit.LimitsOf(reads, changes).Changes}
	return with(ctx, o, func(s *stack.Stack) error { return f.mass.measure(ctx, s, progress) })
}

func (m *mass) measure(ctx context.Context, s *stack.Stack, progress func(string, ...any)) error {
	objects, err := follow(ctx, s)
	if err != nil {
		return err
	}
	defer objects.Close()
	progress("starting %d runs", m.set.runs)
	runs, err := createAll(ctx, objects, "mass", m.set.places(), massRun)
	if err != nil {
		return err
	}
	progress("measuring the manager while they block")
	if m.blocking, err = measureSettled(ctx, s); err != nil {
		return err
	}
	recorded := recordCalls(s.Sim)
	defer recorded.stop()
	end := time.Now().Add(massNotice).Truncate(time.Second)
	progress("moving their ends to %s", end.Format(time.TimeOnly))
	if err := endAllAt(ctx, s.Client, runs, end); err != nil {
		return err
	}
	progress("waiting until nothing of the runs is left")
	for i := range runs {
		if _, err := objects.until(ctx, runs[i].name, restored); err != nil {
			return err
		}
	}

	all := slices.DeleteFunc(recorded.ended(), func(c timedCall) bool { return c.begin.Before(end) })
	changed := changes(all)
	m.calls = map[string]int{}
	for _, c := range all {
		m.calls[action(c.Call)]++
	}
	for i := range runs {
		one, err := endingOf(runs[i].place, runs[i].clone(), changed)
		if err != nil {
			return err
		}
		if runs[i].clone() == "" {
			m.inPlace.add(end, one)
		} else {
			m.clones.add(end, one)
		}
	}
	return nil
}

// endAllAt has the status of each run say that it began so long ago that its time is over at end.
func endAllAt(ctx context.Context, kube client.Client, runs []running, end time.Time) error {
	group, writing := errgroup.WithContext(ctx)
	group.SetLimit(creators)
	patch := client.RawPatch("application/merge-patch+json", fmt.Appendf(nil, `{"status":{"startTime":%q,"expirationTime":%q}}`,
		end.Add(-massRun).UTC().Format(time.RFC3339), end.UTC().Format(time.RFC3339)))
	for i := range runs {
		group.Go(func() error {
			obj := &v1alpha1.AgentDisconnect{}
			obj.Namespace, obj.Name = namespace, runs[i].name
			return kube.Status().Patch(writing, obj, patch)
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if !time.Now().Before(end) {
		return errors.New("the machine is too slow: some runs were over before all ends were written")
	}
	return nil
}

// physical is how long so many changes take by the limit alone, from a full bucket on.
func (m *mass) physical(changes int) time.Duration {
	return time.Duration(max(0, float64(changes-m.limit.Burst)/m.limit.PerSecond) * float64(time.Second))
}

func (m *mass) print(out *screen.Screen) {
	clones, inPlace := len(m.clones.asked), len(m.inPlace.asked)
	out.Print(screen.Bold, "\nThe end of %d runs in one second, %d in place with %d rules each and %d on clones, at %g changes a second with bursts of %d",
		m.set.runs, inPlace, len(theRules), clones, m.limit.PerSecond, m.limit.Burst)
	row := func(name string, s samples, changes int) screen.Row {
		cells := []string{name, seconds(s.median()), seconds(s.percentile(99)), seconds(slices.Max(s)), "", ""}
		if limit := m.physical(changes); limit > 0 {
			cells[4], cells[5] = seconds(limit), ratio(slices.Max(s).Seconds(), limit.Seconds())
		}
		return screen.Row{Cells: cells}
	}
	lifting := clones + inPlace*len(theRules)
	out.Table([]string{"FROM EXPIRATIONTIME", "P50", "P99", "MAX", "LIMIT", "RATIO OF MAX"}, []screen.Row{
		row("to the first change, on a clone", m.clones.asked, 0),
		row("to subnet back on its original", m.clones.lifted, clones),
		row("to clone gone", m.clones.cleared, 0),
		row("to the first change, in place", m.inPlace.asked, 0),
		row("to last rule gone", m.inPlace.lifted, lifting),
		row("to tags gone", m.inPlace.cleared, lifting+clones+inPlace),
	})
	out.Print(screen.Dim, "Limit: what a bucket that is full at the end needs for %d changes, one for each rule and each clone's subnet, and for the tags and clones too in the last row. Calls: %s.",
		lifting, describeCalls(m.calls))
	out.Print(screen.Plain, "While all of them blocked, the manager used %.3f processors and %s of memory at most.", m.blocking.cpu, m.blocking.memory)
	m.blocking.printRequests(out)
}

// describeCalls lists calls by action.
func describeCalls(calls map[string]int) string {
	var each []string
	for _, name := range slices.Sorted(maps.Keys(calls)) {
		each = append(each, fmt.Sprintf("%d %s", calls[name], name))
	}
	return strings.Join(each, ", ")
}
