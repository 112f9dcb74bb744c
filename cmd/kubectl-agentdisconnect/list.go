// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/cmd/kubectl-agentdisconnect/view"
)

func (p *program) listCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List runs, with the reason where the state alone does not say it", Args: noArguments,
		Long: `List runs, with the reason where the state alone does not say it: what a person must act on, or what a run waits for.

AGENTS is how many of the tracked agents were seen disconnected by the run. END is when the rules are removed, or since when the
run is over. On a terminal the reason is cut to its width; elsewhere it is not.`,
		Example: `  kubectl agentdisconnect list
  kubectl agentdisconnect list --all-namespaces`,
	}
	p.makeListing(cmd, "runs", p.list)
	return cmd
}

// makeListing has a command list objects of its namespace, or of all namespaces where its user asks for them.
func (p *program) makeListing(cmd *cobra.Command, objects string, list func(context.Context, *cluster) error) {
	var all bool
	flags := addClusterFlags(cmd)
	cmd.Flags().BoolVarP(&all, "all-namespaces", "A", false, "list the "+objects+" of all namespaces")
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := p.connectKubernetes(flags)
		if err != nil {
			return err
		}
		if all {
			c.namespace = metav1.NamespaceAll
		}
		return list(cmd.Context(), c)
	}
}

func (p *program) list(ctx context.Context, c *cluster) error {
	objects, err := listObjects[v1alpha1.AgentDisconnect](ctx, c, runKind, "")
	if err != nil {
		return err
	}

	if len(objects) == 0 {
		p.printThatNoneExists(c, runKind)
		return nil
	}
	width := p.screen().Width()
	for _, line := range view.Table(objects, p.clock.Now(), c.namespace == metav1.NamespaceAll, width) {
		fmt.Fprintln(p.out, line)
	}
	return nil
}

// printThatNoneExists prints that there is no object of a kind. It is no error.
func (p *program) printThatNoneExists(c *cluster, k apiKind) {
	where := "in namespace " + c.namespace
	if c.namespace == metav1.NamespaceAll {
		where = "in any namespace"
	}
	fmt.Fprintf(p.errOut, "There is no %s %s.\n", k.name, where)
}
