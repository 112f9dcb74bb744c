// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strings"

	"agentdisconnect.dev/agentdisconnect/hack/chaos/history"
	"agentdisconnect.dev/agentdisconnect/hack/chaos/live"
	"agentdisconnect.dev/agentdisconnect/hack/chaos/points"
	"agentdisconnect.dev/agentdisconnect/hack/chaos/rig"
)

// whole reports whether the command asks for everything, and not for some points.
func (s *settings) whole() bool { return s.only.String() == "^(?:)" && s.point == "" }

// once gives what came of a thing that is no point of a scenario, and does it where that is not known yet.
func (c *campaign) once(scenario, kind, what string, do func() (points.Result, error)) error {
	j := job{points.Scenario{Name: scenario}, points.Kind{Name: kind}, what}
	result, known := c.kept.find(j)
	if known {
		c.before++
	} else {
		var err error
		if result, err = do(); err != nil {
			return err
		}
		result.Scenario, result.Kind, result.Point, result.Reached = scenario, kind, what, true
		if err := c.kept.add(j, result); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tried = append(c.tried, result)
	return nil
}

// histories plays random histories, a seed each.
func (c *campaign) histories(ctx context.Context) error {
	for i := range uint64(c.set.histories) {
		seed := uint64(c.set.seed) + i
		c.live.Wait(fmt.Sprintf("running random histories: %d of %d", i, c.set.histories), "")
		if err := c.once("random", "history", fmt.Sprintf("seed %d", seed), func() (points.Result, error) {
			var said strings.Builder
			sum, err := history.Soak(ctx, history.SoakOptions{Plane: c.plane, Seed: seed, Count: 1, Out: &said})
			var result points.Result
			if len(sum.Failures) > 0 {
				result.Wrong, result.Log = rig.Wrong{Strange: []string{"a promise was broken"}}, strings.Split(said.String(), "\n")
			}
			return result, err
		}); err != nil {
			return err
		}
	}
	return nil
}

// kills ends real managers by SIGKILL.
func (c *campaign) kills(ctx context.Context) error {
	if c.set.kills == 0 {
		return nil
	}
	var trouble error
	err := live.Kill(ctx, live.Options{
		Seed: uint64(c.set.seed), Points: c.set.kills,
		Skip: func(scenario, point string) bool {
			_, known := c.kept.find(job{points.Scenario{Name: "live." + scenario}, points.Kind{Name: "sigkill"}, point})
			if known {
				trouble = c.once("live."+scenario, "sigkill", point, nil)
			}
			return known
		},
		Report: func(o live.Outcome) {
			c.live.Wait(o.String(), "")
			err := c.once("live."+o.Scenario, "sigkill", o.Point, func() (points.Result, error) {
				result := points.Result{Took: o.Took, Wrong: rig.Wrong{Leaks: o.Left, Foreign: o.Lost}}
				if o.Err != nil {
					result.Wrong.Late = []string{o.Err.Error()}
				}
				return result, nil
			})
			if trouble == nil {
				trouble = err
			}
		},
	})
	if err == nil {
		err = trouble
	}
	return err
}
