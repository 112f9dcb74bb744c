// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/screen"
	"agentdisconnect.dev/agentdisconnect/hack/stack"
)

const (
	// look is how long to wait between two looks at something that is waited for.
	look = 200 * time.Millisecond
	// explainTimeout bounds what a failure still asks of a control plane that may be what failed.
	explainTimeout = 5 * time.Second
)

// walk is one walk-through: what runs, and what its steps saw.
type walk struct {
	screen *screen.Screen
	scale  float64
	stack  *stack.Stack
	ec2    *ec2.Client
	ecs    *ecs.Client
	trail  *cloudtrail.Client

	// What the runs are about, from the Region's world.
	cluster, subnet, family string
	// reportFile is where the report of the first act's run goes.
	reportFile string
	// The callers of the first act, and what ends what was started beside the stack.
	retries, givesUp *caller
	stops            []func()

	obj      v1alpha1.AgentDisconnect // the object that is looked at, as last read
	finished v1alpha1.AgentDisconnect // that of the first act, as its end left it
	original ec2types.NetworkAcl      // the subnet's, as it was at first
	before   landscape
	ending   ending
	others   bystanders
	times    []timed

	mu   sync.Mutex
	seen string // what the step that is under way saw last
}

// step is something to be seen, within a limit.
type step struct {
	title, expected string
	limit           time.Duration
	see             func(context.Context) (string, error)
}

type timed struct {
	title string
	took  time.Duration
}

// notSeenError says which step did not come about.
type notSeenError struct {
	step   step
	number string
	last   string
	err    error
}

// Error implements error.
func (e *notSeenError) Error() string {
	return fmt.Sprintf("step %s was not observed: %v", e.number, e.err)
}

// Unwrap gives the reason.
func (e *notSeenError) Unwrap() error { return e.err }

// inRegion is how long something takes here that takes so long in AWS.
func (w *walk) inRegion(d time.Duration) time.Duration { return time.Duration(float64(d) / w.scale) }

// walk goes through all acts, up to the first step that isn't seen.
func (w *walk) walk(ctx context.Context) error {
	acts := w.acts()
	all, number := 0, 0
	for _, a := range acts {
		all += len(a.steps)
	}
	for _, a := range acts {
		w.screen.Print(screen.Bold, "\n%s", a.title)
		for _, s := range a.steps {
			number++
			if err := w.take(ctx, s, fmt.Sprintf("%d of %d", number, all)); err != nil {
				return err
			}
		}
	}
	return nil
}

// take goes one step.
func (w *walk) take(ctx context.Context, s step, number string) error {
	w.screen.Print(screen.Bold, "\n[%s] %s", number, s.title)
	w.note("nothing yet")
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	begun := time.Now()
	saw, err := s.see(ctx)
	w.screen.Done()
	took := time.Since(begun)
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("not within %s", s.limit.Round(time.Second))
		}
		return &notSeenError{step: s, number: number, last: w.noted(), err: err}
	}
	w.screen.Result(screen.Good, "✓", saw, took)
	w.times = append(w.times, timed{s.title, took})
	return nil
}

// until looks again and again, until it sees what is expected. What it sees meanwhile is shown, and so is an error: the
// next look may get an answer. It ends early when the manager does.
func (w *walk) until(ctx context.Context, sees func(context.Context) (done bool, seen string, err error)) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	defer w.screen.Done()
	for {
		done, seen, err := sees(ctx)
		if err == nil && done {
			return nil
		}
		if err != nil {
			seen = err.Error()
		}
		if ctx.Err() == nil {
			w.note(seen)
			w.screen.Wait(seen, w.countdown())
		}
		if err := w.stack.ManagerErr(); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// countdown says where the run is in its time, until its end was seen.
func (w *walk) countdown() string {
	expires := w.obj.Status.ExpirationTime
	if expires == nil {
		return ""
	}
	if _, _, gone, _ := w.ending.now(); !gone.IsZero() {
		return ""
	}
	if left := time.Until(expires.Time); left > 0 {
		return fmt.Sprintf("the run ends in %s", left.Round(time.Second))
	}
	return fmt.Sprintf("the run's time ended %s ago", screen.Seconds(time.Since(expires.Time)))
}

func (w *walk) note(seen string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = seen
}

func (w *walk) noted() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen
}

// explain says what was not seen, and where to look.
func (w *walk) explain(err error) {
	w.screen.Done()
	var missed *notSeenError
	if !errors.As(err, &missed) {
		w.screen.Print(screen.Bad, "\n✗ %v", err)
		return
	}
	w.screen.Print(screen.Bad, "\n✗ Step %s was not observed: %s", missed.number, missed.step.title)
	w.screen.Table(nil, []screen.Row{
		{Cells: []string{"expected", missed.step.expected}},
		{Cells: []string{"last seen", missed.last}},
	})
	w.screen.Print(screen.Plain, "  %s", strings.ReplaceAll(missed.err.Error(), "\n", "\n  "))
	if w.stack == nil {
		return
	}
	if w.obj.UID != "" {
		ctx, cancel := context.WithTimeout(context.Background(), explainTimeout)
		defer cancel()
		_ = w.read(ctx) // what was last read is better than nothing
		w.screen.Print(screen.Plain, "\n  Conditions of AgentDisconnect %s/%s:", w.obj.Namespace, w.obj.Name)
		w.showConditions()
	}
	w.screen.Print(screen.Plain, "\n  The manager's log is kept: %s", w.stack.ManagerLog)
}

// summarize ends a walk-through of which every step was seen.
func (w *walk) summarize(took time.Duration) {
	rows := make([]screen.Row, 0, len(w.times))
	for i, t := range w.times {
		rows = append(rows, screen.Row{Cells: []string{fmt.Sprintf("%2d", i+1), fmt.Sprintf("%7s", screen.Seconds(t.took)), t.title}})
	}
	w.screen.Print(screen.Bold, "\nSummary")
	w.screen.Table(nil, rows)
	w.screen.Print(screen.Good, "\nAll steps succeeded: %d of %d, in %s. All processes that the demo started are stopped.", len(w.times), len(w.times), screen.Seconds(took))
}
