// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/agentdisconnect"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/options"
	"agentdisconnect.dev/agentdisconnect/hack/screen"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

const (
	// settleFor is when all rules are in place and the runs share their reads, and togetherFor how
	// long their calls are counted then.
	settleFor, togetherFor = 4 * time.Minute, 5 * time.Minute
	// vpcPlaces is how many places a VPC gets: EC2 allows it 200 network ACLs.
	vpcPlaces = 180
	// mostTogether still has a block of addresses for each subnet.
	mostTogether = 10000
)

// together are the calls a minute of runs of one account and Region that block at the same time.
type together struct {
	runs, clusters int
	// perMinute are those of all runs, and alone those of one of them without the others.
	perMinute, alone map[string]float64
}

func sum(calls map[string]float64) (all float64) {
	for _, n := range calls {
		all += n
	}
	return all
}

// countTogether must have the objects to itself: no manager may be running.
func countTogether(ctx context.Context, kube client.Client, most int, progress func(string, ...any)) (all []together, err error) {
	for _, clusters := range []int{1, 50} {
		for runs := 1; runs <= most; runs *= 10 {
			each := together{runs: runs, clusters: min(runs, clusters)}
			if clusters > 1 && runs == 1 {
				continue // the same as in one cluster
			}
			progress("counting calls of %d runs in %d clusters", runs, each.clusters)
			if each.alone, err = countBlocking(ctx, kube, each, 1); err != nil {
				return nil, err
			}
			if each.perMinute, err = countBlocking(ctx, kube, each, runs); err != nil {
				return nil, err
			}
			all = append(all, each)
		}
	}
	return all, nil
}

// countBlocking counts the calls of the first so many of the runs that there is room for.
func countBlocking(ctx context.Context, kube client.Client, room together, runs int) (map[string]float64, error) {
	places := togetherPlaces(room.runs, room.clusters)
	s, err := sim.Start(ctx, sim.Options{NoAgents: true, World: togetherWorld(places)})
	if err != nil {
		return nil, err
	}
	defer s.Close()

	clock := lookingClock{clocktesting.NewFakeClock(time.Now())}
	opts := options.Defaults()
	opts.DNSServer, opts.MaxActiveRuns = s.DNSAddr(), 0
	sessions := aws.NewSessions(s.Config(), "agentdisconnect", "bench")
	sessions.Clock = clock
	c := newOnClock(kube, clock, agentdisconnect.New(kube, kube, &events.FakeRecorder{}, sessions, clock, opts))
	for i, p := range places[:runs] {
		if err := c.add(ctx, newObject(fmt.Sprintf("together-%d-%d-%d-%d", room.runs, room.clusters, runs, i), p, time.Hour)); err != nil {
			return nil, err
		}
	}

	if err := c.run(ctx, settleFor/2, v1alpha1.StateBlocking); err != nil {
		return nil, err
	}
	for _, i := range s.Region().ContainerInstances() {
		s.Region().SetAgentConnected(i.ARN, false)
	}
	if err := c.run(ctx, settleFor/2, v1alpha1.StateBlocking); err != nil {
		return nil, err
	}
	before := len(s.Calls())
	if err := c.run(ctx, togetherFor, v1alpha1.StateBlocking); err != nil {
		return nil, err
	}
	perMinute := map[string]float64{}
	for name, n := range byAction(s.Calls()[before:]) {
		perMinute[name] = float64(n) / togetherFor.Minutes()
	}
	return perMinute, c.drop(ctx)
}

// drop removes the objects as they are: their Region goes with them.
func (c *onClock) drop(ctx context.Context) error {
	for key := range c.due {
		obj := &v1alpha1.AgentDisconnect{}
		obj.Namespace, obj.Name = key.Namespace, key.Name
		released := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))
		if err := c.kube.Patch(ctx, obj, released); err != nil {
			return err
		}
		if err := c.kube.Delete(ctx, obj); err != nil {
			return err
		}
	}
	return nil
}

// togetherPlaces are n places, dealt out to some clusters.
func togetherPlaces(n, clusters int) []place {
	places := fleetPlaces(single[0].mode, n)
	for i := range places {
		places[i].cluster = fmt.Sprintf("cluster-%d", i%clusters)
	}
	return places
}

// togetherWorld is the default world with two agents in each of the places, and nothing else.
func togetherWorld(places []place) *world.World {
	w := world.Default()
	entries := w.NetworkACLs[0].Entries
	w.NetworkACLs = slices.DeleteFunc(w.NetworkACLs, func(a world.NetworkACL) bool { return !a.Default })
	w.Subnets, w.Clusters = nil, nil
	for i, p := range places {
		net, at := i/vpcPlaces+1, i%vpcPlaces
		id := fleetID("vpc-0", net)
		if at == 0 {
			w.VPCs = append(w.VPCs, world.VPC{ID: id, CIDR: fmt.Sprintf("10.%d.0.0/16", net)})
			w.NetworkACLs = append(w.NetworkACLs, world.NetworkACL{ID: fleetID("acl-0", 2*clonesFrom+net), VPC: id, Default: true, Entries: entries})
		}
		if !slices.ContainsFunc(w.Clusters, func(c world.Cluster) bool { return c.Name == p.cluster }) {
			w.Clusters = append(w.Clusters, world.Cluster{Name: p.cluster})
		}
		addPlace(w, p, id, i, fmt.Sprintf("10.%d.%d", net, at))
	}
	return w
}

func (f *figures) printTogether(out *screen.Screen) {
	var rows []screen.Row
	actions := map[string]bool{}
	for _, each := range f.together {
		apart := sum(each.alone) * float64(each.runs)
		rows = append(rows, screen.Row{Cells: []string{
			fmt.Sprint(each.runs), fmt.Sprint(each.clusters), fmt.Sprintf("%.1f", sum(each.perMinute)), fmt.Sprintf("%.0f", apart), ratio(apart, sum(each.perMinute)),
		}})
		for name := range each.perMinute {
			actions[name] = true
		}
	}
	out.Print(screen.Bold, "\nAWS calls a minute of runs that block, in one account and Region, two agents each")
	out.Table([]string{"RUNS", "CLUSTERS", "TOGETHER", "EACH BY ITSELF", "RATIO"}, rows)
	out.Print(screen.Dim, "Each by itself: what one of the runs makes without the others, times their number.")

	heads, rows := []string{""}, nil
	for _, each := range f.together {
		heads = append(heads, fmt.Sprintf("%d IN %d", each.runs, each.clusters))
	}
	for _, name := range slices.Sorted(maps.Keys(actions)) {
		row := screen.Row{Cells: []string{name}}
		for _, each := range f.together {
			row.Cells = append(row.Cells, fmt.Sprintf("%.1f", each.perMinute[name]))
		}
		rows = append(rows, row)
	}
	out.Table(heads, rows)
}
