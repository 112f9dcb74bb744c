// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"agentdisconnect.dev/agentdisconnect/cmd/kubectl-agentdisconnect/view"
)

// stopOptions are the flags of stop.
type stopOptions struct {
	yes, toolStopped bool
	timeout          time.Duration
}

const stopHelp = `End a run early by deleting its object, and wait until the manager has removed what the run made.

It asks before it deletes. A run that is over stays as it is.

A tool that keeps the cluster as a git repository has it, such as Flux or Argo CD, creates a deleted object again, and it then
runs again if its start deadline is not past. So for such an object the command only says what to do instead. To delete it
once the tool is stopped, give --tool-stopped.

Exit codes:
  0    the object is gone, or its run was over already
  1    an error
  2    nothing was deleted: a tool holds the object, the answer was no, or there is no terminal to ask on
  3    --timeout is over; the manager goes on removing the run
  130  Ctrl-C, or SIGTERM; once the object is deleted, the manager goes on removing the run`

func (p *program) stopCommand() *cobra.Command {
	var o stopOptions
	cmd := &cobra.Command{
		Use: "stop NAME", Short: "End a run early", Long: stopHelp, Args: oneName,
		Example: `  kubectl agentdisconnect stop checkout-agents
  kubectl agentdisconnect stop run-x7k2p --yes --timeout 5m`,
	}
	flags := addClusterFlags(cmd)
	cmd.ValidArgsFunction = p.completeNames(flags)
	f := cmd.Flags()
	f.BoolVarP(&o.yes, "yes", "y", false, "ask no question")
	f.BoolVar(&o.toolStopped, "tool-stopped", false, "the tool that holds the object in git is stopped: delete the object")
	f.DurationVar(&o.timeout, "timeout", 0, "how long to wait until the object is gone; 0: as long as it takes")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkTimeout(o.timeout); err != nil {
			return err
		}
		follower, err := p.followNamed(cmd.Context(), flags, args[0], o.timeout)
		if err != nil {
			return err
		}
		return follower.stopRun(cmd.Context(), o)
	}
	return cmd
}

// stopRun ends the run of the object, unless something stands against it.
func (f *follower) stopRun(ctx context.Context, o stopOptions) error {
	if view.IsOver(f.obj) {
		f.screen.Print(0, fmt.Sprintf("The run of %s is over already: %s. To delete the object: kubectl --namespace %s delete agentdisconnect %s", f.name(), stateOf(f.obj), f.obj.Namespace, f.obj.Name))
		return nil
	}
	if tool := holderOf(f.obj); tool != nil && !o.toolStopped {
		return &exit{code: exitRefused, err: fmt.Errorf("%s was not deleted: %s", f.name(), tool.instead(f.obj))}
	}
	if err := f.confirmStop(ctx, o); err != nil {
		return err
	}

	return f.deleteAndFollow(ctx)
}

// deleteAndFollow deletes the object, and follows it until it is gone.
func (f *follower) deleteAndFollow(ctx context.Context) error {
	f.logged = view.Lines(f.obj, f.clock.Now()) // from here on, only what changes
	if err := f.delete(ctx); err != nil {
		return err
	}
	switch end := f.follow(ctx); end {
	case endedGone:
		f.say(f.gone())
		return nil
	default:
		return f.conclude(end)
	}
}

// confirmStop asks whether to delete the object.
func (f *follower) confirmStop(ctx context.Context, o stopOptions) error {
	switch {
	case o.yes:
		return nil
	case !f.terminal:
		return usage("there is no terminal to ask on, so nothing was deleted: repeat the command with --yes")
	}
	question := fmt.Sprintf("End the run of %s (%s) by deleting the object?", f.name(), stateOf(f.obj))
	if !f.confirm(ctx, f.out, question) {
		return &exit{code: exitRefused, err: fmt.Errorf("%s was not deleted: the question was not answered with yes", f.name())}
	}
	return nil
}
