// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// completeWithin bounds what a person waits for after the tabulator key.
const completeWithin = 3 * time.Second

// completeNames completes the one name that a command takes from the objects of the namespace, each
// with its state.
func (p *program) completeNames(flags *clusterFlags) cobra.CompletionFunc {
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
		objects, err := c.list(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}

		var names []cobra.Completion
		for i := range objects {
			if obj := &objects[i]; strings.HasPrefix(obj.Name, begun) {
				names = append(names, cobra.CompletionWithDesc(obj.Name, stateOf(obj)))
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
