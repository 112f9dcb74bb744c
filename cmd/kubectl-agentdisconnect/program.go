// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"
	"k8s.io/utils/clock"
)

// Exit codes.
const (
	exitDone  = 0
	exitError = 1
	exitUsage = 2
	exitLeft  = 3
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
	// load gets the AWS configuration and credentials.
	load func(context.Context) (awssdk.Config, error)
}

// exit is an error that ends the program with a code of its own.
type exit struct {
	code int
	err  error
}

func (e *exit) Error() string { return e.err.Error() }
func (e *exit) Unwrap() error { return e.err }

// usage is a mistake on the command line.
func usage(format string, args ...any) error {
	return &exit{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// errLeft has been explained on the screen by the time it is returned.
var errLeft = &exit{code: exitLeft, err: errors.New("something is left")}

// run runs the command line and gives the exit code.
func (p *program) run(ctx context.Context, args []string) int {
	root := p.command()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}

	ending, ok := errors.AsType[*exit](err)
	if !ok {
		ending = &exit{code: exitError, err: err}
	}

	if ending != errLeft {
		fmt.Fprintln(p.errOut, "Error:", err)
	}

	if ending.code == exitUsage {
		fmt.Fprintln(p.errOut, "See --help.")
	}
	return ending.code
}

func (p *program) command() *cobra.Command {
	root := &cobra.Command{
		Use:         "kubectl-agentdisconnect",
		Annotations: map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl agentdisconnect"},
		Short:       "Find and undo in AWS what AgentDisconnect runs left behind",
		Long: `Find and undo in AWS what AgentDisconnect runs left behind, for example after the Kubernetes cluster was lost.

While the cluster and its manager work, use them: kubectl delete agentdisconnect NAME undoes a run, and has more data about it.`,
		Example:       "  kubectl agentdisconnect sweep --region ap-northeast-1",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noArguments,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetIn(p.in)
	root.SetOut(p.out)
	root.SetErr(p.errOut)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &exit{code: exitUsage, err: err} })
	root.AddCommand(p.sweepCommand(), &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), product, version)
			return err
		},
	})
	return root
}

func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage("unexpected argument %q", args[0])
	}
	return nil
}
