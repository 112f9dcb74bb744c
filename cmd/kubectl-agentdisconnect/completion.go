// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/cmd/kubectl-agentdisconnect/view"
)

// completeWithin bounds what a person waits for after the tabulator key.
const completeWithin = 3 * time.Second

// completeNames completes the one name that a command takes from the runs of the namespace, each with
// its state.
func (p *program) completeNames(flags *clusterFlags) cobra.CompletionFunc {
	return p.complete(flags, func(ctx context.Context, c *cluster) (names []cobra.Completion, err error) {
		objects, err := listObjects[v1alpha1.AgentDisconnect](ctx, c, runKind, "")
		for i := range objects {
			names = append(names, cobra.CompletionWithDesc(objects[i].Name, stateOf(&objects[i])))
		}
		return names, err
	})
}

// completeSchedules does the same with schedules.
func (p *program) completeSchedules(flags *clusterFlags) cobra.CompletionFunc {
	return p.complete(flags, func(ctx context.Context, c *cluster) (names []cobra.Completion, err error) {
		objects, err := listObjects[v1alpha1.AgentDisconnectSchedule](ctx, c, scheduleKind, "")
		for i := range objects {
			names = append(names, cobra.CompletionWithDesc(objects[i].Name, view.Times(&objects[i])))
		}
		return names, err
	})
}

// complete completes the one name that a command takes from those that there are.
func (p *program) complete(flags *clusterFlags, list func(context.Context, *cluster) ([]cobra.Completion, error)) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, stop := context.WithTimeout(cmd.Context(), completeWithin)
		defer stop()
		c, err := p.connectKubernetes(flags)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		names, err := list(ctx, c)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		names = slices.DeleteFunc(names, func(name cobra.Completion) bool { return !strings.HasPrefix(name, begun) })
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
