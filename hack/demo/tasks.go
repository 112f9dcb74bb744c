// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	trailtypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/screen"
)

// trailDelay is about how long CloudTrail takes to show a call.
const trailDelay = 5 * time.Minute

// reasonAgent is the failure that callers of RunTask are to survive.
const reasonAgent = "AGENT"

// short is what an ARN of ECS ends with, cluster and id: all of it would be wider than the screen.
func short(arn string) string {
	_, resource, _ := strings.Cut(arn, "/")
	return resource
}

// requestTask calls RunTask, pinned to the subnet: ECS would choose any other connected instance. It gives the call's
// request id too.
func (w *walk) requestTask(ctx context.Context) (*ecs.RunTaskOutput, string, error) {
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
		return nil, "", err
	}
	id, _ := awsmiddleware.GetRequestIDMetadata(out.ResultMetadata)
	var rows []screen.Row
	for _, t := range out.Tasks {
		rows = append(rows, screen.Row{Cells: []string{"task", awssdk.ToString(t.TaskArn)}}, screen.Row{Cells: []string{"on", "container instance " + short(awssdk.ToString(t.ContainerInstanceArn))}})
	}
	for _, f := range out.Failures {
		row := screen.Row{Cells: []string{"failure", short(awssdk.ToString(f.Arn)), awssdk.ToString(f.Reason)}, Style: screen.Dim}
		if awssdk.ToString(f.Reason) == reasonAgent {
			row.Style = screen.Marked
		}
		rows = append(rows, row)
	}
	w.screen.Table(nil, rows)
	return out, id, nil
}

func (w *walk) runTask(ctx context.Context) (string, error) {
	out, _, err := w.requestTask(ctx)
	if err != nil {
		return "", err
	}
	if len(out.Tasks) != 1 || len(out.Failures) > 0 {
		return "", fmt.Errorf("ECS started %d tasks and named %d failures", len(out.Tasks), len(out.Failures))
	}
	return "ECS placed the task in the subnet", nil
}

func (w *walk) runTaskFails(ctx context.Context) (string, error) {
	out, id, err := w.requestTask(ctx)
	if err != nil {
		return "", err
	}
	if len(out.Tasks) > 0 || len(out.Failures) == 0 {
		return "", fmt.Errorf("ECS started %d tasks and named %d failures", len(out.Tasks), len(out.Failures))
	}
	for _, i := range w.obj.Status.Agents.ContainerInstances {
		// Instances of other subnets are among the failures too: they don't meet the constraint.
		if !slices.ContainsFunc(out.Failures, func(f ecstypes.Failure) bool {
			return awssdk.ToString(f.Arn) == i.ARN && awssdk.ToString(f.Reason) == reasonAgent
		}) {
			return "", fmt.Errorf("no failure has the reason %s for %s", reasonAgent, i.ARN)
		}
	}
	record, err := w.awaitRecord(ctx, id)
	if err != nil {
		return "", err
	}
	w.screen.Print(screen.Dim, "  cloudtrail:LookupEvents  EventName=RunTask, an excerpt of CloudTrailEvent")
	if err := w.showRecord(record); err != nil {
		return "", err
	}
	if err := w.showProbe(ctx); err != nil {
		return "", err
	}
	return "RunTask failed with reason AGENT for every agent of the run, for the probe too, and CloudTrail recorded it", nil
}

// showProbe waits until the run's own probe met AGENT, and shows what the object says of it.
func (w *walk) showProbe(ctx context.Context) error {
	var fails *metav1.Condition
	err := w.until(ctx, func(ctx context.Context) (bool, string, error) {
		err := w.read(ctx)
		fails = meta.FindStatusCondition(w.obj.Status.Conditions, v1alpha1.ConditionRunTaskFails)
		return fails != nil && fails.Status == metav1.ConditionTrue, "waiting for the probe of the run to call RunTask", err
	})
	if err != nil {
		return err
	}
	w.screen.Print(screen.Dim, "  The probe of the run calls RunTask too. Condition RunTaskFails:")
	w.screen.Print(screen.Plain, "  %s", fails.Message)
	return nil
}

// trailRecord is what is shown of a CloudTrail record, in its order and by its names.
type trailRecord struct {
	EventTime        string           `json:"eventTime"`
	EventSource      string           `json:"eventSource"`
	EventName        string           `json:"eventName"`
	RequestID        string           `json:"requestID"`
	ResponseElements responseElements `json:"responseElements"`
}

type responseElements struct {
	Tasks    []json.RawMessage `json:"tasks"`
	Failures []struct {
		ARN    string `json:"arn"`
		Reason string `json:"reason"`
	} `json:"failures"`
}

// awaitRecord waits until CloudTrail shows the call with a request id, as a user looks for it.
func (w *walk) awaitRecord(ctx context.Context, id string) (trailRecord, error) {
	var found trailRecord
	err := w.until(ctx, func(ctx context.Context) (bool, string, error) {
		out, err := w.trail.LookupEvents(ctx, &cloudtrail.LookupEventsInput{LookupAttributes: []trailtypes.LookupAttribute{
			{AttributeKey: trailtypes.LookupAttributeKeyEventName, AttributeValue: awssdk.String("RunTask")},
		}})
		if err != nil {
			return false, "", err
		}
		for _, e := range out.Events {
			if err := json.Unmarshal([]byte(awssdk.ToString(e.CloudTrailEvent)), &found); err != nil {
				return false, "", err
			}
			if found.RequestID == id {
				return true, "", nil
			}
		}
		return false, fmt.Sprintf("CloudTrail shows a call after about 5 minutes, here %s", screen.Seconds(w.inRegion(trailDelay))), nil
	})
	if err == nil && len(found.ResponseElements.Failures) == 0 {
		err = errors.New("CloudTrail's record has no responseElements.failures")
	}
	return found, err
}

func (w *walk) showRecord(record trailRecord) error {
	for i := range record.ResponseElements.Failures {
		failure := &record.ResponseElements.Failures[i]
		failure.ARN = "…/" + short(failure.ARN)
	}
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetIndent("  ", "  ")
	if err := encoder.Encode(record); err != nil {
		return err
	}
	w.screen.Block(screen.Plain, "  "+text.String())
	return nil
}
