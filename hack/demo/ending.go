// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/screen"
)

// ending is the end of the rules as a client sees it that reads the subnet's network ACL all the time, whatever step is
// under way.
type ending struct {
	mu             sync.Mutex
	lastSeen, gone time.Time
	left           int
	err            error
}

// watch reads the subnet's network ACL until it has no rule of the run. It ends with the walk-through's stack.
func (e *ending) watch(ctx context.Context, w *walk) {
	ctx = context.WithoutCancel(ctx) // the step's own context ends with the step
	tick := time.NewTicker(look / 2)
	go func() {
		defer tick.Stop()
		for range tick.C {
			asked := time.Now()
			acl, err := w.networkACL(ctx)
			if e.saw(asked, w.rules(acl), err) {
				return
			}
		}
	}()
}

// saw notes a look at the network ACL, and reports whether there is no more to see.
func (e *ending) saw(at time.Time, left int, err error) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.err = err
	switch {
	case err != nil:
		return errors.Is(err, context.Canceled)
	case left > 0:
		e.left, e.lastSeen = left, at
		return false
	}
	e.left, e.gone = 0, time.Now()
	return true
}

func (e *ending) now() (left int, lastSeen, gone time.Time, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.left, e.lastSeen, e.gone, e.err
}

// punctual is how late an end may be. The manager acts at once; the rest is for a machine that has other things to do.
const punctual = 5 * time.Second

// expire waits for the expiration time, and for the rules to be gone.
func (w *walk) expire(ctx context.Context) (string, error) {
	if w.obj.Status.ExpirationTime == nil {
		return "", errors.New("the status has no expirationTime")
	}
	expires := w.obj.Status.ExpirationTime.Time
	var lastSeen, gone time.Time
	err := w.until(ctx, func(context.Context) (bool, string, error) {
		var left int
		var err error
		left, lastSeen, gone, err = w.ending.now()
		return !gone.IsZero(), fmt.Sprintf("%d rules are in place", left), err
	})
	if err != nil {
		return "", err
	}
	w.screen.Table(nil, []screen.Row{
		{Cells: []string{"status.expirationTime", clock(expires)}},
		{Cells: []string{"subnet last seen on the clone", clock(lastSeen)}},
		{Cells: []string{"subnet on its own network ACL", clock(gone)}},
	})
	switch late := gone.Sub(expires); {
	case late < 0:
		return "", fmt.Errorf("the rules were removed %s before the expiration time", screen.Seconds(-late))
	case late > punctual:
		return "", fmt.Errorf("the rules were removed %s after the expiration time", screen.Seconds(late))
	default:
		return fmt.Sprintf("the subnet left the clone %s after the expiration time", screen.Seconds(late)), nil
	}
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05.0") + " UTC" }
