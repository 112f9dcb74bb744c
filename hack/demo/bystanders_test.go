// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/agents"
)

// What the walk-through proves takes a Region in which the run could have hit others.
func TestWorldIsADefaultVPC(t *testing.T) {
	w := newWalk(t)
	if _, err := w.showBefore(t.Context()); err != nil {
		t.Fatal(err)
	}
	sameCluster, otherCluster := false, false
	for _, i := range w.others.agents {
		sameCluster = sameCluster || i.cluster == w.cluster
		otherCluster = otherCluster || i.cluster != w.cluster
	}
	if !sameCluster || !otherCluster || !w.stack.Sim.World().VPCs[0].Default || w.original.IsDefault == nil || !*w.original.IsDefault {
		t.Errorf("%+v on %s", w.others.agents, idOf(w.original))
	}
	all, err := w.instances(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		if i.subnet == w.subnet && i.cluster != w.cluster {
			t.Errorf("%s of cluster %s is in the subnet: the run would be refused", i.ec2ID, i.cluster)
		}
	}
}

func TestSessionsOfAnAgentsLog(t *testing.T) {
	since := time.Now()
	line := func(after time.Duration, level, text string) agents.Line {
		return agents.Line{Time: since.Add(after), Level: level, Text: text}
	}
	before := line(-time.Second, "warn", "ACS Connection hasn't had any activity for too long; closing connection")
	closing := line(time.Second, "warn", "Closing connection")
	closing.Planned = true
	silent := line(time.Second, "warn", "Closing connection")
	valid := line(time.Second, "info", "ACS WebSocket connection closed for a valid reason")
	connected := line(2*time.Second, "info", "Connected to ACS endpoint")
	for name, tc := range map[string]struct {
		log           []agents.Line
		planned, lost int
	}{
		"quiet":                     {log: []agents.Line{before}},
		"renewed by plan":           {log: []agents.Line{before, closing, valid, connected}, planned: 1},
		"TCS was silent":            {log: []agents.Line{silent, valid, connected}, lost: 1},
		"lost in silence":           {log: []agents.Line{valid, connected}, lost: 1},
		"lost":                      {log: []agents.Line{line(time.Second, "error", "Failed to connect to ACS: i/o timeout")}, lost: 1},
		"renewed, and lost as well": {log: []agents.Line{closing, connected, line(3*time.Second, "info", "Disconnected from ACS"), connected}, planned: 1, lost: 1},
	} {
		t.Run(name, func(t *testing.T) {
			if planned, lost := sessions(tc.log, since); len(planned) != tc.planned || len(lost) != tc.lost {
				t.Errorf("%d renewed, lost: %v", len(planned), lost)
			}
		})
	}
}

func TestBlinksAreSeen(t *testing.T) {
	for name, tc := range map[string]struct {
		disturb func(*testing.T, *walk)
		want    string
	}{
		"an agent that ECS says is not connected": {func(_ *testing.T, w *walk) {
			w.stack.Sim.Region().SetAgentConnected(w.others.agents[0].arn, false)
		}, "not connected"},
		"another entry in the shared network ACL": {func(t *testing.T, w *walk) { w.deny(t, 80) }, "other entries"},
		"nothing": {func(*testing.T, *walk) {}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWalk(t)
			if _, err := w.showBefore(t.Context()); err != nil {
				t.Fatal(err)
			}
			tc.disturb(t, w)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			from := len(w.stack.Sim.Calls())
			await(ctx, t, func() bool { return len(w.stack.Sim.Calls()) >= from+6 || closed(w.others.ended) })
			_, err := w.neverBlinked(ctx)
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
