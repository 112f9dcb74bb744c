// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"k8s.io/utils/ptr"

	"agentdisconnect.dev/agentdisconnect/hack/screen"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/agents"
	"agentdisconnect.dev/agentdisconnect/hack/stack"
)

// use makes the walk-through work on a stack: on the subnet of the first container instance of its world.
func (w *walk) use(s *stack.Stack) {
	w.stack = s
	config, world := s.Sim.Config(), s.Sim.World()
	w.ec2, w.ecs, w.trail = ec2.NewFromConfig(config), ecs.NewFromConfig(config), cloudtrail.NewFromConfig(config)
	w.cluster, w.subnet = world.Clusters[0].Name, world.Clusters[0].ContainerInstances[0].Subnet
	w.family = world.TaskDefinitions[0].Family
}

// loseAgents waits until the status counts every agent as disconnected, and until the agents themselves say so.
func (w *walk) loseAgents(ctx context.Context) (string, error) {
	var lines []string
	err := w.until(ctx, func(ctx context.Context) (bool, string, error) {
		if err := w.read(ctx); err != nil {
			return false, "", err
		}
		seen := w.obj.Status.Agents
		if seen == nil {
			return false, w.state(), nil
		}
		total, disconnected := ptr.Deref(seen.Total, 0), ptr.Deref(seen.Disconnected, 0)
		lines = w.agentLines(w.obj.Status.StartTime.Time, isShown)
		said := slices.ContainsFunc(lines, tellsOfTCS)
		text := fmt.Sprintf("%d of %d agents are disconnected", disconnected, total)
		if disconnected == total && !said {
			text += "; no log shows a TCS time-out yet"
		}
		return total > 0 && disconnected == total && said, text, nil
	})
	if err != nil {
		return "", err
	}
	if err := w.kubectlGet(ctx); err != nil {
		return "", err
	}
	w.screen.Print(screen.Dim, "\n  The log of one agent, after the rules were in place:")
	for _, line := range lines {
		w.screen.Print(screen.Plain, "  %s", line)
	}
	a := w.obj.Status.Agents
	return fmt.Sprintf("%d of %d agents are disconnected", *a.Disconnected, *a.Total), nil
}

// agentLines are the lines of the first agent's log since a time that are asked for, the first of each kind.
func (w *walk) agentLines(since time.Time, wanted func(agents.Line) bool) []string {
	instances := w.obj.Status.Agents.ContainerInstances
	if len(instances) == 0 {
		return nil
	}
	agent := w.stack.Sim.Agent(instances[0].ARN)
	if agent == nil {
		return nil
	}
	var lines []string
	kinds := map[string]bool{}
	for _, line := range agent.Log() {
		kind, _, _ := strings.Cut(line.Text, ": ")
		if line.Time.Before(since) || kinds[kind] || !wanted(line) {
			continue
		}
		kinds[kind] = true
		lines = append(lines, line.String())
	}
	return lines
}

func tellsOfLoss(line agents.Line) bool {
	return !line.Planned && (line.Level != "info" || strings.HasPrefix(line.Text, "Disconnected"))
}

// isShown leaves out what an agent warns of on its way to an error.
func isShown(line agents.Line) bool {
	return line.Level == "error" || tellsOfLoss(line) && strings.Contains(line.Text, "ACS")
}

func tellsOfTCS(line string) bool {
	return strings.Contains(line, "Error connecting to TCS") && strings.Contains(line, "i/o timeout")
}

// regainAgents waits until ECS says of every agent of the run that it is connected.
func (w *walk) regainAgents(ctx context.Context) (string, error) {
	if w.obj.Status.Agents == nil || w.obj.Status.Target == nil {
		return "", errors.New("the status lists no agents")
	}
	arns := make([]string, 0, len(w.obj.Status.Agents.ContainerInstances))
	for _, i := range w.obj.Status.Agents.ContainerInstances {
		arns = append(arns, i.ARN)
	}
	var rows []screen.Row
	err := w.until(ctx, func(ctx context.Context) (bool, string, error) {
		out, err := w.ecs.DescribeContainerInstances(ctx, &ecs.DescribeContainerInstancesInput{Cluster: awssdk.String(w.cluster), ContainerInstances: arns})
		if err != nil {
			return false, "", err
		}
		connected := 0
		rows = nil
		for _, i := range out.ContainerInstances {
			if i.AgentConnected {
				connected++
			}
			rows = append(rows, screen.Row{Cells: []string{awssdk.ToString(i.Ec2InstanceId), fmt.Sprint(i.AgentConnected)}})
		}
		return connected == len(arns), fmt.Sprintf("%d of %d agents are connected", connected, len(arns)), nil
	})
	if err != nil {
		return "", err
	}
	w.screen.Table([]string{"INSTANCE", "AGENTCONNECTED"}, rows)
	_, _, gone, _ := w.ending.now()
	took := time.Since(gone)
	return fmt.Sprintf("all agents are connected again, %s after the rules were removed (%s in agents' time)",
		screen.Seconds(took), screen.Seconds(time.Duration(float64(took)*w.scale))), nil
}
