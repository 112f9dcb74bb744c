// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"
	"k8s.io/utils/clock"

	"agentdisconnect.dev/agentdisconnect/cmd/kubectl-agentdisconnect/view"
)

// Exit codes. In each, 2 says that nothing was begun, and that a person must change something first.
const (
	exitDone  = 0
	exitError = 1
	exitUsage = 2
	// exitLeft is for sweep alone, exitRefused, exitTimeout and exitInterrupted for what follows a run.
	exitLeft        = 3
	exitFailed      = 1
	exitRefused     = 2
	exitTimeout     = 3
	exitInterrupted = 130 // as a shell has it for a process that SIGINT ended
)

const exitCodes = `Exit codes:
  0  the list was printed; with --apply: everything in it was removed
  1  an error: the search did not succeed, and nothing was changed
  2  the command line is wrong, or lacks a decision that only you can make; nothing was changed
  3  with --apply: something of the list is left; the last lines name it and the reason: a
     person must look at it, a call failed, time was lacking, or the command was interrupted`

// program is what the command works with: tests replace all of it.
type program struct {
	in          io.Reader
	out, errOut io.Writer
	// terminal reports whether in is a terminal, at which a person can answer a question.
	terminal bool
	clock    clock.Clock
	// size gives the size of the terminal that out is; nil: it is none. errSize is that of errOut.
	size, errSize func() view.Size
	// color says that the terminal takes colors.
	color bool
	// interrupts starts to hand over what Ctrl-C sends, in place of ending the process, until release is called.
	interrupts func() (signals <-chan os.Signal, release func())
	// load gets the AWS configuration and credentials.
	load func(context.Context) (awssdk.Config, error)
}

// exit is an error that ends the program with a code of its own.
type exit struct {
	code int
	err  error
	// help says that --help helps.
	help bool
}

func (e *exit) Error() string { return e.err.Error() }
func (e *exit) Unwrap() error { return e.err }

// usage is a mistake on the command line.
func usage(format string, args ...any) error {
	return &exit{code: exitUsage, err: fmt.Errorf(format, args...), help: true}
}

// checkTimeout refuses a time for --timeout that is no time.
func checkTimeout(timeout time.Duration) error {
	if timeout < 0 {
		return usage("--timeout is %s: it must be 0, for as long as it takes, or more", timeout)
	}
	return nil
}

// errLeft has been explained on the screen by the time it is returned.
var errLeft = &exit{code: exitLeft, err: errors.New("something is left")}

// run runs the command line and gives the exit code.
func (p *program) run(ctx context.Context, args []string) int {
	root := p.command()
	root.SetArgs(append([]string{}, args...)) // of nil, cobra would take those of the process
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}

	ending, ok := errors.AsType[*exit](err)
	if !ok {
		ending = &exit{code: exitError, err: err}
	}

	if ending != errLeft {
		for _, line := range p.wrapError("Error: " + err.Error()) {
			fmt.Fprintln(p.errOut, line)
		}
	}

	if ending.help {
		fmt.Fprintln(p.errOut, "See --help.")
	}
	return ending.code
}

// wrapError wraps a text to the terminal that errors go to, if it is one.
func (p *program) wrapError(text string) []string {
	if p.errSize == nil {
		return []string{text}
	}
	return view.Wrap(text, p.errSize().Width-1, 0)
}

const rootHelp = `Run experiments with AgentDisconnect objects, follow them, and undo in AWS what runs left behind.

All but sweep work on a Kubernetes cluster, which --context, --kubeconfig and --namespace choose as they do for kubectl.
sweep needs AWS credentials alone, for example after the Kubernetes cluster was lost. While the cluster and its manager
work, use them: deleting the object undoes a run, and the manager has more data about it.`

func (p *program) command() *cobra.Command {
	root := &cobra.Command{
		Use:         "kubectl-agentdisconnect",
		Annotations: map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl agentdisconnect"},
		Short:       "Run, follow and undo AgentDisconnect experiments",
		Long:        rootHelp,
		Example: `  kubectl agentdisconnect run --cluster demo --subnet subnet-0c2e4a6b8d1f35790 --duration 10m
  kubectl agentdisconnect sweep --region ap-northeast-1`,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noSuchCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetIn(p.in)
	root.SetOut(p.out)
	root.SetErr(p.errOut)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &exit{code: exitUsage, err: err, help: true} })
	root.AddCommand(p.runCommand(), p.waitCommand(), p.watchCommand(), p.listCommand(), p.planCommand(), p.reportCommand(), p.stopCommand(), p.haltCommand(), p.resumeCommand(), p.scheduleCommand(), p.sweepCommand(), &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), product, version)
			return err
		},
	})
	return root
}

// noSuchCommand is about an argument that names no command. It suggests those that are spelt alike.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if cmd.SuggestionsMinimumDistance == 0 {
		cmd.SuggestionsMinimumDistance = 2
	}
	if alike := cmd.SuggestionsFor(args[0]); len(alike) > 0 {
		return usage("unexpected argument %q: did you mean %s?", args[0], strings.Join(alike, " or "))
	}
	return noArguments(cmd, args)
}

func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage("unexpected argument %q", args[0])
	}
	return nil
}

// oneName is for commands about one AgentDisconnect.
func oneName(cmd *cobra.Command, args []string) error { return runKind.oneName(cmd, args) }

// oneName is for commands about one object of the kind.
func (k apiKind) oneName(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usage("%s needs the name of one %s; kubectl agentdisconnect %s shows them", cmd.Name(), k.name, k.list)
	}
	return nil
}
