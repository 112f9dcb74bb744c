// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/procfs"

	"agentdisconnect.dev/agentdisconnect/hack/screen"
	"agentdisconnect.dev/agentdisconnect/hack/stack"
)

// settledFor is how long a settled manager is measured.
const settledFor = time.Minute

// settled is what a manager takes while nothing begins or ends.
type settled struct {
	// memory is the most that was resident.
	memory bytes
	// cpu is how many processors it uses.
	cpu float64
	// requests are those that it makes of the API server in a minute, for objects, by verb.
	requests map[string]float64
}

func measureSettled(ctx context.Context, s *stack.Stack) (m settled, err error) {
	process, err := procfs.NewProc(s.ManagerPID())
	if err != nil {
		return m, err
	}
	before, err := process.Stat()
	if err != nil {
		return m, err
	}
	asked, err := countRequests(ctx, s.ControlPlane)
	if err != nil {
		return m, err
	}
	begun := time.Now()
	if err := watchMemory(ctx, s.ManagerPID(), begun.Add(settledFor), &m.memory); err != nil {
		return m, err
	}
	after, err := process.Stat()
	if err != nil {
		return m, err
	}
	took := time.Since(begun)
	m.cpu = (after.CPUTime() - before.CPUTime()) / took.Seconds()
	now, err := countRequests(ctx, s.ControlPlane)
	m.requests = map[string]float64{}
	for verb, n := range now {
		if made := n - asked[verb]; made > 0 {
			m.requests[verb] = made / took.Minutes()
		}
	}
	return m, err
}

func (m settled) printRequests(out *screen.Screen) {
	var rows []screen.Row
	for _, verb := range slices.Sorted(maps.Keys(m.requests)) {
		rows = append(rows, screen.Row{Cells: []string{verb, fmt.Sprintf("%.0f", m.requests[verb])}})
	}
	out.Table([]string{"REQUESTS OF THE API SERVER FOR OBJECTS", "A MINUTE"}, rows)
}
