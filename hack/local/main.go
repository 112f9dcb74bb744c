// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/go-logr/logr"
	"github.com/spf13/pflag"
	"golang.org/x/term"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"agentdisconnect.dev/agentdisconnect/hack/screen"
)

const (
	exitFailed = 1
	exitUsage  = 2 // also where the question was not answered with yes
)

const help = `Usage: make local [ARGS="FLAGS [-- FLAGS OF THE MANAGER]"]

Run experiments without a Kubernetes cluster. This starts a control plane (etcd and kube-apiserver, on loopback) and the manager
as a process on this machine. The manager uses your AWS credentials, profile and Region, as the AWS CLI finds them: set
AWS_PROFILE and AWS_REGION to choose. Nothing is simulated.

It first prints the account, who you are in it, the Region, and what the credentials may do, and then asks. AWS is only read until
you create a run. After a start that did not end in order it is written to at once: runs that are on continue or end.

Ctrl-C ends every run, waits until each is restored, and then stops all that was started. Leave this machine on and online while a
run is on: what to do if it dies is in docs/first-real-run.md. Objects are kept for the next start. There is no
kube-controller-manager: runs of a deleted schedule are deleted by this program, and kubectl delete --cascade=foreground or
--cascade=orphan never finish.

Flags:
`

// settings are the flags.
type settings struct {
	yes             bool
	state, programs string
	cluster, subnet string
	consentKey      string
	managerArgs     []string
}

func main() {
	// A reader of the output that goes away, such as tee at Ctrl-C, must not take this process with it.
	signal.Ignore(syscall.SIGPIPE)
	log.SetLogger(logr.Discard()) // what matters comes back as an error
	s, err := parse(os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitUsage)
	}
	os.Exit(runAll(s))
}

func parse(args []string, out io.Writer) (*settings, error) {
	s := &settings{}
	f := pflag.NewFlagSet("local", pflag.ContinueOnError)
	f.SetOutput(out)
	f.Usage = func() { fmt.Fprint(out, help, f.FlagUsages()) }
	f.BoolVar(&s.yes, "yes", false, "ask no question")
	f.StringVar(&s.cluster, "cluster", "", "ECS cluster for the printed commands; unset: one that has container instances")
	f.StringVar(&s.subnet, "subnet", "", "subnet for the printed commands, on which permissions are tried by DryRun; unset: one of the cluster's")
	f.StringVar(&s.state, "state", "", "folder that keeps the objects; unset: one for each account and Region below $XDG_STATE_HOME or ~/.local/state")
	f.StringVar(&s.programs, "programs", "bin", "folder with the programs manager and kubectl-agentdisconnect")
	switch err := f.Parse(args); {
	case errors.Is(err, pflag.ErrHelp):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w. --help lists the flags; those of the manager come after --, as in make local ARGS=\"-- --max-duration=30m\"", err)
	}
	given := f.NArg()
	if dash := f.ArgsLenAtDash(); dash >= 0 {
		given = dash
	}
	if given > 0 {
		return nil, fmt.Errorf("unexpected argument %q: flags of the manager come after --, see --help", f.Arg(0))
	}
	s.managerArgs = f.Args()
	var err error
	if s.consentKey, err = consentKey(s.managerArgs); err != nil {
		return nil, err
	}
	s.programs, err = filepath.Abs(s.programs)
	return s, err
}

// runAll does all of it, and gives the exit code.
func runAll(s *settings) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	out := screen.New(os.Stdout)
	defer out.Close()
	fail := func(err error) int {
		out.Done()
		out.Print(screen.Bad, "%v", err)
		return exitFailed
	}

	if err := checkPrograms(s.programs); err != nil {
		return fail(err)
	}
	a, err := whoAmI(ctx)
	if err != nil {
		return fail(err)
	}
	out.Print(screen.Bold, "agentdisconnect on AWS, from this machine")
	a.print(out)
	chosen, err := a.tryPermissions(ctx, s, out)
	if err != nil {
		return fail(err)
	}
	place, err := openPlace(s, a)
	if err != nil {
		return fail(err)
	}
	defer place.close()
	place.print(out)
	if !s.yes {
		if err := consent(ctx, os.Stdin, out, place.unfinished); err != nil {
			fail(err)
			return exitUsage
		}
	}
	stop() // from here on, signals end runs first

	l := &local{settings: s, account: a, place: place, screen: out, target: chosen}
	if err := l.work(); err != nil {
		return fail(err)
	}
	return 0
}

// checkPrograms says which of the programs is missing.
func checkPrograms(dir string) error {
	for _, name := range []string{"manager", "kubectl-agentdisconnect"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("no program %s in %s: start this with make local, which builds it", name, dir)
		}
	}
	return nil
}

// consent asks whether to start. Its error says that nothing was started.
func consent(ctx context.Context, in *os.File, out *screen.Screen, unfinished bool) error {
	if !term.IsTerminal(int(in.Fd())) {
		return errors.New("nothing was started: there is no terminal to ask on. Check the account and the Region above, then repeat the command with --yes (make local ARGS=--yes)")
	}
	return ask(ctx, in, out, unfinished)
}

func ask(ctx context.Context, in io.Reader, out *screen.Screen, unfinished bool) error {
	effect := "AWS is only read until you create a run."
	if unfinished {
		effect = "The manager continues or ends the runs of the last start at once, and writes to AWS for that."
	}
	out.Print(screen.Marked, "\nStart the control plane and the manager with these credentials? %s [y/N]", effect)
	answers := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(in).ReadString('\n')
		answers <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case answer := <-answers:
		if answer == "y" || answer == "yes" {
			return nil
		}
	case <-ctx.Done():
	}
	return errors.New("nothing was started: the question was not answered with yes")
}
