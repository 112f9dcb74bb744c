// SPDX-License-Identifier: Apache-2.0

package live

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
)

// point is a moment in a run: right before or right after a call that changes something in AWS. Calls that are made side by
// side have no order, so they are told apart by how many of their kind came before.
type point struct {
	action string // service:Action
	nth    int    // from 0
	after  bool
}

// String is the same for the same point of each run.
func (p point) String() string {
	when := "before"
	if p.after {
		when = "after"
	}
	return fmt.Sprintf("%s %s #%d", when, p.action, p.nth+1)
}

// pointsOf are the points of a run that made these calls.
func pointsOf(calls []sim.Call) (points []point) {
	seen := map[string]int{}
	for _, c := range calls {
		if !changes(c) {
			continue
		}
		for _, after := range []bool{false, true} {
			points = append(points, point{c.Name(), seen[c.Name()], after})
		}
		seen[c.Name()]++
	}
	return points
}

// draw gives the points in an order that the seed decides. Each action has its turn before one comes again: most calls of a
// run are about entries, and alike.
func draw(points []point, seed uint64) []point {
	drawn := slices.Clone(points)
	rand.New(rand.NewPCG(seed, 0)).Shuffle(len(drawn), func(i, j int) { drawn[i], drawn[j] = drawn[j], drawn[i] })
	turns, turn := map[string]int{}, map[point]int{}
	for _, p := range drawn {
		turn[p] = turns[p.action]
		turns[p.action]++
	}
	slices.SortStableFunc(drawn, func(a, b point) int { return cmp.Compare(turn[a], turn[b]) })
	return drawn
}

// at calls strike once, when the point is reached for the first time from now on: before the call's effect, which then takes
// place, or between the effect and the answer. The call waits for it.
func at(set *faults.Set, p point, strike func()) (remove func()) {
	var mu sync.Mutex
	met := 0
	hook := func(c call.Call) {
		if !changes(c) {
			return
		}
		mu.Lock()
		met++
		due := met == p.nth+1
		mu.Unlock()
		if due {
			strike()
		}
	}
	if p.after {
		return set.After(p.action, hook)
	}
	return set.Before(p.action, hook)
}
