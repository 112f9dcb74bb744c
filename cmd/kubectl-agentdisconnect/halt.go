// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/cmd/kubectl-agentdisconnect/view"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// haltKind is the kind of halts. They are of the whole cluster.
var haltKind = apiKind{name: "AgentDisconnectHalt", resource: v1alpha1.GroupVersion.WithResource("agentdisconnecthalts"), list: "resume"}

// mostReason is how long a reason may be, as the API has it.
const mostReason = 256

const haltHelp = `End all runs of the Kubernetes cluster, in all namespaces, and let none start until the halt is deleted (resume).

It creates an AgentDisconnectHalt with your name and the reason, and prints the runs that it ends. It asks no question. The manager
ends the runs that are on within seconds, and their rules are removed as at any other end: kubectl agentdisconnect list
--all-namespaces shows them. Runs that wait, and those of schedules, are refused while a halt exists. Each who halts makes a halt
of their own, and runs start again when the last one is deleted.

It takes the ClusterRole agentdisconnect-halter, and resume takes agentdisconnect-resumer.

Exit codes:
  0  the halt exists
  1  an error
  2  the command line is wrong; nothing was created`

func (p *program) haltCommand() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "halt", Short: "End all runs and let none start", Long: haltHelp, Args: noArguments,
		Example: `  kubectl agentdisconnect halt --reason "checkout is down, INC-1234"`,
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for everybody who reads the status of a run")
	flags := addClusterFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if n := len([]rune(reason)); n > mostReason {
			return usage("--reason has %d characters: it may have %d at most", n, mostReason)
		}
		c, err := p.connectKubernetes(flags)
		if err != nil {
			return err
		}
		return p.halt(cmd.Context(), c, reason)
	}
	return cmd
}

// halts is the API of halts.
func (c *cluster) halts() dynamic.ResourceInterface { return c.client.Resource(haltKind.resource) }

// explainHalt says what failed of a verb on halts, and what helps against it.
func (c *cluster) explainHalt(verb, role string, err error) error {
	what := verb + " an " + haltKind.name
	switch {
	case isMissingKind(err):
		return fmt.Errorf("%s: the cluster at %s does not know the kind: the version that is installed there can't be halted. Delete the runs instead (kubectl delete agentdisconnects --all --all-namespaces): %w", what, c.host, err)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%s: %w. Have the ClusterRole agentdisconnect-%s bound to you in the whole cluster", what, err, role)
	}
	return fmt.Errorf("%s at %s: %w", what, c.host, err)
}

// halt creates a halt, and then prints what it ends: the halt comes first.
func (p *program) halt(ctx context.Context, c *cluster, reason string) error {
	spec := v1alpha1.AgentDisconnectHaltSpec{Reason: reason, RequestedBy: c.whoami(ctx)}
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&v1alpha1.AgentDisconnectHalt{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: haltKind.name},
		ObjectMeta: metav1.ObjectMeta{GenerateName: "halt-"}, Spec: &spec,
	})
	if err != nil {
		return err
	}
	made, err := c.halts().Create(ctx, &unstructured.Unstructured{Object: fields}, metav1.CreateOptions{})
	if err != nil {
		return c.explainHalt("create", "halter", err)
	}
	fmt.Fprintf(p.out, "All runs are halted by %s %s. To let runs start again: kubectl agentdisconnect resume %s\n", haltKind.name, made.GetName(), made.GetName())

	on, waiting, err := c.unfinished(ctx)
	switch {
	case err != nil:
		fmt.Fprintf(p.errOut, "Which runs it ends is not known: %v\n", err)
	case len(on) == 0:
		fmt.Fprintln(p.out, "No run is on.")
	default:
		fmt.Fprintf(p.out, "The manager ends %s:\n%s", plural(len(on), "run"), describeRuns(on))
	}
	if len(waiting) > 0 {
		fmt.Fprintf(p.out, "Not started, and held back while a halt exists: %s\n%s", plural(len(waiting), "run"), describeRuns(waiting))
	}
	return nil
}

// whoami is the user as the API server knows it; empty: it does not say.
func (c *cluster) whoami(ctx context.Context) string {
	review, err := c.client.Resource(authenticationv1.SchemeGroupVersion.WithResource("selfsubjectreviews")).Create(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": authenticationv1.SchemeGroupVersion.String(), "kind": "SelfSubjectReview",
	}}, metav1.CreateOptions{})
	if err != nil {
		return ""
	}
	name, _, _ := unstructured.NestedString(review.Object, "status", "userInfo", "username")
	if runes := []rune(name); len(runes) > mostReason {
		return string(runes[:mostReason])
	}
	return name
}

// unfinished are the runs of all namespaces that are on, and those that have not begun, by name.
func (c *cluster) unfinished(ctx context.Context) (on, waiting []v1alpha1.AgentDisconnect, err error) {
	everywhere := *c
	everywhere.namespace = metav1.NamespaceAll
	all, err := listObjects[v1alpha1.AgentDisconnect](ctx, &everywhere, runKind, "")
	if err != nil {
		return nil, nil, err
	}
	for i := range all {
		switch obj := &all[i]; {
		case view.IsOver(obj), obj.Status.Abort != nil, obj.Spec.Mode == v1alpha1.ModePlan && obj.Status.StartTime == nil:
		case obj.Status.StartTime == nil:
			waiting = append(waiting, *obj)
		case obj.Status.RestoredTime == nil:
			on = append(on, *obj)
		}
	}
	return on, waiting, nil
}

// describeRuns has a line for each run.
func describeRuns(runs []v1alpha1.AgentDisconnect) string {
	var lines strings.Builder
	for i := range runs {
		fmt.Fprintf(&lines, "  %s/%s: %s\n", runs[i].Namespace, runs[i].Name, stateOf(&runs[i]))
	}
	return lines.String()
}

const resumeHelp = `Let runs start again after a halt, by deleting its AgentDisconnectHalt.

With a name it deletes that halt. Without one it prints the halts there are, with who asked for each and why; --all deletes every
one. Runs start again when none is left. A run that a halt ended stays over: a new spec.runID runs it again.

Exit codes:
  0  the halts were deleted, or, without a name, printed
  1  an error
  2  the command line is wrong; nothing was deleted`

func (p *program) resumeCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "resume [NAME]", Short: "Let runs start again after a halt, or list the halts", Long: resumeHelp,
		Example: `  kubectl agentdisconnect resume
  kubectl agentdisconnect resume halt-x7k2p
  kubectl agentdisconnect resume --all`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 || all && len(args) > 0 {
				return usage("resume takes the name of one halt, or --all")
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "delete every halt, also those of others")
	flags := addClusterFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := p.connectKubernetes(flags)
		if err != nil {
			return err
		}
		return p.resume(cmd.Context(), c, args, all)
	}
	return cmd
}

// resume deletes the halts that are meant, and prints what is left of them, and which runs go on.
func (p *program) resume(ctx context.Context, c *cluster, names []string, all bool) error {
	standing, err := c.listHalts(ctx)
	if err != nil {
		return err
	}
	left := slices.Clone(standing)
	for _, halt := range standing {
		if !all && !slices.Contains(names, halt.Name) {
			continue
		}
		if err := c.halts().Delete(ctx, halt.Name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			return c.explainHalt("delete", "resumer", err)
		}
		fmt.Fprintf(p.out, "Deleted %s\n", describeHalt(halt))
		left = slices.DeleteFunc(left, func(h v1alpha1.AgentDisconnectHalt) bool { return h.Name == halt.Name })
	}
	if len(names) > 0 && len(left) == len(standing) {
		return fmt.Errorf("there is no %s %s: kubectl agentdisconnect resume lists them", haltKind.name, names[0])
	}

	if len(left) > 0 {
		fmt.Fprintf(p.out, "No run starts: there is still %s\n", plural(len(left), "halt"))
		for _, halt := range left {
			fmt.Fprintf(p.out, "  %s\n", describeHalt(halt))
		}
		return nil
	}
	fmt.Fprintln(p.out, "There is no halt: runs start.")
	if len(standing) == 0 {
		return nil
	}
	_, waiting, err := c.unfinished(ctx)
	switch {
	case err != nil:
		fmt.Fprintf(p.errOut, "Which runs can start now is not known: %v\n", err)
	case len(waiting) > 0:
		fmt.Fprintf(p.out, "Can start now: %s\n%s", plural(len(waiting), "run"), describeRuns(waiting))
	}
	return nil
}

func (c *cluster) listHalts(ctx context.Context) ([]v1alpha1.AgentDisconnectHalt, error) {
	answer, err := c.halts().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, c.explainHalt("list", "resumer", err)
	}
	var halts []v1alpha1.AgentDisconnectHalt
	var errs []error
	for i := range answer.Items {
		halt, err := decodeAs[v1alpha1.AgentDisconnectHalt](&answer.Items[i])
		errs = append(errs, err)
		if err == nil {
			halts = append(halts, *halt)
		}
	}
	return halts, errors.Join(errs...)
}

// describeHalt names a halt, with who asked for it and why.
func describeHalt(halt v1alpha1.AgentDisconnectHalt) string {
	return haltKind.name + " " + halt.Name + run.ByWhom(&halt)
}
