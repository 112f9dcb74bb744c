// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/screen"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/agents"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	"agentdisconnect.dev/agentdisconnect/hack/stack"
)

const (
	// defaultScale makes the shortest run, a minute, as long for agents as one of a quarter of an hour.
	defaultScale = 15
	// pluginProgram prints the report.
	pluginProgram = "./cmd/kubectl-agentdisconnect"

	exitNotSeen     = 1
	exitUsage       = 2
	exitInterrupted = 130 // as shells have it for SIGINT
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	playground := flags.Bool("playground", false, "leave everything running until Ctrl-C, and print commands to try")
	report := flags.String("report", filepath.Join("bin", "demo-report.html"), "the file to write the report of the run to")
	scale := flags.Float64("scale", defaultScale, "how much faster than real time agents, ECS and CloudTrail are")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return exitUsage
	case flags.NArg() > 0 || *scale < 1:
		fmt.Fprintln(os.Stderr, "demo accepts --playground, --report and --scale (a number of at least 1), see --help")
		return exitUsage
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	w := &walk{screen: screen.New(os.Stdout), scale: *scale, reportFile: *report}
	defer w.screen.Close()

	begun := time.Now()
	w.introduce(*playground)
	var err error
	if *playground {
		err = w.playground(ctx)
	} else {
		err = w.walk(ctx)
	}
	interrupted := ctx.Err() != nil
	if err != nil && !interrupted {
		w.explain(err)
	}
	if closeErr := w.close(err != nil && !interrupted); closeErr != nil {
		w.screen.Print(screen.Bad, "Stopping: %v", closeErr)
		err = errors.Join(err, closeErr)
	}
	switch {
	case interrupted:
		w.screen.Print(screen.Bold, "\nInterrupted: all processes that were started are stopped.")
		if *playground { // there is no other end to it
			return 0
		}
		return exitInterrupted
	case err != nil:
		return exitNotSeen
	}
	w.summarize(time.Since(begun))
	return 0
}

func (w *walk) introduce(playground bool) {
	what := "disconnect the agents of one subnet only"
	if playground {
		what = "a playground"
	}
	w.screen.Print(screen.Bold, "agentdisconnect: %s", what)
	w.screen.Print(screen.Plain, "This is a simulated AWS Region on this machine. Its agents, ECS and CloudTrail are %g times as fast as real ones. No AWS account is involved, and no traffic leaves the machine.", w.scale)
}

// start starts the stack with intervals short enough to watch, and waits for the agents.
func (w *walk) start(ctx context.Context) (string, error) {
	w.screen.Wait("starting", "the first start compiles the manager too")
	region, err := defaultVPC()
	if err != nil {
		return "", err
	}
	_, most := w.trailTakes(region)
	delay := wholeSeconds(most)
	s, err := stack.Start(ctx, stack.Options{
		Simulator:   sim.Options{World: region, Scale: w.scale},
		ManagerArgs: []string{"--agent-poll-interval=1s", "--network-acl-poll-interval=2s", "--lookup-interval=500ms", "--cloudtrail-delay=" + delay.String()},
		Programs:    []string{pluginProgram, callerProgram},
		Progress: func(part, detail string) {
			w.screen.Table(nil, []screen.Row{{Cells: []string{fmt.Sprintf("%-13s", part), detail}}})
		},
	})
	if err != nil {
		return "", err
	}
	w.use(s)
	w.screen.Table(nil, []screen.Row{{Cells: []string{"CloudTrail   ", fmt.Sprintf("shows calls %s late, out of order and %s of them twice; the manager has --cloudtrail-delay=%s", w.trailInWords(region), region.Trail.Duplicates, delay)}}})
	w.screen.Wait("the agents connect", "")
	w.note("not every agent is connected")
	if err := w.awaitAgents(ctx); err != nil {
		return "", err
	}
	count := len(s.Sim.Region().ContainerInstances())
	return fmt.Sprintf("everything is up, and all %d agents of the Region are connected", count), nil
}

// awaitAgents waits until all agents have both of their sessions. ECS knows of ACS alone.
func (w *walk) awaitAgents(ctx context.Context) error {
	if err := w.stack.Sim.WaitForAgents(ctx); err != nil {
		return err
	}
	return w.until(ctx, func(context.Context) (bool, string, error) {
		for _, i := range w.stack.Sim.Region().ContainerInstances() {
			if agent := w.stack.Sim.Agent(i.ARN); agent == nil || !agent.Connected(agents.TCS) {
				return false, i.EC2InstanceID + " has no session of TCS", nil
			}
		}
		return true, "", nil
	})
}

// close stops the stack. keep leaves the manager's log behind.
func (w *walk) close(keep bool) error {
	if w.stack == nil {
		return nil
	}
	w.others.seenAll()
	for _, stop := range w.stops {
		stop()
	}
	w.screen.Wait("stopping what was started", "")
	defer w.screen.Done()
	if keep {
		w.stack.KeepFiles()
	}
	return w.stack.Close()
}
