// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"agentdisconnect.dev/agentdisconnect/cmd/kubectl-agentdisconnect/view"
)

func (p *program) waitCommand() *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use: "wait NAME", Short: "Follow a run until it is decided, for pipelines",
		Long: `Follow a run until it is decided, and return its verdict as the exit code.

It ends when the run is over, and also when it is refused. It waits for the run that the spec asks for: what the status
says of an earlier runID or an earlier spec decides nothing. Ctrl-C stops following; the run goes on.

` + outcomeCodes,
		Example: `  kubectl apply -f run.yaml && kubectl agentdisconnect wait checkout-agents --namespace chaos --timeout 1h`,
		Args:    oneName,
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 0, "how long to wait; 0: as long as it takes. The run goes on after it")
	flags := addClusterFlags(cmd)
	cmd.ValidArgsFunction = p.completeNames(flags)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkTimeout(timeout); err != nil {
			return err
		}
		f, err := p.followNamed(cmd.Context(), flags, args[0], timeout)
		if err != nil {
			return err
		}
		f.until = ended
		return f.finish(cmd.Context())
	}
	return cmd
}

func (p *program) watchCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "watch NAME", Short: "Follow a run, whatever comes of it",
		Long: `Follow a run until it is over or its object is gone, whatever comes of it. A run that is refused is followed on: it may begin yet.

Exit codes:
  0    the run is over, or its object is gone
  1    an error
  130  Ctrl-C, or SIGTERM; the run goes on`,
		Args: oneName,
	}
	flags := addClusterFlags(cmd)
	cmd.ValidArgsFunction = p.completeNames(flags)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		f, err := p.followNamed(cmd.Context(), flags, args[0], 0)
		if err != nil {
			return err
		}
		f.until, f.tellsAll = view.IsOver, true
		return f.watched(f.follow(cmd.Context()))
	}
	return cmd
}

// watched is the result of watch, to which every end is the same.
func (f *follower) watched(end ending) error {
	switch end {
	case endedLeft:
		return f.conclude(end)
	case endedGone:
		f.say(f.gone())
	}
	return nil
}

// followNamed reads an object that is to be followed.
func (p *program) followNamed(ctx context.Context, flags *clusterFlags, name string, timeout time.Duration) (*follower, error) {
	c, err := p.connectKubernetes(flags)
	if err != nil {
		return nil, err
	}
	obj, err := c.get(ctx, c.namespace, name)
	if err != nil {
		return nil, err
	}
	return p.newFollower(c, obj, timeout), nil
}
