// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"agentdisconnect.dev/agentdisconnect/hack/screen"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/agents"
)

// renewal is how long ECS may take an agent for disconnected that replaces its session by plan, as each does about every
// half hour.
const renewal = 2 * time.Second

// instance is a container instance, as ECS has it.
type instance struct {
	arn, ec2ID, cluster, subnet string
	connected                   bool
}

// instances are those of all clusters.
func (w *walk) instances(ctx context.Context) ([]instance, error) {
	clusters, err := w.ecs.ListClusters(ctx, &ecs.ListClustersInput{})
	if err != nil {
		return nil, err
	}
	var all []instance
	for _, cluster := range clusters.ClusterArns {
		list, err := w.ecs.ListContainerInstances(ctx, &ecs.ListContainerInstancesInput{Cluster: awssdk.String(cluster)})
		if err != nil {
			return nil, err
		}
		of, err := w.describeInstances(ctx, short(cluster), list.ContainerInstanceArns)
		if err != nil {
			return nil, err
		}
		all = append(all, of...)
	}
	slices.SortFunc(all, func(a, b instance) int {
		return cmp.Or(cmp.Compare(a.subnet, b.subnet), cmp.Compare(a.cluster, b.cluster), cmp.Compare(a.ec2ID, b.ec2ID))
	})
	return all, nil
}

func (w *walk) describeInstances(ctx context.Context, cluster string, arns []string) ([]instance, error) {
	out, err := w.ecs.DescribeContainerInstances(ctx, &ecs.DescribeContainerInstancesInput{Cluster: awssdk.String(cluster), ContainerInstances: arns})
	if err != nil {
		return nil, err
	}
	var all []instance
	for _, i := range out.ContainerInstances {
		found := instance{arn: awssdk.ToString(i.ContainerInstanceArn), ec2ID: awssdk.ToString(i.Ec2InstanceId), cluster: cluster, connected: i.AgentConnected}
		for _, a := range i.Attributes {
			if awssdk.ToString(a.Name) == "ecs.subnet-id" {
				found.subnet = awssdk.ToString(a.Value)
			}
		}
		all = append(all, found)
	}
	return all, nil
}

// agentsIn counts the agents in a subnet, by cluster.
func agentsIn(subnet string, all []instance) string {
	counts := map[string]int{}
	for _, i := range all {
		if i.subnet == subnet {
			counts[i.cluster]++
		}
	}
	var parts []string
	for _, cluster := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d of %s", counts[cluster], cluster))
	}
	return strings.Join(parts, ", ")
}

// bystanders are the agents in the other subnets that share the network ACL, and what was seen of them and of it.
type bystanders struct {
	agents []instance
	since  time.Time
	stop   context.CancelFunc
	ended  chan struct{}

	// What follows belongs to the one who looks, until ended is closed.
	looks     int
	last      time.Time
	gap       time.Duration          // the longest time between two looks
	connected map[string]int         // looks in which ECS said so, by ARN
	away      map[string][]time.Time // when it said otherwise
	err       error                  // of a look that failed, or saw the network ACL changed
}

// watchOthers has ECS asked about the other subnets' agents, and EC2 about the network ACL that they share, until seenAll.
func (w *walk) watchOthers(ctx context.Context) {
	o := &w.others
	ctx, o.stop = context.WithCancel(context.WithoutCancel(ctx)) // the step's own context ends with the step
	o.since, o.last = time.Now(), time.Now()
	o.ended, o.connected, o.away = make(chan struct{}), map[string]int{}, map[string][]time.Time{}
	tick := time.NewTicker(look)
	go func() {
		defer close(o.ended)
		defer tick.Stop()
		for {
			if err := w.lookAtOthers(ctx); err != nil && ctx.Err() == nil {
				o.err = errors.Join(o.err, err)
				return
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
}

// lookAtOthers looks once.
func (w *walk) lookAtOthers(ctx context.Context) error {
	o := &w.others
	clusters := map[string][]string{}
	for _, i := range o.agents {
		clusters[i.cluster] = append(clusters[i.cluster], i.arn)
	}
	acl, err := w.theOne(ctx, "network-acl-id", idOf(w.original))
	if err != nil {
		return err
	}
	if len(lacking(w.original.Entries, acl.Entries))+len(lacking(acl.Entries, w.original.Entries)) > 0 {
		return fmt.Errorf("%s had other entries at %s", idOf(acl), clock(time.Now()))
	}
	var all []instance
	for cluster, arns := range clusters {
		of, err := w.describeInstances(ctx, cluster, arns)
		if err != nil {
			return err
		}
		all = append(all, of...)
	}
	for _, i := range all {
		if i.connected {
			o.connected[i.arn]++
		} else {
			o.away[i.arn] = append(o.away[i.arn], time.Now())
		}
	}
	o.gap, o.last = max(o.gap, time.Since(o.last)), time.Now()
	o.looks++
	return nil
}

// seenAll ends the watch.
func (o *bystanders) seenAll() {
	if o.stop != nil {
		o.stop()
		<-o.ended
	}
}

// neverBlinked holds what ECS said of the other subnets' agents all the time beside what their own logs have.
func (w *walk) neverBlinked(context.Context) (string, error) {
	o := &w.others
	o.seenAll()
	var rows []screen.Row
	subnet := ""
	failed := o.err
	if o.looks == 0 {
		failed = errors.Join(failed, errors.New("no check took place"))
	}
	for _, i := range o.agents {
		var log []agents.Line
		if agent := w.stack.Sim.Agent(i.arn); agent != nil {
			log = agent.Log()
		}
		planned, lost := sessions(log, o.since)
		if i.subnet != subnet {
			subnet = i.subnet
			rows = append(rows, screen.Row{Cells: []string{subnet, "", "", ""}})
		}
		row := screen.Row{Cells: []string{
			"  " + i.ec2ID, i.cluster, fmt.Sprintf("true, %d times of %d", o.connected[i.arn], o.looks), fmt.Sprintf("%d lost", len(lost)),
		}}
		if len(planned) > 0 {
			row.Cells[3] += fmt.Sprintf(", %d renewed", len(planned))
		}
		if err := o.blinked(i, planned, lost); err != nil {
			row.Style, failed = screen.Bad, errors.Join(failed, fmt.Errorf("%s: %w", i.ec2ID, err))
		}
		rows = append(rows, row)
	}
	w.screen.Table([]string{"SUBNET, INSTANCE", "CLUSTER", "AGENTCONNECTED", "SESSIONS, BY LOG"}, rows)
	if failed != nil {
		return "", failed
	}
	return fmt.Sprintf("%d agents stayed connected during both runs (checked every %s or more often); %s had the same entries each time",
		len(o.agents), screen.Seconds(o.gap), idOf(w.original)), nil
}

// blinked says when an agent was not connected.
func (o *bystanders) blinked(i instance, planned []time.Time, lost []agents.Line) error {
	if len(lost) > 0 {
		return errors.New(lost[0].String())
	}
	for _, at := range o.away[i.arn] {
		if !slices.ContainsFunc(planned, func(p time.Time) bool { return at.Sub(p).Abs() < renewal }) {
			return fmt.Errorf("ECS reported at %s that it is not connected", clock(at))
		}
	}
	if seen := o.connected[i.arn] + len(o.away[i.arn]); seen != o.looks {
		return fmt.Errorf("ECS reported it %d times of %d", seen, o.looks)
	}
	return nil
}

// sessions goes through an agent's log from a time on: when it replaced a session by plan, and the lines that tell of one
// that was lost.
func sessions(log []agents.Line, since time.Time) (planned []time.Time, lost []agents.Line) {
	connects := 0
	var last agents.Line
	for _, line := range log {
		switch {
		case line.Time.Before(since):
		case tellsOfLoss(line):
			lost = append(lost, line)
		case line.Planned && line.Text == "Closing connection":
			planned = append(planned, line.Time)
		case strings.HasPrefix(line.Text, "Connected to "):
			connects, last = connects+1, line
		}
	}
	if connects > len(planned) && len(lost) == 0 {
		lost = append(lost, last) // one that was lost without a word
	}
	return planned, lost
}
