// SPDX-License-Identifier: Apache-2.0

package points

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/chaos/rig"
)

// Result is what came of a scenario with a fault at a point.
type Result struct {
	// Scenario, Kind and Point say what was played: the names of a scenario, of a kind and of a step. Kind and Point are
	// empty for a scenario that was left undisturbed.
	Scenario, Kind, Point string
	// Reached reports whether the point was: calls that are made side by side may come out otherwise.
	Reached bool
	// Wrong is what the run did wrong.
	Wrong rig.Wrong
	// RoundTrips is the longest chain of calls between the run's end and the last trace of it.
	RoundTrips int
	// Took is in real time.
	Took time.Duration
	// Log has the run's steps, a line each, where something is wrong.
	Log []string `json:",omitempty"`
}

// Failed reports whether anything is wrong.
func (r Result) Failed() bool { return !r.Wrong.None() }

// Points are the steps of a scenario's manager. The first Shared of them come before anything sets the scenario apart from
// a run that nothing happens to, which has them too.
type Points struct {
	Steps  []rig.Step
	Shared int
}

// Find plays a scenario undisturbed, and gives its points.
func Find(ctx context.Context, plane *rig.Plane, s Scenario) (Points, Result, error) {
	p, result, err := playOnce(ctx, plane, s, nil, "")
	if err != nil {
		return Points{}, result, err
	}
	found := Points{Shared: p.own}
	for _, r := range p.w.Records() {
		found.Steps = append(found.Steps, r.Step)
	}
	return found, result, nil
}

// Try plays a scenario with a fault of a kind at a point.
func Try(ctx context.Context, plane *rig.Plane, s Scenario, k Kind, point string) (Result, error) {
	_, result, err := playOnce(ctx, plane, s, &k, point)
	return result, err
}

func playOnce(ctx context.Context, plane *rig.Plane, s Scenario, k *Kind, point string) (p *play, result Result, err error) {
	begun := time.Now()
	result = Result{Scenario: s.Name, Point: point}
	p = &play{ctx: ctx, scenario: s}
	if k != nil {
		result.Kind = k.Name
	}
	var meanwhile error
	tap := func(step *rig.Step, after bool, _ error) rig.Verdict {
		if !p.done && !after && !step.DryRun && slices.Contains(s.during, step.Action) {
			p.done = true
			meanwhile = s.meanwhile(p)
		}
		if k == nil || p.struck || step.Name != point || after != k.after {
			return rig.Verdict{}
		}
		p.struck = true
		return k.strike(p.w, step)
	}
	if p.w, err = plane.NewWorld(ctx, rig.Options{DeadMan: s.deadMan, Spoke: s.spoke, Tap: tap}); err != nil {
		return p, result, err
	}
	defer func() { err = errors.Join(err, p.w.Close(context.WithoutCancel(ctx))) }()
	if err := p.w.SetTrail(trail); err != nil {
		return p, result, err
	}
	if err := errors.Join(p.toTheEnd(), meanwhile); err != nil {
		return p, result, fmt.Errorf("playing %s with %s at %q: %w", s.Name, result.Kind, point, err)
	}
	result.Reached, result.RoundTrips = p.struck, p.w.RoundTrips()
	if result.Wrong, err = p.w.Wrong(ctx); err != nil {
		return p, result, err
	}
	if result.Failed() {
		for _, r := range p.w.Records() {
			result.Log = append(result.Log, r.String())
		}
	}
	result.Took = time.Since(begun)
	return p, result, nil
}

// toTheEnd plays the script, lets the run come to its end, and then lets paused managers go on. A sweep follows.
func (p *play) toTheEnd() error {
	if err := p.scenario.script(p); err != nil {
		return err
	}
	if _, err := p.w.Until(p.ctx, settling, p.w.Settled); err != nil {
		return err
	}
	p.w.Thaw()
	if err := p.w.Run(p.ctx, afterLife); err != nil {
		return err
	}
	// A frozen manager that woke up may have left the next one work.
	_, err := p.w.Until(p.ctx, settling, p.w.Settled)
	return err
}
