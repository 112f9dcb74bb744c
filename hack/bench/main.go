// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/screen"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	"agentdisconnect.dev/agentdisconnect/hack/stack"
)

const (
	exitNotMeasured = 1
	exitUsage       = 2
	exitInterrupted = 130 // as shells have it for SIGINT

	// giveUp is when something that has not happened never will: many times what all of it takes on a slow machine.
	giveUp = 3 * time.Hour
)

// settings are the flags.
type settings struct {
	runs, objects, clones, others, together int
	latency                                 time.Duration
	trace                                   bool
	// only is the one part to measure; empty: all of them.
	only  string
	mass  massSettings
	crowd crowdSettings
}

// parts can be measured alone. Each has stacks of its own.
var parts = []string{"runs", "together", "mass", "crowd"}

// has reports whether a part is to be measured.
func (s settings) has(part string) bool { return s.only == "" || s.only == part }

// room reports whether that many objects are enough for the runs, and have room.
func (s settings) room(objects int) bool { return objects > s.runs && objects <= maxFleet }

// unlimited has a manager send whatever it has to: how fast it is must not be hidden by what it may.
var unlimited = []string{"--aws-read-rate=0", "--aws-change-rate=0"}

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	set := settings{}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&set.runs, "runs", 7, "how many single runs to measure; the figures are their median")
	flags.IntVar(&set.objects, "objects", 100, "how many objects expire together, each on a network ACL of its own")
	flags.IntVar(&set.clones, "clones", 100, "how many objects expire together, each on a clone")
	flags.IntVar(&set.others, "others", 1000, "how many objects, whose Region doesn't answer, exist while runs end after a restart")
	flags.IntVar(&set.together, "together", 1000, "the most runs whose calls are counted while they block together")
	flags.DurationVar(&set.latency, "latency", 50*time.Millisecond, "how long every simulated AWS call takes")
	flags.BoolVar(&set.trace, "trace", false, "also print the calls and writes of single runs, in order")
	flags.StringVar(&set.only, "only", "", "the one `part` to measure: runs, single ones and some that end together; together, the calls of runs that block together; mass, many ends in one second at the account's rates; crowd, a restart beside many objects; empty: all")
	flags.IntVar(&set.mass.runs, "mass", 1000, "how many runs end in one second at the account's rates, a tenth of them on clones")
	flags.Float64Var(&set.mass.faster, "faster", 10, "how many times the manager's default rates those rates are")
	flags.IntVar(&set.crowd.finished, "finished", 9000, "how many of the many objects have a run that is over")
	flags.IntVar(&set.crowd.waiting, "waiting", 900, "how many of them can't begin their run")
	flags.IntVar(&set.crowd.on, "on", 100, "how many of them have a run that is on")
	flags.IntVar(&set.crowd.agents, "agents", 20, "how many agents a run had that is over")
	flags.DurationVar(&set.crowd.settle, "settle", 4*time.Minute, "how long after its restart the manager counts as settled")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return exitUsage
	case flags.NArg() > 0 || set.runs < 1 || !set.room(set.objects) || !set.room(set.clones) || set.others < 1 || set.together < 1 || set.together > mostTogether ||
		!set.mass.isSound() || !set.crowd.isSound() || set.only != "" && !slices.Contains(parts, set.only) || set.latency < time.Millisecond:
		fmt.Fprintf(os.Stderr, "bench needs at least 1 run, 1 other object and 1 to %d runs together, more objects and clones than runs and at most %d, %d to %d runs for --mass, a latency of at least 1ms, --only of %s or none, and --on of at most %d with --agents from 2 to 100, see --help\n",
			mostTogether, maxFleet, oneOnClone, maxMass, strings.Join(parts, ", "), maxFleet-1)
		return exitUsage
	}
	interrupted, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(interrupted, giveUp)
	defer cancel()

	f, err := measure(ctx, set)
	switch {
	case interrupted.Err() != nil:
		return exitInterrupted
	case err != nil:
		fmt.Fprintln(os.Stderr, "Not everything could be measured:", err)
		return exitNotMeasured
	}
	out := screen.New(os.Stdout)
	defer out.Close()
	f.print(out)
	if set.trace && f.fleet != nil {
		out.Block(screen.Plain, "\n"+strings.Join(f.traces(), "\n"))
	}
	return 0
}

// measure takes all figures. What it is at is shown on standard error, so that standard output is the figures alone.
func measure(ctx context.Context, set settings) (*figures, error) {
	live := screen.New(os.Stderr)
	defer live.Close()
	progress := func(format string, args ...any) { live.Wait(fmt.Sprintf(format, args...), "") }
	begun := time.Now()
	f := &figures{set: set, machine: machine()}

	for _, part := range []struct {
		name    string
		measure func(context.Context, func(string, ...any)) error
	}{{"runs", f.measureRuns}, {"together", f.measureTogether}, {"mass", f.measureMass}, {"crowd", f.measureCrowd}} {
		if !set.has(part.name) {
			continue
		}
		if err := part.measure(ctx, progress); err != nil {
			return nil, fmt.Errorf("%s: %w", part.name, err)
		}
	}
	f.took = time.Since(begun)
	return f, nil
}

// measureRuns needs two stacks, one after the other: the first manager has an interval that can be left out of a figure, the
// second its own.
func (f *figures) measureRuns(ctx context.Context, progress func(string, ...any)) error {
	set := f.set
	progress("starting; the first start compiles the manager too")
	fast := stack.Options{
		Simulator:   sim.Options{NoAgents: true, Latency: set.latency, World: singleWorld()},
		ManagerArgs: append([]string{"--agent-poll-interval=" + pollEvery.String()}, unlimited...),
	}
	err := with(ctx, fast, func(s *stack.Stack) (err error) {
		for i, p := range single {
			progress("%s: measuring one run, %d times", p.mode, set.runs)
			if f.installing[i], err = measureInstalling(ctx, s, p, set); err != nil {
				return err
			}
		}
		progress("counting calls")
		if err := s.StopManager(); err != nil {
			return err
		}
		for i, p := range single {
			if f.counted[i], err = countCalls(ctx, s.Client, p); err != nil {
				return err
			}
		}
		if f.refused, err = countRefused(ctx, s.Client); err != nil {
			return err
		}
		for i, runs := range []int{1, set.objects} {
			progress("counting calls of CloudTrail with %d runs", runs)
			if f.lookups[i], err = countLookups(ctx, s.Client, runs); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	progress("starting with many subnets")
	many := stack.Options{Simulator: sim.Options{NoAgents: true, Latency: set.latency, World: fleetWorld(set.objects, set.clones)}, ManagerArgs: unlimited}
	return with(ctx, many, func(s *stack.Stack) (err error) {
		f.fleet, err = measureFleet(ctx, s, set, progress)
		return err
	})
}

func (f *figures) measureTogether(ctx context.Context, progress func(string, ...any)) error {
	return with(ctx, stack.Options{NoManager: true, Simulator: sim.Options{NoAgents: true}}, func(s *stack.Stack) (err error) {
		f.together, err = countTogether(ctx, s.Client, f.set.together, progress)
		return err
	})
}

func (f *figures) measureCrowd(ctx context.Context, progress func(string, ...any)) error {
	progress("starting for many objects")
	return with(ctx, f.set.crowd.options(f.set.latency), func(s *stack.Stack) (err error) {
		f.crowd, err = measureCrowd(ctx, s, f.set.crowd, progress)
		return err
	})
}

// with runs something on a stack of its own.
func with(ctx context.Context, o stack.Options, do func(*stack.Stack) error) error {
	s, err := stack.Start(ctx, o)
	if err != nil {
		return err
	}
	return errors.Join(do(s), s.Close())
}

func (f *figures) traces() []string {
	return slices.Concat([]string{f.installing[0].trace, f.installing[1].trace}, f.fleet.inPlace.traces, f.fleet.clones.traces)
}
