// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	trailtypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"

	"agentdisconnect.dev/agentdisconnect/hack/screen"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

// trailTakes is how long CloudTrail takes here to show a call, at least and at most.
func (w *walk) trailTakes(of *world.World) (least, most time.Duration) {
	trail := of.Trail.Parsed()
	return w.inRegion(trail.Delay), w.inRegion(trail.Delay + trail.Jitter)
}

// trailMost is how long CloudTrail takes at most.
func (w *walk) trailMost() time.Duration {
	_, most := w.trailTakes(w.stack.Sim.World())
	return most
}

// wholeSeconds is a duration as the manager takes it, rounded up.
func wholeSeconds(d time.Duration) time.Duration {
	return max((d + time.Second - 1).Truncate(time.Second), time.Second)
}

// trailInWords says how long CloudTrail takes.
func (w *walk) trailInWords(of *world.World) string {
	least, most := w.trailTakes(of)
	return fmt.Sprintf("%s to %s", screen.Seconds(least), screen.Seconds(most))
}

// trailRecord is what is shown of a CloudTrail record, in its order and by its names.
type trailRecord struct {
	EventTime        time.Time        `json:"eventTime"`
	UserIdentity     userIdentity     `json:"userIdentity"`
	EventSource      string           `json:"eventSource"`
	EventName        string           `json:"eventName"`
	ResponseElements responseElements `json:"responseElements"`
}

type userIdentity struct {
	Type string `json:"type"`
	ARN  string `json:"arn"`
}

type responseElements struct {
	Tasks    []json.RawMessage `json:"tasks"`
	Failures []struct {
		ARN    string `json:"arn"`
		Reason string `json:"reason"`
	} `json:"failures"`
}

// recorded waits until CloudTrail shows the call of the caller that gives up, as a user looks for it.
func (w *walk) recorded(ctx context.Context) (string, error) {
	var found trailRecord
	err := w.until(ctx, func(ctx context.Context) (done bool, seen string, err error) {
		found, done, err = w.findRecord(ctx, w.givesUp.role)
		return done, "CloudTrail shows a call after " + w.trailInWords(w.stack.Sim.World()), err
	})
	if err != nil {
		return "", err
	}
	shown := time.Since(found.EventTime)
	w.screen.Print(screen.Dim, "  cloudtrail:LookupEvents  EventName=RunTask, an excerpt of CloudTrailEvent")
	agent, err := w.showRecord(found)
	if err == nil && !agent {
		err = fmt.Errorf("CloudTrail's record has no failure with reason %s", reasonAgent)
	}
	if err == nil && len(found.ResponseElements.Tasks) > 0 {
		err = errors.New("CloudTrail's record has a task")
	}
	return fmt.Sprintf("CloudTrail shows who met AGENT, about %s after the call", shown.Round(time.Second)), err
}

// findRecord looks once for a call of RunTask by a role's session.
func (w *walk) findRecord(ctx context.Context, role string) (record trailRecord, found bool, err error) {
	out, err := w.trail.LookupEvents(ctx, &cloudtrail.LookupEventsInput{LookupAttributes: []trailtypes.LookupAttribute{
		{AttributeKey: trailtypes.LookupAttributeKeyEventName, AttributeValue: awssdk.String("RunTask")},
	}})
	if err != nil {
		return trailRecord{}, false, err
	}
	session := ":assumed-role/" + short(role) + "/"
	for _, e := range out.Events {
		record = trailRecord{}
		if err := json.Unmarshal([]byte(awssdk.ToString(e.CloudTrailEvent)), &record); err != nil {
			return trailRecord{}, false, err
		}
		if strings.Contains(record.UserIdentity.ARN, session) {
			return record, true, nil
		}
	}
	return trailRecord{}, false, nil
}

// showRecord shows a record with ARNs cut short, and reports whether it has a failure with reason AGENT.
func (w *walk) showRecord(record trailRecord) (agent bool, err error) {
	for i := range record.ResponseElements.Failures {
		failure := &record.ResponseElements.Failures[i]
		agent = agent || failure.Reason == reasonAgent
		failure.ARN = "…/" + short(failure.ARN)
	}
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetIndent("  ", "  ")
	if err := encoder.Encode(record); err != nil {
		return false, err
	}
	w.screen.Block(screen.Plain, "  "+text.String())
	return agent, nil
}
