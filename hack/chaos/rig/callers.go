// SPDX-License-Identifier: Apache-2.0

package rig

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	simworld "agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

// Callers are those who call RunTask in a world beside its managers, a principal each.
var Callers = []string{"batch", "nightly", "flow"}

// services are those of AWS that a caller calls by.
var services = map[string]string{"flow": "states.amazonaws.com"}

// Call is a call of RunTask that a caller made, and what ECS made of it.
type Call struct {
	// Role, Service and Family are what a status tells callers apart by.
	Role, Service, Family string
	// Time is when it was, in whole seconds, and ShownAt from when on CloudTrail shows it.
	Time, ShownAt time.Time
	// Tasks counts those that were started. Failures are reasons, by container instance.
	Tasks    int
	Failures map[string]string
}

// withCallers gives a world the access keys of its callers, behind the one of its managers.
func withCallers(w *simworld.World) *simworld.World {
	if w == nil {
		w = simworld.Default()
	}
	w.AccessKeys = w.Keys()
	for _, name := range Callers {
		w.AccessKeys = append(w.AccessKeys, simworld.AccessKey{
			ID: keyOf(name), Account: w.Account, Role: "arn:aws:iam::" + w.Account + ":role/" + name, Session: "session", InvokedBy: services[name],
		})
	}
	return w
}

func keyOf(caller string) string { return "ASIA" + strings.ToUpper(caller) }

// ManagersKey is the access key of all managers of the world; empty: they have one for each session.
func (w *World) ManagersKey() string {
	if w.hub != nil {
		return ""
	}
	return w.Sim.World().Keys()[0].ID
}

// RunTask has a caller run a task of a family in a subnet, and reports whether one was started.
func (w *World) RunTask(ctx context.Context, caller, cluster, family, subnet string) (started bool, err error) {
	client := ecs.NewFromConfig(w.Sim.ConfigFor(keyOf(caller)), func(o *ecs.Options) { o.Retryer = awssdk.NopRetryer{} })
	out, err := client.RunTask(ctx, &ecs.RunTaskInput{
		Cluster: awssdk.String(cluster), TaskDefinition: awssdk.String(family), LaunchType: types.LaunchTypeEc2,
		PlacementConstraints: []types.PlacementConstraint{{Type: types.PlacementConstraintTypeMemberOf, Expression: awssdk.String("attribute:ecs.subnet-id == " + subnet)}},
	})
	if err != nil {
		return false, fmt.Errorf("RunTask by %s: %w", caller, err)
	}

	events := w.region.Recorded()
	i := slices.IndexFunc(events, func(e region.Event) bool { return e.AccessKey == keyOf(caller) })
	if i < 0 {
		return false, errors.New("CloudTrail has no event of " + caller)
	}
	made := Call{
		Role: "arn:aws:iam::" + w.Sim.World().Account + ":role/" + caller, Service: services[caller], Family: family,
		Time: events[i].Time.Truncate(time.Second), ShownAt: events[i].ShownAt, Tasks: len(out.Tasks), Failures: map[string]string{},
	}
	for _, e := range events {
		if e.ID == events[i].ID && e.ShownAt.Before(made.ShownAt) {
			made.ShownAt = e.ShownAt // it is shown twice
		}
	}
	for _, failure := range out.Failures {
		made.Failures[awssdk.ToString(failure.Arn)] = awssdk.ToString(failure.Reason)
	}

	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, made)
	return made.Tasks > 0, nil
}

// SetTrail changes how CloudTrail shows the events that are still to come.
func (w *World) SetTrail(t region.Trail) error { return w.region.SetTrail(t) }
