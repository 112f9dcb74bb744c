// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"

	"agentdisconnect.dev/agentdisconnect/hack/chaos/history"
	"agentdisconnect.dev/agentdisconnect/hack/chaos/rig"
)

const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130 // as shells have it for SIGINT
)

// settings are the flags.
type settings struct {
	only    *regexp.Regexp
	point   string
	sample  int
	seed    int64
	workers int
	// histories and kills are how many random histories are played, and how many managers are killed a scenario.
	histories, kills int
	results          string
	fresh, shared    bool
	list             bool
}

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(args) > 0 && args[0] == "soak" {
		return exitOf(ctx, history.Main(ctx, args[1:]))
	}
	set, err := parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		return exitUsage
	}
	return exitOf(ctx, chaos(ctx, set))
}

func parse(args []string) (*settings, error) {
	set := &settings{}
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	only := flags.String("only", "", "regular expression of scenario/kind, matched at the beginning: try only these, such as 'clone.*/crash'")
	flags.StringVar(&set.point, "point", "", "name of the only point to try, even if it was tried before")
	flags.IntVar(&set.sample, "sample", 0, "how many points to draw, spread over scenarios and kinds; 0: all")
	flags.Int64Var(&set.seed, "seed", 1, "seed of the random sample")
	flags.IntVar(&set.workers, "workers", 2, "how many points to try in parallel")
	flags.IntVar(&set.histories, "histories", 50, "how many random histories to run, besides all points; see soak for more")
	flags.IntVar(&set.kills, "kills", 14, "at how many points of each scenario to kill a real manager's process, besides all points")
	flags.StringVar(&set.results, "results", "bin/chaos/results.jsonl", "file with the points tried so far, which are not tried again")
	flags.BoolVar(&set.fresh, "fresh", false, "forget the points tried so far")
	flags.BoolVar(&set.shared, "shared", false, "in every scenario, also try the points that it has in common with a run without events")
	flags.BoolVar(&set.list, "list", false, "print the points of each scenario, without trying them")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	var err error
	if set.only, err = regexp.Compile("^(?:" + *only + ")"); err != nil {
		return nil, fmt.Errorf("--only is not a valid regular expression: %w", err)
	}
	if flags.NArg() > 0 || set.workers < 1 || set.sample < 0 || set.histories < 0 || set.kills < 0 {
		return nil, errors.New("chaos needs at least 1 worker, and no arguments but soak, see --help")
	}
	return set, nil
}

// errFailed says that promises were broken; what is known of it was printed.
var errFailed = errors.New("promises were broken, see above")

func exitOf(ctx context.Context, err error) int {
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "Interrupted: repeat the command to continue.")
		return exitInterrupted
	}
	fmt.Fprintln(os.Stderr, err)
	return exitFailed
}

// chaos finds the points, tries them and prints what came of it.
func chaos(ctx context.Context, set *settings) (err error) {
	plane, err := rig.Start()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, plane.Close()) }()
	c, err := newCampaign(set, plane, os.Stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := c.find(ctx); err != nil {
		return err
	}
	if set.list {
		c.printPoints(os.Stdout)
		return nil
	}
	trouble := c.try(ctx)
	if trouble == nil && set.whole() {
		trouble = c.histories(ctx)
	}
	if trouble == nil && set.whole() {
		trouble = c.kills(ctx)
	}
	failed := c.print(os.Stdout)
	if trouble == nil && failed {
		trouble = errFailed
	}
	return trouble
}
