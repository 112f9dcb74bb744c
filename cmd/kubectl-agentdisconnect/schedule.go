// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/cmd/kubectl-agentdisconnect/view"
	"agentdisconnect.dev/agentdisconnect/controllers/schedule/child"
)

const scheduleHelp = `List schedules with the time of the next run and what became of the last, or run one now.

NEXT is how long from now, and when, in UTC. LAST is the newest run that there is, by its age and its state. ACTIVE is how many
runs of the schedule are on. On a terminal SCHEDULE and LAST are cut to its width; elsewhere they are not.`

func (p *program) scheduleCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "schedule", Aliases: []string{"schedules"}, Short: "List schedules with their next times, or run one now", Long: scheduleHelp, Args: noSuchCommand,
		Example: `  kubectl agentdisconnect schedule --all-namespaces
  kubectl agentdisconnect schedule trigger checkout-nightly`,
	}
	list := &cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List schedules with their next times", Long: scheduleHelp, Args: noArguments}
	for _, each := range []*cobra.Command{cmd, list} {
		p.makeListing(each, "schedules", p.listSchedules)
	}
	cmd.AddCommand(list, p.triggerCommand())
	return cmd
}

func (p *program) listSchedules(ctx context.Context, c *cluster) error {
	list, err := listObjects[v1alpha1.AgentDisconnectSchedule](ctx, c, scheduleKind, "")
	if err != nil {
		return err
	}
	if len(list) == 0 {
		p.printThatNoneExists(c, scheduleKind)
		return nil
	}
	made, err := listObjects[v1alpha1.AgentDisconnect](ctx, c, runKind, v1alpha1.LabelSchedule)
	if err != nil {
		return err
	}
	for _, line := range view.Schedules(list, made, p.clock.Now(), c.namespace == metav1.NamespaceAll, p.screen().Width()) {
		fmt.Fprintln(p.out, line)
	}
	return nil
}

const triggerHelp = `Create a run of a schedule now, beside its times, and follow it until it is decided.

The run is made from the template as the runs at the times of the schedule are, and may begin within startingDeadline from now. A
schedule with suspend: true can be triggered too. The schedule counts the run as one of its own: in its history, in its status,
and for concurrencyPolicy at its next time.

While another run of the schedule is on, concurrencyPolicy decides. With Forbid, nothing is created. With Replace, the command
first ends that run by deleting its object, waits until it is gone, and looks again: a time of the schedule may have come.

` + outcomeCodes + `
With 2, concurrencyPolicy may also forbid the run, or the schedule is being deleted.`

func (p *program) triggerCommand() *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use: "trigger NAME", Short: "Run a schedule now, and follow the run until it is decided", Long: triggerHelp, Args: scheduleKind.oneName,
		Example: `  kubectl agentdisconnect schedule trigger checkout-nightly --namespace chaos --timeout 1h`,
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 0, "how long to follow the run, and before that to wait for one that is ended first; 0: as long as it takes. The run goes on after it")
	flags := addClusterFlags(cmd)
	cmd.ValidArgsFunction = p.completeSchedules(flags)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkTimeout(timeout); err != nil {
			return err
		}
		c, err := p.connectKubernetes(flags)
		if err != nil {
			return err
		}
		return p.trigger(cmd.Context(), c, args[0], timeout)
	}
	return cmd
}

// trigger creates a run of a schedule, and follows it.
func (p *program) trigger(ctx context.Context, c *cluster, name string, timeout time.Duration) error {
	schedule, err := p.endRunsInTheWay(ctx, c, name, timeout)
	if err != nil {
		return err
	}

	what := scheduleKind.named(schedule.Namespace, schedule.Name)
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(child.NewManual(schedule, p.clock.Now()))
	if err != nil {
		return fmt.Errorf("making a run from the template of %s: %w", what, err)
	}
	delete(fields, "status") // the manager writes it
	obj, err := c.create(ctx, &unstructured.Unstructured{Object: fields}, "the template of "+what)
	if err != nil {
		return err
	}
	return p.followCreated(ctx, c, obj, timeout)
}

// endRunsInTheWay does what the policy of a schedule says about its runs that are on, and returns the schedule as it is
// then. It reads all anew after each run that it ended: that takes minutes, in which a time of the schedule may come.
func (p *program) endRunsInTheWay(ctx context.Context, c *cluster, name string, timeout time.Duration) (*v1alpha1.AgentDisconnectSchedule, error) {
	begun := p.clock.Now()
	for {
		schedule, err := getObject[v1alpha1.AgentDisconnectSchedule](ctx, c, scheduleKind, c.namespace, name)
		if err != nil {
			return nil, fmt.Errorf("no run was created: %w", err)
		}
		what := scheduleKind.named(schedule.Namespace, schedule.Name)
		if !schedule.DeletionTimestamp.IsZero() {
			return nil, &exit{code: exitRefused, err: fmt.Errorf("%s is being deleted, and its runs with it: no run was created", what)}
		}
		made, err := listObjects[v1alpha1.AgentDisconnect](ctx, c, runKind, v1alpha1.LabelSchedule+"="+name)
		if err != nil {
			return nil, fmt.Errorf("no run was created: %w", err)
		}

		now, own := p.clock.Now(), child.Of(schedule, made)
		on := slices.IndexFunc(own, func(obj v1alpha1.AgentDisconnect) bool { return child.IsOn(&obj, now) })
		if on < 0 {
			return schedule, nil
		}
		obj, left := &own[on], timeout-now.Sub(begun)
		isOn := fmt.Sprintf("%s is on (state: %s)", named(obj.Namespace, obj.Name), stateOf(obj))
		switch {
		case schedule.Spec.ConcurrencyPolicy != v1alpha1.ConcurrencyPolicyReplace:
			return nil, &exit{code: exitRefused, err: fmt.Errorf("%s, and concurrencyPolicy of %s is Forbid: no run was created. %s", isOn, what, describeHowToEnd(obj))}
		case timeout == 0:
			left = 0 // as long as it takes
		case left <= 0:
			return nil, &exit{code: exitTimeout, err: fmt.Errorf("no run was created: %s after %s. %s", isOn, timeout, describeHowToEnd(obj))}
		}

		f := p.newFollower(c, obj, left)
		f.say(f.name() + " is on, and concurrencyPolicy is Replace: it is ended first")
		if err := f.deleteAndFollow(ctx); err != nil && !apierrors.IsNotFound(err) { // it may be gone by now
			return nil, fmt.Errorf("no run was created: %w", err)
		}
	}
}

// describeHowToEnd says how a run that stands in the way comes to its end.
func describeHowToEnd(obj *v1alpha1.AgentDisconnect) string {
	if !obj.DeletionTimestamp.IsZero() {
		return fmt.Sprintf("It is being ended. Wait for it: kubectl agentdisconnect watch %s --namespace %s", obj.Name, obj.Namespace)
	}
	return "End it: " + stopCommand(obj)
}
