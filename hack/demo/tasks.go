// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/screen"
)

// reasonAgent is the failure that callers of RunTask are to survive.
const reasonAgent = "AGENT"

// short is what an ARN of ECS ends with, cluster and id: all of it would be wider than the screen.
func short(arn string) string {
	_, resource, _ := strings.Cut(arn, "/")
	return resource
}

// runTask calls RunTask, pinned to the subnet: ECS would choose any other connected instance.
func (w *walk) runTask(ctx context.Context) (string, error) {
	pin := "attribute:ecs.subnet-id == " + w.subnet
	w.screen.Table(nil, []screen.Row{
		{Cells: []string{"ecs:RunTask", fmt.Sprintf("cluster %s, task definition %s,", w.cluster, w.family)}, Style: screen.Dim},
		{Cells: []string{"", fmt.Sprintf("placement constraint memberOf(%s)", pin)}, Style: screen.Dim},
	})
	out, err := w.ecs.RunTask(ctx, &ecs.RunTaskInput{
		Cluster: awssdk.String(w.cluster), TaskDefinition: awssdk.String(w.family),
		PlacementConstraints: []ecstypes.PlacementConstraint{{Type: ecstypes.PlacementConstraintTypeMemberOf, Expression: awssdk.String(pin)}},
	})
	if err != nil {
		return "", err
	}
	var rows []screen.Row
	for _, t := range out.Tasks {
		rows = append(rows, screen.Row{Cells: []string{"task", short(awssdk.ToString(t.TaskArn))}}, screen.Row{Cells: []string{"on", "container instance " + short(awssdk.ToString(t.ContainerInstanceArn))}})
	}
	for _, f := range out.Failures {
		row := screen.Row{Cells: []string{"failure", short(awssdk.ToString(f.Arn)), awssdk.ToString(f.Reason)}, Style: screen.Dim}
		if awssdk.ToString(f.Reason) == reasonAgent {
			row.Style = screen.Marked
		}
		rows = append(rows, row)
	}
	w.screen.Table(nil, rows)
	if len(out.Tasks) != 1 || len(out.Failures) > 0 {
		return "", fmt.Errorf("ECS started %d tasks and named %d failures", len(out.Tasks), len(out.Failures))
	}
	return "ECS placed the task in the subnet", nil
}

// probeCalls is how many calls of the probe are waited for: the callers come after them, so that what is left of the run is
// shorter than the time that they have to recover.
const probeCalls = 2

// probeMeetsAgent waits until the run's own probe met AGENT, and shows what the object says of it.
func (w *walk) probeMeetsAgent(ctx context.Context) (string, error) {
	var fails *metav1.Condition
	err := w.until(ctx, func(ctx context.Context) (bool, string, error) {
		err := w.read(ctx)
		fails = meta.FindStatusCondition(w.obj.Status.Conditions, v1alpha1.ConditionRunTaskFails)
		answers := int32(0)
		for _, o := range ptr.Deref(w.obj.Status.Probe, v1alpha1.ProbeStatus{}).Outcomes {
			answers += o.Count
		}
		said := fails != nil && strings.Contains(fails.Message, fmt.Sprintf("in %d of %d calls", answers, answers))
		return said && fails.Status == metav1.ConditionTrue && answers >= probeCalls, fmt.Sprintf("calls of the probe that were answered: %d", answers), err
	})
	if err != nil {
		return "", err
	}
	w.screen.Print(screen.Dim, "  status.probe")
	var rows []screen.Row
	for _, o := range w.obj.Status.Probe.Outcomes {
		rows = append(rows, screen.Row{Cells: []string{o.Reason, fmt.Sprintf("%d times, from %s to %s", o.Count, clock(o.FirstTime.Time), clock(o.LastTime.Time))}, Style: screen.Marked})
	}
	w.screen.Table(nil, rows)
	w.screen.Print(screen.Dim, "  Condition RunTaskFails")
	w.screen.Print(screen.Plain, "  %s", fails.Message)
	if outcomes := w.obj.Status.Probe.Outcomes; len(outcomes) != 1 || outcomes[0].Reason != v1alpha1.ProbeAgent {
		return "", errors.New("a call of the probe was answered with something else than AGENT")
	}
	return "RunTask failed with reason AGENT each time that the probe called it", nil
}
