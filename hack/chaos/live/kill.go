// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
)

// Options say how much of the sample to run.
type Options struct {
	// Seed decides the order in which points are drawn.
	Seed uint64
	// Points is how many of each scenario are tried; 0: all of them.
	Points int
	// Skip, if set, says of a point whether to leave it out, as one that an earlier call did. It counts as tried.
	Skip func(scenario, point string) bool
	// Report, if set, is told of each point after it was tried.
	Report func(Outcome)
}

// Outcome is what came of a manager's end at one point.
type Outcome struct {
	// Scenario and Point are the same for the same point of each call of Kill.
	Scenario, Point string
	// Left is what is in the Region and was not before; Lost is what was there and is not, or not as it was.
	Left, Lost []string
	// Took is from the end of the process, or from the deletion of the object where that came later, until the object was
	// gone.
	Took time.Duration
	// Calls is how many calls AWS had in that time.
	Calls int
	// Err says why the object is not gone.
	Err error
}

// OK reports whether all is as it should be.
func (o Outcome) OK() bool { return o.Err == nil && len(o.Left)+len(o.Lost) == 0 }

// String is the outcome on one line.
func (o Outcome) String() string {
	text := fmt.Sprintf("%s, killed %s: gone after %.1f s and %d calls", o.Scenario, o.Point, o.Took.Seconds(), o.Calls)
	if len(o.Left) > 0 {
		text += "; left: " + strings.Join(o.Left, ", ")
	}
	if len(o.Lost) > 0 {
		text += "; lost: " + strings.Join(o.Lost, ", ")
	}
	if o.Err != nil {
		text += "; " + o.Err.Error()
	}
	return text
}

// Kill ends the manager's process at points of a run in place and of one on a clone, and sees each time that the next manager
// takes everything back when the object is deleted. Its error says that there was no trying; what a trial found is in its
// Outcome.
func Kill(ctx context.Context, o Options) (err error) {
	k := &killer{o: o}
	defer func() { err = errors.Join(err, k.close()) }()
	for _, sc := range []scenario{inPlace, clone} {
		if err := k.sample(ctx, sc); err != nil {
			return fmt.Errorf("%s: %w", sc.name, err)
		}
	}
	return nil
}

// killer has a stage for as long as its Region is as it was.
type killer struct {
	o      Options
	stage  *stage
	keeper *keeper
}

func (k *killer) open(ctx context.Context) (err error) {
	if k.stage != nil {
		return nil
	}
	if k.stage, err = newStage(ctx); err != nil {
		return err
	}
	k.keeper, err = k.stage.startKeeper(ctx)
	return err
}

func (k *killer) close() (err error) {
	if k.keeper != nil {
		err = k.keeper.close()
	}
	if k.stage != nil {
		err = errors.Join(err, k.stage.Close())
	}
	k.stage, k.keeper = nil, nil
	return err
}

// sample tries points of one scenario.
func (k *killer) sample(ctx context.Context, sc scenario) error {
	points, err := k.record(ctx, sc)
	if err != nil {
		return fmt.Errorf("the run without a fault: %w", err)
	}
	tried := 0
	for _, p := range draw(points, k.o.Seed) {
		if k.o.Points > 0 && tried == k.o.Points {
			break
		}
		if k.o.Skip != nil && k.o.Skip(sc.name, p.String()) {
			tried++
			continue
		}
		outcome, reached, err := k.try(ctx, sc, p)
		if err != nil {
			return err
		}
		if !reached && outcome.OK() { // a call that a run only makes where lookups come late
			continue
		}
		tried++
		if k.o.Report != nil {
			k.o.Report(outcome)
		}
	}
	return nil
}

// record finds the points of a run.
func (k *killer) record(ctx context.Context, sc scenario) ([]point, error) {
	if err := k.open(ctx); err != nil {
		return nil, err
	}
	first := len(k.stage.Sim.Calls())
	obj, err := k.stage.begin(ctx, sc)
	if err != nil {
		return nil, err
	}
	if err := k.stage.untilStatus(ctx, obj, "all rules", installed); err != nil {
		return nil, err
	}
	if err := errors.Join(k.stage.end(ctx, obj), k.stage.untilGone(ctx, obj), k.stage.unharmed()); err != nil {
		return nil, err
	}
	return pointsOf(k.stage.Sim.Calls()[first:]), nil
}

// try kills the manager at one point, unless the run never comes there. Its error is no finding: the trial couldn't begin.
func (k *killer) try(ctx context.Context, sc scenario, p point) (outcome Outcome, reached bool, err error) {
	if err := k.open(ctx); err != nil {
		return outcome, false, err
	}
	st, lives := k.stage, k.keeper.count()
	var died atomic.Pointer[time.Time]
	remove := at(st.Sim.Faults(), p, func() {
		if err := k.keeper.kill(); err == nil {
			died.Store(new(time.Now()))
		}
	})
	defer remove()
	obj, err := st.begin(ctx, sc)
	if err != nil {
		return outcome, false, err
	}
	outcome = Outcome{Scenario: sc.name, Point: p.String()}
	outcome.Err = st.untilStatus(ctx, obj, "all rules", installed)
	asked, calls := time.Now(), len(st.Sim.Calls())
	outcome.Err = errors.Join(outcome.Err, st.end(ctx, obj), st.untilGone(ctx, obj))
	if ctx.Err() != nil {
		return outcome, false, context.Cause(ctx)
	}
	outcome.Left, outcome.Lost = st.damage()
	if at := died.Load(); at != nil && at.After(asked) {
		asked = *at
	}
	outcome.Took, outcome.Calls = time.Since(asked), len(st.Sim.Calls())-calls
	if !outcome.OK() {
		err = k.close() // the next is to find a Region without damage
	} else if died.Load() != nil {
		err = k.keeper.untilReplaced(ctx, lives)
	}
	return outcome, died.Load() != nil, err
}
