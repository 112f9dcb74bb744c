// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/cmd/kubectl-agentdisconnect/view"
)

func (p *program) planCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "plan NAME", Short: "Print the plan of an object with mode Plan",
		Long: `Print what a run would do and every reason for which it would not start, as status.plan of an object with mode Plan has it.

Exit codes:
  0  the plan was printed, whatever it says
  1  there is no plan, or an error`,
		Example: `  kubectl agentdisconnect run look --mode Plan --cluster demo --subnet subnet-0c2e4a6b8d1f35790 --duration 10m
  kubectl agentdisconnect plan look`,
		Args: oneName,
	}
	flags := addClusterFlags(cmd)
	cmd.ValidArgsFunction = p.completeNames(flags)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := p.connectKubernetes(flags)
		if err != nil {
			return err
		}
		obj, err := c.get(cmd.Context(), c.namespace, args[0])
		if err != nil {
			return err
		}
		if obj.Status.Plan == nil {
			return noPlan(obj)
		}
		p.screen().Print(0, view.Plan(obj, max(0, p.screen().Width()-1))...)
		return nil
	}
	return cmd
}

// noPlan says why an object has no plan.
func noPlan(obj *v1alpha1.AgentDisconnect) error {
	name := named(obj.Namespace, obj.Name)
	if obj.Spec.Mode != v1alpha1.ModePlan {
		return fmt.Errorf("%s has no plan: its mode is not Plan. Create another object with kubectl agentdisconnect run --mode Plan", name)
	}
	if v := view.Judge(obj); v.Outcome == view.Refused {
		return fmt.Errorf("%s has no plan: %s: %s", name, v.Reason, v.Message)
	}
	return fmt.Errorf("%s has no plan yet (state: %s). Wait for it: kubectl agentdisconnect wait %s --namespace %s", name, stateOf(obj), obj.Name, obj.Namespace)
}
